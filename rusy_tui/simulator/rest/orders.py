"""Plain orders: placing, changing, cancelling, asking; one at a time and in batches."""

from typing import Any

from rusy_tui.domain.order import OrderKind
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.rest.endpoints import (
    Call,
    Endpoint,
    Security,
    by_symbol,
    costs,
)
from rusy_tui.simulator.rest.named import is_remembered, named_order
from rusy_tui.simulator.rest.pages import page, span
from rusy_tui.simulator.rest.requests import (
    amend_request,
    countdown_ms,
    order_kind,
    order_request,
    tested_stop,
)
from rusy_tui.simulator.wire.orders import (
    acknowledgement,
    amended_reply,
    amendment_reply,
    command_reply,
    history_reply,
    order_reply,
    tested_reply,
    tested_stop_reply,
)


def place(call: Call) -> object:
    """POST /order."""
    call.symbol()
    order = call.exchange.place(call.account, order_request(call.parameters))
    wants_result = call.parameters.text("newOrderRespType", "ACK") == "RESULT"
    return command_reply(order) if wants_result else acknowledgement(order)


def amend(call: Call) -> object:
    """PUT /order."""
    call.symbol()
    return amended_reply(call.exchange.amend(call.account, amend_request(call.parameters)))


def cancel(call: Call) -> object:
    """DELETE /order."""
    order_id, client_id = named_order(call.parameters)
    order = call.exchange.trading.cancel(
        call.account, call.symbol(), order_id, client_id, call.now_ms
    )
    return command_reply(order)


def _test(call: Call) -> object:
    """Judges an order as if it were placed; conditional types under their former names."""
    call.symbol()
    asked, account, trading = call.parameters, call.account, call.exchange.trading
    if order_kind(asked) in (OrderKind.LIMIT, OrderKind.MARKET):
        return tested_reply(trading.check(account, order_request(asked), call.now_ms))
    stop = tested_stop(asked)
    call.exchange.conditionals.check(account, stop, call.now_ms)
    return tested_stop_reply(trading.sketch(account, stop, call.now_ms), stop)


def _amendments(call: Call) -> object:
    order_id, client_id = named_order(call.parameters)
    found = call.exchange.amending.history(call.account, call.symbol(), order_id, client_id)
    start_ms = call.parameters.integer("startTime") or 0
    end_ms = call.parameters.integer("endTime") or call.now_ms
    within = [each for each in found if start_ms <= each.time_ms <= end_ms]
    within.reverse()  # the newest first
    return [amendment_reply(each) for each in within[: call.parameters.limit(50, 100)]]


def _query(call: Call) -> object:
    order_id, client_id = named_order(call.parameters)
    order = call.exchange.trading.find(call.account, call.symbol(), order_id, client_id)
    if not is_remembered(order, bool(order.filled), call.now_ms):
        raise refusal(-2013)
    return order_reply(order)


def _query_open(call: Call) -> object:
    order_id, client_id = named_order(call.parameters)
    order = call.exchange.trading.find(call.account, call.symbol(), order_id, client_id)
    if not order.is_open:
        raise refusal(-2013)
    return order_reply(order)


def _cancel_all(call: Call) -> object:
    call.exchange.trading.cancel_all(call.account, call.symbol(), call.now_ms)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _count_down(call: Call) -> object:
    symbol, span_ms = call.symbol(), countdown_ms(call.parameters)
    call.exchange.deadlines.count_down(call.account, symbol, span_ms)
    return {"symbol": symbol, "countdownTime": str(span_ms)}


def _open_orders(call: Call) -> object:
    orders = call.exchange.books.open_orders_of(call.account, call.optional_symbol())
    return [order_reply(order) for order in orders]


def _all_orders(call: Call) -> object:
    first_id = call.parameters.integer("orderId") or 0
    start_ms, end_ms = span(call, 7, too_long=refusal(-1130, "endTime"))
    orders = [
        order
        for order in call.exchange.books.orders_of(call.account, call.optional_symbol())
        if order.order_id >= first_id
        and (first_id or start_ms <= order.created_ms <= end_ms)
        and is_remembered(order, bool(order.filled), call.now_ms)
    ]
    kept = page(call, orders, 500, 1000, from_start=bool(first_id))
    return [history_reply(order) for order in kept]


def _signed(method: str, path: str, handler: Any, weight: Any, **more: Any) -> Endpoint:
    return Endpoint(method, f"/fapi/v1/{path}", handler, weight, Security.SIGNED, **more)


ENDPOINTS = (
    _signed("POST", "order", place, costs(0), counts_as_order=True),
    _signed("PUT", "order", amend, costs(0), counts_as_order=True),
    _signed("POST", "order/test", _test, costs(0)),
    _signed("GET", "order", _query, costs(1)),
    _signed("DELETE", "order", cancel, costs(1)),
    _signed("DELETE", "allOpenOrders", _cancel_all, costs(1)),
    _signed("POST", "countdownCancelAll", _count_down, costs(10)),
    _signed("GET", "openOrder", _query_open, costs(1)),
    _signed("GET", "openOrders", _open_orders, by_symbol(1, 40)),
    _signed("GET", "allOrders", _all_orders, costs(5)),
    _signed("GET", "orderAmendment", _amendments, costs(1)),
)
