"""What the exchange does to positions by itself: funding and liquidation."""

from collections.abc import Mapping

from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.domain.order import OrderKind, OrderState, Side, TimeInForce
from rusy_tui.simulator.account import Account, Position, liquidation_price
from rusy_tui.simulator.feeds import Feed
from rusy_tui.simulator.happenings import FundsMoved
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.orders import Order
from rusy_tui.simulator.settlement import Settlement
from rusy_tui.simulator.state import Books


class Upkeep:
    """Funding payments and forced closes."""

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

    def pay_funding(self, funding_ms: int) -> None:
        """Mark price × quantity × rate, paid by longs when positive, received by shorts."""
        for account in self._books.accounts:
            for position in account.open_positions():
                market = self._markets[position.symbol]
                rate = self._feed.funding_rate(position.symbol, funding_ms)
                amount = to_ledger(-position.quantity * market.mark * rate)
                if amount:
                    symbol = position.symbol
                    self._settlement.book(account, "FUNDING_FEE", symbol, amount, funding_ms)
                    moved = FundsMoved("FUNDING_FEE", symbol, amount, funding_ms)
                    self._settlement.tell(account, moved)

    def liquidate(self, market: SymbolMarket, now_ms: int) -> None:
        """Close by force every position of a symbol whose mark price is beyond its limit."""
        for account in self._books.accounts:
            position = account.positions.get(market.symbol)
            if position is None or not position.quantity:
                continue
            marks = {symbol: each.mark for symbol, each in self._markets.items()}
            limit = liquidation_price(account, position, marks)
            beyond = market.mark <= limit if position.sign > 0 else market.mark >= limit
            if beyond and limit > ZERO:
                self._close(account, position, market, now_ms)

    def _close(
        self, account: Account, position: Position, market: SymbolMarket, now_ms: int
    ) -> None:
        """Cancel the symbol's orders, then trade all of the position at the mark price."""
        for open_order in self._books.open_orders_of(account, market.symbol):
            self._settlement.end(open_order, OrderState.CANCELED, "CANCELED", now_ms)
        order_id = self._books.next_order_id()
        price = market.instrument.price_down(market.mark)
        order = Order(
            order_id=order_id,
            # The prefix by which the exchange's liquidations are told.
            client_id=f"autoclose-{order_id}",
            symbol=market.symbol,
            side=Side.SELL if position.sign > 0 else Side.BUY,
            kind=OrderKind.LIMIT,
            time_in_force=TimeInForce.IOC,
            quantity=position.size,
            price=price,
            reduce_only=False,
            created_ms=now_ms,
            updated_ms=now_ms,
            account=account.number,
        )
        self._settlement.accept(order, now_ms)
        self._settlement.trade(
            order, price, position.size, now_ms, is_maker=False, execution="CALCULATED"
        )
        self._settlement.expire_reducers(account, market.symbol, now_ms)
