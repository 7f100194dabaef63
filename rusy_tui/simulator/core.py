"""The simulated exchange without any wire: markets, books, accounts, and what it tells.

It can be used by itself: apply the steps of a feed, place orders, listen. The server wraps
this same object.
"""

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.money import ZERO
from rusy_tui.simulator.account import Account, KeyRights
from rusy_tui.simulator.account_settings import AccountSettings
from rusy_tui.simulator.acts import Acts
from rusy_tui.simulator.amending import Amending, AmendRequest
from rusy_tui.simulator.brackets import Brackets
from rusy_tui.simulator.conditional import Conditionals
from rusy_tui.simulator.deadlines import Deadlines
from rusy_tui.simulator.feeds import Feed, Print, Step
from rusy_tui.simulator.gate import Gate
from rusy_tui.simulator.happenings import (
    AccountHappening,
    BookMoved,
    CandleMoved,
    ContractMoved,
    Liquidated,
    Listener,
    MarketHappening,
    MarkMoved,
    OrderMoved,
    Passed,
    Printed,
    Stepped,
    TopMoved,
)
from rusy_tui.simulator.margin import available
from rusy_tui.simulator.market import INTERVALS, TRADING, UPDATE_STEP, SymbolMarket
from rusy_tui.simulator.mirrored import Mirrored
from rusy_tui.simulator.orders import AlgoOrder, AlgoRequest, Order, OrderRequest
from rusy_tui.simulator.randomness import generator
from rusy_tui.simulator.rate_limits import RateLimits
from rusy_tui.simulator.settlement import Settlement
from rusy_tui.simulator.state import Books
from rusy_tui.simulator.switches import Switches
from rusy_tui.simulator.trading import Trading
from rusy_tui.simulator.upkeep import LIQUIDATION, Upkeep

_HOUR_FIRST_ODDS = 5
"""One hour in so many, the hour's closing event goes out before the quarter's."""


class AccountSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An account to open: its keys, and what it starts with (USDT).

    ``public_key``, ``rights``, ``fee_tier`` and ``starts_isolated`` as in :class:`Account`.
    """

    api_key: str
    api_secret: str
    balance: Decimal
    public_key: str = ""
    rights: KeyRights = KeyRights()
    fee_tier: int = 0
    starts_isolated: bool = False


class SimulatedExchange:
    """Markets played from a feed, and accounts that trade on them.

    Args:
        feed: the market.
        clock: what time it is; steps must be applied in its order.
        accounts: accounts to open, or the books of a former run to go on with.
        seed: of all that is random here (liquidity, order of events, names).
        switches: what the exchange's documents leave open.
    """

    def __init__(
        self,
        feed: Feed,
        clock: Clock,
        accounts: Iterable[AccountSpec] | Books,
        seed: int,
        switches: Switches | None = None,
    ) -> None:
        self.feed = feed
        self.seed = seed
        self.clock = clock
        self.rate_limits = RateLimits()
        """What is announced and held; changed, it holds from the next request on."""
        self.played_ms = feed.start_ms
        """The moment up to which everything has traded, market time."""
        self.gate = Gate()
        """Closed while the market is behind its clock; who acts at the clock's time waits."""
        self.finished = asyncio.Event()
        """Set when the feed has ended: the market stands still, orders still trade."""
        self.markets = {
            symbol: SymbolMarket(feed, feed.instruments[symbol], seed)
            for symbol in sorted(feed.instruments)
        }
        self.books = accounts if isinstance(accounts, Books) else Books(accounts=[])
        self._settlement = Settlement(self.books, self.markets, self._tell_account, seed)
        self.trading = Trading(self.books, self.markets, self._settlement, seed)
        self.switches = switches or Switches()
        self.conditionals = Conditionals(
            self.books, self.markets, self._settlement, self.trading, self.switches
        )
        self.amending = Amending(self.books, self.markets, self._settlement, self.trading)
        self.deadlines = Deadlines(
            self.books,
            clock,
            self._settlement,
            self.trading,
            self.conditionals,
            self.switches,
            self.gate,
        )
        self.acts = Acts(
            self.books, self.markets, self._settlement, self.trading, self.conditionals
        )
        self.settings = AccountSettings(self.books, self.markets, self._settlement)
        self._upkeep = Upkeep(feed, self.books, self.markets, self._settlement)
        self.mirrored = Mirrored(
            self.markets,
            self.conditionals,
            self._upkeep,
            tell=self._tell,
            tell_top=self.tell_top,
            tell_mark=self._tell_mark,
        )
        self._listeners: list[Listener] = []
        self._touched: dict[str, None] = {}
        self._coin = generator(seed, "order of closing candles")
        if isinstance(accounts, Books):
            for order in accounts.open_orders.values():
                self.markets[order.symbol].book.restore(order)
        else:
            for spec in accounts:
                self.open_account(spec)

    # ── listening ─────────────────────────────────────────────────────────────────────

    def listen(self, listener: Listener) -> None:
        """Tell somebody everything that happens from now on."""
        self._listeners.append(listener)

    def _tell(self, happening: MarketHappening) -> None:
        for listener in self._listeners:
            listener.market_moved(happening)

    def _tell_account(self, account: Account, happening: AccountHappening) -> None:
        if isinstance(happening, OrderMoved):
            order = happening.order
            self._touched[order.symbol] = None
            if happening.trade is not None and order.client_id.startswith(LIQUIDATION):
                self._tell(Liquidated(order, happening.trade, happening.time_ms))
        for listener in self._listeners:
            listener.account_moved(account, happening)

    # ── the market ────────────────────────────────────────────────────────────────────

    def apply(self, step: Step) -> None:
        """Let everything of a step trade; fills, triggers and liquidations follow."""
        now_ms = self.played_ms = step.time_ms
        self.deadlines.end_due(now_ms)
        moved: list[SymbolMarket] = []
        for traded in step.prints:
            market = self.markets[traded.symbol]
            self._trade(market, market.scaled(traded, now_ms), now_ms)
            if market not in moved:
                moved.append(market)
        for levels in step.levels:
            self.markets[levels.symbol].move_levels(levels, now_ms)
        # A recorded market has hundreds of messages a second in which nothing trades.
        if step.prints or not step.relayed:
            self._age_marks(now_ms)
        for market in moved:
            for interval in () if market.mirrored else INTERVALS:
                bar = market.series[interval].forming
                if bar is not None:
                    self._tell(CandleMoved(market.symbol, interval, bar, False, now_ms))
            self.tell_top(market, now_ms)
        self.tell_books(now_ms)
        for message in step.relayed:
            self._tell(Passed(message))
        self._tell(Stepped(now_ms))

    def _age_marks(self, now_ms: int) -> None:
        for market in self.markets.values():
            if market.age_mark(now_ms):
                self.conditionals.check_mark(market, now_ms)
                self._upkeep.watch(market, now_ms)
                self._tell_mark(market, now_ms)

    def _trade(self, market: SymbolMarket, traded: Print, now_ms: int) -> None:
        aggregates = market.grow(traded, now_ms)
        market.recent.append((now_ms, self.clock.wall_ms(), traded.price))
        self.trading.printed(market, traded.price, traded.quantity, now_ms)
        for aggregate in aggregates:
            self._tell(Printed(aggregate))
        self.conditionals.check_last(market, now_ms)

    def tell_top(self, market: SymbolMarket, now_ms: int) -> None:
        """Tell the book of a symbol and its best prices, whether they moved or not."""
        self._touched.pop(market.symbol, None)
        market.told_best = market.book.best()
        self._tell_book(market, now_ms)
        self._tell(TopMoved(market.symbol, market.told_best, market.update_id, now_ms))

    def touch(self, symbol: str) -> None:
        """A symbol's book changed in a way that only :meth:`tell_books` will tell."""
        self._touched[symbol] = None

    def tell_books(self, now_ms: int | None = None) -> None:
        """Tell every book that an order changed since it was last told, as of a moment.

        Whoever answers with a snapshot calls it first: what is in a snapshot has an update
        number that was told.
        """
        if not self._touched:
            return
        if now_ms is None:
            now_ms = self.clock.market_ms()
        while self._touched:
            market = self.markets[self._touched.popitem()[0]]
            if market.last is None:
                continue
            if market.book.best() != market.told_best:
                self.tell_top(market, now_ms)
            else:
                self._tell_book(market, now_ms)

    def _tell_book(self, market: SymbolMarket, now_ms: int) -> None:
        # A recorded book has its own numbers, and its moves are told by its messages.
        if not market.book.liquidity.recorded:
            market.update_id += UPDATE_STEP
            self._tell(BookMoved(market.symbol, market.update_id, now_ms))

    def _tell_mark(self, market: SymbolMarket, now_ms: int) -> None:
        self._tell(self.mark_of(market.symbol, now_ms))

    def mark_of(self, symbol: str, now_ms: int) -> MarkMoved:
        """Mark and index price of a symbol, and the funding that comes next."""
        market = self.markets[symbol]
        return MarkMoved(
            symbol,
            market.mark,
            market.premium,
            market.funding_rate(now_ms),
            market.next_funding_ms(now_ms),
            now_ms,
        )

    def close_bars(self, boundary_ms: int) -> None:
        """End the bars that close at a boundary, and pay funding where it is due.

        Every symbol's 1m bar first; the quarter before the hour, now and then the other way
        round, for nobody may rely on an order between streams.
        """
        self.played_ms = boundary_ms
        intervals = [i for i in INTERVALS if boundary_ms % i.ms == 0]
        if Interval.H1 in intervals and self._coin.randrange(_HOUR_FIRST_ODDS) == 0:
            intervals = [Interval.M1, Interval.H1, Interval.M15]
        for market in self.markets.values():
            # The bars of a mirrored market end when the source says so.
            for interval in () if market.mirrored else intervals:
                ended = market.series[interval].close_bar()
                if ended is not None:
                    moved = CandleMoved(market.symbol, interval, ended, True, boundary_ms)
                    self._tell(moved)
        end_ms = self.feed.end_ms
        paying = [
            market for market in self.markets.values() if market.is_funding_time(boundary_ms)
        ]
        if paying and (end_ms is None or boundary_ms < end_ms):
            for market in paying:
                market.age_mark(boundary_ms)
            self._upkeep.pay_funding(boundary_ms, [market.symbol for market in paying])

    def recall(self, step: Step) -> None:
        """Take in what a former run has traded already: candles and prices, no orders."""
        self.played_ms = step.time_ms
        for played in step.prints:
            market = self.markets[played.symbol]
            traded = market.scaled(played, step.time_ms)
            market.grow(traded, step.time_ms)
            market.book.last, market.book.time_ms = traded.price, step.time_ms
        for levels in step.levels:
            self.markets[levels.symbol].move_levels(levels, step.time_ms)
        for market in self.markets.values():
            market.age_mark(step.time_ms)

    def recall_bars(self, boundary_ms: int) -> None:
        """End the bars that a former run has ended already."""
        self.played_ms = boundary_ms
        for market in self.markets.values():
            for interval in INTERVALS:
                if boundary_ms % interval.ms == 0:
                    market.series[interval].close_bar()

    # ── acts: what a test or the control endpoint does to the market ──────────────────

    def move_price(self, symbol: str, factor: Decimal) -> None:
        """Let all that trades from now on trade at another price, and once at once.

        The jump is told as a trade of the least quantity: what lies between is gapped over.

        Args:
            symbol: whose price moves.
            factor: on the price it would have, above zero; factors multiply up.
        """
        market = self.markets[symbol]
        now_ms = self.clock.market_ms()
        last = market.last
        market.move(factor, now_ms)
        if last is not None:
            price = market.on_tick(last * factor)
            quantity = market.instrument.min_quantity
            self._trade(market, Print(symbol, price, quantity, ZERO, 1), now_ms)
            self.tell_top(market, now_ms)

    def change_instrument(
        self,
        symbol: str,
        *,
        status: str | None = None,
        brackets: Brackets | None = None,
        funding_interval_h: int | None = None,
        **fields: Any,
    ) -> None:
        """Change a contract, at once in every check and answer, and tell it.

        Args:
            symbol: whose contract changes.
            status: in the exchange's words: TRADING, PRE_SETTLE, SETTLING, CLOSE, ….
            brackets: the new leverage table, lowest first.
            funding_interval_h: hours between two fundings; 24 is a multiple of it.
            fields: of :class:`~rusy_tui.domain.instrument.Instrument`.
        """
        market = self.markets[symbol]
        now_ms = self.clock.market_ms()
        status = market.status if status is None else status
        instrument = msgspec.structs.replace(
            market.instrument, **fields | {"trading": status == TRADING}
        )
        market.change(instrument, status)
        if brackets is not None:
            market.brackets = brackets
        if funding_interval_h is not None:
            market.set_funding_interval(funding_interval_h, now_ms)
            self._tell_mark(market, now_ms)
        self._tell(ContractMoved(symbol, brackets is not None, now_ms))
        if market.last is not None:
            self.tell_top(market, now_ms)

    # ── accounts ──────────────────────────────────────────────────────────────────────

    def account_of(self, api_key: str) -> Account | None:
        """The account of an API key."""
        return next((a for a in self.books.accounts if a.api_key == api_key), None)

    def open_account(self, spec: AccountSpec) -> Account:
        """Open an account; its balance is its first income."""
        account = Account(
            number=len(self.books.accounts),
            api_key=spec.api_key,
            api_secret=spec.api_secret,
            public_key=spec.public_key,
            rights=spec.rights,
            opened_ms=self.played_ms,
            fee_tier=spec.fee_tier,
            starts_isolated=spec.starts_isolated or self.switches.accounts_start_isolated,
        )
        self.books.accounts.append(account)
        if spec.balance:
            self._settlement.book(account, "TRANSFER", "", spec.balance, self.played_ms)
        return account

    def marks(self) -> dict[str, Decimal]:
        """Every symbol's mark price."""
        return {symbol: market.mark for symbol, market in self.markets.items()}

    def available(self, account: Account) -> Decimal:
        """What of an account's money is free for new orders, USDT."""
        return available(account, self.books.open_orders_of(account), self.markets)

    def place(self, account: Account, request: OrderRequest) -> Order:
        """Place a plain order now; raises Refusal."""
        order = self.trading.place(account, request, self.clock.market_ms())
        self.tell_top(self.markets[request.symbol], self.clock.market_ms())
        if order.good_till_ms:
            self.deadlines.noticed()
        return order

    def amend(self, account: Account, request: AmendRequest) -> Order:
        """Change a resting order now; raises Refusal."""
        order = self.amending.amend(account, request, self.clock.market_ms())
        self.tell_top(self.markets[request.symbol], self.clock.market_ms())
        return order

    def place_algo(self, account: Account, request: AlgoRequest) -> AlgoOrder:
        """Place a conditional order now; raises Refusal."""
        return self.conditionals.place(account, request, self.clock.market_ms())

    # ── acts of the exchange, on purpose ──────────────────────────────────────────────

    def hold_triggers(self, symbol: str, held: bool) -> None:
        """Keep triggered conditional orders in TRIGGERING; released, they go on."""
        self.acts.hold_triggers(symbol, held, self.clock.market_ms())

    def expire_algo(self, algo_id: int) -> None:
        """End a conditional order that waits for its trigger; LookupError without one."""
        self.acts.expire_algo(algo_id, self.clock.market_ms())

    def bar_openings(self, symbol: str, code: int | None) -> None:
        """Refuse what opens with a number; reduce-only and closePosition pass."""
        self.acts.bar_openings(symbol, code)

    def limit_fills(self, symbol: str, share: Decimal | None) -> None:
        """Cut the next fill of a resting order to a share of it; no other fills after it."""
        self.acts.limit_fills(symbol, share)

    def thin_book(self, symbol: str, thin: bool) -> None:
        """Let market orders find no counterpart near enough (−4131)."""
        self.acts.thin_book(symbol, thin)

    # ── settings ──────────────────────────────────────────────────────────────────────

    def set_leverage(self, account: Account, symbol: str, leverage: int) -> None:
        """Set a symbol's leverage now; raises Refusal."""
        self.settings.set_leverage(account, symbol, leverage, self.clock.market_ms())

    def set_margin_type(self, account: Account, symbol: str, *, isolated: bool) -> None:
        """Set a symbol's margin type now; raises Refusal."""
        now_ms = self.clock.market_ms()
        self.settings.set_margin_type(account, symbol, isolated=isolated, now_ms=now_ms)

    # ── what the exchange does by itself ──────────────────────────────────────────────

    def liquidate(self, account: Account, symbol: str) -> None:
        """Close a position by force now, whatever its margin; LookupError without one."""
        self._upkeep.liquidate(account, self.markets[symbol], self.clock.market_ms())

    def deleverage(self, account: Account, symbol: str, quantity: Decimal) -> None:
        """Close a part of a position by ADL now.

        Raises:
            LookupError: without a position.
            ValueError: for more than is open.
        """
        market = self.markets[symbol]
        self._upkeep.deleverage(account, market, quantity, self.clock.market_ms())

    def settle(self, symbol: str) -> None:
        """Delist a symbol now: every account's orders and positions in it end."""
        self._upkeep.settle(self.markets[symbol], self.clock.market_ms())
        self.change_instrument(symbol, status="CLOSE")

    def pay_funding(self) -> None:
        """Let everybody pay and receive funding now."""
        self._upkeep.pay_funding(self.clock.market_ms(), self.markets)

    def transfer(self, account: Account, amount: Decimal) -> None:
        """Put money (USDT) into an account, or take some out; raises Refusal."""
        self.settings.transfer(account, amount, self.clock.market_ms())
