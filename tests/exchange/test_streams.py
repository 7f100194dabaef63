"""Streams against a scripted exchange: routes, reconnects, silence, the listen key."""

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.account import AccountChanged, AccountRead, OrderChanged
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.market import (
    BookDepth,
    BookTop,
    CandleUpdate,
    InstrumentChanged,
    MarketTrade,
    MarkPrice,
    StreamInterrupted,
    StreamRestored,
)
from rusy_tui.exchange.binance import BinanceExchange
from tests.exchange.scripted import (
    START_MS,
    Answer,
    ScriptedExchange,
    in_lockstep,
    refusal,
    script_account,
)
from tests.exchange.wire_samples import (
    ACCOUNT_EVENT,
    AGG_TRADE,
    ALGO_EVENT,
    BOOK_TICKER,
    CONTRACT_INFO,
    KLINE_EVENT,
    MARK_PRICE,
    ORDER_EVENT,
    PARTIAL_DEPTH,
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
            for message in (
                [BOOK_TICKER, PARTIAL_DEPTH] if public else [KLINE_EVENT, AGG_TRADE, MARK_PRICE]
            ):
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
            "/public/stream?streams=" + "/".join(STREAMS["public"]),
            "/market/stream?streams=" + "/".join([*wanted, "!contractInfo"]),
        ]
        kinds = {type(event) for event in got}
        assert kinds == {
            BookTop,
            BookDepth,
            CandleUpdate,
            MarketTrade,
            MarkPrice,
            StreamRestored,
        }

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
        script_account(scripted)

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
        task = asyncio.create_task(exchange.run_user_stream([], got.append))
        await clock.sleep(50)
        assert [type(event) for event in got] == [
            StreamRestored, OrderChanged, OrderChanged, AccountRead, AccountChanged,
        ]  # fmt: skip
        await clock.sleep(50)
        anew = [StreamInterrupted, StreamRestored, AccountRead]
        assert [type(event) for event in got[5:]] == anew
        assert got[5].reason == "the listen key expired"
        # 30 min later extended, 60 min later unknown: a new key and a new connection.
        await clock.sleep(3600)
        assert [type(event) for event in got[8:]] == anew
        assert got[8].reason == "the listen key is unknown to the exchange"
        assert scripted.socket_paths == [f"/private/ws?listenKey=key-{n}" for n in (1, 2, 3)]
        assert "signature" not in scripted.requests("PUT v1/listenKey")[0].raw
        await stopped(task)

    in_lockstep(scenario, check_s=86_400.0)


def test_two_runs_are_equal() -> None:
    logs: list[list[Any]] = []

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        sender = Sender(clock)

        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            for _ in range(20):
                await asyncio.sleep(1.7)
                await sender.combined(
                    socket, {**BOOK_TICKER, "u": clock.market_ms() * 100 + ordinal}
                )
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


