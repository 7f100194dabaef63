"""Whatever several accounts do on a market that moves: what must hold of their orders.

The seed is hypothesis's, the flow is drawn from it: a list of hypothesis's own making seldom
holds two orders that meet.
"""

import random
from collections.abc import Iterable
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from rusy_tui.domain.order import OrderKind, OrderState, Side, TimeInForce
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.amending import AmendRequest
from rusy_tui.simulator.core import AccountSpec, SimulatedExchange
from rusy_tui.simulator.feeds import Step
from rusy_tui.simulator.happenings import AccountHappening, MarketHappening, OrderMoved
from rusy_tui.simulator.liquidity import Level
from rusy_tui.simulator.orders import AlgoRequest, Order, OrderRequest, Trade
from rusy_tui.simulator.refusals import Refusal
from tests.simulator.support import SYMBOL, D, HandClock, ScriptedFeed, traded

ACCOUNTS = 3
MIDDLE = D("50000.0")
TICK = D("0.1")


class Place(msgspec.Struct, frozen=True):
    account: int
    side: Side
    quantity: Decimal
    price: Decimal | None
    time_in_force: TimeInForce
    reduce_only: bool


class Stop(msgspec.Struct, frozen=True):
    account: int
    side: Side
    kind: OrderKind
    trigger: Decimal
    quantity: Decimal
    reduce_only: bool


class Amend(msgspec.Struct, frozen=True):
    account: int
    which: int
    price: Decimal
    quantity: Decimal


class Cancel(msgspec.Struct, frozen=True):
    account: int
    which: int


class Trades(msgspec.Struct, frozen=True):
    price: Decimal
    quantity: Decimal
    after_ms: int


Command = Place | Stop | Amend | Cancel | Trades

_STOPS = (
    OrderKind.STOP,
    OrderKind.STOP_MARKET,
    OrderKind.TAKE_PROFIT_MARKET,
    OrderKind.TRAILING_STOP_MARKET,
)


def commands(seed: int, count: int) -> list[Command]:
    """A flow of commands: few prices near each other and small sizes, so that orders meet."""
    draw = random.Random(seed)

    def price() -> Decimal:
        return MIDDLE + TICK * draw.randint(-9, 9)

    def quantity() -> Decimal:
        return D(draw.choice(("0.003", "0.004", "0.007", "0.012", "0.030")))

    def command() -> Command:
        account, side = draw.randrange(ACCOUNTS), draw.choice(list(Side))
        match draw.choices(range(6), (8, 2, 2, 2, 1, 4))[0]:
            case 0:
                lives = draw.choices(list(TimeInForce), (6, 1, 1, 3))[0]
                return Place(account, side, quantity(), price(), lives, draw.random() < 0.3)
            case 1:
                lives, reduces = TimeInForce.GTC, draw.random() < 0.4
                return Place(account, side, quantity(), None, lives, reduces)
            case 2:
                kind = draw.choice(_STOPS)
                return Stop(account, side, kind, price(), quantity(), draw.random() < 0.6)
            case 3:
                return Amend(account, draw.randrange(6), price(), quantity())
            case 4:
                return Cancel(account, draw.randrange(6))
            case _:
                return Trades(price(), quantity(), draw.choice((1, 1000, 60_000)))

    return [command() for _ in range(count)]


