"""Order commands against a scripted exchange: what is sent, and what is believed of answers."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.errors import ExchangeError, UnreachableError
from rusy_tui.domain.order import (
    Cause,
    Confirmed,
    Denied,
    OrderBook,
    OrderIntent,
    OrderKind,
    OrderState,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
    Unresolved,
)
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.exchange.weights import Counted
from tests.exchange.scripted import (
    KEY,
    Answer,
    ScriptedExchange,
    in_lockstep,
    refusal,
    signed_right,
)
from tests.exchange.wire_samples import ALGO_ORDER, ORDER

ORDER_PATH = "POST v1/order"


def entry(client_order_id: str = "rusy-1", **changes: object) -> OrderIntent:
    fields: dict[str, object] = {
        "client_order_id": client_order_id,
        "trade_id": "t",
        "purpose": Purpose.ENTRY,
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "created_ms": 0,
        "quantity": Decimal("0.010"),
        "price": Decimal("3.00001E+4"),
        "time_in_force": TimeInForce.POST_ONLY,
    }
    return OrderIntent(**{**fields, **changes})  # type: ignore[arg-type]  # a test's shorthand


def stop(**changes: object) -> OrderIntent:
    return entry(
        "rusy-s",
        purpose=Purpose.STOP,
        side=Side.SELL,
        kind=OrderKind.STOP_MARKET,
        trigger_price=Decimal("29500"),
        price=None,
        reduce_only=True,
        recv_window_ms=1000,
        **changes,
    )


def test_a_limit_order_is_sent_once_signed_over_its_raw_bytes() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        scripted.time_offset_ms = 1234
        scripted.script(ORDER_PATH, Answer(ORDER))
        await exchange.connect()
        assert exchange.exchange_ms() - clock.market_ms() == 1234
        # Characters that an encoder touches must not break the signature.
        outcome = await exchange.place(entry("rusy:/1._-"))
        assert isinstance(outcome, Confirmed)
        assert outcome.report.state is OrderState.NEW
        assert outcome.report.price == Decimal("30000.10")
        (request,) = scripted.requests(ORDER_PATH)
        assert signed_right(request.raw)
        assert request.headers["X-MBX-APIKEY"] == KEY
        params = request.params
        # 1 ms and less pass between stamping and arrival in lockstep: none.
        assert int(params.pop("timestamp")) == request.at_ms + 1234
        params.pop("signature")
        assert params == {
            "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.01",
            "price": "30000.1", "timeInForce": "GTX", "newClientOrderId": "rusy:/1._-",
            "newOrderRespType": "RESULT", "recvWindow": "5000",
        }  # fmt: skip

    in_lockstep(scenario)


def test_a_stop_goes_to_the_conditional_book() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        scripted.script("POST v1/algoOrder", Answer(ALGO_ORDER))
        await exchange.connect()
        outcome = await exchange.place(stop())
        assert isinstance(outcome, Confirmed)
        assert outcome.report.book is OrderBook.CONDITIONAL
        assert outcome.report.trigger_price == Decimal("29500.00")
        await exchange.place(stop(close_position=True, quantity=None))
        first, second = scripted.requests("POST v1/algoOrder")
        wanted = {
            "algoType": "CONDITIONAL", "type": "STOP_MARKET", "triggerPrice": "29500",
            "workingType": "MARK_PRICE", "clientAlgoId": "rusy-s", "recvWindow": "1000",
        }  # fmt: skip
        assert wanted.items() <= first.params.items()
        assert first.params["reduceOnly"] == "true"
        assert first.params["quantity"] == "0.01"
        assert second.params["closePosition"] == "true"
        assert not {"quantity", "reduceOnly"} & second.params.keys()

    in_lockstep(scenario)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(ORDER, after_s=60),
        Answer(cut=True),
        Answer("<html>502 Bad Gateway</html>", 502),
        Answer("{'clientOrderId'", 200),
        Answer({"clientOrderId": "rusy-1"}, 200),
        refusal(-1007, "Timeout waiting for response from backend server.", 408),
        refusal(-1001, "Internal error"),
        refusal(-1000, "Unknown error, please check your request or try again later.", 503),
        Answer("Unknown error, please check your request or try again later.", 503),
    ],
    ids=["slow", "cut", "502", "truncated", "fields", "408", "-1001", "-1000", "503"],
)
def test_what_is_not_proven_is_unresolved_and_sent_once(answer: Answer) -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        scripted.script(ORDER_PATH, answer)
        await exchange.connect()
        began_s = clock.monotonic_s()
        assert isinstance(await exchange.place(entry()), Unresolved)
        assert clock.monotonic_s() - began_s <= 10
        await clock.sleep(120)
        assert len(scripted.requests(ORDER_PATH)) == 1

    in_lockstep(scenario)


def test_a_stop_is_unresolved_when_its_recv_window_is_over() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        scripted.script("POST v1/algoOrder", Answer(ALGO_ORDER, after_s=5))
        await exchange.connect()
        began_s = clock.monotonic_s()
        assert isinstance(await exchange.place(stop()), Unresolved)
        assert clock.monotonic_s() - began_s == pytest.approx(1.0)

    in_lockstep(scenario)


def test_a_refused_timestamp_is_measured_and_sent_again_once() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.time_offset_ms = -7000
        refused = refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
        scripted.script(ORDER_PATH, refused, Answer(ORDER))
        assert isinstance(await exchange.place(entry()), Confirmed)
        first, second = scripted.requests(ORDER_PATH)
        assert int(second.params["timestamp"]) - second.at_ms == -7000
        assert first.params["newClientOrderId"] == second.params["newClientOrderId"]
        scripted.script(ORDER_PATH, refused)
        outcome = await exchange.place(entry("rusy-2"))
        assert isinstance(outcome, Rejected)
        assert outcome.cause is Cause.CLOCK
        assert len(scripted.requests(ORDER_PATH)) == 4

    in_lockstep(scenario)


def test_after_a_429_nobody_sends_before_the_named_time() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        limited = refusal(-1003, "Too many requests.", 429, Retry_After="37")
        scripted.script("GET v3/positionRisk", limited, Answer([]))
        scripted.script(ORDER_PATH, Answer(ORDER))
        scripted.script("DELETE v1/allOpenOrders", Answer({"code": 200, "msg": "done"}))
        await exchange.connect()
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(exchange.positions())]
        await clock.sleep(0.5)
        stopped_ms = scripted.requests("GET v3/positionRisk")[0].at_ms
        assert 36 < exchange.budget.closed_for_s < 37
        before = len(scripted.seen)
        # Not even exits.
        tasks += [
            asyncio.create_task(exchange.place(entry(reduce_only=True))),
            asyncio.create_task(exchange.cancel_all("BTCUSDT", OrderBook.PLAIN)),
        ]
        await clock.sleep(36)
        assert len(scripted.seen) == before
        for task in tasks:
            await task
        late = scripted.seen[before:]
        assert len(late) == 3
        assert all(request.at_ms >= stopped_ms + 37_000 for request in late)

    in_lockstep(scenario)


def test_a_429_reaches_those_in_line_before_the_room_that_it_leaves_does() -> None:
    """Its answer ends a request, which makes room: who stands in line must not take it."""

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        headers = {"Retry-After": "37", "X-MBX-ORDER-COUNT-10S": "0"}
        body = {"code": -1003, "msg": "Too many requests."}
        scripted.script(ORDER_PATH, Answer(body, 429, headers), Answer(ORDER))
        await exchange.connect()
        exchange.budget.announce([(Counted.ORDERS, 10, 1)])
        placing = [asyncio.create_task(exchange.place(entry(f"rusy-{n}"))) for n in range(3)]
        await clock.sleep(36)
        assert len(scripted.requests(ORDER_PATH)) == 1
        await asyncio.gather(*placing)
        assert len(scripted.requests(ORDER_PATH)) == 3

    in_lockstep(scenario)


def test_cancels() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        cancelled = {name: value for name, value in ORDER.items() if name != "avgPrice"}
        scripted.script("DELETE v1/order", Answer({**cancelled, "status": "CANCELED"}))
        done = {"algoId": 2146760, "clientAlgoId": "rusy-s", "code": "200", "msg": "success"}
        scripted.script("DELETE v1/algoOrder", Answer(done))
        scripted.script("GET v1/algoOrder", Answer({**ALGO_ORDER, "algoStatus": "CANCELED"}))
        await exchange.connect()
        plain = await exchange.cancel("BTCUSDT", "rusy-1", OrderBook.PLAIN)
        assert isinstance(plain, Confirmed)
        assert plain.report.state is OrderState.CANCELED
        conditional = await exchange.cancel("BTCUSDT", "rusy-s", OrderBook.CONDITIONAL)
        assert isinstance(conditional, Confirmed)
        assert conditional.report.state is OrderState.CANCELED
        # A conditional order is named by its id alone: a symbol would be a parameter unread.
        (request,) = scripted.requests("DELETE v1/algoOrder")
        assert "symbol" not in request.params
        scripted.script("GET v1/algoOrder", refusal(-2013, "Order does not exist."))
        unread = await exchange.cancel("BTCUSDT", "rusy-s", OrderBook.CONDITIONAL)
        assert isinstance(unread, Unresolved)
        scripted.script("DELETE v1/order", refusal(-2011, "Unknown order sent."))
        unknown = await exchange.cancel("BTCUSDT", "rusy-1", OrderBook.PLAIN)
        assert isinstance(unknown, Rejected)
        assert unknown.cause is Cause.UNKNOWN_ORDER

    in_lockstep(scenario)


def test_queries_tell_unknown_from_failed() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        scripted.script(
            "GET v1/order",
            refusal(-2013, "Order does not exist."),
            Answer(json.dumps(ORDER)),
            refusal(-1001, "Internal error", 500),
        )
        await exchange.connect()
        assert await exchange.order("BTCUSDT", "rusy-1", OrderBook.PLAIN) is None
        report = await exchange.order("BTCUSDT", "rusy-1", OrderBook.PLAIN)
        assert report is not None
        assert report.exchange_order_id == "22542179"
        with pytest.raises(ExchangeError):
            await exchange.order("BTCUSDT", "rusy-1", OrderBook.PLAIN)

    in_lockstep(scenario)


def test_what_can_not_be_sent_is_denied() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        before = len(scripted.seen)
        for bad in (
            entry("an id with spaces"),
            entry("x" * 37),
            entry(price=None),
            entry(quantity=Decimal("NaN")),
            entry(close_position=True),
        ):
            assert isinstance(await exchange.place(bad), Denied)
        assert len(scripted.seen) == before

    in_lockstep(scenario)


def test_without_a_connection_nothing_was_sent() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        await scripted.stop()
        # The idle connections are dropped by us before the server would.
        await clock.sleep(20)
        outcome = await exchange.place(entry())
        assert isinstance(outcome, Rejected)
        assert outcome.cause is Cause.OVERLOADED
        with pytest.raises(UnreachableError):
            await exchange.connect()

    in_lockstep(scenario)
