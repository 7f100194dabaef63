"""Accepting WebSocket clients: which route, which streams, and their requests."""

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.connection import Connection
from rusy_tui.simulator.latency import Latency
from rusy_tui.simulator.streams import MARKET, PRIVATE, PUBLIC, Streams

_MOST_STREAMS = 1024
"""Streams of one connection."""


class Sockets:
    """Serves the routed addresses and the old unrouted ones."""

    def __init__(self, streams: Streams, clock: Clock, latency: Latency | None) -> None:
        self._streams = streams
        self._clock = clock
        self._latency = latency
        self._open: dict[web.WebSocketResponse, None] = {}

    def add_routes(self, app: web.Application) -> None:
        """Put the addresses into an application."""
        for route in (PUBLIC, MARKET, PRIVATE, ""):
            prefix = f"/{route}" if route else ""
            for path in ("/ws", "/ws/{streams:.+}", "/stream"):
                app.router.add_get(prefix + path, self._handler(route, path == "/stream"))

    async def close(self) -> None:
        """Close every connection."""
        for socket in list(self._open):
            await socket.close(code=1001, message=b"server stops")

    def _handler(self, route: str, combined: bool) -> Any:
        async def handle(request: web.Request) -> web.WebSocketResponse:
            return await self._serve(request, route, combined)

        return handle

    async def _serve(
        self, request: web.Request, route: str, combined: bool
    ) -> web.WebSocketResponse:
        # No heartbeat: in lockstep each ping would cost a jump of the clock, and on loopback
        # a dead peer is noticed at once. No compression: it would only cost time.
        socket = web.WebSocketResponse(compress=False, autoping=True)
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
        )
        self._streams.subscribe(connection, _wanted(request))
        self._open[socket] = None
        writer = asyncio.create_task(connection.write())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    connection.send(self._answer(connection, message.data))
        finally:
            self._open.pop(socket, None)
            self._streams.drop(connection)
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
            connection.ended()
        return socket

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
                self._streams.subscribe(connection, params)
                return _result(None, number)
            case "UNSUBSCRIBE":
                self._streams.unsubscribe(connection, params)
                return _result(None, number)
            case "LIST_SUBSCRIPTIONS":
                return _result(list(connection.streams), number)
            case other:
                return _refused(2, f"Invalid request: unknown method {other}", number)


def _wanted(request: web.Request) -> list[str]:
    """The streams that an address names, in its path or its query."""
    named = request.match_info.get("streams", "")
    asked = request.query.get("streams", "") or request.query.get("listenKey", "")
    return [stream for stream in (named or asked).split("/") if stream]


def _result(result: object, number: object) -> bytes:
    return msgspec.json.encode({"result": result, "id": number})


def _refused(code: int, message: str, number: object) -> bytes:
    return msgspec.json.encode({"error": {"code": code, "msg": message}, "id": number})
