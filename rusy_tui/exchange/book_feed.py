"""Keeps a local order book: the stream of differences, and a snapshot whenever it has a gap."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, UnreachableError
from rusy_tui.domain.market import BookTop, StreamInterrupted, StreamRestored, StreamState
from rusy_tui.exchange.market_events import Reply, book_message
from rusy_tui.exchange.order_book import BookDiff, BookSnapshot, GapError, LocalBook
from rusy_tui.exchange.streams import Handled
from rusy_tui.exchange.wire import Unknown

_log = logging.getLogger(__name__)

BookSink = Callable[[BookTop | StreamState], None]

# Differences that wait for a snapshot: a quarter of an hour of them.
_MOST_WAITING = 10_000
# A snapshot that failed or was too old is read again after this; wall seconds.
_RETRY_S = 1.0


class BookFeed:
    """One symbol's book. Told are the best prices after each difference, gaps and repairs.

    Args:
        symbol: of the book.
        read: reads a snapshot; raises ``ExchangeError``.
        sink: takes what is told, without waiting.
        clock: for waiting.
        exchange_ms: exchange time now.
    """

    def __init__(
        self,
        symbol: str,
        read: Callable[[], Awaitable[BookSnapshot]],
        sink: BookSink,
        clock: Clock,
        exchange_ms: Callable[[], int],
    ) -> None:
        self.book = LocalBook(symbol)
        self.gaps = 0
        self._read = read
        self._sink = sink
        self._clock = clock
        self._exchange_ms = exchange_ms
        self._waiting: deque[BookDiff] = deque(maxlen=_MOST_WAITING)
        self._wanted = asyncio.Event()
        # Since when the book is not known although its stream speaks, exchange time.
        self._lost_ms: int | None = None

    def handle(self, message: str | bytes) -> Handled:
        """Take a message of the stream."""
        stream, found = book_message(message)
        if isinstance(found, Reply):
            return found
        if isinstance(found, Unknown):
            return stream, 0
        if self.book.last_update_id is None:
            self._waiting.append(found)
        else:
            self._apply(found)
        return stream, found.event_ms

    def report(self, state: StreamState) -> None:
        """Take the state of the stream's connection."""
        self._sink(state)
        if isinstance(state, StreamInterrupted):
            self.book.forget()
            self._waiting.clear()
            self._wanted.clear()
        else:
            self._wanted.set()

    async def keep(self) -> None:
        """Read snapshots as they are wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                snapshot = await self._read()
            except (ExchangeError, UnreachableError) as error:
                _log.warning("book of %s not read: %s", self.book.symbol, error)
            else:
                # Unless the stream was cut meanwhile.
                if self._wanted.is_set() and self._start(snapshot):
                    continue
            await self._clock.sleep(_RETRY_S)

    def _start(self, snapshot: BookSnapshot) -> bool:
        """Begin from a snapshot, and take what waited for it; whether they fit together."""
        self.book.start(snapshot)
        for diff in self._waiting:
            try:
                self.book.apply(diff)
            except GapError as gap:
                _log.info("book of %s: read again: %s", self.book.symbol, gap)
                # A later snapshot is to begin beyond it; what has waited stays.
                return False
        self._waiting.clear()
        self._wanted.clear()
        if self._lost_ms is not None:
            since_ms, self._lost_ms = self._lost_ms, None
            self._sink(StreamRestored(self._name, since_ms, self._exchange_ms()))
        self._tell()
        return True

    def _apply(self, diff: BookDiff) -> None:
        since_ms = self.book.event_ms
        try:
            if self.book.apply(diff):
                self._tell()
        except GapError as gap:
            self.gaps += 1
            self._lost_ms = since_ms
            self._waiting.append(diff)
            self._wanted.set()
            reason = f"a difference was lost: {gap}"
            _log.warning("book of %s: %s", self.book.symbol, reason)
            self._sink(StreamInterrupted(self._name, since_ms, reason))

    def _tell(self) -> None:
        top = self.book.top()
        if top is not None:
            self._sink(top)

    @property
    def _name(self) -> str:
        return f"book {self.book.symbol}"
