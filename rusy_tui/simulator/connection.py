"""One WebSocket connection of a client: what it wants, and what waits to be sent to it."""

import asyncio
from collections import deque

import msgspec
from aiohttp import WSMsgType, web

from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.latency import Delays

_BACKLOG = 20_000
"""So many messages unsent, and the connection is cut, as the exchange cuts slow readers."""

_CUT_CODE = 1008


class _Waiting(msgspec.Struct):
    """A message on its way. ``key`` names what a newer one of the same kind replaces."""

    payload: bytes
    due_s: float
    key: str


class Connection:
    """Keeps messages in order, and sends each when its delay has passed.

    Args:
        socket: the accepted WebSocket.
        channel: ``host:port`` of the receiving socket, for the count of messages under way.
        route: public, market, private, or "" for the old unrouted address.
        combined: whether messages come wrapped with their stream's name.
        delays: of each message on the clock; None for none.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        clock: Clock,
        *,
        channel: str,
        route: str,
        combined: bool,
        delays: Delays | None,
    ) -> None:
        self.route = route
        self.combined = combined
        self.streams: dict[str, None] = {}
        self._socket = socket
        self._clock = clock
        self._channel = channel
        self._delays = delays
        self._waiting: deque[_Waiting] = deque()
        self._replaceable: dict[str, _Waiting] = {}
        self._last_due_s = 0.0
        self._news = asyncio.Event()
        self.cut = False

    def send(self, payload: bytes, key: str = "", *, strict: bool = False) -> None:
        """Put a message on its way.

        With a key it takes the place of an unsent one of that key, where there is one. A
        strict one neither replaces nor is replaced, and what comes after it with its key
        stays behind it.
        """
        unsent = self._replaceable.pop(key, None) if key else None
        if unsent is not None and not strict:
            unsent.payload = payload
            self._replaceable[key] = unsent
            return
        if len(self._waiting) >= _BACKLOG:
            self.cut = True
        due_s = 0.0
        if self._delays is not None:
            due_s = max(self._last_due_s, self._clock.monotonic_s() + self._delays.next_s())
            self._last_due_s = due_s
        waiting = _Waiting(payload, due_s, "" if strict else key)
        self._waiting.append(waiting)
        if waiting.key:
            self._replaceable[key] = waiting
        self._news.set()

    async def write(self) -> None:
        """Send what waits, until cancelled or the connection ends."""
        while not self._socket.closed:
            if self.cut:
                await self._socket.close(code=_CUT_CODE, message=b"slow reader")
                return
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
                continue
            left_s = self._waiting[0].due_s - self._clock.monotonic_s()
            if self._delays is not None and left_s > 0:
                await self._clock.sleep(left_s)
                continue
            message = self._waiting.popleft()
            if self._replaceable.get(message.key) is message:
                del self._replaceable[message.key]
            try:
                self._clock.in_flight.sent(self._channel)
                await self._socket.send_frame(message.payload, WSMsgType.TEXT)
            except ConnectionError:
                return

    def ended(self) -> None:
        """Nobody will read what is still under way."""
        self._clock.in_flight.closed(self._channel)
