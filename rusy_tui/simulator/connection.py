"""One WebSocket connection of a client: what it wants, and what waits to be sent to it."""

import asyncio
import heapq
import itertools
from collections import deque

import msgspec
from aiohttp import WSMsgType, web

from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.faults.fault import Kind
from rusy_tui.simulator.faults.faults import Faults
from rusy_tui.simulator.faults.telling import told_of
from rusy_tui.simulator.latency import Delays

_BACKLOG = 20_000
"""So many messages unsent, and the connection is cut, as the exchange cuts slow readers."""

_CUT_CODE = 1008
_SHORTEST_S = 1e-6
"""Less than this is now: a float that is all but due would be waited for without end."""


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
        faults: what happens to messages on purpose.
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
        faults: Faults,
    ) -> None:
        self.route = route
        self.combined = combined
        self.streams: dict[str, None] = {}
        self.accounts: dict[int, None] = {}
        """The accounts whose events it is told, by number."""
        self._socket = socket
        self._clock = clock
        self._channel = channel
        self._delays = delays
        self._faults = faults
        self._waiting: deque[_Waiting] = deque()
        self._replaceable: dict[str, _Waiting] = {}
        self._last_due_s = 0.0
        # Held back by a fault: when each is due, and until when each kind is held.
        self._held: list[tuple[float, int, bytes]] = []
        self._held_until_s: dict[str, float] = {}
        self._numbers = itertools.count()
        self._news = asyncio.Event()
        self._slowed: dict[int, None] = {}
        self.cut = False
        self.silent = False
        """Half-open: nothing is sent or answered any more."""

    def silence(self) -> None:
        """Go on accepting, and say nothing for good."""
        self.silent = True
        self._waiting.clear()
        self._replaceable.clear()
        self._held.clear()

    def send(self, payload: bytes, key: str = "", *, strict: bool = False) -> None:
        """Put a message on its way.

        With a key it takes the place of an unsent one of that key, where there is one. A
        strict one neither replaces nor is replaced, and what comes after it with its key
        stays behind it.
        """
        if self.silent:
            return
        if self._faults.on_messages or self._held_until_s:
            self._send_faulty(payload, key, strict)
        else:
            self._put(payload, key, strict)

    def _send_faulty(self, payload: bytes, key: str, strict: bool) -> None:
        told = told_of(payload, self.route, self.streams, self.accounts)
        if told is None:
            self._put(payload, key, strict)
            return
        now_s = self._clock.monotonic_s()
        held_until_s = self._held_until_s.get(told.kind, 0.0)
        if held_until_s <= now_s:
            self._held_until_s.pop(told.kind, None)
        sendings = self._faults.on_message(told, payload)
        if sendings is None:
            if held_until_s > now_s:
                # Its kind keeps its order.
                self._hold(payload, held_until_s)
            else:
                self._put(payload, key, strict)
            return
        for sending in sendings:
            due_s = now_s + sending.delay_s
            if not sending.overtaken_by_own:
                due_s = max(due_s, held_until_s)
                if due_s > now_s:
                    self._held_until_s[told.kind] = due_s
            if due_s > now_s:
                self._hold(sending.payload, due_s)
            else:
                self._put(sending.payload, key, strict=True)

    def _hold(self, payload: bytes, due_s: float) -> None:
        heapq.heappush(self._held, (due_s, next(self._numbers), payload))
        self._news.set()

    def _release(self) -> float | None:
        """Put on their way the held messages that are due; seconds until the next one is."""
        while self._held:
            left_s = self._held[0][0] - self._clock.monotonic_s()
            if left_s > _SHORTEST_S:
                return left_s
            _, _, payload = heapq.heappop(self._held)
            self._put(payload, "", strict=True)
        return None

    def _put(self, payload: bytes, key: str, strict: bool) -> None:
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
            next_s = self._release()
            if not self._waiting:
                self._news.clear()
                await self._wait_for_news(next_s)
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
            if self._faults.on_connections:
                await self._slow_down()

    async def _wait_for_news(self, at_most_s: float | None) -> None:
        if at_most_s is None:
            await self._news.wait()
            return
        try:
            await self._clock.within(at_most_s, self._news.wait())
        except TimeoutError:
            return

    async def _slow_down(self) -> None:
        """Wait before the next message, where the connection is slow on purpose."""
        held = self._faults.on_connection(Kind.STREAM_SLOW, self.route, self.accounts)
        if held is None:
            return
        if held.number not in self._slowed:
            # Once a connection: a line a message would say no more.
            self._slowed[held.number] = None
            self._faults.note(held, f"{self.route} connection")
        await self._clock.sleep(held.fault.delay_s)

    def ended(self) -> None:
        """Nobody will read what is still under way."""
        self._clock.in_flight.closed(self._channel)
