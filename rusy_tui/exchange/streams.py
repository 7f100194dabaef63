"""Supervised stream connections: one a route, reconnecting for ever.

Streams are routed since 2026-04-23: ``/public`` carries book data, ``/market`` candles, trades
and mark prices, ``/private`` the user stream. On a wrong route a subscription is accepted and
then silent, so each stream's silence is watched (:mod:`rusy_tui.exchange.silence`).

The exchange cuts a connection after 24 h. Before that another is opened beside it, and for a
while both deliver: handlers let nothing through twice (:mod:`rusy_tui.exchange.newest`).
"""

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.market import StreamInterrupted, StreamRestored, StreamState
from rusy_tui.exchange.market_events import Reply
from rusy_tui.exchange.silence import Silence
from rusy_tui.exchange.wire import MalformedError

_log = logging.getLogger(__name__)

_LEAST_BACK_OFF_S = 0.25
# Longer than this nobody should trade without prices and fills; it is 60 tries in 5 minutes.
_MOST_BACK_OFF_S = 5.0
_CONNECT_TIMEOUT_S = 10.0
# A connection that lasted so long was one: its end is the first failure, not the next.
_STEADY_S = 60.0
# A float that is all but due would otherwise be waited for in steps too small to move time.
_LEAST_WAIT_S = 0.001
# The closing handshake of a connection that is given up is not worth waiting for.
_CLOSE_TIMEOUT_S = 1.0
# The exchange cuts after 24 h; chance takes up to an hour off, so that not all go at once.
_LIFE_S = 23.5 * 3600.0
_LIFE_JITTER_S = 3600.0
# How long a second connection may take to deliver, and how long both then run: what the first
# has not told by then is not on its way any more.
_DELIVER_TIMEOUT_S = 120.0
_BOTH_S = 5.0
# The exchange takes 10 messages a second, pings and pongs among them.
_REQUEST_EVERY_S = 0.25
_REQUEST_TIMEOUT_S = 10.0
_MOST_IN_REQUEST = 100

Handled = tuple[str, int] | Reply


class ReconnectError(Exception):
    """Raised by a message handler: this connection is of no use any more; the text says why."""


class StreamError(Exception):
    """Raised while an address is made up: the exchange gave none; the text says why."""


_ENDS = (OSError, WebSocketException, StreamError, ReconnectError)


class _Link:
    """One connection, and the task that reads it."""

    def __init__(self, socket: ClientConnection) -> None:
        host, port = socket.local_address[:2]
        self.socket = socket
        # The name of a connection that both its ends know: our socket's address.
        self.channel = f"{host}:{port}"
        self.heard = asyncio.Event()
        self.dropped = False
        self.reading: asyncio.Task[None]
        self.asked: dict[int, asyncio.Future[Reply]] = {}


