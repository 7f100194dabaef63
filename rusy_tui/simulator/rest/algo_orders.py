"""Conditional orders: the exchange's algo endpoints."""

from typing import Any

from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.rest.endpoints import (
    Call,
    Endpoint,
    Security,
    by_symbol,
    costs,
)
from rusy_tui.simulator.rest.named import is_remembered, named_algo
from rusy_tui.simulator.rest.pages import page, span
from rusy_tui.simulator.rest.requests import algo_request
from rusy_tui.simulator.wire.orders import algo_reply, listed_algo_reply, placed_algo_reply


def _place(call: Call) -> object:
    call.symbol()
    algo = call.exchange.place_algo(call.account, algo_request(call.parameters))
    return placed_algo_reply(algo)


def _query(call: Call) -> object:
    algo_id, client_id = named_algo(call.parameters)
    algo = call.exchange.conditionals.find(call.account, algo_id, client_id)
    if not is_remembered(algo, bool(algo.actual_quantity), call.now_ms):
        raise refusal(-2013)
    return algo_reply(algo)


def _cancel(call: Call) -> object:
    algo_id, client_id = named_algo(call.parameters)
    algo = call.exchange.conditionals.cancel(call.account, algo_id, client_id, call.now_ms)
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "code": "200",
        "msg": "success",
    }


def _cancel_all(call: Call) -> object:
    call.exchange.conditionals.cancel_all(call.account, call.symbol(), call.now_ms)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _open(call: Call) -> object:
    algo_id = call.parameters.integer("algoId")
    algos = call.exchange.books.open_algos_of(call.account, call.optional_symbol())
    return [listed_algo_reply(algo) for algo in algos if algo_id in (None, algo.algo_id)]


def _all(call: Call) -> object:
    first_id = call.parameters.integer("algoId") or 0
    start_ms, end_ms = span(call, 7, too_long=refusal(-1130, "endTime"))
    algos = [
        algo
        for algo in call.exchange.books.algos_of(call.account, call.symbol())
        if algo.algo_id >= first_id
        and (first_id or start_ms <= algo.created_ms <= end_ms)
        and is_remembered(algo, bool(algo.actual_quantity), call.now_ms)
    ]
    kept = page(call, algos, 500, 1000, from_start=bool(first_id))
    return [listed_algo_reply(algo) for algo in kept]


def _signed(method: str, path: str, handler: Any, weight: Any, **more: Any) -> Endpoint:
    return Endpoint(method, f"/fapi/v1/{path}", handler, weight, Security.SIGNED, **more)


ENDPOINTS = (
    _signed("POST", "algoOrder", _place, costs(0), counts_as_order=True),
    _signed("GET", "algoOrder", _query, costs(1)),
    _signed("DELETE", "algoOrder", _cancel, costs(1)),
    _signed("GET", "openAlgoOrders", _open, by_symbol(1, 40)),
    _signed("GET", "allAlgoOrders", _all, costs(5)),
    _signed("DELETE", "algoOpenOrders", _cancel_all, costs(1)),
)
