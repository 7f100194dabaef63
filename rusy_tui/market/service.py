"""The market service: live bars, gaps, and the windows that models read.

Closed bars reach the rest of the engine through :meth:`MarketService.closed`, in order, each
once, and only when they are stored and nothing is missing before them. Who does what:

* :mod:`~rusy_tui.market.rows` knows what is whole and what is missing;
* :mod:`~rusy_tui.market.writer` stores, and keeps on disk what a lost database can't take;
* :mod:`~rusy_tui.market.mending` asks REST for what the streams did not tell, or told wrong;
* :mod:`~rusy_tui.market.review` looks at all of it once more after each hour.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import structlog

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeRefusal, StorageError
from rusy_tui.domain.history import BackfillProgress, Cure, FindingKind
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.backfill import (
    CALLS_BESIDE_TRADING,
    SETTLED_AFTER_MS,
    SHARE_BESIDE_TRADING,
    Backfill,
)
from rusy_tui.market.mending import CLOSE_GRACE_S, LONGEST_RETRY_S, Mender
from rusy_tui.market.notebook import Append, Notebook
from rusy_tui.market.pages import without
from rusy_tui.market.review import Review
from rusy_tui.market.rows import Row, Seen
from rusy_tui.market.source import Progress
from rusy_tui.market.validation import absent_made_nan, fault_of, halts
from rusy_tui.market.writer import Writer
from rusy_tui.store.candles import Stored
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.retention import Upkeep
from rusy_tui.store.spool import Spool

log = structlog.get_logger("market")

# A bar is behind when it is later than this, wall seconds: the timer after the close has asked
# REST by then, and had its answer.
BEHIND_AFTER_S = 5.0
# Wall clock and monotonic clock are held against each other this often, wall seconds, and what
# they may differ by in between: more is a sleep of the machine, or a clock that was set.
LOOK_S = 30.0
JUMP_S = 2.0
# History that a lost database stopped goes on after this, wall seconds.
HISTORY_RETRY_S = 60.0
# A bar that the exchange revised twice within this is not asked about at once, wall seconds.
AGREE_S = 2 * LONGEST_RETRY_S
# How far the warm-up is, is told this often, wall seconds.
TELL_S = 1.0

_Key = tuple[str, Interval]


class MarketService:
    """Keeps the live candles of all configured pairs whole.

    Args:
        exchange: that is asked for what the streams did not tell.
        data: where all is kept.
        clock: of all waits.
        symbols: of the pairs.
        warmup_bars: how many bars of each interval must be there at the start.
        spool: where bars wait on disk while the database is away.
        journal: told of all that goes wrong and how it was mended; None: the log alone.
        history_days: how many days of the past are fetched beside; None: what the warm-up
            needs and no more.
        upkeep: the daily task of what is stored; None: somebody else's.
        lanes: symbols and intervals that are kept; None: each interval of each symbol.
    """

    def __init__(
        self,
        exchange: ExchangePort,
        data: MarketData,
        clock: Clock,
        *,
        symbols: Sequence[str],
        warmup_bars: Mapping[Interval, int],
        spool: Spool,
        journal: Append | None = None,
        history_days: int | None = None,
        upkeep: Upkeep | None = None,
        lanes: Collection[tuple[str, Interval]] | None = None,
    ) -> None:
        self._exchange = exchange
        self._data = data
        self._upkeep = upkeep
        self._clock = clock
        self._warmup = dict(warmup_bars)
        self._rows: dict[_Key, Row] = {
            (symbol, interval): Row(symbol, interval, bars)
            for symbol in symbols
            for interval, bars in self._warmup.items()
            if lanes is None or (symbol, interval) in lanes
        }
        self._backfill = Backfill(
            exchange,
            data,
            clock,
            list(self._rows),
            lookback_days=history_days,
            share=SHARE_BESIDE_TRADING,
            calls_at_once=CALLS_BESIDE_TRADING,
        )
        self._with_history = history_days is not None
        self._fetching = self._begun = False
        self._closed: asyncio.Queue[Candle] = asyncio.Queue()
        self._waiters: list[tuple[Row, int, asyncio.Future[None]]] = []
        self._notebook = Notebook(data.findings, journal, clock)
        self._writer = Writer(
            data.candles,
            self._notebook,
            clock,
            spool,
            stored=self._stored,
            refused=self._refused,
            dropped=self._dropped,
            back=self._want_all,
        )
        self._mender = Mender(exchange, clock, self._notebook, self._writer, self._pass_on)
        by_symbol = [
            [row for (of, _), row in self._rows.items() if of == symbol] for symbol in symbols
        ]
        self._review = Review(exchange, data, clock, self._notebook, self._writer, by_symbol)

    async def start(self, progress: Progress) -> None:
        """Write what a former run left on the disk, then fetch what models need before a vote.

        Raises:
            ExchangeError: when the exchange refuses a read.
            UnreachableError: when it does not answer.
            StorageError: when the database is lost.
        """
        await self._writer.recover()
        telling = asyncio.ensure_future(self._tell(progress))
        try:
            await self._backfill.warm_up(self._warmup)
        finally:
            telling.cancel()
            await asyncio.wait([telling])
        for row in self._rows.values():
            row.begin(await self._front_ms(row))
        self._begun = True
        await self._notebook.write()

    async def run(self) -> None:
        """Write what is received, and ask for what is late or wrong, for ever."""
        self._want_all()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._writer.run())
            for row in self._rows.values():
                group.create_task(self._mender.run(row))
                group.create_task(self._mender.watch(row))
            group.create_task(self._review.run())
            group.create_task(self._watch_clock())
            if self._with_history:
                group.create_task(self._fetch_history())
            if self._upkeep is not None:
                group.create_task(self._upkeep.run())

    def take(self, candle: Candle) -> None:
        """Take a closed candle from a stream; a second time does nothing. Never waits."""
        row = self._rows.get((candle.symbol, candle.interval))
        if row is None:
            return
        if candle.close_time_ms > self._exchange.exchange_ms() + candle.interval.ms:
            # No clock is so wrong. REST tells the bar when its time has come.
            log.error("a closed candle of the future is not taken", candle=str(candle))
            return
        candle = absent_made_nan(candle)
        fault = fault_of(candle)
        if fault is not None:
            self._doubt(row, candle.open_time_ms, FindingKind.BROKEN, fault, candle)
            return
        known = row.received(candle.open_time_ms)
        match row.see(candle):
            case Seen.NEW:
                if row.lacks_before(candle.open_time_ms):
                    self._mender.want(row)
                self._writer.put([candle], "stream")
            case Seen.OTHER:
                detail = "told again" if known is None else _difference(known, candle)
                self._doubt(row, candle.open_time_ms, FindingKind.DUPLICATE, detail)

    async def closed(self) -> AsyncIterator[Candle]:
        """Every closed bar, once, in order within its symbol and interval, for ever."""
        while True:
            yield await self._closed.get()

    async def window(self, symbol: str, interval: Interval, until_ms: int) -> Bars:
        """The warm-up window of bars that had closed by an instant, ascending."""
        bars = self._warmup[interval]
        # The store counts by open time; one that opened before may close after.
        last_open_ms = until_ms - interval.ms
        return await self._data.candles.window(symbol, interval, last_open_ms + 1, bars)

    async def await_bar(self, symbol: str, interval: Interval, open_ms: int) -> bool:
        """Wait until a bar is stored, asking REST when its closing event stays away.

        Returns:
            Whether it is stored; False when the exchange does not give it either.
        """
        row = self._rows[symbol, interval]
        if _reached(row, open_ms):
            return True
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((row, open_ms, arrived))
        try:
            await self._clock.within(CLOSE_GRACE_S, asyncio.shield(arrived))
        except TimeoutError:
            await self._mender.catch_up(row)
        return _reached(row, open_ms)

    async def catch_up(self) -> None:
        """Fetch whatever has closed since the last bars, all rows at once."""
        await asyncio.gather(*map(self._mender.catch_up, self._rows.values()))

    def behind(self) -> Mapping[tuple[str, Interval], int]:
        """Rows in which bars are missing that should be there: by how many ms they are late."""
        now_ms = self._exchange.exchange_ms()
        grace_ms = round(BEHIND_AFTER_S * 1000 * self._clock.speed)
        late = {key: row.late_ms(now_ms) for key, row in self._rows.items()}
        return {key: late_ms for key, late_ms in late.items() if late_ms > grace_ms}

    # History ----------------------------------------------------------------------------

    def history(self) -> BackfillProgress | None:
        """How far the fetching of the past is; None when it is not under way."""
        return self._backfill.progress if self._fetching else None

    async def _tell(self, progress: Progress) -> None:
        while True:
            so_far = self._backfill.progress
            progress(f"fetching candles: {so_far.rows_done} of {so_far.rows_total}")
            await self._clock.sleep(TELL_S)

    async def _front_ms(self, row: Row) -> int | None:
        """Up to where a row is whole after the warm-up: what is young and missing may come."""
        until_ms = row.interval.floor(self._exchange.exchange_ms())
        from_ms = until_ms - self._warmup[row.interval] * row.interval.ms
        settled = await self._data.findings.listed(
            row.symbol,
            row.interval,
            kinds=(FindingKind.MISSING, FindingKind.BROKEN),
            cures=(Cure.ACCEPTED, Cure.QUARANTINED),
        )
        gaps = without(
            await self._data.candles.missing(row.symbol, row.interval, from_ms, until_ms),
            [(each.open_time_ms, each.until_ms) for each in settled],
        )
        young_ms = until_ms - max(SETTLED_AFTER_MS, row.interval.ms)
        young = [gap for gap in gaps if gap[1] > young_ms]
        end_ms = max(young[0][0], from_ms) if young else until_ms
        return end_ms - row.interval.ms if end_ms > from_ms else None

    async def _fetch_history(self) -> None:
        """Fetch all that is missing of the past, beside the present; ends when it is there."""
        while True:
            self._fetching = True
            try:
                await self._backfill.history()
            except ExchangeRefusal as error:
                self._notebook.note("history", state="refused", why=str(error))
                return
            except StorageError as error:
                self._notebook.note("history", state="stopped", why=str(error))
                await self._clock.sleep(HISTORY_RETRY_S)
            else:
                return
            finally:
                self._fetching = False

    # What became of bars ------------------------------------------------------------------

    def _stored(self, candles: Sequence[Candle], source: str, stored: Stored) -> None:
        """Bars are in the database: pass on what is whole."""
        revised = set(stored.revised)
        for candle in candles:
            key = (candle.symbol, candle.interval)
            row = self._rows.get(key)
            if row is None:
                # Left by a former run that had other pairs.
                continue
            former = row.received(candle.open_time_ms)
            if (*key, candle.open_time_ms) in revised:
                detail = "other than before" if former is None else _difference(former, candle)
                text = f"{source}: {detail or 'other than before'}"
                now_s = self._clock.monotonic_s()
                before_s = row.revised_s.get(candle.open_time_ms, -math.inf)
                row.revised_s[candle.open_time_ms] = now_s
                # Replicas that disagree must not have us ask without end: ever less often.
                fresh = now_s - before_s > AGREE_S
                self._doubt(row, candle.open_time_ms, FindingKind.REVISED, text, at_once=fresh)
            self._mended(row, candle)
            whole = row.stored(candle)
            # What a former run left is history by now, as is what the warm-up fetches.
            if self._begun:
                self._pass_on(whole)

    def _mended(self, row: Row, candle: Candle) -> None:
        """A bar is stored: what was set aside before is no matter any more."""
        why = row.broken.pop(candle.open_time_ms, None)
        if why is not None:
            span_ms = (candle.open_time_ms, candle.close_time_ms)
            self._notebook.find_in(row, span_ms, FindingKind.BROKEN, Cure.REFETCHED, why)

    def _pass_on(self, candles: Sequence[Candle]) -> None:
        for candle in candles:
            self._closed.put_nowait(candle)
        for from_ms, until_ms in halts(candles):
            row = self._rows[candles[0].symbol, candles[0].interval]
            since_ms = row.halted(from_ms, until_ms)
            self._notebook.find_in(
                row, (since_ms, until_ms), FindingKind.HALT, Cure.ACCEPTED, "no volume"
            )
        still = list[tuple[Row, int, asyncio.Future[None]]]()
        for row, open_ms, arrived in self._waiters:
            if arrived.done():
                continue
            if _reached(row, open_ms):
                arrived.set_result(None)
            else:
                still.append((row, open_ms, arrived))
        self._waiters = still

    def _refused(self, candle: Candle, why: str) -> None:
        """The database will never take a bar: the row does not pass it."""
        row = self._rows.get((candle.symbol, candle.interval))
        if row is None:
            return
        open_ms = candle.open_time_ms
        row.forget(candle)
        if row.broken.get(open_ms) != why:
            row.broken[open_ms] = why
            kind, span_ms = FindingKind.BROKEN, (open_ms, candle.close_time_ms)
            self._notebook.find_in(row, span_ms, kind, Cure.QUARANTINED, why, candle)

    def _dropped(self, candles: Sequence[Candle]) -> None:
        for candle in candles:
            row = self._rows.get((candle.symbol, candle.interval))
            if row is not None:
                row.forget(candle)

    def _doubt(
        self,
        row: Row,
        open_ms: int,
        kind: FindingKind,
        detail: str,
        candle: Candle | None = None,
        *,
        at_once: bool = True,
    ) -> None:
        """The exchange must be asked about a bar; its answer decides.

        What need not be at once is asked about in the mender's own time, at the next close at
        the latest.
        """
        row.suspects[open_ms] = (kind, detail)
        span_ms = (open_ms, open_ms + row.interval.ms)
        self._notebook.find_in(row, span_ms, kind, Cure.OPEN, detail, candle)
        if at_once:
            self._mender.want(row)

    def _want_all(self) -> None:
        for row in self._rows.values():
            self._mender.want(row)

    async def _watch_clock(self) -> None:
        """Notice that the machine slept, or that its clock was set: then all is asked for."""
        clock = self._clock
        wall_ms, monotonic_s = clock.wall_ms(), clock.monotonic_s()
        while True:
            await clock.sleep(LOOK_S)
            now_ms, now_s = clock.wall_ms(), clock.monotonic_s()
            jumped_s = (now_ms - wall_ms) / 1000 - (now_s - monotonic_s)
            wall_ms, monotonic_s = now_ms, now_s
            if abs(jumped_s) > JUMP_S:
                self._notebook.note("clock", jumped_s=round(jumped_s, 3))
                self._want_all()


def _reached(row: Row, open_ms: int) -> bool:
    return row.front_ms is not None and row.front_ms >= open_ms


def _difference(former: Candle, candle: Candle) -> str:
    return ", ".join(
        f"{name} {getattr(candle, name):.12g} for {getattr(former, name):.12g}"
        for name in COLUMNS
        if getattr(candle, name) != getattr(former, name)
    )
