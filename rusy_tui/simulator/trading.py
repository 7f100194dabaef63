"""Plain orders: placing, cancelling, finding, and what the market's trades fill of them."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, OrderState, TimeInForce
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.brackets import largest_notional
from rusy_tui.simulator.checks import MAX_OPEN_ORDERS, check_life, check_mode, check_order
from rusy_tui.simulator.digits import price_digits, quantity_digits
from rusy_tui.simulator.margin import available, orders_margin
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.matching import Match
from rusy_tui.simulator.orders import AlgoRequest, Expiry, Order, OrderRequest
from rusy_tui.simulator.randomness import generator
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.settlement import Settlement
from rusy_tui.simulator.state import Books

_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Admitted(msgspec.Struct, frozen=True):
    """An order that passed every check, and what it meets at once."""

    order: Order
    matches: list[Match]


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
        # With the numbers given out so far: names of a former run never come again.
        counters = books.counters
        self._names = generator(seed, "client ids", counters.order, counters.algo)

    # ── commands ──────────────────────────────────────────────────────────────────────

    def place(self, account: Account, request: OrderRequest, now_ms: int) -> Order:
        """Take an order, trade what trades at once, rest or expire what is left.

        Raises:
            Refusal: when the exchange turns it down; nothing has changed then.
        """
        admitted = self.admit(account, request, now_ms)
        self.run(admitted, now_ms)
        return admitted.order

    def check(self, account: Account, request: OrderRequest, now_ms: int) -> Order:
        """Judge an order as if it were placed, and place nothing; raises Refusal."""
        self._judge(account, request, now_ms)
        return self._new_order(account, request, now_ms, number=0, client_id=request.client_id)

    def sketch(self, account: Account, stop: AlgoRequest, now_ms: int) -> Order:
        """A conditional order in the form of a plain one, to be shown and not placed."""
        request = OrderRequest(
            symbol=stop.symbol,
            side=stop.side,
            kind=OrderKind.LIMIT if stop.price else OrderKind.MARKET,
            quantity=stop.quantity,
            price=stop.price,
            time_in_force=stop.time_in_force,
            reduce_only=stop.reduce_only,
            good_till_ms=stop.good_till_ms,
        )
        return self._new_order(account, request, now_ms, number=0, client_id=stop.client_id)

    def admit(
        self, account: Account, request: OrderRequest, now_ms: int, algo_id: int = 0
    ) -> Admitted:
        """Judge an order and give it its number; nobody is told yet.

        Args:
            account: whose.
            request: what is asked for.
            now_ms: market time.
            algo_id: the triggered conditional order that it comes from.

        Raises:
            Refusal: when the exchange turns it down; nothing has changed then.
        """
        matches = self._judge(account, request, now_ms)
        number = self._books.next_order_id()
        client_id = request.client_id or self.new_name()
        order = self._new_order(account, request, now_ms, number=number, client_id=client_id)
        order.algo_id = algo_id
        return Admitted(order, matches)

    def run(self, admitted: Admitted, now_ms: int) -> None:
        """Let an admitted order trade, and rest or expire with what is left."""
        order = admitted.order
        self._settlement.accept(order, now_ms)
        self.trade_and_rest(order, admitted.matches, now_ms)

    def trade_and_rest(self, order: Order, matches: list[Match], now_ms: int) -> None:
        """Trade what an order meets; what is left rests or expires."""
        market = self._markets[order.symbol]
        self._take(order, market, matches, now_ms)
        if order.is_open:
            self._rest_or_expire(order, market, now_ms)
        account = self._books.accounts[order.account]
        self._settlement.expire_reducers(account, order.symbol, now_ms)

    def execute(self, order: Order, now_ms: int) -> None:
        """Run a market order that the exchange itself made of a triggered one."""
        self.run(Admitted(order, self.meets(order, order.quantity)), now_ms)

    def meets(self, order: Order, quantity: Decimal) -> list[Match]:
        """What an order would meet at once, up to a quantity and its own price."""
        book = self._markets[order.symbol].book
        limit = None if order.kind is OrderKind.MARKET else order.price
        return book.walk(order.side, quantity, limit, order.account, self._closable)

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
        """A client id for an order that came without one; no open order of anybody has it."""
        books = self._books
        taken = {order.client_id for order in books.open_orders.values()}
        taken |= {algo.client_id for algo in books.open_algos.values()}
        while True:
            name = "".join(self._names.choices(_ID_LETTERS, k=22))
            if name not in taken:
                return name

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
            limit = self._markets[order.symbol].book.fill_limit
            if limit is not None:
                limit.spent = True
            self._settlement.trade(order, price, quantity, now_ms, is_maker=True)
        self._settlement.expire_reducers(account, order.symbol, now_ms)

    # ── judging ───────────────────────────────────────────────────────────────────────

    def _judge(self, account: Account, request: OrderRequest, now_ms: int) -> list[Match]:
        """Every check of a new order, in the exchange's order; what it would meet."""
        market = self.market(request.symbol)
        check_mode(account)
        check_order(request, market)
        check_life(request.good_till_ms, now_ms)
        self._check_client_id(account, request.client_id)
        if market.last is None:
            raise refusal(-2020)
        if len(self._books.open_orders_of(account, request.symbol)) >= MAX_OPEN_ORDERS:
            raise refusal(-2025)
        self.check_trouble(request.symbol, request.kind, reduces=request.reduce_only)
        taking = quantity_digits(self._reducible(account, request), market.instrument)
        matches = self._matches(account, market, request, taking)
        if not request.reduce_only:
            self._check_margin(account, market, request, matches)
        return matches

    def check_trouble(self, symbol: str, kind: OrderKind, *, reduces: bool) -> None:
        """Refuse what is barred on purpose: openings, or market orders on a thin book."""
        trouble = self._books.trouble
        if symbol in trouble.barred and not reduces:
            trouble.meet("barred")
            raise refusal(trouble.barred[symbol])
        if symbol in trouble.thin and kind is OrderKind.MARKET:
            trouble.meet("thin")
            raise refusal(-4131)

    def _check_client_id(self, account: Account, client_id: str) -> None:
        # Only among open orders: afterwards the exchange takes the same id again.
        if client_id and any(
            order.client_id == client_id for order in self._books.open_orders_of(account)
        ):
            raise refusal(-4116)

    def _closable(self, order: Order) -> Decimal:
        """How much of its account's position an order's side could close, whatever its size."""
        account = self._books.accounts[order.account]
        size = account.position(order.symbol).size
        return account.closing(order.symbol, order.side, size)

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
        matches = market.book.walk(side, taking, price, account.number, self._closable)
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
        worst = request.price
        if worst is None:
            worst = max(match.price for match in matches)
        trial = self._new_order(account, request, 0, number=0, client_id="", price=worst)
        met = sum((match.quantity for match in matches), ZERO)
        self.check_margin(account, market, trial, met)

    def check_margin(
        self, account: Account, market: SymbolMarket, trial: Order, met: Decimal
    ) -> None:
        """−2019 without the money for an order, −2027 above what the leverage allows.

        ``trial`` is the order as it would be; an open one of the same number is taken to be
        replaced by it. ``met`` is what of it would trade at once, and cost commission.
        """
        symbol, mark = trial.symbol, market.mark
        open_orders = self._books.open_orders_of(account)
        ours = [order for order in open_orders if order.symbol == symbol]
        others = [order for order in ours if order.order_id != trial.order_id]
        needed = orders_margin(account, symbol, [*others, trial], mark)
        needed -= orders_margin(account, symbol, ours, mark)
        needed += met * trial.price * account.taker_rate
        closing = account.closing(symbol, trial.side, trial.remaining)
        if closing >= trial.remaining:
            # What only closes is never refused for want of margin: its commission comes out
            # of the margin it sets free.
            return
        if needed > available(account, open_orders, self._markets):
            raise refusal(-2019)
        held = account.position(symbol).quantity + trial.side.sign * trial.remaining
        leverage = account.setting(symbol).leverage
        if abs(held) * mark > largest_notional(market.brackets, leverage):
            raise refusal(-2027)

    def _new_order(
        self,
        account: Account,
        request: OrderRequest,
        now_ms: int,
        *,
        number: int,
        client_id: str,
        price: Decimal | None = None,
    ) -> Order:
        contract = self._markets[request.symbol].instrument
        # A market order has no price: that is told as a bare 0.
        limit = price or request.price
        return Order(
            order_id=number,
            client_id=client_id,
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            time_in_force=request.time_in_force,
            quantity=quantity_digits(request.quantity, contract),
            price=price_digits(limit, contract) if limit else ZERO,
            reduce_only=request.reduce_only,
            created_ms=now_ms,
            updated_ms=now_ms,
            account=account.number,
            good_till_ms=request.good_till_ms,
        )

    # ── steps of trading ──────────────────────────────────────────────────────────────

    def _take(
        self, order: Order, market: SymbolMarket, matches: list[Match], now_ms: int
    ) -> None:
        market.book.consume(matches)
        for match in matches:
            maker = match.maker
            if maker is not None and maker.account == order.account:
                maker.self_matched = True
                maker.expiry = Expiry.SELF_TRADE
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
            return
        is_market = order.kind is OrderKind.MARKET
        order.expiry = Expiry.MARKET_UNFILLED if is_market else Expiry.UNFILLED
        self._settlement.end(order, OrderState.EXPIRED, "EXPIRED", now_ms)
