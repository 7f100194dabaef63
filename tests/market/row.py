"""Candles of an invented market, an exchange that gives them, and a store in memory."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.account import ExchangeStatus
from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import Defect, UnreachableError
from rusy_tui.domain.history import Cure, Finding, FindingKind, MarkCandle
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.judging import candle_of
from rusy_tui.market.service import MarketService
from rusy_tui.market.validation import alike
from rusy_tui.store.candles import Stored
from rusy_tui.store.errors import DatabaseRefused
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.spool import Spool
from tests.lockstep import in_lockstep

T = TypeVar("T")
HOUR_MS = Interval.H1.ms
# 2025-06-15 15:00 UTC, on the grid of both intervals.
START_MS = 1_749_999_600_000


def candle(open_ms: int, interval: Interval = Interval.M15, **changed: object) -> Candle:
    """A closed candle whose prices tell when it opened; an hour is what its quarters make."""
    opens = range(open_ms, open_ms + interval.ms, Interval.M15.ms)
    prices = [100.0 + each // Interval.M15.ms % 50 for each in opens]
    made = Candle(
        symbol="BTCUSDT",
        interval=interval,
        open_time_ms=open_ms,
        open=prices[0],
        high=max(prices) + 2.0,
        low=min(prices) - 2.0,
        close=prices[-1] + 1.0,
        volume=10.0 * len(prices),
        quote_volume=1000.0 * len(prices),
        trades=5.0 * len(prices),
        taker_buy_volume=4.0 * len(prices),
        closed=True,
    )
    return msgspec.structs.replace(made, **changed)


class CandleExchange:
    """Gives the candles of any span; ``missing`` open times are not there yet, and its clock is
    ``ahead_ms`` ahead of ours.
    """

    def __init__(self, clock: LockstepClock) -> None:
        self._clock = clock
        self.missing: set[int] = set()
        self.odd: dict[int, Candle] = {}
        self.odd_hours: dict[int, Candle] = {}
        self.calls: list[tuple[Interval, int, int]] = []
        self.failures = self.ahead_ms = 0

    def status(self) -> ExchangeStatus:
        return ExchangeStatus(
            weight_used=0,
            weight_limit=2400,
            waiting=0,
            closed_for_s=0,
            offset_ms=0,
            offset_error_ms=0,
            offset_age_s=0,
        )

    def exchange_ms(self) -> int:
        return self._clock.market_ms() + self.ahead_ms

    async def candles(
        self,
        symbol: str,
        interval: Interval,
        start_ms: int,
        end_ms: int,
        limit: int,
        *,
        backfill: bool = False,
    ) -> Sequence[Candle]:
        self.calls.append((interval, start_ms, end_ms))
        await self._clock.sleep(0.05)
        if self.failures:
            self.failures -= 1
            raise UnreachableError("no answer")
        now_ms, rows = self.exchange_ms(), list[Candle]()
        for open_ms in range(start_ms, end_ms + 1, interval.ms):
            if open_ms in self.missing or open_ms > now_ms:
                continue
            odd = self.odd_hours if interval is Interval.H1 else self.odd
            made = odd.get(open_ms) or candle(open_ms, interval, symbol=symbol)
            closed = open_ms + interval.ms <= now_ms
            rows.append(msgspec.structs.replace(made, closed=closed))
        return rows[:limit]

    async def bars(
        self,
        symbol: str,
        interval: Interval,
        start_ms: int,
        end_ms: int,
        limit: int,
        *,
        backfill: bool = False,
    ) -> Bars:
        given = await self.candles(symbol, interval, start_ms, end_ms, limit)
        return Bars.of(interval, [candle for candle in given if candle.closed])


class CandleStore:
    """The table of candles, as far as the market service uses it.

    ``trouble`` is raised by every write while it is set; bars that open at ``refused`` times
    are never taken.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[str, Interval, int], Candle] = {}
        self.revisions: list[Candle] = []
        self.sources: dict[tuple[str, Interval, int], str] = {}
        self.written = 0
        self.trouble: Exception | None = None
        self.held: asyncio.Event | None = None
        self.refused: set[int] = set()

    def hold(self) -> asyncio.Event:
        """Keep writes waiting until the event is set."""
        self.held = asyncio.Event()
        return self.held

    async def store(
        self, candles: Sequence[Candle], source: str, *, notify: bool = False
    ) -> Stored:
        if any(not each.closed for each in candles):
            raise Defect("a forming candle was given to be stored")
        if self.held is not None:
            await self.held.wait()
        if self.trouble is not None:
            raise self.trouble
        if any(each.open_time_ms in self.refused for each in candles):
            raise DatabaseRefused("a rule of the table", "23514")
        new, revised = 0, list[tuple[str, Interval, int]]()
        for each in candles:
            key = (each.symbol, each.interval, each.open_time_ms)
            former = self.rows.get(key)
            if former is not None and alike(former, each):
                continue
            if former is not None:
                self.revisions.append(former)
                revised.append(key)
            else:
                new += 1
            self.written += 1
            self.rows[key] = each
            self.sources[key] = source
        return Stored(new, tuple(revised), len(candles) - new - len(revised))

    async def store_bars(
        self, symbol: str, bars: Bars, source: str, *, notify: bool = False
    ) -> Stored:
        rows = [candle_of(symbol, bars, row) for row in range(len(bars))]
        return await self.store(rows, source)

    def opens(self, interval: Interval = Interval.M15) -> list[int]:
        """Open times of what is stored, ascending."""
        return sorted(time for _, kind, time in self.rows if kind is interval)

    async def window(self, symbol: str, interval: Interval, until_ms: int, bars: int) -> Bars:
        opens = [time for time in self.opens(interval) if time < until_ms][-bars:]
        return Bars.of(interval, [self.rows[symbol, interval, time] for time in opens])

    async def missing(
        self, symbol: str, interval: Interval, from_ms: int, until_ms: int
    ) -> list[tuple[int, int]]:
        have = set(self.opens(interval))
        gaps = list[tuple[int, int]]()
        for time in range(from_ms, until_ms, interval.ms):
            if time in have:
                continue
            if gaps and gaps[-1][1] == time:
                gaps[-1] = (gaps[-1][0], time + interval.ms)
            else:
                gaps.append((time, time + interval.ms))
        return gaps