class ThinLiquidity:
    """A few small levels three ticks around the last price, so that accounts meet.

    What stands at a price shrinks with time: whoever comes later sees less ahead.
    """

    recorded = False

    def best(self, time_ms: int, last: Decimal) -> tuple[Decimal, Decimal]:
        del time_ms
        return last - 3 * TICK, last + 3 * TICK

    def quantity_at(self, price: Decimal, time_ms: int) -> Decimal:
        del price
        return D("0.001") * (1 + 7_919 * time_ms // 1000 % 9)

    def ladder(self, best: Decimal, direction: int, time_ms: int) -> Iterable[Level]:
        prices = (best + TICK * direction * n for n in range(8))
        return [Level(price, self.quantity_at(price, time_ms)) for price in prices]


class Flow:
    """An exchange under a flow of commands, and what it told of each fill."""

    def __init__(self) -> None:
        self.clock = HandClock()
        specs = [
            AccountSpec(api_key=f"key {n}", api_secret="", balance=D("200000"))
            for n in range(ACCOUNTS)
        ]
        self.exchange = SimulatedExchange(ScriptedFeed(), self.clock, specs, 1)
        self.exchange.markets[SYMBOL].book.liquidity = ThinLiquidity()
        self.accounts = self.exchange.books.accounts
        self.held = [D(0)] * ACCOUNTS
        self.exchange.listen(self)

    def market_moved(self, happening: MarketHappening) -> None:
        pass

    def account_moved(self, account: Account, happening: AccountHappening) -> None:
        if isinstance(happening, OrderMoved) and happening.trade is not None:
            before = self.held[account.number]
            order, trade = happening.order, happening.trade
            self.check_fill(order, trade, before)
            self.held[account.number] = before + order.side.sign * trade.quantity

    def check_fill(self, order: Order, trade: Trade, before: Decimal) -> None:
        assert trade.quantity > 0
        assert order.filled <= order.quantity
        if order.kind is OrderKind.LIMIT and "autoclose" not in order.client_id:
            assert (trade.price - order.price) * order.side.sign <= 0, "beyond its price"
        if order.reduce_only:
            after = before + order.side.sign * trade.quantity
            assert before * order.side.sign < 0, "nothing to reduce"
            assert after * order.side.sign <= 0, "turned the position"
        if trade.is_maker:
            self.check_priority(order, trade)

    def check_priority(self, order: Order, trade: Trade) -> None:
        """Nobody who stood before it at its price, or at a better one, was passed over."""
        for other in self.exchange.books.open_orders.values():
            if other is order or other.side is not order.side or not other.is_open:
                continue
            if other.symbol != order.symbol or other not in self.before:
                continue
            better = (other.price - order.price) * order.side.sign > 0
            earlier = other.price == order.price and other.rank < order.rank
            assert not (better or earlier) or self.may_be_passed(other), (other, order, trade)

    def may_be_passed(self, order: Order) -> bool:
        """An order of the taker's own account, or one with nothing left to reduce."""
        account = self.accounts[order.account]
        closable = account.closing(SYMBOL, order.side, order.remaining)
        return order.account == self.taker or (order.reduce_only and not closable)

    def carry_out(self, command: Command) -> None:
        self.before = self.exchange.markets[SYMBOL].book.resting()
        self.taker = getattr(command, "account", -1)
        try:
            self._carry_out(command)
        except Refusal:
            return

    def _carry_out(self, command: Command) -> None:
        exchange = self.exchange
        match command:
            case Place(account, side, quantity, price, time_in_force, reduce_only):
                kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
                exchange.place(
                    self.accounts[account],
                    OrderRequest(
                        symbol=SYMBOL,
                        side=side,
                        kind=kind,
                        quantity=quantity,
                        price=price,
                        time_in_force=time_in_force if price else TimeInForce.GTC,
                        reduce_only=reduce_only,
                    ),
                )
            case Stop(account, side, kind, trigger, quantity, reduce_only):
                trails = kind is OrderKind.TRAILING_STOP_MARKET
                exchange.place_algo(
                    self.accounts[account],
                    AlgoRequest(
                        symbol=SYMBOL,
                        side=side,
                        kind=kind,
                        trigger_price=D(0) if trails else trigger,
                        quantity=quantity,
                        reduce_only=reduce_only,
                        price=trigger if kind is OrderKind.STOP else None,
                        callback_percent=D("0.1") if trails else D(0),
                    ),
                )
            case Amend(account, which, price, quantity):
                order = self._open(account, which)
                if order is not None:
                    exchange.amend(
                        self.accounts[account],
                        AmendRequest(
                            symbol=SYMBOL,
                            order_id=order.order_id,
                            client_id="",
                            side=order.side,
                            quantity=quantity,
                            price=price,
                        ),
                    )
            case Cancel(account, which):
                order = self._open(account, which)
                if order is not None:
                    now_ms = self.clock.now_ms
                    exchange.trading.cancel(
                        self.accounts[account], SYMBOL, order.order_id, "", now_ms
                    )
            case Trades(price, quantity, after_ms):
                self.clock.now_ms += after_ms
                prints = (traded(str(price), str(quantity)),)
                exchange.apply(Step(self.clock.now_ms, prints))

    def _open(self, account: int, which: int) -> Order | None:
        orders = self.exchange.books.open_orders_of(self.accounts[account])
        return orders[which % len(orders)] if orders else None

    def check(self) -> None:
        """What holds after every command."""
        books, book = self.exchange.books, self.exchange.markets[SYMBOL].book
        resting = {order.order_id for order in book.resting()}
        assert resting == set(books.open_orders)
        for order in books.orders.values():
            assert order.is_open == (order.order_id in books.open_orders)
            assert D(0) <= order.filled <= order.quantity
            assert (order.filled == order.quantity) == (order.state is OrderState.FILLED)
        for account, held in zip(self.accounts, self.held, strict=True):
            assert account.position(SYMBOL).quantity == held
            assert account.wallet == sum(entry.amount for entry in account.ledger)
            for order in books.open_orders_of(account):
                assert not order.reduce_only or held * order.side.sign < 0
        best = book.best()
        assert best.bid < best.ask


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_holds_under_any_flow_of_orders(seed: int) -> None:
    flow = Flow()
    for command in commands(seed, 80):
        flow.carry_out(command)
        flow.check()
