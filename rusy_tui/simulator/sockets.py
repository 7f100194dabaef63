"""Accepting WebSocket clients: which route, which streams, and their requests.

A connection lives 24 hours. Outside lockstep, where each would cost a jump of time, the
exchange pings it every 3 minutes and cuts it when no pong came for 10. It takes 10 messages
a second from it, pings and pongs among them. How a connection that breaks these rules is
ended is not documented beyond "disconnected": here with a close frame.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import WSMessage, WSMsgType, web

from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.connection import Connection
from rusy_tui.simulator.faults.fault import Fault, Kind
from rusy_tui.simulator.faults.faults import Faults, reaches_connection
from rusy_tui.simulator.latency import Latency
from rusy_tui.simulator.listen_keys import ListenKeys
from rusy_tui.simulator.streams import MARKET, PRIVATE, PUBLIC, Streams

_MOST_STREAMS = 1024
"""Streams of one connection."""

LIFE_S = 24 * 3600.0
PING_EVERY_S = 180.0
PONG_WITHIN_S = 600.0
MOST_INCOMING = 10
"""Messages a client may send in one second."""

_POLICY_CODE = 1008
_GOING_AWAY_CODE = 1001
_DEAF_S = 60.0
"""How long a half-open connection ignores a farewell."""

_LOOK_EVERY_S = 1.0
_LAST_STEPS = 10


class Sockets:
    """Serves the routed addresses and the old unrouted ones."""

    def __init__(
        self,
        streams: Streams,
        keys: ListenKeys,
        clock: Clock,
        faults: Faults,
        latency: Latency | None,
    ) -> None:
        self._streams = streams
        self._keys = keys
        self._clock = clock
        self._faults = faults
        self._latency = latency
        self._open: dict[web.WebSocketResponse, tuple[Connection, web.Request]] = {}
        self._stopping = asyncio.Event()

    def add_routes(self, app: web.Application) -> None:
        """Put the addresses into an application."""
        for route in (PUBLIC, MARKET, PRIVATE, ""):
            prefix = f"/{route}" if route else ""
            for path in ("/ws", "/ws/{streams:.+}", "/stream"):
                app.router.add_get(prefix + path, self._handler(route, path == "/stream"))

    async def close(self) -> None:
        """Close every connection."""
        self._stopping.set()
        for socket, (connection, request) in list(self._open.items()):
            if connection.silent:
                _abort(request)
            else:
                await socket.close(code=_GOING_AWAY_CODE, message=b"server stops")
        # Their handlers have a few steps to go, and nothing to wait for.
        for _ in range(_LAST_STEPS):
            await asyncio.sleep(0)

    # ── what faults do ────────────────────────────────────────────────────────────────

    def cut(self, fault: Fault) -> list[str]:
        """Cut the connections that a fault reaches, without a farewell; which."""
        reached = self._reached(fault)
        for _, request in reached:
            _abort(request)
        return [f"{connection.route} connection" for connection, _ in reached]

    def silence(self, fault: Fault) -> list[str]:
        """Make the connections that a fault reaches half-open; which."""
        reached = self._reached(fault)
        for connection, _ in reached:
            connection.silence()
        return [f"{connection.route} connection" for connection, _ in reached]

    def cut_silent(self) -> None:
        """Cut what is half-open: no connection that went silent speaks again."""
        for connection, request in self._open.values():
            if connection.silent:
                _abort(request)

    def _reached(self, fault: Fault) -> list[tuple[Connection, web.Request]]:
        return [
            (connection, request)
            for connection, request in self._open.values()
            if reaches_connection(fault, connection.route, connection.accounts)
        ]

    # ── serving ───────────────────────────────────────────────────────────────────────

    def _handler(self, route: str, combined: bool) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            wanted = _wanted(request)
            refused = self._struck(Kind.CONNECTION_REFUSED, route, wanted)
            if refused:
                _abort(request)
                return web.Response()
            return await self._serve(request, route, combined, wanted)

        return handle

    def _struck(self, kind: Kind, route: str, wanted: list[str]) -> bool:
        """Whether a fault of a kind strikes a new connection; it is noted."""
        if not self._faults.on_connections:
            return False
        held = self._faults.on_connection(kind, route, self._accounts(route, wanted))
        if held is not None:
            self._faults.note(held, f"new {route} connection")
        return held is not None

    def _accounts(self, route: str, streams: list[str]) -> dict[int, None]:
        if route != PRIVATE:
            return {}
        found = [self._keys.account_of(key) for key in streams]
        return {account.number: None for account in found if account is not None}

    async def _serve(
        self, request: web.Request, route: str, combined: bool, wanted: list[str]
    ) -> web.WebSocketResponse:
        # No compression: it would only cost time. Pings and farewells are answered here.
        socket = web.WebSocketResponse(compress=False, autoping=False, autoclose=False)
        await socket.prepare(request)
        host, port = (
            request.transport.get_extra_info("peername") if request.transport else ("", 0)
        )
        connection = Connection(
            socket,
            self._clock,
            channel=f"{host}:{port}",
            route=route,
            combined=combined,
            delays=self._latency.connection() if self._latency else None,
            faults=self._faults,
        )
        self._subscribe(connection, wanted)
        if self._struck(Kind.STREAM_HALF_OPEN, route, wanted):
            connection.silence()
        self._open[socket] = (connection, request)
        incoming = _Incoming(self._clock)
        tasks = [
            asyncio.create_task(connection.write()),
            asyncio.create_task(self._age(socket, connection, incoming)),
        ]
        try:
            async for message in socket:
                if not incoming.count(message):
                    await socket.close(code=_POLICY_CODE, message=b"too many requests")
                    break
                await self._hear(socket, connection, message)
            await self._part(socket, connection, request)
        finally:
            self._open.pop(socket, None)
            self._streams.drop(connection)
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            connection.ended()
        return socket

    async def _hear(
        self, socket: web.WebSocketResponse, connection: Connection, message: WSMessage
    ) -> None:
        if connection.silent:
            return
        if message.type is WSMsgType.PING:
            with suppress(ConnectionError):
                await socket.pong(message.data)
        elif message.type is WSMsgType.TEXT:
            connection.send(self._answer(connection, message.data))

    async def _part(
        self, socket: web.WebSocketResponse, connection: Connection, request: web.Request
    ) -> None:
        """Answer a client's farewell; a half-open connection does not even that."""
        left_s = _DEAF_S if connection.silent else 0.0
        while left_s > 0 and request.transport is not None and not self._stopping.is_set():
            left_s -= _LOOK_EVERY_S
            with suppress(TimeoutError):
                await self._clock.within(_LOOK_EVERY_S, self._stopping.wait())
        if not socket.closed:
            await socket.close()

    async def _age(
        self, socket: web.WebSocketResponse, connection: Connection, incoming: "_Incoming"
    ) -> None:
        """Ping a connection, and end it at the end of its life."""
        ends_s = self._clock.monotonic_s() + LIFE_S
        if self._latency is not None:
            await self._clock.sleep(LIFE_S)
        while (left_s := ends_s - self._clock.monotonic_s()) > 0:
            await self._clock.sleep(min(left_s, PING_EVERY_S))
            if self._clock.monotonic_s() - incoming.pong_s > PONG_WITHIN_S:
                await socket.close(code=_POLICY_CODE, message=b"no pong")
                return
            if not connection.silent:
                with suppress(ConnectionError):
                    await socket.ping()
        await socket.close(code=_GOING_AWAY_CODE, message=b"24 hours are over")

    def _subscribe(self, connection: Connection, streams: list[str]) -> None:
        self._streams.subscribe(connection, streams)
        connection.accounts |= self._accounts(connection.route, streams)

    def _answer(self, connection: Connection, text: str) -> bytes:
        """Carry out a client's request, and what is answered."""
        try:
            asked = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return _refused(2, "Invalid request: not JSON", None)
        if not isinstance(asked, dict):
            return _refused(2, "Invalid request: not an object", None)
        number = asked.get("id")
        params = asked.get("params", [])
        if not isinstance(params, list) or not all(isinstance(p, str) for p in params):
            return _refused(2, "Invalid request: params must be a list of strings", number)
        match asked.get("method"):
            case "SUBSCRIBE":
                if len(connection.streams) + len(params) > _MOST_STREAMS:
                    return _refused(2, "Invalid request: too many streams", number)
                self._subscribe(connection, params)
                return _result(None, number)
            case "UNSUBSCRIBE":
                self._streams.unsubscribe(connection, params)
                return _result(None, number)
            case "LIST_SUBSCRIPTIONS":
                return _result(list(connection.streams), number)
            case other:
                return _refused(2, f"Invalid request: unknown method {other}", number)


class _Incoming:
    """What a client sent in the last second, and when its last pong came."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at_s: deque[float] = deque(maxlen=MOST_INCOMING + 1)
        self.pong_s = clock.monotonic_s()

    def count(self, message: WSMessage) -> bool:
        """Take note of a message; False when it is one too many."""
        now_s = self._clock.monotonic_s()
        self._at_s.append(now_s)
        if message.type is WSMsgType.PONG:
            self.pong_s = now_s
        return len(self._at_s) <= MOST_INCOMING or now_s - self._at_s[0] >= 1.0


def _abort(request: web.Request) -> None:
    """End a connection as a broken network does."""
    if request.transport is not None:
        request.transport.abort()


def _wanted(request: web.Request) -> list[str]:
    """The streams that an address names, in its path or its query."""
    named = request.match_info.get("streams", "")
    asked = request.query.get("streams", "") or request.query.get("listenKey", "")
    return [stream for stream in (named or asked).split("/") if stream]


def _result(result: object, number: object) -> bytes:
    return msgspec.json.encode({"result": result, "id": number})


def _refused(code: int, message: str, number: object) -> bytes:
    return msgspec.json.encode({"error": {"code": code, "msg": message}, "id": number})