def test_a_connection_is_replaced_before_its_day_is_over_and_nothing_is_lost_or_doubled() -> (
    None
):
    """Both deliver for a while; each event is told once, in order, and no span is missing."""

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        sender = Sender(clock)

        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            public = "/public" in scripted.socket_paths[-1]
            reading = asyncio.create_task(hold(socket))
            while not reading.done():
                # One market for all connections: what it says depends on the time alone.
                number = int(clock.monotonic_s() // 60) + 1
                await clock.sleep(number * 60 - clock.monotonic_s() + ordinal / 10)
                told = {**BOOK_TICKER, "u": number} if public else {**AGG_TRADE, "a": number}
                if not reading.done():
                    await sender.combined(socket, told)

        scripted.on_socket = on_socket
        await exchange.connect()
        got: list[Any] = []
        task = market(exchange, got.append)
        await clock.sleep(3 * 86_400)
        await stopped(task)
        trades = [event for event in got if isinstance(event, MarketTrade)]
        states = [event for event in got if isinstance(event, StreamInterrupted)]
        assert len(trades) == 3 * 1440 - 1
        assert [state for state in states if state.route.startswith("market")] == []
        assert sum(path.startswith("/market") for path in scripted.socket_paths) == 4

    in_lockstep(scenario, silence_s=86_400.0 * 9)


def test_a_silent_stream_is_subscribed_anew_then_its_connection_replaced() -> None:
    """Although the connection speaks otherwise: the trap of a subscription never heard."""

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        sender = Sender(clock)
        asked: list[tuple[float, dict[str, Any]]] = []

        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            speaking = asyncio.create_task(speak(socket, ordinal))
            async for message in socket:
                request = json.loads(message.data)
                asked.append((clock.monotonic_s(), request))
                await sender.send(socket, json.dumps({"result": None, "id": request["id"]}))
            speaking.cancel()

        async def speak(socket: web.WebSocketResponse, ordinal: int) -> None:
            public = "/public" in scripted.socket_paths[ordinal - 1]
            while True:
                await clock.sleep(1)
                for stream in STREAMS["public" if public else "market"]:
                    if stream == "ethusdt@markPrice@1s" and ordinal == 2:
                        continue
                    data = {**MARK_PRICE, "E": clock.market_ms(), "s": stream[:7].upper()}
                    await sender.send(socket, json.dumps({"stream": stream, "data": data}))

        scripted.on_socket = on_socket
        await exchange.connect()
        got: list[Any] = []
        task = market(exchange, got.append)
        await clock.sleep(60)
        await stopped(task)
        states = [e for e in got if isinstance(e, StreamInterrupted | StreamRestored)]
        cut, again = states[2:]
        assert isinstance(cut, StreamInterrupted)
        assert isinstance(again, StreamRestored)
        assert cut.route == again.route == "market ethusdt@markPrice@1s"
        assert "silent while others speak" in cut.reason
        methods = [(r["method"], r["params"]) for _, r in asked]
        silent = ["ethusdt@markPrice@1s"]
        assert methods == [("UNSUBSCRIBE", silent), ("SUBSCRIBE", silent)]
        # Looked for within the five seconds that a mark price may take, twice.
        assert 5 <= asked[0][0] < 6.5
        assert again.until_ms - START_MS < 15_000
        assert len(scripted.socket_paths) == 3

    in_lockstep(scenario, silence_s=None)


STREAMS = {
    "public": [
        f"{name}@{kind}"
        for name in ("btcusdt", "ethusdt")
        for kind in ("bookTicker", "depth5@500ms")
    ],
    "market": [
        f"{name}@{kind}"
        for name in ("btcusdt", "ethusdt")
        for kind in ("kline_15m", "kline_1h", "aggTrade", "markPrice@1s")
    ],
}


def test_many_streams_are_asked_for_in_parts_and_not_too_fast() -> None:
    """The address has room for some; the exchange takes ten messages a second."""

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        asked: dict[str, list[tuple[float, int]]] = {}

        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            path = scripted.socket_paths[-1]
            sender = Sender(clock)
            counts = asked.setdefault(path.split("?")[0] + f" {ordinal}", [])
            counts.append((0.0, path.count("/") - 1))
            async for message in socket:
                request = json.loads(message.data)
                counts.append((clock.monotonic_s(), len(request["params"])))
                await sender.send(socket, json.dumps({"result": None, "id": request["id"]}))

        scripted.on_socket = on_socket
        await exchange.connect()
        got: list[Any] = []
        symbols = [f"A{number}USDT" for number in range(400)]
        task = asyncio.create_task(
            exchange.run_market_streams(symbols, [Interval.M15], got.append)
        )
        await clock.sleep(20)
        await stopped(task)
        # 800 book streams; 1201 of the other kind, on two connections.
        assert sorted(sum(n for _, n in each) for each in asked.values()) == [201, 800, 1000]
        for each in asked.values():
            times = [at for at, _ in each[1:]]
            assert all(b - a >= 0.2 for a, b in itertools.pairwise(times))
        routes = {e.route for e in got if isinstance(e, StreamRestored)}
        assert routes == {"public", "market", "market 2"}

    in_lockstep(scenario)


def test_a_refused_subscription_is_a_fault_that_is_told() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            async for message in socket:
                request = json.loads(message.data)
                refused = {"error": {"code": 2, "msg": "no"}, "id": request["id"]}
                await Sender(clock).send(socket, json.dumps(refused))

        scripted.on_socket = on_socket
        await exchange.connect()
        got: list[Any] = []
        symbols = [f"A{number}USDT" for number in range(201)]
        task = asyncio.create_task(exchange.run_market_streams(symbols, [], got.append))
        await clock.sleep(20)
        await stopped(task)
        (reason,) = {e.reason for e in got if e.route == "public"}
        assert reason.startswith("SUBSCRIBE was refused")

    in_lockstep(scenario)


def test_news_of_contracts_are_told_of_those_asked_for() -> None:
    """The stream tells of all contracts, those of COIN-M among them."""

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        sender = Sender(clock)

        async def on_socket(socket: web.WebSocketResponse, ordinal: int) -> None:
            if "/market" in scripted.socket_paths[-1]:
                for symbol, kind in (("BTCUSDT", 1), ("BTCUSDT", 2), ("XRPUSDT", 1)):
                    news = {**CONTRACT_INFO, "s": symbol, "st": kind}
                    message = {"stream": "!contractInfo", "data": news}
                    await sender.send(socket, json.dumps(message))
            await hold(socket)

        scripted.on_socket = on_socket
        await exchange.connect()
        got: list[Any] = []
        task = market(exchange, got.append)
        await clock.sleep(5)
        await stopped(task)
        news = [event for event in got if isinstance(event, InstrumentChanged)]
        assert news == [InstrumentChanged("BTCUSDT", CONTRACT_INFO["E"])]

    in_lockstep(scenario)
