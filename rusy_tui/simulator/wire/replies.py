"""What REST answers about orders, field by field."""

from decimal import Decimal
from typing import Any

from rusy_tui.domain.money import to_ledger
from rusy_tui.domain.order import OrderKind
from rusy_tui.simulator.account import Position
from rusy_tui.simulator.orders import AlgoOrder, Order
from rusy_tui.simulator.wire.words import (
    KINDS,
    SIDES,
    STP_MODE,
    TIMES_IN_FORCE,
    TRIGGERS,
    status,
    text,
)


def quote(price: Decimal) -> Decimal:
    """A computed price, cut to eight digits without trailing zeros."""
    rounded = to_ledger(price)
    return (
        rounded.quantize(Decimal(1))
        if rounded == rounded.to_integral()
        else (rounded.normalize())
    )


def entry_price(position: Position) -> Decimal:
    """A position's mean entry price as it is shown."""
    return quote(position.entry_price)


def order_reply(order: Order, *, queried: bool) -> dict[str, Any]:
    """An order. Queries say when it was made; commands do not."""
    reply: dict[str, Any] = {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": status(order),
        "clientOrderId": order.client_id,
        "price": text(order.price),
        "avgPrice": text(quote(order.average_price)),
        "origQty": text(order.quantity),
        "executedQty": text(order.filled),
        "cumQuote": text(order.filled_quote),
        "timeInForce": TIMES_IN_FORCE[order.time_in_force],
        "type": KINDS[order.kind],
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": SIDES[order.side],
        "positionSide": "BOTH",
        "stopPrice": "0.00",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": KINDS[order.kind],
        "priceMatch": "NONE",
        "selfTradePreventionMode": STP_MODE,
        "goodTillDate": 0,
        "updateTime": order.updated_ms,
    }
    if queried:
        reply["time"] = order.created_ms
    else:
        reply["cumQty"] = text(order.filled)
    return reply


def algo_time_in_force(algo: AlgoOrder) -> str:
    """A closePosition order lives as long as the position does ("good till expired")."""
    return "GTE_GTC" if algo.close_position else "GTC"


def algo_reply(algo: AlgoOrder, *, queried: bool) -> dict[str, Any]:
    """A conditional order. Queries also say what it has become."""
    reply: dict[str, Any] = {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": KINDS[algo.kind],
        "symbol": algo.symbol,
        "side": SIDES[algo.side],
        "positionSide": "BOTH",
        "timeInForce": algo_time_in_force(algo),
        "quantity": text(algo.quantity),
        "algoStatus": algo.state.name,
        "triggerPrice": text(algo.trigger_price),
        "price": "0.00",
        "icebergQuantity": None,
        "selfTradePreventionMode": STP_MODE,
        "workingType": TRIGGERS[algo.trigger_by],
        "priceMatch": "NONE",
        "closePosition": algo.close_position,
        "priceProtect": algo.price_protect,
        "reduceOnly": algo.reduce_only,
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": 0,
    }
    if queried:
        placed = bool(algo.order_id)
        reply["actualOrderId"] = str(algo.order_id) if placed else ""
        reply["actualPrice"] = text(quote(algo.actual_price))
        reply["tpOrderType"] = ""
        if placed:
            reply["actualQty"] = text(algo.actual_quantity)
            reply["actualType"] = KINDS[OrderKind.MARKET]
    return reply
