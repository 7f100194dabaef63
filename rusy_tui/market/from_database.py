"""Bars from the database that a collector of its own writes to: ``data.source: database``.

The collector tells of each span it wrote (:data:`rusy_tui.store.candles.NOTICES`, keys only),
and a look at the table gives the rows. A notice may be lost, so the table is looked at anyway:
every few seconds while a bar is due, once a minute otherwise, always by windows of open time,
for rows become visible in the order of their commits and not of anything they hold.

The exchange is never asked for a candle here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.history import BackfillProgress, Cure, FindingKind
from rusy_tui.market.notebook import Append, Notebook
from rusy_tui.market.pages import Span, without
from rusy_tui.market.source import Progress
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.candles import NOTICES
from rusy_tui.store.listening import Listener
from rusy_tui.store.locks import collector_of, holders
from rusy_tui.store.market_data import MarketData

log = structlog.get_logger("market")

# While a bar is due the table is looked at this often; less when it has been due for long, for
# then it is somebody's failure. In any case so often; wall seconds.
DUE_S = 2.0
LONG_DUE_S = 5.0
LONG_S = 60.0
LOOK_S = 60.0
# How late a bar may come before it counts as missing, wall seconds: a collector asks REST 2 s
# after a close, and a look may come a moment before its answer was stored.
GRACE_S = 5.0
# How long a start waits for the history, wall seconds.
START_S = 15.0
# How long is waited for one bar, wall seconds.
AWAIT_S = 8.0
_ROWS_A_LOOK = 1000

# What the collector asked about twice and the exchange does not have. Of history also what was
# broken both times is not waited for; live, a row does not pass such a bar.
_NEVER_WAS = {FindingKind.MISSING: Cure.ACCEPTED}
_FOR_GOOD = {**_NEVER_WAS, FindingKind.BROKEN: Cure.QUARANTINED}

Row = tuple[str, Interval]


class DatabaseBars:
    """A source of bars (:class:`~rusy_tui.market.source.BarSource`) that others fill.

    Args:
        data: the venue's tables.
        clock: of the waits.
        exchange_ms: exchange time now.
        symbols: whose bars are given.
        warmup_bars: how many bars of each interval a vote needs.
        journal: told when bars are missing, come, or were revised; None: the log alone.
        listen_at: where to listen for notices; None: only looks, as in lockstep, where a
            notice would arrive at a moment that no clock decides.
    """

    def __init__(
        self,
        data: MarketData,
        clock: Clock,
        exchange_ms: Callable[[], int],
        *,
        symbols: Sequence[str],
        warmup_bars: Mapping[Interval, int],
        journal: Append | None,
        listen_at: DatabaseAddress | None,
    ) -> None:
        self._venue = data.venue
        self._candles = data.candles
        self._findings = data.findings
        self._notebook = Notebook(data.findings, journal, clock)
        self._clock = clock
        self._exchange_ms = exchange_ms
        self._database = data.database
        self._symbols = tuple(symbols)
        self._warmup = dict(warmup_bars)
        self._listen_at = listen_at
        # The newest bar of each row before which, and itself, all is there.
        self._last: dict[Row, int] = {}
        # Rows that were never whole, and how many bars they lack.
        self._lacking: dict[Row, int] = {}
        self._revisions: dict[tuple[str, Interval, int], int] = {}
        self._closed: asyncio.Queue[Candle] = asyncio.Queue()
        self._waiters: list[tuple[Row, int, asyncio.Future[None]]] = []
        self._told = asyncio.Event()
        self._revisions_looked_at_s = -LOOK_S
        self._away = False
        # Rows of which it is on record that bars are missing.
        self._noted: set[Row] = set()

    # What is there at the start ---------------------------------------------------------

    async def start(self, progress: Progress) -> None:
        """Wait a while until the collector has made the history whole that a vote needs.

        Whoever starts may hold positions, so it does not wait for ever: rows that are not whole
        by then are behind, and their bars are given when they are.

        Raises:
            StorageError: the database is lost.
        """
        self._lacking = {
            (each, i): n for each in self._symbols for i, n in self._warmup.items()
        }
        give_up_s = self._clock.monotonic_s() + START_S
        while True:
            await self._look_at_history()
            if not self._lacking:
                break
            text = await self._in_words()
            progress(text)
            if self._clock.monotonic_s() >= give_up_s:
                self._notebook.note("history", why=text)
                break
            await self._clock.sleep(DUE_S)
        await self._revised()

    async def _look_at_history(self) -> None:
        """See which rows lack bars of what a vote needs; one that lacks none begins here."""
        now_ms = self._exchange_ms()
        for symbol, interval in list(self._lacking):
            bars, until_ms = self._warmup[interval], interval.floor(now_ms)
            from_ms = until_ms - bars * interval.ms
            gaps = await self._candles.missing(symbol, interval, from_ms, until_ms)
            if gaps:
                gaps = without(gaps, await self._settled(symbol, interval, _FOR_GOOD))
            if gaps:
                self._lacking[symbol, interval] = sum(b - a for a, b in gaps) // interval.ms
            else:
                del self._lacking[symbol, interval]
                self._last[symbol, interval] = until_ms - interval.ms
                self._wake()

    async def _settled(
        self, symbol: str, interval: Interval, found: Mapping[FindingKind, Cure]
    ) -> list[Span]:
        """Spans of bars that will not come, for what the collector found out about them."""
        findings = await self._findings.listed(symbol, interval, kinds=list(found))
        return [
            (each.open_time_ms, each.until_ms)
            for each in findings
            if each.cure is found[each.kind]
        ]

    async def _holders(self) -> dict[str, str | None]:
        """Who collects each symbol, in words; None: nobody."""
        subjects = collector_of(self._venue, self._symbols)
        found = await holders(self._database, subjects)
        return {
            symbol: found[each] for symbol, each in zip(self._symbols, subjects, strict=True)
        }

    async def _in_words(self) -> str:
        missing = self._lacking
        (symbol, interval), bars = next(iter(missing.items()))
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        lacks = f"{symbol} {interval} lacks {bars} of {self._warmup[interval]} bars{others}"
        holders = await self._holders()
        nobody = [each for each in dict.fromkeys(s for s, _ in missing) if not holders[each]]
        if nobody:
            return (
                f"nobody collects {', '.join(nobody)} of {self._venue} into this database: "
                f"start `rusy collect` ({lacks})"
            )
        return f"waiting for the collector ({holders[symbol]}): {lacks}"

    # What comes -------------------------------------------------------------------------

    async def run(self) -> None:
        """Look at the table, and listen, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_looking())
            if self._listen_at is not None:
                listener = Listener(
                    self._listen_at, self._clock, NOTICES, self._hear, self._told.set
                )
                group.create_task(listener.run())

    async def closed(self) -> AsyncIterator[Candle]:
        """Every closed bar, once, in order within its symbol and interval, for ever."""
        while True:
            yield await self._closed.get()

    async def window(self, symbol: str, interval: Interval, until_ms: int) -> Bars:
        """The warm-up window of bars that had closed by an instant, ascending."""
        # The store counts by open time; one that opened before may close after.
        return await self._candles.window(
            symbol, interval, until_ms - interval.ms + 1, self._warmup[interval]
        )

    async def await_bar(self, symbol: str, interval: Interval, open_ms: int) -> bool:
        """Wait until a bar is there and whole; False when nobody writes it."""
        row = (symbol, interval)
        if self._last.get(row, -1) >= open_ms:
            return True
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((row, open_ms, arrived))
        self._told.set()
        try:
            await self._clock.within(AWAIT_S, asyncio.shield(arrived))
        except TimeoutError:
            log.warning("bar not there", symbol=symbol, interval=str(interval), open_ms=open_ms)
        return self._last.get(row, -1) >= open_ms

    def take(self, candle: Candle) -> None:
        """What a stream tells is no bar of ours: only what the collector stored is."""

    async def catch_up(self) -> None:
        """Look at once; never waits."""
        self._told.set()

    def behind(self) -> Mapping[Row, int]:
        """Rows in which bars are missing that should be there: by how many ms they are late."""
        grace_ms = round(GRACE_S * 1000 * self._clock.speed)
        lacking = {row: bars * row[1].ms for row, bars in self._lacking.items()}
        return lacking | {row: late for row, late in self._late().items() if late > grace_ms}

    def history(self) -> BackfillProgress | None:
        """None: the past is the collector's."""
        return None

    def _late(self) -> dict[Row, int]:
        now_ms = self._exchange_ms()
        late = {row: now_ms - (last + 2 * row[1].ms) for row, last in self._last.items()}
        return {row: ms for row, ms in late.items() if ms >= 0}

    # Looking ----------------------------------------------------------------------------

    async def _keep_looking(self) -> None:
        while True:
            await self._wait()
            try:
                await self._look()
                if self._away:
                    self._notebook.note("database", state="back")
                self._away = False
                await self._note_missing()
                await self._notebook.write()
            except StorageError as error:
                if not self._away:
                    self._notebook.note("database", state="away", why=str(error))
                self._away = True
                # Notices of a database that has just gone would have us ask it all the time.
                await self._clock.sleep(DUE_S)

    async def _wait(self) -> None:
        """Until a notice, or until the next look is due."""
        if (late := self._late()) or self._lacking:
            long = min(late.values(), default=0) > LONG_S * 1000 * self._clock.speed
            pause_s = LONG_DUE_S if long else DUE_S
            await self._first_of(self._told.wait(), self._clock.sleep(pause_s))
        else:
            now_ms, market_ms = self._exchange_ms(), self._clock.market_ms()
            closes = [last + 2 * interval.ms for (_, interval), last in self._last.items()]
            await self._first_of(
                self._told.wait(),
                self._clock.sleep(LOOK_S),
                self._clock.sleep_until_market(min(closes) - now_ms + market_ms),
            )

    @staticmethod
    async def _first_of(*waits: Coroutine[Any, Any, object]) -> None:
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _hear(self, payload: str) -> None:
        """A notice: whether it is about one of ours decides, what it says the table knows."""
        match payload.split():
            case [venue, symbol, *_] if venue == self._venue and symbol in self._symbols:
                self._told.set()

    async def _look(self) -> None:
        """Take what is new: of all rows after a notice, else of those in which bars are due."""
        now_s, told = self._clock.monotonic_s(), self._told.is_set()
        self._told.clear()
        if told or now_s >= self._revisions_looked_at_s + LOOK_S:
            # First: what is given below has these revisions already.
            for symbol, interval, open_ms in await self._revised():
                self._notebook.note(f"{symbol} {interval}", revised_ms=open_ms)
            self._revisions_looked_at_s = now_s
        if self._lacking:
            await self._look_at_history()
        for row in list(self._last if told else self._late()):
            while await self._take_new(*row):
                pass

    async def _take_new(self, symbol: str, interval: Interval) -> bool:
        """Give the bars that follow the last one without a hole; whether there may be more."""
        row, step = (symbol, interval), interval.ms
        from_ms = self._last[row] + step
        # One more than has closed by our reckoning: the collector's may be a little ahead.
        until_ms = interval.floor(self._exchange_ms()) + step
        until_ms = min(until_ms, from_ms + _ROWS_A_LOOK * step)
        if until_ms <= from_ms:
            return False
        bars = await self._candles.window(
            symbol, interval, until_ms, (until_ms - from_ms) // step
        )
        given, late = 0, from_ms + step <= self._exchange_ms()
        for candle in _as_candles(symbol, bars[bars.open_time_ms >= from_ms]):
            if candle.open_time_ms != self._last[row] + step:
                break
            self._last[row] = candle.open_time_ms
            self._closed.put_nowait(candle)
            given += 1
        if late and not given:
            given = await self._step_over(row)
        self._wake()
        return given > 0 and late

    async def _step_over(self, row: Row) -> int:
        """Go on behind bars that do not exist; how many those were."""
        first_ms = next_ms = self._last[row] + row[1].ms
        for from_ms, until_ms in await self._settled(*row, _NEVER_WAS):
            if from_ms <= next_ms < until_ms:
                next_ms = until_ms
        self._last[row] = next_ms - row[1].ms
        return (next_ms - first_ms) // row[1].ms

    async def _revised(self) -> list[tuple[str, Interval, int]]:
        """Bars that were given, and were revised since the last look."""
        now_ms, changed = self._exchange_ms(), list[tuple[str, Interval, int]]()
        for interval, bars in self._warmup.items():
            since_ms = interval.floor(now_ms) - bars * interval.ms
            found = await self._candles.revisions(self._symbols, interval, since_ms)
            changed += [key for key, n in found.items() if self._revisions.get(key) != n]
            self._revisions |= found
        # What has left the windows is of no interest any more.
        oldest_ms = now_ms - max(i.ms * (n + 1) for i, n in self._warmup.items())
        self._revisions = {k: n for k, n in self._revisions.items() if k[2] >= oldest_ms}
        return [key for key in changed if key[2] <= self._last.get(key[:2], -1)]

    async def _note_missing(self) -> None:
        """Put on record which rows lack bars, and who should have written them."""
        behind = self.behind()
        for symbol, interval in [
            row for row in self._last if row in self._noted - behind.keys()
        ]:
            whole_until_ms = self._whole_until_ms(symbol, interval)
            self._notebook.note(f"{symbol} {interval}", whole_until_ms=whole_until_ms)
        fresh = behind.keys() - self._noted
        holders = await self._holders() if fresh else {}
        for symbol, interval in (row for row in behind if row in fresh):
            self._notebook.note(
                f"{symbol} {interval}",
                missing_from_ms=self._whole_until_ms(symbol, interval),
                late_ms=behind[symbol, interval],
                collector=holders[symbol] or "nobody",
            )
        self._noted = set(behind)

    def _whole_until_ms(self, symbol: str, interval: Interval) -> int | None:
        last = self._last.get((symbol, interval))
        return None if last is None else last + interval.ms

    def _wake(self) -> None:
        still = []
        for row, open_ms, arrived in self._waiters:
            if self._last.get(row, -1) < open_ms:
                still.append((row, open_ms, arrived))
            elif not arrived.done():
                arrived.set_result(None)
        self._waiters = [each for each in still if not each[2].done()]


def _as_candles(symbol: str, bars: Bars) -> list[Candle]:
    columns = zip(*(getattr(bars, name).tolist() for name in COLUMNS), strict=True)
    return [
        Candle(
            symbol=symbol,
            interval=bars.interval,
            open_time_ms=open_ms,
            closed=True,
            **dict(zip(COLUMNS, figures, strict=True)),
        )
        for open_ms, figures in zip(bars.open_time_ms.tolist(), columns, strict=True)
    ]
