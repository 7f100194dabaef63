"""Several orders in one request. What one of them is refused with stands in its place."""

from collections.abc import Mapping
from typing import Any

import msgspec

from rusy_tui.simulator.refusals import Refusal, refusal
from rusy_tui.simulator.rest import orders
from rusy_tui.simulator.rest.endpoints import Call, Endpoint, Handler, Security, costs
from rusy_tui.simulator.rest.parameters import Parameters

MOST_ORDERS = 5
MOST_CANCELS = 10

_ITEMS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_NUMBERS = msgspec.json.Decoder(list[int])
_NAMES = msgspec.json.Decoder(list[str])


def _place(call: Call) -> object:
    return [_one(call, item, orders.place) for item in _items(call.parameters)]


def _amend(call: Call) -> object:
    return [_one(call, item, orders.amend) for item in _items(call.parameters)]


def _cancel(call: Call) -> object:
    asked = call.parameters
    symbol = call.symbol()
    if asked.has("orderIdList"):
        name, found = "orderId", [str(n) for n in _list(asked, "orderIdList", _NUMBERS)]
    else:
        asked.required("origClientOrderIdList")
        name, found = "origClientOrderId", _list(asked, "origClientOrderIdList", _NAMES)
    if not 1 <= len(found) <= MOST_CANCELS:
        raise refusal(-4082)
    return [_one(call, {"symbol": symbol, name: each}, orders.cancel) for each in found]


def _one(call: Call, item: Mapping[str, str], handler: Handler) -> object:
    """Carry out one item of a batch as if it were a request of its own."""
    alone = msgspec.structs.replace(call, parameters=Parameters.of(item))
    try:
        return handler(alone)
    except Refusal as refused:
        return {"code": refused.code, "msg": refused.message}


def _items(asked: Parameters) -> list[dict[str, str]]:
    """The orders of a batch; their numbers keep the text they were sent with."""
    items = _list(asked, "batchOrders", _ITEMS)
    if not 1 <= len(items) <= MOST_ORDERS:
        raise refusal(-4082)
    return [{name: _text(raw) for name, raw in item.items()} for item in items]


def _list(asked: Parameters, name: str, decoder: msgspec.json.Decoder[list[Any]]) -> list[Any]:
    try:
        return decoder.decode(asked.required(name))
    except msgspec.DecodeError:
        raise refusal(-1130, name) from None


def _text(raw: msgspec.Raw) -> str:
    """A JSON value as a form would carry it; null is nothing."""
    value = bytes(raw)
    if value.startswith(b'"'):
        return msgspec.json.decode(value, type=str)
    return "" if value == b"null" else value.decode()


def _signed(
    method: str, handler: Handler, weight: int, *, counts_as_order: bool = False
) -> Endpoint:
    return Endpoint(
        method,
        "/fapi/v1/batchOrders",
        handler,
        costs(weight),
        Security.SIGNED,
        counts_as_order,
        MOST_ORDERS,
    )


ENDPOINTS = (
    _signed("POST", _place, 5, counts_as_order=True),
    _signed("PUT", _amend, 5, counts_as_order=True),
    _signed("DELETE", _cancel, 1),
)
