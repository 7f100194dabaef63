"""Conditional orders: the exchange's algo book.

NEW → TRIGGERING → TRIGGERED → FINISHED, or CANCELED, EXPIRED, REJECTED. They bind no margin
and are checked at their trigger. What they become is a plain market order, under a client id
that the exchange makes: only the conditional order's own record ties the two together.
"""

from collections.abc import Mapping

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, OrderState, TimeInForce, TriggerPrice
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.checks import MAX_OPEN_ALGOS, check_algo, is_triggered
from rusy_tui.simulator.happenings import TriggerRefused
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.orders import AlgoOrder, AlgoRequest, Order, OrderRequest
from rusy_tui.simulator.refusals import Refusal, refusal
from rusy_tui.simulator.settlement import Settlement
from rusy_tui.simulator.state import Books
from rusy_tui.simulator.trading import Trading


class Conditionals:
    """Everything an account can do with conditional orders, and their triggers."""

    def __init__(
        self,
        books: Books,
        markets: Mapping[str, SymbolMarket],
        settlement: Settlement,
        trading: Trading,
    ) -> None:
        self._books = books
        self._markets = markets
        self._settlement = settlement
        self._trading = trading

    # ── commands ──────────────────────────────────────────────────────────────────────

    def place(self, account: Account, request: AlgoRequest, now_ms: int) -> AlgoOrder:
        """Take a conditional order.

        Raises:
            Refusal: when the exchange turns it down; nothing has changed then.
        """
        market = self._trading.market(request.symbol)
        check_algo(request, market)
        open_algos = self._books.open_algos_of(account)
        # The exchange's list has no number of its own for a repeated clientAlgoId.
        if request.client_id and any(a.client_id == request.client_id for a in open_algos):
            raise refusal(-4116)
        ours = [algo for algo in open_algos if algo.symbol == request.symbol]
        if len(ours) >= MAX_OPEN_ALGOS:
            raise refusal(-4045)
        if request.close_position and any(_same_closer(algo, request) for algo in ours):
            raise refusal(-4130)
        algo = AlgoOrder(
            algo_id=self._books.next_algo_id(),
            client_id=request.client_id or self._trading.new_name(),
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            trigger_price=request.trigger_price,
            trigger_by=request.trigger_by,
            quantity=request.quantity,
            reduce_only=request.reduce_only or request.close_position,
            close_position=request.close_position,
            price_protect=request.price_protect,
            created_ms=now_ms,
            updated_ms=now_ms,
            account=account.number,
        )
        self._settlement.move_algo(algo, OrderState.NEW, now_ms)
        return algo

    def cancel(
        self, account: Account, algo_id: int | None, client_id: str, now_ms: int
    ) -> AlgoOrder:
        """Cancel one; −2011 when it is not open."""
        for algo in self._books.open_algos_of(account):
            if algo.is_named(algo_id, client_id):
                self._settlement.move_algo(algo, OrderState.CANCELED, now_ms)
                return algo
        raise refusal(-2011)

    def cancel_all(self, account: Account, symbol: str, now_ms: int) -> None:
        """Cancel all open ones of a symbol."""
        self._trading.market(symbol)
        for algo in self._books.open_algos_of(account, symbol):
            self._settlement.move_algo(algo, OrderState.CANCELED, now_ms)

    def find(self, account: Account, algo_id: int | None, client_id: str) -> AlgoOrder:
        """The one of a number or of a client's id, its newest; −2013 where there is none."""
        for algo in reversed(self._books.algos_of(account)):
            if algo.is_named(algo_id, client_id):
                return algo
        raise refusal(-2013)

    # ── triggers ──────────────────────────────────────────────────────────────────────

    def check_last(self, market: SymbolMarket, now_ms: int) -> None:
        """Trigger what watches the last price (CONTRACT_PRICE)."""
        self._check(market, TriggerPrice.LAST, now_ms)

    def check_mark(self, market: SymbolMarket, now_ms: int) -> None:
        """Trigger what watches the mark price (MARK_PRICE)."""
        self._check(market, TriggerPrice.MARK, now_ms)

    def _check(self, market: SymbolMarket, by: TriggerPrice, now_ms: int) -> None:
        if not self._books.open_algos or market.last is None:
            return
        price = market.mark if by is TriggerPrice.MARK else market.last
        for algo in list(self._books.open_algos.values()):
            if (
                algo.is_open  # an earlier trigger may have closed the position
                and algo.symbol == market.symbol
                and algo.trigger_by is by
                and is_triggered(algo.kind, algo.side, algo.trigger_price, price)
            ):
                self._trigger(algo, now_ms)

    def _trigger(self, algo: AlgoOrder, now_ms: int) -> None:
        account = self._books.accounts[algo.account]
        algo.triggered_ms = now_ms
        self._settlement.move_algo(algo, OrderState.TRIGGERING, now_ms)
        size = account.position(algo.symbol).size
        quantity = size if algo.close_position else algo.quantity
        if algo.reduce_only and not account.closing(algo.symbol, algo.side, quantity):
            self._refuse(algo, refusal(-2022), now_ms)
            return
        if not algo.reduce_only:
            self._open(algo, account, now_ms)
            return
        # Stops are never cut down by the market order's own limits of size here: a position
        # larger than one market order may be is not reachable with this account's money.
        order = Order(
            order_id=self._books.next_order_id(),
            client_id=self._trading.new_name(),
            symbol=algo.symbol,
            side=algo.side,
            kind=OrderKind.MARKET,
            time_in_force=TimeInForce.GTC,
            quantity=min(quantity, size),
            price=ZERO,
            reduce_only=True,
            close_position=algo.close_position,
            created_ms=now_ms,
            updated_ms=now_ms,
            account=account.number,
            algo_id=algo.algo_id,
        )
        self._placed(algo, order.order_id, now_ms)
        self._trading.execute(account, order, now_ms)
        self._finish(algo, order, now_ms)

    def _open(self, algo: AlgoOrder, account: Account, now_ms: int) -> None:
        """A triggered order that may open: it passes all the checks of a plain one."""
        request = OrderRequest(
            symbol=algo.symbol,
            side=algo.side,
            kind=OrderKind.MARKET,
            quantity=algo.quantity,
        )
        try:
            order = self._trading.place(account, request, now_ms)
        except Refusal as refused:
            self._refuse(algo, refused, now_ms)
            return
        order.algo_id = algo.algo_id
        self._placed(algo, order.order_id, now_ms)
        self._finish(algo, order, now_ms)

    def _placed(self, algo: AlgoOrder, order_id: int, now_ms: int) -> None:
        algo.order_id = order_id
        self._settlement.move_algo(algo, OrderState.TRIGGERED, now_ms)

    def _finish(self, algo: AlgoOrder, order: Order, now_ms: int) -> None:
        algo.actual_price = order.average_price
        algo.actual_quantity = order.filled
        self._settlement.move_algo(algo, OrderState.FINISHED, now_ms)

    def _refuse(self, algo: AlgoOrder, why: Refusal, now_ms: int) -> None:
        algo.reason = why.message
        self._settlement.move_algo(algo, OrderState.REJECTED, now_ms)
        account = self._books.accounts[algo.account]
        self._settlement.tell(account, TriggerRefused(algo, algo.algo_id, now_ms))


def _same_closer(algo: AlgoOrder, request: AlgoRequest) -> bool:
    return algo.close_position and algo.side is request.side and algo.kind is request.kind
