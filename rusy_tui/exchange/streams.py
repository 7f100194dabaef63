"""Supervised stream connections: one a route, reconnecting for ever.

Streams are routed since 2026-04-23: ``/public`` carries book data, ``/market`` candles, trades
and mark prices, ``/private`` the user stream. On a wrong route a subscription is accepted and
then silent, so silence on a route that should speak is a fault.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.market import StreamInterrupted, StreamRestored, StreamState
from rusy_tui.exchange.wire import MalformedError

_log = logging.getLogger(__name__)

_LEAST_BACK_OFF_S = 0.25
_MOST_BACK_OFF_S = 30.0
_CONNECT_TIMEOUT_S = 10.0
# A float that is all but due would otherwise be waited for in steps too small to move time.
_LEAST_WAIT_S = 0.001
# The closing handshake of a connection that is given up is not worth waiting for.
_CLOSE_TIMEOUT_S = 1.0


class ReconnectError(Exception):
    """Raised by a message handler: this connection is of no use any more; the text says why."""


class StreamError(Exception):
    """Raised while an address is made up: the exchange gave none; the text says why."""


class Stream:
    """One connection, made again whenever it ends.

    Args:
        route: name in events and logs.
        address: makes the address for each connection; may ask the exchange, and raise
            :class:`StreamError`.
        handle: parses one message and puts its event on a queue, without waiting. It may
            raise :class:`~rusy_tui.exchange.wire.MalformedError` or :class:`ReconnectError`.
            It returns the event's exchange time (ms), 0 when it has none.
        report: told of interruptions and restorations, in order with the events.
        clock: for waiting.
        exchange_ms: exchange time now.
        silence_s: wall seconds without a message after which the connection is replaced;
            None where silence is normal.
        ping_interval_s: of the WebSocket pings that find dead connections; None for none.
        seed: of the jitter.
    """

    def __init__(
        self,
        route: str,
        address: Callable[[], Awaitable[str]],
        handle: Callable[[str | bytes], int],
        report: Callable[[StreamState], None],
        clock: Clock,
        exchange_ms: Callable[[], int],
        *,
        silence_s: float | None,
        ping_interval_s: float | None,
        seed: int,
    ) -> None:
        self.route = route
        self.malformed = 0
        self._address = address
        self._handle = handle
        self._report = report
        self._clock = clock
        self._exchange_ms = exchange_ms
        self._silence_s = silence_s
        self._ping_interval_s = ping_interval_s
        self._random = random.Random(f"{seed}:{route}")
        self._failures = 0
        self._last_message_s = 0.0
        # Exchange time up to which nothing is missing.
        self._seen_ms = 0
        self._interrupted = False
        self._socket: ClientConnection | None = None
        self._given_up: str | None = None

    def reconnect(self, reason: str) -> None:
        """Give the present connection up, if there is one, and make another."""
        if self._socket is not None:
            self._given_up = reason
            # No closing handshake: there may be nobody to answer it.
            self._socket.transport.abort()

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._seen_ms = self._exchange_ms()
        while True:
            try:
                await self._one_connection()
                reason = "closed by the exchange"
            except (OSError, WebSocketException, StreamError, ReconnectError) as error:
                reason = str(error) or type(error).__name__
            if self._given_up is not None:
                reason, self._given_up = self._given_up, None
            if not self._interrupted:
                self._interrupted = True
                self._report(StreamInterrupted(self.route, self._seen_ms, reason))
            back_off_s = self._back_off_s()
            _log.warning("%s stream: %s; again in %.2f s", self.route, reason, back_off_s)
            await self._clock.sleep(back_off_s)

    async def _one_connection(self) -> None:
        address = await self._address()
        async with connect(
            address,
            open_timeout=_CONNECT_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            ping_interval=self._ping_interval_s,
            compression=None,
            proxy=None,
        ) as socket:
            channel = _channel(socket)
            self._socket = socket
            self._last_message_s = self._clock.monotonic_s()
            now_ms = self._exchange_ms()
            self._report(StreamRestored(self.route, self._seen_ms, now_ms))
            self._interrupted = False
            # What lies before has been reported as perhaps missing.
            self._seen_ms = now_ms
            watchdog = asyncio.create_task(self._watch(), name=f"{self.route} watchdog")
            try:
                await self._read(socket, channel)
            finally:
                self._socket = None
                watchdog.cancel()
                # What is still on its way will not be read by anybody.
                self._clock.in_flight.closed(channel)

    async def _read(self, socket: ClientConnection, channel: str) -> None:
        async for message in socket:
            self._last_message_s = self._clock.monotonic_s()
            self._failures = 0
            try:
                event_ms = self._handle(message)
                # Not later than now: what was sent before the last message may be missing yet.
                self._seen_ms = max(self._seen_ms, min(event_ms, self._exchange_ms()))
            except MalformedError as error:
                self.malformed += 1
                _log.error(
                    "%s stream: message %d can't be read: %s: %.300r",
                    self.route, self.malformed, error, message,
                )  # fmt: skip
            finally:
                self._clock.in_flight.received(channel)

    async def _watch(self) -> None:
        """End a connection that accepts and says nothing."""
        if self._silence_s is None:
            return
        while (left_s := self._silence_s - self._silent_for_s()) > 0:
            await self._clock.sleep(max(left_s, _LEAST_WAIT_S))
        self.reconnect(f"silent for {self._silence_s:.0f} s")

    def _silent_for_s(self) -> float:
        return self._clock.monotonic_s() - self._last_message_s

    def _back_off_s(self) -> float:
        """Doubles from a quarter of a second to half a minute; chance halves it at most."""
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


def _channel(socket: ClientConnection) -> str:
    """The name of a connection that both its ends know: our socket's address."""
    host, port = socket.local_address[:2]
    return f"{host}:{port}"
