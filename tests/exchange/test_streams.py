"""Streams against a scripted exchange: routes, reconnects, silence, the listen key."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.account import AccountChanged, OrderChanged
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.market import (
    BookTop,
    CandleUpdate,
    MarketTrade,
    MarkPrice,
    StreamInterrupted,
    StreamRestored,
)
from rusy_tui.exchange.binance import BinanceExchange
from tests.exchange.scripted import START_MS, Answer, ScriptedExchange, in_lockstep, refusal
from tests.exchange.wire_samples import (
    ACCOUNT_EVENT,
    AGG_TRADE,
    ALGO_EVENT,
    BOOK_TICKER,
    KLINE_EVENT,
    MARK_PRICE,
    ORDER_EVENT,
)


class Sender:
    """The exchange's end of stream connections: counts messages as the simulator does."""

    def __init__(self, clock: LockstepClock) -> None:
        self.clock = clock

    async def send(self, socket: web.WebSocketResponse, message: str) -> None:
        assert socket._req is not None
        assert socket._req.transport is not None
        host, port = socket._req.transport.get_extra_info("peername")[:2]
        self.clock.in_flight.sent(f"{host}:{port}")
        await socket.send_str(message)

    async def combined(self, socket: web.WebSocketResponse, data: dict[str, Any]) -> None:
        await self.send(socket, json.dumps({"stream": "a@b", "data": data}))


async def hold(socket: web.WebSocketResponse) -> None:
    """Keep a connection open until the other side ends it."""
    async for _ in socket:
        pass


def market(exchange: BinanceExchange, sink: Callable[[Any], None]) -> "asyncio.Task[None]":
    return asyncio.create_task(
        exchange.run_market_streams(["BTCUSDT", "ETHUSDT"], [Interval.M15, Interval.H1], sink)
    )


