"""Orders of both books: placing, cancelling, asking."""

from typing import Any

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, OrderState, TimeInForce
from rusy_tui.simulator.orders import AlgoOrder, AlgoRequest, Order, OrderRequest
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.rest.endpoints import Call, Endpoint, Security, by_symbol, costs
from rusy_tui.simulator.rest.parameters import Parameters
from rusy_tui.simulator.wire.replies import algo_reply, order_reply
from rusy_tui.simulator.wire.words import KIND_OF, SIDE_OF, TIME_IN_FORCE_OF, TRIGGER_OF

_PLAIN = (OrderKind.LIMIT, OrderKind.MARKET)
_CONDITIONAL_WORDS = (
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
_DAY_MS = 86_400_000
_UNFILLED_KEPT_MS = 3 * _DAY_MS
_KEPT_MS = 90 * _DAY_MS
_WINDOW_MS = 7 * _DAY_MS


def _place(call: Call) -> object:
    asked = call.parameters
    symbol = call.symbol()
    _check_position_side(asked)
    side = asked.word("side", SIDE_OF, -1117)
    kind = _plain_kind(asked)
    request = OrderRequest(
        symbol=symbol,
        side=side,
        kind=kind,
        quantity=asked.decimal("quantity"),
        price=asked.decimal("price") if kind is OrderKind.LIMIT else None,
        time_in_force=(
            asked.word("timeInForce", TIME_IN_FORCE_OF, -1115)
            if kind is OrderKind.LIMIT
            else TimeInForce.GTC
        ),
        reduce_only=asked.flag("reduceOnly"),
        client_id=asked.text("newClientOrderId"),
    )
    order = call.exchange.place(call.account, request)
    reply = order_reply(order, queried=False)
    if asked.text("newOrderRespType", "ACK") != "RESULT":
        # ACK says that the order was taken and nothing of what became of it.
        nothing = dict.fromkeys(("executedQty", "cumQty", "cumQuote", "avgPrice"), "0")
        reply |= {"status": "NEW", **nothing}
    return reply


def _plain_kind(asked: Parameters) -> OrderKind:
    word = asked.required("type")
    if word in _CONDITIONAL_WORDS:
        raise refusal(-4120)
    kind = KIND_OF.get(word)
    if kind not in _PLAIN:
        raise refusal(-1116)
    if kind is OrderKind.MARKET:
        asked.forbid("price", "timeInForce")
    asked.forbid("stopPrice", "closePosition")
    return kind


def _check_position_side(asked: Parameters) -> None:
    # One-way accounts know BOTH alone.
    if asked.text("positionSide", "BOTH") != "BOTH":
        raise refusal(-4061)


def _named(asked: Parameters) -> tuple[int | None, str]:
    """Which order is meant: its number, or the client's id; −1102 without either."""
    order_id = asked.integer("orderId")
    client_id = asked.text("origClientOrderId")
    if order_id is None and not client_id:
        raise refusal(-1102, "orderId")
    return order_id, client_id


def _named_algo(asked: Parameters) -> tuple[int | None, str]:
    algo_id = asked.integer("algoId")
    client_id = asked.text("clientAlgoId")
    if algo_id is None and not client_id:
        raise refusal(-1102, "algoId")
    return algo_id, client_id


def _is_remembered(order: Order | AlgoOrder, filled: bool, now_ms: int) -> bool:
    """Unfilled cancelled and expired orders are forgotten after 3 days, all after 90."""
    age_ms = now_ms - order.created_ms
    gone = order.state in (OrderState.CANCELED, OrderState.EXPIRED)
    return age_ms <= (_UNFILLED_KEPT_MS if gone and not filled else _KEPT_MS)


def _query(call: Call) -> object:
    order_id, client_id = _named(call.parameters)
    order = call.exchange.trading.find(call.account, call.symbol(), order_id, client_id)
    if not _is_remembered(order, bool(order.filled), call.now_ms):
        raise refusal(-2013)
    return order_reply(order, queried=True)


def _query_open(call: Call) -> object:
    order_id, client_id = _named(call.parameters)
    order = call.exchange.trading.find(call.account, call.symbol(), order_id, client_id)
    if not order.is_open:
        raise refusal(-2013)
    return order_reply(order, queried=True)


def _cancel(call: Call) -> object:
    order_id, client_id = _named(call.parameters)
    order = call.exchange.trading.cancel(
        call.account, call.symbol(), order_id, client_id, call.now_ms
    )
    reply = order_reply(order, queried=False)
    # The answer to a cancel names no average price.
    del reply["avgPrice"]
    return reply


def _cancel_all(call: Call) -> object:
    call.exchange.trading.cancel_all(call.account, call.symbol(), call.now_ms)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _open_orders(call: Call) -> object:
    orders = call.exchange.books.open_orders_of(call.account, call.optional_symbol())
    return [order_reply(order, queried=True) for order in orders]


def _all_orders(call: Call) -> object:
    asked = call.parameters
    first_id = asked.integer("orderId") or 0
    start_ms, end_ms = window(call)
    orders = [
        order
        for order in call.exchange.books.orders_of(call.account, call.symbol())
        if order.order_id >= first_id
        and (first_id or start_ms <= order.created_ms <= end_ms)
        and _is_remembered(order, bool(order.filled), call.now_ms)
    ]
    limit = asked.limit(500, 1000)
    from_start = bool(first_id) or asked.has("startTime")
    kept = orders[:limit] if from_start else orders[-limit:]
    return [order_reply(order, queried=True) for order in kept]


def window(call: Call) -> tuple[int, int]:
    """The span asked about, at most 7 days: the last ones where none is named."""
    start_ms = call.parameters.integer("startTime")
    end_ms = call.parameters.integer("endTime")
    if start_ms is None:
        end_ms = call.now_ms if end_ms is None else end_ms
        return end_ms - _WINDOW_MS, end_ms
    if end_ms is None:
        return start_ms, start_ms + _WINDOW_MS
    if end_ms - start_ms > _WINDOW_MS:
        raise refusal(-1130, "endTime")
    return start_ms, end_ms


def _place_algo(call: Call) -> object:
    asked = call.parameters
    symbol = call.symbol()
    _check_position_side(asked)
    if asked.required("algoType") != "CONDITIONAL":
        raise refusal(-1130, "algoType")
    side = asked.word("side", SIDE_OF, -1117)
    kind = asked.word("type", KIND_OF, -1116)
    if kind in _PLAIN:
        raise refusal(-1116)
    closes = asked.flag("closePosition")
    if closes:
        if asked.has("quantity") and asked.decimal("quantity") != ZERO:
            raise refusal(-4137)
        asked.forbid("reduceOnly")
    asked.forbid("price")
    request = AlgoRequest(
        symbol=symbol,
        side=side,
        kind=kind,
        trigger_price=asked.decimal("triggerPrice"),
        trigger_by=TRIGGER_OF["CONTRACT_PRICE"]
        if not asked.has("workingType")
        else asked.word("workingType", TRIGGER_OF, -1116),
        quantity=ZERO if closes else asked.decimal("quantity"),
        reduce_only=asked.flag("reduceOnly"),
        close_position=closes,
        price_protect=asked.flag("priceProtect"),
        client_id=asked.text("clientAlgoId"),
    )
    return algo_reply(call.exchange.place_algo(call.account, request), queried=False)


def _query_algo(call: Call) -> object:
    algo_id, client_id = _named_algo(call.parameters)
    algo = call.exchange.conditionals.find(call.account, algo_id, client_id)
    if not _is_remembered(algo, bool(algo.actual_quantity), call.now_ms):
        raise refusal(-2013)
    return algo_reply(algo, queried=True)


def _cancel_algo(call: Call) -> object:
    algo_id, client_id = _named_algo(call.parameters)
    algo = call.exchange.conditionals.cancel(call.account, algo_id, client_id, call.now_ms)
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "code": "200",
        "msg": "success",
    }


