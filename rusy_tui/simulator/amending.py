"""Changing price or quantity of an order that rests: the exchange's "modify order"."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, OrderState, Side, TimeInForce
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.checks import check_band, check_price, check_quantity
from rusy_tui.simulator.digits import price_digits, quantity_digits
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.orders import Amendment, Order
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.settlement import Settlement
from rusy_tui.simulator.state import Books
from rusy_tui.simulator.trading import Trading

MAX_AMENDMENTS = 10_000
"""So often may one order be changed."""


class AmendRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an order shall be. ``reduce_only`` only states what the order is already."""

    symbol: str
    order_id: int | None
    client_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    reduce_only: bool = False
    modify_id: int | None = None


class Amending:
    """Changes orders, and remembers what they were."""

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

    def amend(self, account: Account, asked: AmendRequest, now_ms: int) -> Order:
        """Give an open order another price and quantity; it goes to the end of its queue.

        As the exchange documents it: a GTX order whose new price would trade at once is
        cancelled, and so is a partly filled one whose new quantity is no more than what has
        been filled. Any other order that reaches the book's other side trades there.

        Raises:
            Refusal: when the exchange turns it down; the order stays as it is then.
        """
        order = self._open_order(account, asked)
        self._check(account, order, asked)
        market = self._markets[order.symbol]
        market.book.remove(order)
        price = price_digits(asked.price, market.instrument)
        quantity = quantity_digits(asked.quantity, market.instrument)
        asked = msgspec.structs.replace(asked, price=price, quantity=quantity)
        passive = order.time_in_force is TimeInForce.POST_ONLY
        if asked.quantity <= order.filled or (
            passive and market.book.would_take(order.side, asked.price)
        ):
            self._settlement.end(order, OrderState.CANCELED, "CANCELED", now_ms)
            return order
        self._remember(order, asked, now_ms)
        order.price, order.quantity = asked.price, asked.quantity
        order.requeued = self._books.next_order_id()
        self._settlement.amended(order, now_ms)
        taking = order.remaining
        if order.reduce_only:
            taking = account.closing(order.symbol, order.side, taking)
        self._trading.trade_and_rest(order, self._trading.meets(order, taking), now_ms)
        return order

    def history(
        self, account: Account, symbol: str, order_id: int | None, client_id: str
    ) -> list[Amendment]:
        """All changes of an order, oldest first; −2013 where there is no such order."""
        order = self._trading.find(account, symbol, order_id, client_id)
        return [each for each in self._books.amendments if each.order_id == order.order_id]

    def _open_order(self, account: Account, asked: AmendRequest) -> Order:
        self._trading.market(asked.symbol)
        for order in self._books.open_orders_of(account, asked.symbol):
            if order.is_named(asked.order_id, asked.client_id):
                return order
        raise refusal(-2013)

    def _check(self, account: Account, order: Order, asked: AmendRequest) -> None:
        if order.kind is not OrderKind.LIMIT:
            raise refusal(-5025)
        if asked.side is not order.side:
            # Not documented: the side must be sent, and can't be changed.
            raise refusal(-1117)
        if asked.reduce_only and not order.reduce_only:
            raise refusal(-5047)
        if order.amended >= MAX_AMENDMENTS:
            raise refusal(-5026)
        market = self._markets[order.symbol]
        check_quantity(asked.quantity, market.instrument, market=False)
        check_price(asked.price, market.instrument)
        check_band(asked.side, asked.price, market)
        if (asked.price, asked.quantity) == (order.price, order.quantity):
            raise refusal(-5027)
        least = market.instrument.min_notional
        # Documented: a reduce-only order is exempt only when the request says so too.
        if not asked.reduce_only and asked.price * asked.quantity < least:
            raise refusal(-5029, format(least, "f"))
        self._trading.check_trouble(order.symbol, order.kind, reduces=order.reduce_only)
        if not order.reduce_only and asked.quantity > order.filled:
            trial = msgspec.structs.replace(order, price=asked.price, quantity=asked.quantity)
            met = sum((m.quantity for m in self._trading.meets(trial, trial.remaining)), ZERO)
            self._trading.check_margin(account, market, trial, met)

    def _remember(self, order: Order, asked: AmendRequest, now_ms: int) -> None:
        order.amended += 1
        order.modify_id = asked.modify_id
        self._books.amendments.append(
            Amendment(
                amendment_id=self._books.next_amendment_id(),
                order_id=order.order_id,
                client_id=order.client_id,
                symbol=order.symbol,
                account=order.account,
                time_ms=now_ms,
                former_price=order.price,
                price=asked.price,
                former_quantity=order.quantity,
                quantity=asked.quantity,
                count=order.amended,
                modify_id=asked.modify_id,
            )
        )
