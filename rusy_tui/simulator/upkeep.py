"""What the exchange does to positions by itself: funding, liquidation, ADL, settlement."""

from collections.abc import Collection, Mapping
from decimal import Decimal

from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.domain.order import OrderKind, OrderState, Side, TimeInForce
from rusy_tui.simulator.account import Account, Position, margin_used
from rusy_tui.simulator.feeds import Feed
from rusy_tui.simulator.happenings import FundsMoved, MarginCall
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.orders import Order
from rusy_tui.simulator.settlement import Settlement
from rusy_tui.simulator.state import Books

LIQUIDATION, ADL, SETTLEMENT = "autoclose-", "adl_autoclose", "settlement_autoclose-"
"""The client ids by which the exchange's own orders are told; the ADL's is that alone."""

_CALLED_AT = Decimal("0.8")
"""Maintenance margin as a share of what backs a position, from which a margin call is sent.
The exchange says "when the position risk ratio is too high", and no figure.
"""


class Upkeep:
    """Funding payments and forced closes.

    What forced closes cost is not documented; the taker's commission is charged for each.
    """

    def __init__(
        self,
        feed: Feed,
        books: Books,
        markets: Mapping[str, SymbolMarket],
        settlement: Settlement,
    ) -> None:
        self._feed = feed
        self._books = books
        self._markets = markets
        self._settlement = settlement

    def pay_funding(self, funding_ms: int, symbols: Collection[str]) -> None:
        """Mark price × quantity × rate, paid by longs when positive, received by shorts.

        It comes out of, and goes into, the margin of an isolated position, which is why the
        exchange tells that position with it.
        """
        for account in self._books.accounts:
            for position in account.open_positions():
                if position.symbol not in symbols:
                    continue
                market = self._markets[position.symbol]
                rate = self._feed.funding_rate(position.symbol, funding_ms)
                amount = to_ledger(-position.quantity * market.mark * rate)
                if amount:
                    symbol = position.symbol
                    if account.setting(symbol).isolated:
                        position.isolated_wallet += amount
                    self._settlement.book(account, "FUNDING_FEE", symbol, amount, funding_ms)
                    moved = FundsMoved("FUNDING_FEE", symbol, amount, funding_ms)
                    self._settlement.tell(account, moved)

    def watch(self, market: SymbolMarket, now_ms: int) -> None:
        """Liquidate what the mark price has gone too far for; call for margin before."""
        for account in self._books.accounts:
            position = account.positions.get(market.symbol)
            if position is None or not position.quantity:
                continue
            used = margin_used(account, position, self._markets)
            if used is None or used >= 1:
                self.liquidate(account, market, now_ms)
            elif used < _CALLED_AT:
                position.called = False
            elif not position.called:
                position.called = True
                self._settlement.tell(account, MarginCall(market.symbol, now_ms))

    def liquidate(self, account: Account, market: SymbolMarket, now_ms: int) -> None:
        """Cancel the symbol's orders, then trade all of the position at the mark price.

        What the loss goes beyond the money behind the position is the insurance fund's.

        Raises:
            LookupError: without a position.
        """
        position = _open(account, market)
        isolated = account.setting(market.symbol).isolated
        margin = position.isolated_wallet
        for open_order in self._books.open_orders_of(account, market.symbol):
            self._settlement.end(open_order, OrderState.CANCELED, "CANCELED", now_ms)
        before = account.wallet
        price = market.instrument.price_down(market.mark)
        self._close(account, market, position.size, LIQUIDATION, now_ms, price)
        lost = before - account.wallet
        missing = lost - margin if isolated else -account.crossed_wallet
        if missing > ZERO:
            symbol = market.symbol
            self._settlement.book(account, "INSURANCE_CLEAR", symbol, missing, now_ms)
            moved = FundsMoved("INSURANCE_CLEAR", symbol, missing, now_ms)
            self._settlement.tell(account, moved)

    def deleverage(
        self, account: Account, market: SymbolMarket, quantity: Decimal, now_ms: int
    ) -> None:
        """Close a part of a position against somebody else's bankrupt one, at the mark price.

        Raises:
            LookupError: without a position.
            ValueError: for more than is open.
        """
        position = _open(account, market)
        if not ZERO < quantity <= position.size:
            raise ValueError(f"{quantity} of {position.size} {market.symbol} to deleverage")
        self._close(account, market, quantity, ADL, now_ms)

    def settle(self, market: SymbolMarket, now_ms: int) -> None:
        """End everything in a symbol that is delisted: orders, and positions at the mark."""
        symbol = market.symbol
        for account in self._books.accounts:
            for order in self._books.open_orders_of(account, symbol):
                self._settlement.end(order, OrderState.EXPIRED, "EXPIRED", now_ms)
            for algo in self._books.open_algos_of(account, symbol):
                self._settlement.move_algo(algo, OrderState.EXPIRED, now_ms)
            position = account.positions.get(symbol)
            if position is not None and position.quantity:
                self._close(account, market, position.size, SETTLEMENT, now_ms)

    def _close(
        self,
        account: Account,
        market: SymbolMarket,
        quantity: Decimal,
        name: str,
        now_ms: int,
        price: Decimal | None = None,
    ) -> None:
        """Trade with an order of the exchange's own: at a limit, or at the market."""
        position = account.position(market.symbol)
        order_id = self._books.next_order_id()
        order = Order(
            order_id=order_id,
            client_id=f"{name}{order_id}" if name.endswith("-") else name,
            symbol=market.symbol,
            side=Side.SELL if position.sign > 0 else Side.BUY,
            kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
            time_in_force=TimeInForce.GTC if price is None else TimeInForce.IOC,
            quantity=quantity,
            price=price or ZERO,
            reduce_only=False,
            created_ms=now_ms,
            updated_ms=now_ms,
            account=account.number,
        )
        self._settlement.accept(order, now_ms)
        self._settlement.trade(
            order,
            market.instrument.price_down(market.mark),
            quantity,
            now_ms,
            is_maker=False,
            # "CALCULATED" is the documents' word for a liquidation's execution; none is
            # given for the others, which trade like any order of the book.
            execution="CALCULATED" if name == LIQUIDATION else "TRADE",
        )
        self._settlement.expire_reducers(account, market.symbol, now_ms)


def auto_close_type(order: Order) -> str | None:
    """Which kind of forced order one is, in the exchange's words; None for an account's own."""
    if order.client_id.startswith(LIQUIDATION):
        return "LIQUIDATION"
    return "ADL" if order.client_id == ADL else None


def _open(account: Account, market: SymbolMarket) -> Position:
    position = account.positions.get(market.symbol)
    if position is None or not position.quantity:
        raise LookupError(f"account {account.number} holds no {market.symbol}")
    return position