def _cancel_all_algos(call: Call) -> object:
    call.exchange.conditionals.cancel_all(call.account, call.symbol(), call.now_ms)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _open_algos(call: Call) -> object:
    algos = call.exchange.books.open_algos_of(call.account, call.optional_symbol())
    return [algo_reply(algo, queried=True) for algo in algos]


def _all_algos(call: Call) -> object:
    asked = call.parameters
    first_id = asked.integer("algoId") or 0
    start_ms, end_ms = window(call)
    algos = [
        algo
        for algo in call.exchange.books.algos_of(call.account, call.symbol())
        if algo.algo_id >= first_id
        and (first_id or start_ms <= algo.created_ms <= end_ms)
        and _is_remembered(algo, bool(algo.actual_quantity), call.now_ms)
    ]
    limit = asked.limit(500, 1000)
    from_start = bool(first_id) or asked.has("startTime")
    kept = algos[:limit] if from_start else algos[-limit:]
    return [algo_reply(algo, queried=True) for algo in kept]


def _signed(
    method: str, path: str, handler: Any, weight: Any, *, order: bool = False
) -> Endpoint:
    return Endpoint(method, f"/fapi/v1/{path}", handler, weight, Security.SIGNED, order)


ENDPOINTS = (
    _signed("POST", "order", _place, costs(0), order=True),
    _signed("GET", "order", _query, costs(1)),
    _signed("DELETE", "order", _cancel, costs(1)),
    _signed("DELETE", "allOpenOrders", _cancel_all, costs(1)),
    _signed("GET", "openOrder", _query_open, costs(1)),
    _signed("GET", "openOrders", _open_orders, by_symbol(1, 40)),
    _signed("GET", "allOrders", _all_orders, costs(5)),
    _signed("POST", "algoOrder", _place_algo, costs(0), order=True),
    _signed("GET", "algoOrder", _query_algo, costs(1)),
    _signed("DELETE", "algoOrder", _cancel_algo, costs(1)),
    _signed("GET", "openAlgoOrders", _open_algos, by_symbol(1, 40)),
    _signed("GET", "allAlgoOrders", _all_algos, costs(5)),
    _signed("DELETE", "algoOpenOrders", _cancel_all_algos, costs(1)),
)