async def stopped(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_each_stream_comes_by_its_route_and_is_decoded() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        sender = Sender(clock)

        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            public = ordinal == 1
            for message in [BOOK_TICKER] if public else [KLINE_EVENT, AGG_TRADE, MARK_PRICE]:
                await sender.combined(socket, message)
            await hold(socket)

        scripted.on_socket = on_socket
        await exchange.connect()
        got: list[Any] = []
        task = market(exchange, got.append)
        await clock.sleep(5)
        await stopped(task)
        wanted = [
            f"{name}@{kind}"
            for name in ("btcusdt", "ethusdt")
            for kind in ("kline_15m", "kline_1h", "aggTrade", "markPrice@1s")
        ]
        assert scripted.socket_paths == [
            "/public/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker",
            "/market/stream?streams=" + "/".join(wanted),
        ]
        kinds = {type(event) for event in got}
        assert kinds == {BookTop, CandleUpdate, MarketTrade, MarkPrice, StreamRestored}

    in_lockstep(scenario)


def test_a_cut_connection_is_made_again_and_the_span_is_named() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        sender = Sender(clock)

        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            if "/public" in scripted.socket_paths[-1]:
                await sender.combined(socket, BOOK_TICKER)
                await hold(socket)
                return
            event_ms = START_MS + 2000 + ordinal
            await sender.combined(socket, {**MARK_PRICE, "E": event_ms})
            await asyncio.sleep(20)
            assert socket._req is not None
            assert socket._req.transport is not None
            socket._req.transport.abort()

        scripted.on_socket = on_socket
        await exchange.connect()
        await clock.sleep(10)
        got: list[Any] = []
        task = market(exchange, got.append)
        await clock.sleep(55)
        await stopped(task)
        states = [
            event
            for event in got
            if isinstance(event, StreamInterrupted | StreamRestored) and event.route == "market"
        ]
        turns = [StreamRestored, StreamInterrupted]
        assert [type(state) for state in states] == [*turns, *turns, StreamRestored]
        first, cut, again = states[:3]
        assert isinstance(first, StreamRestored)
        assert isinstance(again, StreamRestored)
        assert cut.since_ms == first.until_ms
        assert again.since_ms == cut.since_ms
        assert 20_000 < again.until_ms - again.since_ms < 21_000

    in_lockstep(scenario)


def test_a_subscription_that_is_accepted_and_silent_is_a_fault() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            await hold(socket)

        scripted.on_socket = on_socket
        await exchange.connect()
        got: list[Any] = []
        task = market(exchange, got.append)
        await clock.sleep(100)
        await stopped(task)
        reasons = {e.reason for e in got if isinstance(e, StreamInterrupted)}
        assert reasons == {"silent for 90 s"}
        assert len(scripted.socket_paths) == 4

    in_lockstep(scenario)


def test_reconnects_for_ever_while_nobody_listens() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        url = scripted.url
        await scripted.stop()
        got: list[Any] = []
        task = market(exchange, got.append)
        await clock.sleep(3600)
        assert not task.done()
        await stopped(task)
        assert url == scripted.url
        # One outage is one interruption, however often it is tried.
        assert [type(event) for event in got] == [StreamInterrupted, StreamInterrupted]

    in_lockstep(scenario)


def test_damaged_and_unknown_messages_harm_nothing() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        sender = Sender(clock)

        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            for text in (
                '{"stream":"x","data":{"e":"kline","E":',
                "null",
                '{"result":null,"id":1}',
                json.dumps({"stream": "x", "data": {**MARK_PRICE, "p": "NaN"}}),
                json.dumps({"stream": "x", "data": {**MARK_PRICE, "p": "12,5"}}),
                json.dumps({"stream": "x", "data": {"e": "forceOrder", "o": {}}}),
            ):
                await sender.send(socket, text)
            await sender.combined(socket, BOOK_TICKER)
            await hold(socket)

        scripted.on_socket = on_socket
        await exchange.connect()
        got: list[Any] = []
        task = market(exchange, got.append)
        await clock.sleep(5)
        await stopped(task)
        assert {type(event) for event in got} == {StreamRestored, BookTop}
        # Every message was counted down, the damaged ones too, or time would stand still.

    in_lockstep(scenario)


def test_the_user_stream_and_its_key() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        sender = Sender(clock)
        scripted.script(
            "POST v1/listenKey", *(Answer({"listenKey": f"key-{n}"}) for n in range(1, 5))
        )
        unknown = refusal(-1125, "This listenKey does not exist.")
        scripted.script("PUT v1/listenKey", Answer({}), unknown, Answer({}))

        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            if ordinal == 1:
                for message in (ORDER_EVENT, ALGO_EVENT, ACCOUNT_EVENT, {"e": "TRADE_LITE"}):
                    await sender.send(socket, json.dumps(message))
                await asyncio.sleep(60)
                expired = {
                    "e": "listenKeyExpired",
                    "E": START_MS + 60_000,
                    "listenKey": "key-1",
                }
                await sender.send(socket, json.dumps(expired))
            await hold(socket)

        scripted.on_socket = on_socket
        await exchange.connect()
        got: list[Any] = []
        task = asyncio.create_task(exchange.run_user_stream(got.append))
        await clock.sleep(50)
        assert [type(event) for event in got] == [
            StreamRestored, OrderChanged, OrderChanged, AccountChanged,
        ]  # fmt: skip
        await clock.sleep(50)
        assert [type(event) for event in got[4:]] == [StreamInterrupted, StreamRestored]
        assert got[4].reason == "the listen key expired"
        # 30 min later extended, 60 min later unknown: a new key and a new connection.
        await clock.sleep(3600)
        assert got[6].reason == "the listen key is unknown to the exchange"
        assert scripted.socket_paths == [f"/private/ws?listenKey=key-{n}" for n in (1, 2, 3)]
        assert "signature" not in scripted.requests("PUT v1/listenKey")[0].raw
        await stopped(task)

    in_lockstep(scenario)


def test_two_runs_are_equal() -> None:
    logs: list[list[Any]] = []

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        sender = Sender(clock)

        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            for n in range(20):
                await asyncio.sleep(1.7)
                await sender.combined(socket, {**BOOK_TICKER, "u": n})
            await socket.close()

        scripted.on_socket = on_socket
        await exchange.connect()
        log: list[Any] = []
        task = market(exchange, lambda event: log.append((clock.market_ms(), event)))
        await clock.sleep(600)
        await stopped(task)
        logs.append([log, [(one.at_ms, one.raw) for one in scripted.seen]])

    in_lockstep(scenario, seed=7)
    in_lockstep(scenario, seed=7)
    assert len(logs[0][0]) > 600
    assert logs[0] == logs[1]
    in_lockstep(scenario, seed=8)
    assert logs[0] != logs[2]
