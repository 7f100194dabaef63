"""The data service alone: market and store, without anybody who trades.

One collector a (venue, symbol) fills the tables that any number of engines, here and elsewhere,
take their bars from (:mod:`rusy_tui.market.from_database`). It needs no keys and no models.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.history import BackfillProgress
from rusy_tui.domain.market import CandleUpdate, MarketEvent, StreamInterrupted, StreamRestored
from rusy_tui.exchange.port import ExchangePort, MarketSink
from rusy_tui.market.notebook import Append
from rusy_tui.market.source import BarSource, Progress
from rusy_tui.store.locks import LOCK, Lock

log = structlog.get_logger("collector")

# How often the database is asked whether our locks are still ours, wall seconds.
LOCK_LOOK_S = 5.0
# How long locks may be held by others until this collector gives up, wall seconds.
GIVE_UP_S = 60.0
# Between two tries of work that the database was away for, wall seconds.
AGAIN_S = 10.0

Work = Callable[[], Coroutine[Any, Any, None]]


class Collector:
    """Collects some symbols of one venue until it is cancelled, or may no longer.

    Args:
        exchange: connected; only its public data is read.
        bars: keeps the candles whole.
        lock: makes us the only collector of these symbols; taken.
        clock: of the waits.
        journal: told when the locks are lost, held again, or given up.
        symbols: what is collected.
        intervals: of the candles.
        watchers: told of every event of the market, without waiting.
        beside: what goes on beside the bars: history, funding rates, retention. A part that
            the database was away for begins again; one that returns is done.
    """

    def __init__(
        self,
        exchange: ExchangePort,
        bars: BarSource,
        lock: Lock,
        clock: Clock,
        journal: Append,
        *,
        symbols: Sequence[str],
        intervals: Sequence[Interval],
        watchers: Sequence[MarketSink] = (),
        beside: Sequence[Work] = (),
    ) -> None:
        self._exchange = exchange
        self._bars = bars
        self._lock = lock
        self._clock = clock
        self._journal = journal
        self._symbols = tuple(symbols)
        self._intervals = tuple(intervals)
        self._watchers = tuple(watchers)
        self._beside = tuple(beside)
        self._restored = asyncio.Event()
        self._lost: str | None = None
        # Since when the locks are lost, market time.
        self._lost_ms = 0
        # Of the locks, with their market time; the database may be away when they happen.
        self._notes: asyncio.Queue[tuple[dict[str, object], int]] = asyncio.Queue()
        self.newest: dict[tuple[str, Interval], Candle] = {}
        """The last bar of each row that is stored with all before it."""

    @property
    def history(self) -> BackfillProgress | None:
        """How far the past is; None when none is fetched."""
        return self._bars.history()

    async def run(self, progress: Progress) -> None:
        """Collect.

        Args:
            progress: told what the start is busy with.

        Raises:
            UnreachableError, ExchangeError: the first bars can't be had.
            StorageError: the database is lost at the start, or another collector has taken our
                place while it was away later.
        """
        await self._bars.start(progress)
        log.info("collecting", symbols=self._symbols, intervals=list(map(str, self._intervals)))
        try:
            async with asyncio.TaskGroup() as group:
                streams = self._exchange.run_market_streams(
                    self._symbols, self._intervals, self._hear
                )
                group.create_task(streams)
                group.create_task(self._bars.run())
                group.create_task(self._tell_bars())
                group.create_task(self._catch_up())
                group.create_task(self._keep_lock())
                group.create_task(self._give_up())
                group.create_task(self._write_notes())
                for work in self._beside:
                    group.create_task(self._patiently(work))
        except BaseExceptionGroup as errors:
            # The first one ended the others.
            raise errors.exceptions[0] from errors

    def _hear(self, event: MarketEvent) -> None:
        match event:
            case CandleUpdate(candle=candle) if candle.closed:
                self._bars.take(candle)
            case StreamInterrupted(route=route, reason=why):
                log.warning("stream cut", route=route, why=why)
            case StreamRestored(route=route):
                log.info("stream restored", route=route)
                self._restored.set()
        for watcher in self._watchers:
            watcher(event)

    async def _catch_up(self) -> None:
        """Get what closed while a stream was away."""
        while True:
            await self._restored.wait()
            self._restored.clear()
            await self._bars.catch_up()

    async def _tell_bars(self) -> None:
        async for candle in self._bars.closed():
            self.newest[candle.symbol, candle.interval] = candle
            late_ms = self._exchange.exchange_ms() - candle.close_time_ms
            log.info(
                "bar",
                symbol=candle.symbol,
                interval=str(candle.interval),
                open_ms=candle.open_time_ms,
                close=candle.close,
                stored_after_ms=late_ms,
            )

    async def _keep_lock(self) -> None:
        """Watch over the locks, and try to get lost ones again."""

        def told(why: str | None) -> None:
            if self._lost is None:
                self._lost_ms = self._clock.market_ms()
            self._note(held=why is None, why=why or self._lost)
            self._lost = why
            if why is None:
                log.info("locks held again")
            else:
                log.warning("locks lost", why=why)

        await self._lock.keep(LOCK_LOOK_S, told)

    async def _give_up(self) -> None:
        """End when another one holds our locks, as after a long absence of the database.

        For a while that other one may be we ourselves: the server has not noticed yet that
        our former connection is gone.
        """
        since_s = self._clock.monotonic_s()
        while True:
            await self._clock.sleep(LOCK_LOOK_S)
            if self._lock.held or not self._lock.refused:
                since_s = self._clock.monotonic_s()
            elif self._clock.monotonic_s() - since_s > GIVE_UP_S:
                await self._note_the_end()
                raise StorageError(f"this collector has lost its place: {self._lost}")

    def _note(self, **payload: object) -> None:
        now_ms = self._clock.market_ms()
        self._notes.put_nowait(({**payload, "lost_ms": self._lost_ms}, now_ms))

    async def _write_notes(self) -> None:
        while True:
            payload, at_ms = await self._notes.get()

            async def write(payload: object = payload, at_ms: int = at_ms) -> None:
                await self._journal(LOCK, "collector lock", payload, at_ms)

            await self._patiently(write)
            self._notes.task_done()

    async def _note_the_end(self) -> None:
        """What this collector met with is written before it ends, if the database lets us."""
        self._note(held=False, gave_up=True, why=self._lost)
        try:
            await self._clock.within(AGAIN_S, self._notes.join())
        except TimeoutError:
            log.warning("the journal does not know that this collector gave up")

    async def _patiently(self, work: Work) -> None:
        """Do something that needs the database; from the start again when that was away."""
        while True:
            try:
                return await work()
            except StorageError as error:
                log.warning("interrupted, begins again", why=str(error), in_s=AGAIN_S)
                await self._clock.sleep(AGAIN_S)
