"""What REST answers about orders, field by field, as each endpoint's model has them."""

from decimal import Decimal
from typing import Any

from rusy_tui.domain.order import OrderKind
from rusy_tui.simulator.orders import AlgoOrder, AlgoRequest, Amendment, Order
from rusy_tui.simulator.wire.words import (
    KINDS,
    SIDES,
    STP_MODE,
    TIMES_IN_FORCE,
    TRIGGERS,
    quote,
    status,
    text,
)


def time_in_force(order: Order) -> str:
    """How long an order lives, in the exchange's word."""
    return "GTD" if order.good_till_ms else TIMES_IN_FORCE[order.time_in_force]


def command_reply(order: Order) -> dict[str, Any]:
    """An order as the answer to a command has it: no average price, no amount."""
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": status(order),
        "clientOrderId": order.client_id,
        "price": text(order.price),
        "origQty": text(order.quantity),
        "executedQty": text(order.filled),
        "cumQty": text(order.filled),
        "timeInForce": time_in_force(order),
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
        "goodTillDate": order.good_till_ms,
        "updateTime": order.updated_ms,
    }


def acknowledgement(order: Order) -> dict[str, Any]:
    """A new order was taken, and nothing of what became of it."""
    return command_reply(order) | {"status": "NEW", "executedQty": "0", "cumQty": "0"}


def amended_reply(order: Order) -> dict[str, Any]:
    """An order as the answer to an amendment has it; the client's number where it gave one."""
    reply = command_reply(order) | {"pair": order.symbol}
    if order.modify_id is not None:
        reply["modifyId"] = order.modify_id
    return reply


def order_reply(order: Order) -> dict[str, Any]:
    """An order as a query has it: when it was made, and what it traded at."""
    reply = command_reply(order) | _traded(order) | {"time": order.created_ms}
    del reply["cumQty"]
    return reply


def history_reply(order: Order) -> dict[str, Any]:
    """An order as lists of orders have it; an amount in base coin is COIN-M's alone."""
    return order_reply(order) | {"pair": order.symbol, "cumBase": "0"}


def forced_reply(order: Order) -> dict[str, Any]:
    """A liquidation or ADL order as the account's list of them has it."""
    reply = history_reply(order)
    for name in ("priceProtect", "priceMatch", "selfTradePreventionMode", "goodTillDate"):
        del reply[name]
    return reply


def tested_reply(order: Order) -> dict[str, Any]:
    """An order that was judged and not placed; it has no number."""
    return command_reply(order) | _traded(order)


def tested_stop_reply(order: Order, asked: AlgoRequest) -> dict[str, Any]:
    """A conditional order that was judged and not placed, in a plain order's fields."""
    reply = tested_reply(order) | {
        "type": KINDS[asked.kind],
        "origType": KINDS[asked.kind],
        "stopPrice": text(asked.trigger_price),
        "closePosition": asked.close_position,
        "workingType": TRIGGERS[asked.trigger_by],
        "priceProtect": asked.price_protect,
    }
    if asked.kind is OrderKind.TRAILING_STOP_MARKET:
        reply["activatePrice"] = text(asked.activate_price or Decimal(0))
        reply["priceRate"] = text(asked.callback_percent)
    return reply


def _traded(order: Order) -> dict[str, Any]:
    return {
        "avgPrice": text(quote(order.average_price)),
        "cumQuote": text(order.filled_quote),
    }


def amendment_reply(amendment: Amendment) -> dict[str, Any]:
    """One change of an order."""
    change: dict[str, Any] = {
        "price": {"before": text(amendment.former_price), "after": text(amendment.price)},
        "origQty": {
            "before": text(amendment.former_quantity),
            "after": text(amendment.quantity),
        },
        "count": amendment.count,
    }
    if amendment.modify_id is not None:
        change["modifyId"] = amendment.modify_id
    return {
        "amendmentId": amendment.amendment_id,
        "symbol": amendment.symbol,
        "pair": amendment.symbol,
        "orderId": amendment.order_id,
        "clientOrderId": amendment.client_id,
        "time": amendment.time_ms,
        "amendment": change,
    }


# ── conditional orders ────────────────────────────────────────────────────────────────


def algo_time_in_force(algo: AlgoOrder) -> str:
    """A closePosition order lives as long as the position does ("good till expired")."""
    if algo.close_position:
        return "GTE_GTC"
    return "GTD" if algo.good_till_ms else TIMES_IN_FORCE[algo.time_in_force]


def actual_type(algo: AlgoOrder) -> str:
    """What a triggered order became in the matching engine."""
    return KINDS[OrderKind.LIMIT if algo.price else OrderKind.MARKET]


def _algo(algo: AlgoOrder) -> dict[str, Any]:
    return {
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
        "price": text(algo.price) if algo.price else "0.00",
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
        "goodTillDate": algo.good_till_ms,
    }


def placed_algo_reply(algo: AlgoOrder) -> dict[str, Any]:
    """A new conditional order; the last two are a trailing stop's, empty for others."""
    trails = algo.kind is OrderKind.TRAILING_STOP_MARKET
    return _algo(algo) | {
        "activatePrice": text(algo.activate_price) if trails else "",
        "callbackRate": text(algo.callback_percent) if trails else "",
    }


def algo_reply(algo: AlgoOrder) -> dict[str, Any]:
    """A conditional order as its query has it: also what it has become."""
    reply = _algo(algo) | {
        "actualOrderId": str(algo.order_id) if algo.order_id else "",
        "actualPrice": text(quote(algo.actual_price)),
        "tpOrderType": "",
    }
    if algo.order_id:
        # Shown only of an order that has reached the matching engine.
        reply["actualQty"] = text(algo.actual_quantity)
        reply["actualType"] = actual_type(algo)
    return reply


def listed_algo_reply(algo: AlgoOrder) -> dict[str, Any]:
    """A conditional order as lists have it: with the prices of legs, which ours never have."""
    reply = algo_reply(algo)
    reply.pop("actualQty", None)
    reply.pop("actualType", None)
    legs = ("tpTriggerPrice", "tpPrice", "slTriggerPrice", "slPrice")
    return reply | dict.fromkeys(legs, "0.00")
