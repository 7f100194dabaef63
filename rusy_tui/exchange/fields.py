"""What we intend, in the exchange's words: parameters of order requests."""

import re
from decimal import Decimal

from rusy_tui.domain.order import (
    OrderBook,
    OrderIntent,
    OrderKind,
    Side,
    TimeInForce,
    TriggerPrice,
)

# The exchange's own pattern for client order ids of both books.
_CLIENT_ID = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")

_KINDS = {
    OrderKind.LIMIT: "LIMIT",
    OrderKind.MARKET: "MARKET",
    OrderKind.STOP_MARKET: "STOP_MARKET",
    OrderKind.TAKE_PROFIT_MARKET: "TAKE_PROFIT_MARKET",
}
_TIMES_IN_FORCE = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "GTX",
}
_TRIGGERS = {TriggerPrice.MARK: "MARK_PRICE", TriggerPrice.LAST: "CONTRACT_PRICE"}


class NotSendable(ValueError):
    """An intent that can't be put into the exchange's words; ``rule`` names why."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule


def plain(number: Decimal) -> str:
    """A number as the exchange takes it: no exponent, and no zeros that count as digits.

    A tick announced as 0.0100 makes prices of four digits, and a digit too many is -1111 even
    when it is a zero.
    """
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def order_params(intent: OrderIntent) -> dict[str, str]:
    """The parameters that place an order, in the book its kind belongs to.

    Raises:
        NotSendable: the intent lacks something, or its client id is not the exchange's kind.
    """
    _check(intent)
    params = {"symbol": intent.symbol, "side": intent.side.value.upper()}
    if intent.book is OrderBook.CONDITIONAL:
        params |= {
            "algoType": "CONDITIONAL",
            "type": _KINDS[intent.kind],
            "triggerPrice": plain(_needed(intent.trigger_price, "trigger price")),
            "workingType": _TRIGGERS[intent.trigger_by],
            "clientAlgoId": intent.client_order_id,
        }
    else:
        params |= {
            "type": _KINDS[intent.kind],
            "newClientOrderId": intent.client_order_id,
            # Only this one holds the end of a MARKET or IOC order.
            "newOrderRespType": "RESULT",
        }
        if intent.kind is OrderKind.LIMIT:
            params["price"] = plain(_needed(intent.price, "price"))
            params["timeInForce"] = _TIMES_IN_FORCE[intent.time_in_force]
    if intent.close_position:
        # Closes whatever is there: neither quantity nor reduceOnly may go with it.
        params["closePosition"] = "true"
    else:
        params["quantity"] = plain(_needed(intent.quantity, "quantity"))
        if intent.reduce_only:
            params["reduceOnly"] = "true"
    return params


def order_path(book: OrderBook) -> str:
    """Where an order of a book is placed, queried and cancelled."""
    return "algoOrder" if book is OrderBook.CONDITIONAL else "order"


def open_orders_path(book: OrderBook) -> str:
    """Where the open orders of a book are listed."""
    return "openAlgoOrders" if book is OrderBook.CONDITIONAL else "openOrders"


def cancel_all_path(book: OrderBook) -> str:
    """Where all orders of a symbol and book are cancelled."""
    return "algoOpenOrders" if book is OrderBook.CONDITIONAL else "allOpenOrders"


def order_id_params(symbol: str, client_order_id: str, book: OrderBook) -> dict[str, str]:
    """The parameters that name one order; conditional orders take no symbol beside the id."""
    if book is OrderBook.CONDITIONAL:
        return {"clientAlgoId": client_order_id}
    return {"symbol": symbol, "origClientOrderId": client_order_id}


def amend_params(
    symbol: str, client_order_id: str, side: Side, quantity: Decimal, price: Decimal
) -> dict[str, str]:
    """The parameters that change a limit order; both quantity and price must be sent.

    Raises:
        NotSendable: one of them is no positive number.
    """
    return {
        "symbol": symbol,
        "origClientOrderId": client_order_id,
        "side": side.value.upper(),
        "quantity": plain(_needed(quantity, "quantity")),
        "price": plain(_needed(price, "price")),
    }


def may_use_reserve(intent: OrderIntent) -> bool:
    """Whether an order is an exit: it can only make the position smaller."""
    return intent.reduce_only or intent.close_position


def _check(intent: OrderIntent) -> None:
    if _CLIENT_ID.fullmatch(intent.client_order_id) is None:
        raise NotSendable(
            "client_order_id",
            f"client order id {intent.client_order_id!r} is not {_CLIENT_ID.pattern}",
        )
    if intent.close_position and intent.book is not OrderBook.CONDITIONAL:
        raise NotSendable("close_position", f"{intent.kind} can't close a whole position")


def _needed(number: Decimal | None, what: str) -> Decimal:
    if number is None or not number.is_finite() or number <= 0:
        raise NotSendable("intent", f"the order has no {what}: {number}")
    return number
