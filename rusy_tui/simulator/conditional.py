"""Conditional orders: the exchange's algo book.

NEW → TRIGGERING → TRIGGERED → FINISHED, or CANCELED, EXPIRED, REJECTED. They bind no margin
and are checked at their trigger. What they become is a plain order, under a client id that
the exchange makes: only the conditional order's own record ties the two together. One that
became a limit order stays TRIGGERED for as long as that rests.
"""

from collections.abc import Mapping
from decimal import Decimal

from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, OrderState, TimeInForce, TriggerPrice
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.checks import (
    MAX_OPEN_ALGOS,
    check_algo,
    check_mode,
    is_protected,
    is_triggered,
)
from rusy_tui.simulator.digits import price_digits, quantity_digits
from rusy_tui.simulator.happenings import TriggerRefused
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.orders import AlgoOrder, AlgoRequest, Order, OrderRequest
from rusy_tui.simulator.refusals import Refusal, refusal
from rusy_tui.simulator.settlement import Settlement
from rusy_tui.simulator.state import Books
from rusy_tui.simulator.switches import Switches
from rusy_tui.simulator.trading import Trading
from rusy_tui.simulator.trailing import follow, trailing_trigger


class Conditionals:
    """Everything an account can do with conditional orders, and their triggers."""

    def __init__(
        self,
        books: Books,
        markets: Mapping[str, SymbolMarket],
        settlement: Settlement,
        trading: Trading,
        switches: Switches,
    ) -> None:
        self._books = books
        self._markets = markets
        self._settlement = settlement
        self._trading = trading
        self._switches = switches

    # ── commands ──────────────────────────────────────────────────────────────────────

    def place(self, account: Account, request: AlgoRequest, now_ms: int) -> AlgoOrder:
        """Take a conditional order.

        Raises:
            Refusal: when the exchange turns it down; nothing has changed then.
        """
        self.check(account, request, now_ms)
        market = self._trading.market(request.symbol)
        contract = market.instrument
        price = self._watched(market, request.trigger_by)
        trails = request.kind is OrderKind.TRAILING_STOP_MARKET
        algo = AlgoOrder(
            algo_id=self._books.next_algo_id(),
            client_id=request.client_id or self._trading.new_name(),
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            trigger_price=_price_digits(request.trigger_price, contract),
            trigger_by=request.trigger_by,
            quantity=quantity_digits(request.quantity, contract) if request.quantity else ZERO,
            reduce_only=request.reduce_only or request.close_position,
            close_position=request.close_position,
            price_protect=request.price_protect,
            created_ms=now_ms,
            updated_ms=now_ms,
            account=account.number,
            price=_price_digits(request.price, contract),
            time_in_force=request.time_in_force,
            good_till_ms=request.good_till_ms,
            # Documented: without an activation price the latest price is it.
            activate_price=_price_digits(request.activate_price or price, contract)
            if trails
            else ZERO,
            callback_percent=request.callback_percent,
            best_price=price if trails else ZERO,
        )
        self._settlement.move_algo(algo, OrderState.NEW, now_ms)
        return algo

    def check(self, account: Account, request: AlgoRequest, now_ms: int) -> None:
        """Judge a conditional order and place nothing; raises Refusal."""
        market = self._trading.market(request.symbol)
        check_mode(account)
        check_algo(request, market, now_ms)
        open_algos = self._books.open_algos_of(account)
        # The exchange's list has no number of its own for a repeated clientAlgoId.
        if request.client_id and any(a.client_id == request.client_id for a in open_algos):
            raise refusal(-4116)
        ours = [algo for algo in open_algos if algo.symbol == request.symbol]
        if len(ours) >= MAX_OPEN_ALGOS:
            raise refusal(-4045)
        if request.close_position and any(_same_closer(algo, request) for algo in ours):
            raise refusal(-4130)
        reduces = request.reduce_only or request.close_position
        barred = self._books.trouble.barred.get(request.symbol)
        if barred is not None and not reduces:
            self._books.trouble.meet("barred")
            raise refusal(barred)
        if self._switches.stops_need_position and reduces:
            position = account.position(request.symbol)
            if position.sign != -request.side.sign:
                raise refusal(-2022)

    def cancel(
        self, account: Account, algo_id: int | None, client_id: str, now_ms: int
    ) -> AlgoOrder:
        """Cancel one; −2011 when it is not open, −4117 while it is triggering."""
        for algo in self._books.open_algos_of(account):
            if algo.is_named(algo_id, client_id):
                if not algo.is_waiting:
                    raise refusal(-4117)
                self._settlement.move_algo(algo, OrderState.CANCELED, now_ms)
                return algo
        raise refusal(-2011)

    def cancel_all(self, account: Account, symbol: str, now_ms: int) -> None:
        """Cancel all of a symbol that wait for their trigger."""
        self._trading.market(symbol)
        for algo in self._books.open_algos_of(account, symbol):
            if algo.is_waiting:
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

    def release(self, symbol: str, now_ms: int) -> None:
        """Let what was held in TRIGGERING go on, in the order it came to rest."""
        for algo in list(self._books.open_algos.values()):
            if algo.symbol == symbol and algo.state is OrderState.TRIGGERING:
                self._carry_out(algo, now_ms)

    def _watched(self, market: SymbolMarket, by: TriggerPrice) -> Decimal:
        last = market.last
        return market.mark if by is TriggerPrice.MARK or last is None else last

    def _check(self, market: SymbolMarket, by: TriggerPrice, now_ms: int) -> None:
        last = market.last
        if not self._books.open_algos or last is None:
            return
        price = self._watched(market, by)
        too_far = is_protected(last, market.mark)
        for algo in list(self._books.open_algos.values()):
            if algo.state is OrderState.TRIGGERING and algo.symbol == market.symbol:
                # Held by a former run, whose faults ended with it.
                if algo.symbol not in self._books.trouble.held:
                    self._carry_out(algo, now_ms)
                continue
            if (
                not algo.is_waiting  # an earlier trigger may have closed the position
                or algo.symbol != market.symbol
                or algo.trigger_by is not by
                or not _is_set_off(algo, price)
            ):
                continue
            # Protected, it waits until last and mark price are near each other again: the
            # documents say no more than that they "cannot" be further apart.
            if not (algo.price_protect and too_far):
                self._trigger(algo, now_ms)

    def _trigger(self, algo: AlgoOrder, now_ms: int) -> None:
        algo.triggered_ms = now_ms
        self._settlement.move_algo(algo, OrderState.TRIGGERING, now_ms)
        if algo.symbol in self._books.trouble.held:
            self._books.trouble.meet("held")
        else:
            self._carry_out(algo, now_ms)

    def _carry_out(self, algo: AlgoOrder, now_ms: int) -> None:
        """Place what a triggered order becomes, or say why not."""
        account = self._books.accounts[algo.account]
        try:
            if algo.reduce_only and not algo.price:
                self._close(algo, account, now_ms)
            else:
                self._place(algo, account, now_ms)
        except Refusal as refused:
            algo.reason = refused.message
            self._settlement.move_algo(algo, OrderState.REJECTED, now_ms)
            told = TriggerRefused(algo, algo.algo_id, now_ms)
            self._settlement.tell(account, told)

    def _close(self, algo: AlgoOrder, account: Account, now_ms: int) -> None:
        """A market order that only reduces: of its quantity, or of all there is."""
        size = account.position(algo.symbol).size
        quantity = size if algo.close_position else algo.quantity
        if not account.closing(algo.symbol, algo.side, quantity):
            raise refusal(-2022)
        self._trading.check_trouble(algo.symbol, OrderKind.MARKET, reduces=True)
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
        self._placed(algo, order, now_ms)
        self._trading.execute(order, now_ms)

    def _place(self, algo: AlgoOrder, account: Account, now_ms: int) -> None:
        """One that may open, or rest: it passes all the checks of a plain order."""
        request = OrderRequest(
            symbol=algo.symbol,
            side=algo.side,
            kind=OrderKind.LIMIT if algo.price else OrderKind.MARKET,
            quantity=algo.quantity,
            price=algo.price or None,
            time_in_force=algo.time_in_force,
            reduce_only=algo.reduce_only,
        )
        admitted = self._trading.admit(account, request, now_ms, algo.algo_id)
        # Its end was judged when it was placed: it may be near by now.
        admitted.order.good_till_ms = algo.good_till_ms
        self._placed(algo, admitted.order, now_ms)
        self._trading.run(admitted, now_ms)

    def _placed(self, algo: AlgoOrder, order: Order, now_ms: int) -> None:
        algo.order_id = order.order_id
        self._settlement.move_algo(algo, OrderState.TRIGGERED, now_ms)


def _price_digits(price: Decimal | None, contract: Instrument) -> Decimal:
    """As the contract shows prices; a price that an order has not is a bare 0."""
    return price_digits(price, contract) if price else ZERO


def _same_closer(algo: AlgoOrder, request: AlgoRequest) -> bool:
    return algo.close_position and algo.side is request.side and algo.kind is request.kind


def _is_set_off(algo: AlgoOrder, price: Decimal) -> bool:
    """Whether a price sets an order off; a trailing one takes it into account first."""
    if algo.kind is not OrderKind.TRAILING_STOP_MARKET:
        return is_triggered(algo.kind, algo.side, algo.trigger_price, price)
    algo.best_price = follow(algo.side, algo.best_price, price)
    trigger = trailing_trigger(algo)
    if trigger is None:
        return False
    return price >= trigger if algo.side.sign > 0 else price <= trigger