class Stream:
    """One connection, made again whenever it ends.

    Args:
        route: name in events and logs.
        address: makes the address for each connection; may ask the exchange, and raise
            :class:`StreamError`.
        handle: parses one message and puts its event on a queue, without waiting. It may
            raise :class:`~rusy_tui.exchange.wire.MalformedError` or :class:`ReconnectError`.
            It returns the stream's name and the event's exchange time (ms), "" and 0 where
            there is none, or the reply that the message is.
        report: told of interruptions and restorations, in order with the events. A single
            stream that is lost is reported as ``route stream``.
        clock: for waiting.
        exchange_ms: exchange time now.
        limits_s: by stream, for how many wall seconds it may be silent; a connection that says
            nothing for the shortest of them is replaced. Empty where silence is normal.
        ping_interval_s: of the WebSocket pings that find dead connections; None for none.
        seed: of the jitter.
        requested: streams that the address does not name: they are asked for on it.
    """

    def __init__(
        self,
        route: str,
        address: Callable[[], Awaitable[str]],
        handle: Callable[[str | bytes], Handled],
        report: Callable[[StreamState], None],
        clock: Clock,
        exchange_ms: Callable[[], int],
        *,
        limits_s: Mapping[str, float],
        ping_interval_s: float | None,
        seed: int,
        requested: Sequence[str] = (),
    ) -> None:
        self.route = route
        self.malformed = 0
        self.event_ms: dict[str, int] = {}
        """Exchange time of each stream's last event, ms."""
        self._address = address
        self._handle = handle
        self._report = report
        self._clock = clock
        self._exchange_ms = exchange_ms
        self._silence = Silence(limits_s)
        self._ping_interval_s = ping_interval_s
        self._random = random.Random(f"{seed}:{route}")
        self._requested = dict.fromkeys(requested)
        self._failures = 0
        # Exchange time up to which nothing is missing.
        self._seen_ms = 0
        self._interrupted = False
        # The one that serves is the first; a second takes over from it.
        self._links: list[_Link] = []
        self._given_up: str | None = None
        self._replace = asyncio.Event()
        self._requests = 0
        self._next_request_s = 0.0

    def reconnect(self, reason: str) -> None:
        """Give the present connection up, if there is one, and make another."""
        if self._links:
            self._given_up = reason
        for link in self._links:
            # No closing handshake: there may be nobody to answer it.
            link.socket.transport.abort()

    def replace(self) -> None:
        """Make another connection, and drop the present one when that delivers."""
        self._replace.set()

    async def change(
        self, limits_s: Mapping[str, float | None], gone: Sequence[str] = ()
    ) -> None:
        """Subscribe to streams (with how long each may be silent), and no longer to those.

        Raises:
            ReconnectError: the exchange refused or did not answer; the next connection has
                them.
        """
        watched = {name: limit for name, limit in limits_s.items() if limit is not None}
        self._silence.change(watched, gone, self._clock.monotonic_s())
        self._requested.update(dict.fromkeys(limits_s))
        for name in gone:
            self._requested.pop(name, None)
        for link in self._links:
            await self._ask(link, "UNSUBSCRIBE", gone)
            await self._ask(link, "SUBSCRIBE", tuple(limits_s))

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._seen_ms = self._exchange_ms()
        while True:
            begun_s = self._clock.monotonic_s()
            try:
                await self._serve()
                reason = "closed by the exchange"
            except _ENDS as error:
                reason = str(error) or type(error).__name__
            if self._clock.monotonic_s() - begun_s >= _STEADY_S:
                # Where silence is normal, no message says that the last one was a good one.
                self._failures = 0
            reason = self._interrupt(reason)
            back_off_s = self._back_off_s()
            _log.warning("%s stream: %s; again in %.2f s", self.route, reason, back_off_s)
            await self._clock.sleep(back_off_s)

    # ── one connection after the other, without a gap ─────────────────────────────────

    async def _serve(self) -> None:
        watchdog: asyncio.Task[None] | None = None
        try:
            link = await self._open()
            self._restored()
            self._silence.restart(self._clock.monotonic_s())
            if self._silence.watching:
                watchdog = asyncio.create_task(self._watch(), name=f"{self.route} watchdog")
            while True:
                await self._first_of(self._due(), link.reading, watchdog)
                if watchdog is not None and watchdog.done():
                    # It has given the connection up, which is about to end.
                    watchdog.result()
                    await asyncio.wait((link.reading,))
                if link.reading.done():
                    link.reading.result()
                    return
                link = await self._overlapped(link)
        finally:
            if watchdog is not None:
                watchdog.cancel()
            for left in list(self._links):
                await self._drop(left)

    async def _open(self) -> _Link:
        """Connect, read, and ask for what the address does not name."""
        address = await self._address()
        socket = await connect(
            address,
            open_timeout=_CONNECT_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            ping_interval=self._ping_interval_s,
            compression=None,
            proxy=None,
        )
        link = _Link(socket)
        link.reading = asyncio.create_task(self._read(link), name=f"{self.route} stream")
        self._links.append(link)
        await self._ask(link, "SUBSCRIBE", tuple(self._requested))
        return link

    async def _overlapped(self, old: _Link) -> _Link:
        """A second connection that delivers, the first one dropped; or the first one still."""
        self._replace.clear()
        try:
            newer = await self._open()
            delivers = asyncio.create_task(self._delivers(newer))
            await self._first_of(self._wait_for(delivers), newer.reading, old.reading)
            if newer.reading.done():
                newer.reading.result()
                raise ReconnectError("closed by the exchange at once")
            if not old.reading.done():
                delivers.result()
        except _ENDS as error:
            why = str(error) or type(error).__name__
            _log.warning("%s stream: not replaced: %s", self.route, why)
            if len(self._links) > 1:
                await self._drop(self._links[-1])
            self._replace.set()
            await self._first_of(self._clock.sleep(self._back_off_s()), old.reading)
            return old
        if old.reading.done():
            # It ended while the other was being made: what it had not told may be missing.
            self._interrupt("ended before another had taken over")
            self._restored()
        await self._drop(old)
        self._silence.replaced(self._clock.monotonic_s())
        _log.info("%s stream: another connection took over", self.route)
        return newer

    async def _due(self) -> None:
        """Wait until another connection must be made."""
        wait = asyncio.ensure_future(self._replace.wait())
        life_s = _LIFE_S - self._random.random() * _LIFE_JITTER_S
        try:
            await self._first_of(self._clock.sleep(life_s), wait)
        finally:
            wait.cancel()

    async def _delivers(self, link: _Link) -> None:
        if self._silence.watching:
            await self._clock.within(_DELIVER_TIMEOUT_S, link.heard.wait())
        await self._clock.sleep(_BOTH_S)

    @staticmethod
    async def _wait_for(task: "asyncio.Task[None]") -> None:
        try:
            await asyncio.wait((task,))
        finally:
            task.cancel()

    @staticmethod
    async def _first_of(
        work: Coroutine[Any, Any, None], *others: "asyncio.Future[Any] | None"
    ) -> None:
        """Wait until one is done; the work is then cancelled, the others go on."""
        task = asyncio.ensure_future(work)
        waited = [other for other in others if other is not None]
        try:
            await asyncio.wait((task, *waited), return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _drop(self, link: _Link) -> None:
        self._links.remove(link)
        link.dropped = True
        try:
            # Read on meanwhile, or time would wait for what is on its way (in lockstep).
            await link.socket.close()
        finally:
            link.reading.cancel()
            await asyncio.gather(link.reading, return_exceptions=True)
            # What is still on its way will not be read by anybody.
            self._clock.in_flight.closed(link.channel)

    def _interrupt(self, reason: str) -> str:
        """Tell once that it is cut; why: our own reason goes before the socket's."""
        if self._given_up is not None:
            reason, self._given_up = self._given_up, None
        if not self._interrupted:
            self._interrupted = True
            self._report(StreamInterrupted(self.route, self._seen_ms, reason))
        return reason

    def _restored(self) -> None:
        now_ms = self._exchange_ms()
        self._report(StreamRestored(self.route, self._seen_ms, now_ms))
        self._interrupted = False
        # What lies before has been reported as perhaps missing.
        self._seen_ms = now_ms

    # ── reading ───────────────────────────────────────────────────────────────────────

    async def _read(self, link: _Link) -> None:
        clock, silence, event_ms_of = self._clock, self._silence, self.event_ms
        handle, exchange_ms, received = (
            self._handle,
            self._exchange_ms,
            clock.in_flight.received,
        )
        async for message in link.socket:
            try:
                if link.dropped:
                    continue
                handled = handle(message)
                if isinstance(handled, Reply):
                    self._answered(link, handled)
                    continue
                stream, event_ms = handled
                if not link.heard.is_set():
                    link.heard.set()
                    self._failures = 0
                if silence.heard(stream, clock.monotonic_s()):
                    self._found(stream)
                if event_ms > self._seen_ms:
                    # Not later than now: what was sent before the last message may be missing.
                    self._seen_ms = max(self._seen_ms, min(event_ms, exchange_ms()))
                event_ms_of[stream] = event_ms
            except MalformedError as error:
                self.malformed += 1
                _log.error(
                    "%s stream: message %d can't be read: %s: %.300r",
                    self.route, self.malformed, error, message,
                )  # fmt: skip
            finally:
                received(link.channel)

    # ── requests on the connection ────────────────────────────────────────────────────

    async def _ask(self, link: _Link, method: str, streams: Sequence[str]) -> None:
        """Subscribe or unsubscribe, in parts and not too fast, and check the answers."""
        for first in range(0, len(streams), _MOST_IN_REQUEST):
            now_s = self._clock.monotonic_s()
            wait_s = self._next_request_s - now_s
            self._next_request_s = max(now_s, self._next_request_s) + _REQUEST_EVERY_S
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            self._requests += 1
            number, part = self._requests, streams[first : first + _MOST_IN_REQUEST]
            answer = link.asked[number] = asyncio.get_running_loop().create_future()
            try:
                request = {"method": method, "params": list(part), "id": number}
                await link.socket.send(json.dumps(request))
                reply = await self._clock.within(_REQUEST_TIMEOUT_S, answer)
            except TimeoutError as error:
                raise ReconnectError(f"{method} was not answered") from error
            finally:
                del link.asked[number]
            if reply.error is not None:
                raise ReconnectError(f"{method} was refused: {reply.error.msg[:200]}")

    @staticmethod
    def _answered(link: _Link, reply: Reply) -> None:
        answer = link.asked.get(reply.number) if reply.number is not None else None
        if answer is not None and not answer.done():
            answer.set_result(reply)

    # ── the watchdog ──────────────────────────────────────────────────────────────────

    async def _watch(self) -> None:
        """Act on silence: of the whole connection, and of single streams."""
        while True:
            while (wait_s := self._silence.wait_s(self._clock.monotonic_s())) > 0:
                await self._clock.sleep(max(wait_s, _LEAST_WAIT_S))
            verdict = self._silence.judge(self._clock.monotonic_s())
            if verdict.dead:
                self.reconnect(f"silent for {verdict.dead:.0f} s")
                return
            if verdict.subscribe and not await self._subscribed_anew(verdict.subscribe):
                return
            for stream in verdict.replace:
                self._lost(stream)
            if verdict.replace:
                self.replace()

    async def _subscribed_anew(self, streams: Sequence[str]) -> bool:
        _log.warning("%s stream: %s silent, subscribed anew", self.route, ", ".join(streams))
        try:
            for link in self._links[:1]:
                await self._ask(link, "UNSUBSCRIBE", streams)
                await self._ask(link, "SUBSCRIBE", streams)
        except _ENDS as error:
            self.reconnect(f"{', '.join(streams)} silent, and {error}")
            return False
        return True

    def _lost(self, stream: str) -> None:
        since_ms = self.event_ms.get(stream, self._seen_ms)
        reason = f"{stream} is silent while others speak, though subscribed anew"
        self._report(StreamInterrupted(f"{self.route} {stream}", since_ms, reason))

    def _found(self, stream: str) -> None:
        since_ms, now_ms = self.event_ms.get(stream, 0), self._exchange_ms()
        self._report(StreamRestored(f"{self.route} {stream}", since_ms or now_ms, now_ms))

    def _back_off_s(self) -> float:
        """Doubles from a quarter of a second to five; chance halves it at most."""
        longest_s = min(_MOST_BACK_OFF_S, _LEAST_BACK_OFF_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return longest_s * (1 - self._random.random() / 2)


class UnknownKinds:
    """Counts the kinds of messages that we don't know, and logs each once."""

    def __init__(self, expected: frozenset[str] = frozenset()) -> None:
        self.counts: Counter[str] = Counter()
        self._expected = expected

    def saw(self, route: str, kind: str) -> None:
        """A message of a kind that is not used."""
        self.counts[kind] += 1
        if self.counts[kind] == 1 and kind not in self._expected:
            _log.warning("%s stream: messages of kind %r are not known", route, kind)
