"""The one writer of live bars: in order, and nobody waits for it.

Bars are written as they come. While the database is slow or away they go to the disk (promise
P9), bounded, and are written in their order when it answers again; whatever is given up on the
way is said, and REST can give it again. A disk that takes nothing leaves them in memory.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.market.notebook import Notebook
from rusy_tui.store.candles import Candles, Stored
from rusy_tui.store.errors import DatabaseLost, DatabaseRefused
from rusy_tui.store.spool import Frame, Spool, SpoolFull

T = TypeVar("T")
B = TypeVar("B", "_Batch", Frame)

# A call of the database that takes longer lets what comes meanwhile go to the disk, wall s.
SLOW_S = 1.0
# Between two tries of a database that is away, wall seconds.
RETRY_S = 1.0
# Bars that wait in memory when the disk takes none.
MOST_IN_MEMORY = 10_000
# Bars that go into one call.
_A_CALL = 1_000

SUBJECT = "database"


class _Batch:
    """Bars that came together."""

    def __init__(self, candles: Sequence[Candle], source: str) -> None:
        self.candles = tuple(candles)
        self.source = source
        self.written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def tell(self, written: bool) -> None:
        if not self.written.done():
            self.written.set_result(written)


class Writer:
    """Writes bars, and after them what the notebook holds.

    Args:
        candles: the table.
        notebook: what else is to be written, and where the writer's own troubles are noted.
        clock: of all waits.
        spool: where bars wait while the database is away; opened by :meth:`recover`.
        stored: told what was written, where from, and what of it was there before.
        refused: told of a bar that the database will never take, and why.
        dropped: told of bars that were given up unwritten.
        back: told when all that waited is written.
    """

    def __init__(
        self,
        candles: Candles,
        notebook: Notebook,
        clock: Clock,
        spool: Spool,
        *,
        stored: Callable[[Sequence[Candle], str, Stored], None],
        refused: Callable[[Candle, str], None],
        dropped: Callable[[Sequence[Candle]], None],
        back: Callable[[], None],
    ) -> None:
        self._candles = candles
        self._notebook = notebook
        self._clock = clock
        self._spool = spool
        self._stored = stored
        self._refused = refused
        self._dropped = dropped
        self._back = back
        self._waiting: deque[_Batch] = deque()
        self._news = asyncio.Event()
        notebook.changed = self._news.set
        self._since_s: float | None = None
        self._disk_full = False
        self._given_up = 0

    @property
    def away(self) -> bool:
        """Whether the database takes nothing at present."""
        return self._since_s is not None

    def put(self, candles: Sequence[Candle], source: str) -> "asyncio.Future[bool]":
        """Have sound bars written, after those that were put before.

        Returns:
            Whether they were written at once; when not, they wait for the database.
        """
        batch = _Batch(candles, source)
        self._waiting.append(batch)
        self._news.set()
        return batch.written

    async def recover(self) -> None:
        """Write what a former run left on the disk.

        Raises:
            StorageError: another program has the spool, or the database is lost.
        """
        found = await self._clock.in_thread(self._spool.open)
        if found.torn_bytes:
            self._notebook.note("spool", cut_bytes=found.torn_bytes, why="torn by a kill")
        if found.rows:
            await self._write_spool()
            self._notebook.note("spool", written=found.rows, why="left by a former run")

    async def run(self) -> None:
        """Write, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._write_all()
            except DatabaseLost as error:
                self._fall_away(str(error))
                await self._keep_on_disk()
                await self._pause()
                self._news.set()

    async def close(self) -> None:
        """Let go of the disk; what waits there is written by the next run."""
        await self._clock.in_thread(self._spool.close)

    # Writing ----------------------------------------------------------------------------

    async def _write_all(self) -> None:
        while self._spool.rows or self._waiting:
            if self._spool.rows:
                await self._write_spool()
                continue
            batches = _mergeable(self._waiting)
            candles = [candle for batch in batches for candle in batch.candles]
            await self._patiently(self._write(candles, batches[0].source))
            for batch in batches:
                batch.tell(True)
                # One that took long is on the disk as well by now.
                if self._waiting and self._waiting[0] is batch:
                    self._waiting.popleft()
        await self._patiently(self._notebook.write())
        if self._since_s is not None:
            took_s = self._clock.monotonic_s() - self._since_s
            self._since_s, self._disk_full = None, False
            given_up, self._given_up = self._given_up, 0
            self._notebook.note(SUBJECT, state="back", after_s=round(took_s), given_up=given_up)
            await self._notebook.write()
            self._back()

    async def _write_spool(self) -> None:
        done, given_up = 0, self._given_up
        while frames := (await self._clock.in_thread(self._spool.frames))[done:]:
            # More may come while these are written, and older ones be given up for them.
            while frames:
                together = _mergeable(frames)
                candles = [candle for frame in together for candle in frame.candles]
                await self._patiently(self._write(candles, together[0].source))
                done += len(together)
                frames = frames[len(together) :]
            if self._given_up != given_up:
                done, given_up = 0, self._given_up
        try:
            await self._clock.in_thread(self._spool.clear)
        except SpoolFull as error:
            raise DatabaseLost(f"bars are written, but {error}") from error

    async def _write(self, candles: Sequence[Candle], source: str) -> None:
        """One call; where the database refuses, the bar that it is about is found out."""
        try:
            stored = await self._candles.store(candles, source, notify=True)
        except DatabaseRefused as error:
            if len(candles) == 1:
                self._refused(candles[0], str(error))
                return
            half = len(candles) // 2
            await self._write(candles[:half], source)
            await self._write(candles[half:], source)
        else:
            self._stored(candles, source, stored)

    async def _patiently(self, call: Awaitable[T]) -> T:
        """Await the database; what arrives while it takes long goes to the disk."""
        task = asyncio.ensure_future(call)
        while True:
            try:
                return await self._clock.within(SLOW_S, asyncio.shield(task))
            except TimeoutError:
                self._fall_away(f"no answer within {SLOW_S} s")
                await self._keep_on_disk()
            except asyncio.CancelledError:
                # A call that was made runs to its end.
                task.cancel()
                await asyncio.wait([task])
                raise

    # While it is away -------------------------------------------------------------------

    def _fall_away(self, why: str) -> None:
        if self._since_s is None:
            self._since_s = self._clock.monotonic_s()
            self._notebook.note(SUBJECT, state="away", why=why)

    async def _pause(self) -> None:
        """Wait before the next try; what arrives meanwhile goes to the disk."""
        until_s = self._clock.monotonic_s() + RETRY_S
        while (left_s := until_s - self._clock.monotonic_s()) > 0:
            try:
                await self._clock.within(left_s, self._news.wait())
            except TimeoutError:
                return
            self._news.clear()
            await self._keep_on_disk()

    async def _keep_on_disk(self) -> None:
        """Move what waits in memory to the disk, in order."""
        while self._waiting and not self._disk_full:
            batch = self._waiting[0]
            append = partial(self._spool.append, batch.source, batch.candles)
            try:
                lost = await self._clock.in_thread(append)
            except SpoolFull as error:
                # What is on the disk is older than what stays in memory, so nothing more may
                # follow there before all of it is written.
                self._disk_full = True
                self._notebook.note("spool", state="full", why=str(error))
                break
            if lost:
                self._given_up += lost
                self._notebook.note("spool", given_up=lost, why="more waits than may wait")
            batch.tell(False)
            if self._waiting and self._waiting[0] is batch:
                self._waiting.popleft()
        for batch in self._waiting:
            batch.tell(False)
        self._bound_memory()

    def _bound_memory(self) -> None:
        rows = sum(len(batch.candles) for batch in self._waiting)
        while rows > MOST_IN_MEMORY:
            batch = self._waiting.popleft()
            rows -= len(batch.candles)
            self._given_up += len(batch.candles)
            self._dropped(batch.candles)
            subject = f"{batch.candles[0].symbol} {batch.candles[0].interval}"
            self._notebook.note(subject, given_up=len(batch.candles), why="memory is full")


def _mergeable(batches: Iterable[B]) -> list[B]:
    """The first ones that may be written by one call: of one source, each bar once."""
    together, keys = list[B](), set[tuple[str, Interval, int]]()
    for batch in batches:
        its = {(each.symbol, each.interval, each.open_time_ms) for each in batch.candles}
        if together and (
            batch.source != together[0].source or keys & its or len(keys | its) > _A_CALL
        ):
            break
        together.append(batch)
        keys |= its
    return together
