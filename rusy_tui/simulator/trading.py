"""Plain orders: placing, cancelling, finding, and what the market's trades fill of them."""

from collections.abc import Mapping
from decimal import Decimal

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, OrderState, TimeInForce
from rusy_tui.simulator.account import TAKER_RATE, Account
from rusy_tui.simulator.brackets import largest_notional
from rusy_tui.simulator.checks import MAX_OPEN_ORDERS, check_order
from rusy_tui.simulator.margin import available, orders_margin
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.matching import Match
from rusy_tui.simulator.orders import Order, OrderRequest
from rusy_tui.simulator.randomness import generator
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.settlement import Settlement
from rusy_tui.simulator.state import Books

_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Trading:
    """Everything an account can do with plain orders."""

    def __init__(
        self,
        books: Books,
        markets: Mapping[str, SymbolMarket],
        settlement: Settlement,
        seed: int,
    ) -> None:
        self._books = books
        self._markets = markets
        self._settlement = settlement
        self._names = generator(seed, "client ids")

    # ── commands ──────────────────────────────────────────────────────────────────────

    def place(self, account: Account, request: OrderRequest, now_ms: int) -> Order:
        """Take an order, trade what trades at once, rest or expire what is left.

        Raises:
            Refusal: when the exchange turns it down; nothing has changed then.
        """
        market = self.market(request.symbol)
        check_order(request, market)
        self._check_client_id(account, request.client_id)
        if market.last is None:
            raise refusal(-2020)
        if len(self._books.open_orders_of(account, request.symbol)) >= MAX_OPEN_ORDERS:
            raise refusal(-2025)
        taking = self._reducible(account, request)
        matches = self._matches(account, market, request, taking)
        if not request.reduce_only:
            self._check_margin(account, market, request, matches)
        order = self._new_order(account, request, now_ms)
        self._settlement.accept(order, now_ms)
        self._take(order, market, matches, now_ms)
        if order.is_open:
            self._rest_or_expire(order, market, now_ms)
        self._settlement.expire_reducers(account, order.symbol, now_ms)
        return order

    def execute(self, account: Account, order: Order, now_ms: int) -> None:
        """Run a market order that the exchange itself made of a triggered one."""
        market = self._markets[order.symbol]
        self._settlement.accept(order, now_ms)
        matches = market.book.walk(order.side, order.quantity, None, account.number)
        self._take(order, market, matches, now_ms)
        if order.is_open:
            self._settlement.end(order, OrderState.EXPIRED, "EXPIRED", now_ms)
        self._settlement.expire_reducers(account, order.symbol, now_ms)

    def cancel(
        self, account: Account, symbol: str, order_id: int | None, client_id: str, now_ms: int
    ) -> Order:
        """Cancel one order; −2011 when it is not open."""
        self.market(symbol)
        for order in self._books.open_orders_of(account, symbol):
            if order.is_named(order_id, client_id):
                self._settlement.end(order, OrderState.CANCELED, "CANCELED", now_ms)
                return order
        raise refusal(-2011)

    def cancel_all(self, account: Account, symbol: str, now_ms: int) -> None:
        """Cancel all open orders of a symbol."""
        self.market(symbol)
        for order in self._books.open_orders_of(account, symbol):
            self._settlement.end(order, OrderState.CANCELED, "CANCELED", now_ms)

    def find(
        self, account: Account, symbol: str, order_id: int | None, client_id: str
    ) -> Order:
        """The order of a number or of a client's id, its newest; −2013 where there is none."""
        self.market(symbol)
        for order in reversed(self._books.orders_of(account, symbol)):
            if order.is_named(order_id, client_id):
                return order
        raise refusal(-2013)

    def market(self, symbol: str) -> SymbolMarket:
        """A symbol's market; −1121 where there is none."""
        if symbol not in self._markets:
            raise refusal(-1121)
        return self._markets[symbol]

    def new_name(self) -> str:
        """A client id for an order that came without one."""
        return "".join(self._names.choices(_ID_LETTERS, k=22))

    # ── the market moves ──────────────────────────────────────────────────────────────

    def printed(
        self, market: SymbolMarket, price: Decimal, quantity: Decimal, now_ms: int
    ) -> None:
        """Fill what a trade of the market fills of the resting orders."""
        for order, met in market.book.printed(now_ms, price, quantity):
            if order.is_open:  # an earlier fill of this very trade may have ended it
                self._make(order, order.price, met, now_ms)

    def _make(self, order: Order, price: Decimal, met: Decimal, now_ms: int) -> None:
        """Fill a resting order; a reduce-only one by what is left to reduce."""
        account = self._books.accounts[order.account]
        quantity = met
        if order.reduce_only:
            quantity = account.closing(order.symbol, order.side, met)
        if quantity > ZERO:
            self._settlement.trade(order, price, quantity, now_ms, is_maker=True)
        self._settlement.expire_reducers(account, order.symbol, now_ms)

    # ── steps of placing ──────────────────────────────────────────────────────────────

    def _check_client_id(self, account: Account, client_id: str) -> None:
        # Only among open orders: afterwards the exchange takes the same id again.
        if client_id and any(
            order.client_id == client_id for order in self._books.open_orders_of(account)
        ):
            raise refusal(-4116)

    def _reducible(self, account: Account, request: OrderRequest) -> Decimal:
        """How much of the order may trade; −2022 when it would reduce nothing."""
        if not request.reduce_only:
            return request.quantity
        closing = account.closing(request.symbol, request.side, request.quantity)
        if closing <= ZERO:
            raise refusal(-2022)
        return closing

    def _matches(
        self, account: Account, market: SymbolMarket, request: OrderRequest, taking: Decimal
    ) -> list[Match]:
        side, price = request.side, request.price
        if request.time_in_force is TimeInForce.POST_ONLY and price is not None:
            if market.book.would_take(side, price):
                raise refusal(-5022)
            return []
        matches = market.book.walk(side, taking, price, account.number)
        met = sum((match.quantity for match in matches), ZERO)
        if request.time_in_force is TimeInForce.FOK and met < request.quantity:
            raise refusal(-5021)
        if request.kind is OrderKind.MARKET and not met:
            raise refusal(-2020)
        return matches

    def _check_margin(
        self,
        account: Account,
        market: SymbolMarket,
        request: OrderRequest,
        matches: list[Match],
    ) -> None:
        """−2019 without the money for it, −2027 above what the leverage allows."""
        symbol, mark = request.symbol, market.mark
        marks = {name: each.mark for name, each in self._markets.items()}
        open_orders = self._books.open_orders_of(account)
        ours = [order for order in open_orders if order.symbol == symbol]
        worst = request.price
        if worst is None:
            worst = max(match.price for match in matches)
        trial = self._new_order(account, request, 0, price=worst, trial=True)
        needed = orders_margin(account, symbol, [*ours, trial], mark)
        needed -= orders_margin(account, symbol, ours, mark)
        met = sum((match.quantity for match in matches), ZERO)
        needed += met * worst * TAKER_RATE
        closing = account.closing(symbol, request.side, request.quantity)
        # What only closes is never refused for want of margin: its commission comes out of
        # the margin it sets free.
        if closing < request.quantity and needed > available(account, open_orders, marks):
            raise refusal(-2019)
        held = account.position(symbol).quantity + request.side.sign * request.quantity
        leverage = account.setting(symbol).leverage
        if closing < request.quantity and abs(held) * mark > largest_notional(leverage):
            raise refusal(-2027)

    def _new_order(
        self,
        account: Account,
        request: OrderRequest,
        now_ms: int,
        *,
        price: Decimal | None = None,
        trial: bool = False,
    ) -> Order:
        client_id = request.client_id
        return Order(
            order_id=0 if trial else self._books.next_order_id(),
            client_id=client_id or ("" if trial else self.new_name()),
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            time_in_force=request.time_in_force,
            quantity=request.quantity,
            price=price or request.price or ZERO,
            reduce_only=request.reduce_only,
            created_ms=now_ms,
            updated_ms=now_ms,
            account=account.number,
        )

    def _take(
        self, order: Order, market: SymbolMarket, matches: list[Match], now_ms: int
    ) -> None:
        market.book.consume(matches)
        for match in matches:
            maker = match.maker
            if maker is not None and maker.account == order.account:
                maker.self_matched = True
                self._settlement.end(maker, OrderState.EXPIRED, "EXPIRED", now_ms)
                continue
            self._settlement.trade(order, match.price, match.quantity, now_ms, is_maker=False)
            if maker is not None:
                self._make(maker, match.price, match.quantity, now_ms)

    def _rest_or_expire(self, order: Order, market: SymbolMarket, now_ms: int) -> None:
        rests = order.kind is OrderKind.LIMIT and order.time_in_force in (
            TimeInForce.GTC,
            TimeInForce.POST_ONLY,
        )
        if rests:
            market.book.rest(order)
        else:
            self._settlement.end(order, OrderState.EXPIRED, "EXPIRED", now_ms)
