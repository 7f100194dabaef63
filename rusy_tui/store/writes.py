"""Writes that nobody may have to wait for: kept in order, repeated until they are done.

Protection, exits and cancels never depend on the database (promises P2, P6, P9). What they
have to note is put here; one task writes it, in the order in which it came, and repeats what
failed until the database answers again. Callers wait a little for the acknowledgement and go
on without it. A call to the database is never cancelled for taking long: that alone would
take seconds, and whether it took effect would be unknown.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import Defect, RusyError, StorageError
from rusy_tui.store.errors import DatabaseRefused

log = structlog.get_logger("store")

# Wall seconds between two tries of a write.
RETRY_S = 1.0
# How long a stop of the program waits for what is not written yet, wall seconds.
CLOSE_S = 1.0

Write = Callable[[], Awaitable[object]]


class _Waiting:
    """A write, and the future that tells whether it is durable."""

    def __init__(self, write: Write, what: str) -> None:
        self.write = write
        self.what = what
        self.durable: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def tell(self, durable: bool) -> None:
        """Tell whoever waits; only the first word counts."""
        if not self.durable.done():
            self.durable.set_result(durable)


class Writes:
    """One queue of writes. Each write must be harmless when repeated.

    While it is *behind* (the database has refused to answer, or took longer than a caller could
    wait), nobody is made to wait: what is put is acknowledged as not durable at once, and
    still written in its turn. It has caught up when the queue is empty.

    Attributes:
        troubled: told of each failure to write.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue: deque[_Waiting] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._behind = False
        self.troubled: Callable[[RusyError], None] = _nobody

    def __len__(self) -> int:
        """How many writes are not done."""
        return len(self._queue)

    def put(self, write: Write, what: str) -> "asyncio.Future[bool]":
        """Have something written.

        Args:
            write: makes the call; called again when that failed.
            what: names it in the log.

        Returns:
            Whether it is durable, as far as is known when nobody should wait any longer.
        """
        waiting = _Waiting(write, what)
        if self._behind:
            waiting.tell(False)
        self._queue.append(waiting)
        self._work_on()
        return waiting.durable

    async def keep(self, write: Write, what: str, wait_s: float) -> bool:
        """Have something written, and wait for it, but not long.

        Args:
            write: makes the call; called again when that failed.
            what: names it in the log.
            wait_s: the longest wait, wall seconds.

        Returns:
            Whether it is durable now; when not, it will be written as soon as can be.
        """
        return await self.within(wait_s, self.put(write, what))

    async def within(self, wait_s: float, durable: "asyncio.Future[bool]") -> bool:
        """Wait for what :meth:`put` returned, at most this many wall seconds."""
        if not durable.done():
            try:
                await self._clock.within(wait_s, asyncio.shield(durable))
            except TimeoutError:
                self._fall_behind(f"no answer within {wait_s} s")
        return durable.result()

    async def settled(self) -> None:
        """Wait until nothing is left to write."""
        while self._worker is not None and not self._worker.done():
            await asyncio.wait([self._worker])

    async def close(self) -> None:
        """Give what is left a last moment, then stop."""
        try:
            await self._clock.within(CLOSE_S, self.settled())
        except TimeoutError:
            left = [waiting.what for waiting in self._queue]
            log.warning("left unwritten", count=len(left), what=left[:100])
            if self._worker is not None:
                self._worker.cancel()
                await asyncio.wait([self._worker])

    def _work_on(self) -> None:
        if self._queue and (self._worker is None or self._worker.done()):
            self._worker = asyncio.get_running_loop().create_task(self._work())
            self._worker.add_done_callback(self._ended)

    async def _work(self) -> None:
        while self._queue:
            waiting = self._queue[0]
            try:
                await waiting.write()
            except (DatabaseRefused, Defect) as error:
                # The answer is no, and will be no.
                self._give_up(error)
            except StorageError as error:
                self._fall_behind(str(error))
                self.troubled(error)
                await self._clock.sleep(RETRY_S)
            else:
                self._queue.popleft()
                waiting.tell(True)
        if self._behind:
            self._behind = False
            log.info("everything is written")

    def _fall_behind(self, why: str) -> None:
        if not self._behind:
            log.error("not written yet", why=why, first=self._queue[0].what)
        self._behind = True
        for waiting in self._queue:
            waiting.tell(False)

    def _give_up(self, error: RusyError) -> None:
        waiting = self._queue.popleft()
        log.error("can not be written", what=waiting.what, why=str(error))
        waiting.tell(False)
        self.troubled(error)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            # A bug in one write; the others must not suffer for it.
            self._give_up(Defect(f"a write failed: {error!r}"))
            self._work_on()


def _nobody(error: RusyError) -> None:
    """Nobody is told."""