class FindingStore:
    """The table of findings, and each word that was ever written there."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Interval | None, int, FindingKind], Finding] = {}
        self.said: list[tuple[FindingKind, Cure]] = []
        self.trouble: Exception | None = None

    async def keep(self, findings: Sequence[Finding]) -> int:
        if self.trouble is not None:
            raise self.trouble
        for each in findings:
            self.rows[each.interval, each.open_time_ms, each.kind] = each
            self.said.append((each.kind, each.cure))
        return len(findings)

    async def listed(
        self,
        symbol: str | None = None,
        interval: Interval | None = None,
        *,
        kinds: Sequence[FindingKind] = (),
        cures: Sequence[Cure] = (),
    ) -> list[Finding]:
        found = self.rows.values()
        return [
            f for f in found if f.interval is interval and f.kind in kinds and f.cure in cures
        ]


class MarkStore:
    """The table of mark prices."""

    def __init__(self) -> None:
        self.rows: list[MarkCandle] = []

    async def between(
        self, symbol: str, interval: str, from_ms: int, until_ms: int
    ) -> list[MarkCandle]:
        return [
            mark
            for mark in self.rows
            if mark.interval == interval and from_ms <= mark.open_time_ms < until_ms
        ]


class Tables:
    """A market's tables in memory."""

    def __init__(self) -> None:
        self.candles = CandleStore()
        self.findings = FindingStore()
        self.mark_prices = MarkStore()


class Scene:
    """A market service with what it stands on, and the bars it has announced."""

    def __init__(
        self,
        clock: LockstepClock,
        warmup: dict[Interval, int],
        folder: Path,
        data: MarketData | None = None,
    ) -> None:
        self.clock = clock
        self.exchange = CandleExchange(clock)
        self.tables = Tables()
        self.data = data or cast(MarketData, self.tables)
        self.store = self.tables.candles
        self.journal: list[tuple[str, dict[str, Any]]] = []
        self.spool = Spool(folder)
        self.service = MarketService(
            cast(ExchangePort, self.exchange),
            self.data,
            clock,
            symbols=["BTCUSDT"],
            warmup_bars=warmup,
            spool=self.spool,
            journal=self._note,
        )
        self._running: asyncio.Task[None] | None = None

    async def _note(self, kind: str, subject: str, payload: object, at_ms: int) -> None:
        assert isinstance(payload, dict)
        self.journal.append((subject, payload))

    async def start(self) -> None:
        """Warm up, and announce nothing."""
        await self.service.start(lambda text: None)

    async def live(self) -> None:
        """Warm up and run."""
        await self.start()
        self._running = asyncio.get_running_loop().create_task(self.service.run())
        await self.settled()

    async def settled(self, wall_s: float = 0.5) -> None:
        """Let what was begun be done; REST takes 50 ms in this market."""
        await self.clock.sleep(wall_s)
        if self._running is not None and self._running.done():
            await self._running

    async def close_of(self, number: int) -> None:
        """Wait for the end of the 15m bar of a number."""
        await self.clock.sleep_until_market(START_MS + (number + 1) * Interval.M15.ms)

    async def told(self, *bars: Candle) -> None:
        """A stream tells of closed bars, and what that brings about is done."""
        for each in bars:
            self.service.take(each)
        await self.settled()

    async def stop(self) -> None:
        """End what runs."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        self.spool.close()

    def announced(self) -> list[Candle]:
        """What was passed on since the last look, oldest first."""
        queue, bars = self.service._closed, list[Candle]()
        while not queue.empty():
            bars.append(queue.get_nowait())
        return bars

    def opens(self) -> list[int]:
        """Open times of the announced 15m bars, counted in bars from the start."""
        return [
            (bar.open_time_ms - START_MS) // bar.interval.ms
            for bar in self.announced()
            if bar.interval is Interval.M15
        ]

    def cure(self, kind: FindingKind, number: int, interval: Interval = Interval.M15) -> Cure:
        """What became of a finding about a bar, counted from the start."""
        return self.tables.findings.rows[interval, START_MS + number * interval.ms, kind].cure

    def noted(self, **payload: object) -> list[dict[str, Any]]:
        """The journal's lines that say all of this."""
        return [
            said
            for _, said in self.journal
            if all(said.get(name) == value for name, value in payload.items())
        ]


def play(
    scene: Callable[[Scene], Awaitable[T]],
    warmup: dict[Interval, int] | None = None,
    folder: Path | None = None,
) -> T:
    """Play a scene that begins at :data:`START_MS`."""
    kinds = warmup or {Interval.M15: 20, Interval.H1: 5}

    async def played(clock: LockstepClock, place: Path) -> T:
        made = Scene(clock, kinds, place)
        try:
            return await scene(made)
        finally:
            await made.stop()

    with tempfile.TemporaryDirectory() as own:
        place = folder or Path(own)
        return in_lockstep(lambda clock: played(clock, place), START_MS)


def bar(number: int, **changed: object) -> Candle:
    """The 15m bar of a number, counted from the start."""
    return candle(START_MS + number * Interval.M15.ms, Interval.M15, **changed)
