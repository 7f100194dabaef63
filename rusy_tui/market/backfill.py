"""History made whole: each lane from the exchange's first candle to now, newest bars first.

The table is the only memory: what is missing there is asked for, page by page, so that a
backfill may be killed at any moment and goes on where it was. What the exchange itself does
not have, and what breaks a rule twice, is kept as a finding and not asked for again.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, ExchangeRefusal, UnreachableError
from rusy_tui.domain.history import BackfillProgress, Cure, Finding, FindingKind, Gap
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market import hours
from rusy_tui.market.gaps import gaps_of
from rusy_tui.market.judging import Broken, halts, judge
from rusy_tui.market.pages import (
    WEIGHT_A_CALL,
    Lane,
    Page,
    Span,
    absent,
    in_turns,
    newest_first,
    seconds_left,
    without,
)
from rusy_tui.store.market_data import MarketData

T = TypeVar("T")
log = structlog.get_logger("market")

# Enough calls under way to hide the way there and back: with 0.4 s for both, 16 ask for twice
# what the budget lets through in a minute.
CALLS_AT_ONCE = 16
# Beside trading, history leaves a half of the budget to what trading asks, and asks no faster
# than that half allows.
SHARE_BESIDE_TRADING = 0.5
CALLS_BESIDE_TRADING = 4
# What exits keep for themselves; nothing of the past may use it.
_RESERVE = 0.1
_LOOK_AGAIN_S = 1.0
# What is younger may still come: no hole is accepted there.
SETTLED_AFTER_MS = 3_600_000
_LONGEST_PAUSE_S = 60.0
_DAY_MS = 86_400_000

Say = Callable[[str], None]


class Backfill:
    """Fetches what is missing of some lanes, judges it, and stores it.

    Args:
        exchange: connected.
        data: the tables of its venue.
        clock: times pauses and rates, in wall time.
        lanes: symbols and intervals, in the order they take turns.
        lookback_days: how far back; None for all that the exchange has.
        share: how much of the weight budget may be in use before history waits, 0 to 1.
        calls_at_once: requests of history under way, at most; a warm-up is waited for, and has
            :data:`CALLS_AT_ONCE`.
        say: told when the exchange does not answer, and when it does again.
    """

    def __init__(
        self,
        exchange: ExchangePort,
        data: MarketData,
        clock: Clock,
        lanes: Sequence[Lane],
        *,
        lookback_days: int | None = None,
        share: float = 1.0,
        calls_at_once: int = CALLS_AT_ONCE,
        say: Say | None = None,
    ) -> None:
        self._exchange = exchange
        self._data = data
        self._clock = clock
        self.lanes = tuple(lanes)
        self._lookback_days = lookback_days
        self._share = share
        self._calls_at_once = calls_at_once
        self._say = say or (lambda text: log.warning("history", why=text))
        self._in_trouble = False
        self._began_s = 0.0
        self._pages_left = 0
        self._progress = BackfillProgress(rows_done=0, rows_total=0)

    @property
    def progress(self) -> BackfillProgress:
        """How far it is now."""
        done = self._progress
        status = self._exchange.status()
        spent_s = self._clock.monotonic_s() - self._began_s
        rate = done.rows_done / spent_s if spent_s > 0 else 0.0
        usable = int(status.weight_limit * min(self._share, 1 - _RESERVE))
        return msgspec.structs.replace(
            done,
            rows_per_s=rate,
            weight_used=status.weight_used,
            weight_limit=status.weight_limit,
            seconds_left=seconds_left(
                done.rows_total - done.rows_done,
                rate,
                self._pages_left * WEIGHT_A_CALL,
                max(0, usable - status.weight_used),
                usable,
            ),
        )

    async def warm_up(self, bars: Mapping[Interval, int]) -> None:
        """Make the newest bars of every lane whole, so many of each interval.

        Bars that the exchange does not have leave a hole, as in history.

        Raises:
            ExchangeError: the exchange refused, or did not answer.
            StorageError: the database is lost.
        """
        now_ms = self._exchange.exchange_ms()
        lanes = []
        for symbol, interval in self.lanes:
            until_ms = interval.floor(now_ms)
            from_ms = until_ms - bars.get(interval, 0) * interval.ms
            lane = (symbol, interval)
            lanes.append(_pages(lane, await gaps_of(self._data, lane, from_ms, until_ms)))
        await self._fetch(in_turns(lanes), CALLS_AT_ONCE, patient=False)

    async def history(self) -> None:
        """Fetch all that is missing; a network that fails is asked again for ever.

        Hours that were fetched are then held against their quarters.

        Raises:
            ExchangeRefusal: the exchange does not let us read.
            StorageError: the database is lost; the same call goes on later.
        """
        pages = await self.plan()
        await self._fetch(pages, self._calls_at_once, patient=True)
        for symbol in dict.fromkeys(page.symbol for page in pages):
            if {Interval.M15, Interval.H1} <= {
                kind for name, kind in self.lanes if name == symbol
            }:
                await self._prove_hours([page for page in pages if page.symbol == symbol])

    async def plan(self) -> list[Page]:
        """What history is missing, in the order in which it will be asked for."""
        found = [await self.gaps(lane) for lane in self.lanes]
        return in_turns(
            _pages(lane, gaps) for lane, gaps in zip(self.lanes, found, strict=True)
        )

    async def gaps(self, lane: Lane) -> list[Gap]:
        """What a lane lacks from the exchange's first candle, or the lookback, to now.

        Raises:
            ExchangeRefusal: the exchange does not let us read.
            StorageError: the database is lost.
        """
        symbol, interval = lane
        now_ms = self._exchange.exchange_ms()
        from_ms, until_ms = 0, interval.floor(now_ms)
        if self._lookback_days is not None:
            from_ms = max(0, interval.floor(now_ms - self._lookback_days * _DAY_MS))
        gaps = await gaps_of(self._data, lane, from_ms, until_ms)
        if not gaps or gaps[0].from_ms > from_ms:
            return gaps

        async def first() -> Sequence[Candle]:
            end_ms = until_ms - interval.ms
            return await self._exchange.candles(
                symbol, interval, from_ms, end_ms, 1, backfill=True
            )

        candles = await self._patiently(first)
        first_ms = candles[0].open_time_ms if candles else until_ms
        return await gaps_of(self._data, lane, max(from_ms, first_ms), until_ms)

    async def _prove_hours(self, pages: Sequence[Page]) -> None:
        """Hold the hours of these pages of one symbol against their quarters.

        Those that differ are read again, with their quarters; what differs then is the
        exchange's own word, and real.
        """
        symbol = pages[0].symbol
        from_ms = Interval.H1.floor(min(page.from_ms for page in pages))
        until_ms = max(page.until_ms for page in pages)
        found = await self._differing(symbol, from_ms, until_ms)
        for open_ms, detail in found.items():
            end_ms = open_ms + Interval.H1.ms
            for interval in (Interval.M15, Interval.H1):
                page = Page(symbol, interval, open_ms, end_ms)
                await self._store(
                    symbol, judge(page, await self._read(page, patient=True)).sound
                )
            still = (await self._differing(symbol, open_ms, end_ms)).get(open_ms)
            finding = Finding(
                symbol=symbol,
                interval=Interval.H1,
                open_time_ms=open_ms,
                until_ms=end_ms,
                kind=FindingKind.HOUR_DIFFERS,
                cure=Cure.REFETCHED if still is None else Cure.ACCEPTED,
                detail=still or detail,
                found_ms=self._clock.market_ms(),
            )
            await self._data.findings.keep([finding])

    async def _differing(self, symbol: str, from_ms: int, until_ms: int) -> dict[int, str]:
        """Hours that are not what their quarters make, and how."""
        candles = self._data.candles
        quarters = await candles.range(symbol, Interval.M15, from_ms, until_ms)
        whole = await candles.range(symbol, Interval.H1, from_ms, until_ms)
        found = await self._clock.in_thread(lambda: hours.differing(whole, quarters))
        return {each.open_time_ms: each.detail for each in found}

    # --- fetching ---

    async def _fetch(self, pages: Sequence[Page], at_once: int, *, patient: bool) -> None:
        """Fetch, judge and store pages, several at a time, in about this order."""
        self._began_s = self._clock.monotonic_s()
        self._pages_left = len(pages)
        rows = sum(page.rows for page in pages)
        self._progress = BackfillProgress(rows_done=0, rows_total=rows)
        waiting = iter(pages)
        await _all(
            [self._work(waiting, patient=patient) for _ in range(min(at_once, len(pages)))]
        )

    async def _work(self, waiting: Iterator[Page], *, patient: bool) -> None:
        for page in waiting:
            await self._make_whole(page, patient=patient)
            self._pages_left -= 1
            self._progress = msgspec.structs.replace(
                self._progress,
                rows_done=self._progress.rows_done + page.rows,
                symbol=page.symbol,
                interval=str(page.interval),
            )

    async def _make_whole(self, page: Page, *, patient: bool) -> None:
        """Store what the exchange has of a page; what it has not becomes a finding."""
        sound, broken = judge(page, await self._read(page, patient=patient))
        if broken:
            sound, broken = await self._judge_again(page, broken, patient=patient)
        await self._store(page.symbol, sound)
        await self._data.findings.keep([self._halt(page, span) for span in halts(sound)])
        for span in absent(page, sound.open_time_ms):
            quarantined = [
                (each.candle.open_time_ms, each.candle.close_time_ms) for each in broken
            ]
            for hole in without([span], quarantined):
                await self._look_into(page, hole, patient=patient)

    def _halt(self, page: Page, span: Span) -> Finding:
        return Finding(
            symbol=page.symbol,
            interval=page.interval,
            open_time_ms=span[0],
            until_ms=span[1],
            kind=FindingKind.HALT,
            cure=Cure.ACCEPTED,
            detail="no volume",
            found_ms=self._clock.market_ms(),
        )

    async def _judge_again(
        self, page: Page, first: list[Broken], *, patient: bool
    ) -> tuple[Bars, list[Broken]]:
        """Read a page with broken candles a second time; what is broken again is set aside."""
        sound, broken = judge(page, await self._read(page, patient=patient))
        again = {each.candle.open_time_ms for each in broken}
        mended = [each for each in first if each.candle.open_time_ms not in again]
        found_ms = self._clock.market_ms()
        await self._data.findings.keep(
            [
                *(_finding(each, Cure.REFETCHED, found_ms) for each in mended),
                *(_finding(each, Cure.QUARANTINED, found_ms) for each in broken),
            ]
        )
        return sound, broken

    async def _look_into(self, page: Page, hole: Span, *, patient: bool) -> None:
        """Ask a second time for bars that did not come, and accept that there are none.

        The exchange gives the first candle from an instant on: whatever comes later than the
        hole's begin proves that up to there it has none. Where nothing comes, nothing is
        proven: they may still come, and the next run asks again.
        """
        from_ms, until_ms = hole
        symbol, interval = page.symbol, page.interval
        now_ms = self._exchange.exchange_ms()

        async def following() -> Sequence[Candle]:
            return await self._exchange.candles(
                symbol, interval, from_ms, now_ms, 1, backfill=True
            )

        next_ones = await (self._patiently(following) if patient else following())
        if not next_ones:
            log.warning("no candles", symbol=symbol, interval=str(interval), from_ms=from_ms)
            return
        there_ms = min(until_ms, max(from_ms, next_ones[0].open_time_ms))
        if from_ms < there_ms <= now_ms - SETTLED_AFTER_MS:
            bars = (there_ms - from_ms) // interval.ms
            await self._data.findings.keep(
                [
                    Finding(
                        symbol=symbol,
                        interval=interval,
                        open_time_ms=from_ms,
                        until_ms=there_ms,
                        kind=FindingKind.MISSING,
                        cure=Cure.ACCEPTED,
                        detail=f"the exchange, asked twice, has none of {bars} bars",
                        found_ms=self._clock.market_ms(),
                    )
                ]
            )
        if there_ms < until_ms:
            # It had them after all.
            rest = Page(symbol, interval, there_ms, until_ms)
            sound, _ = judge(rest, await self._read(rest, patient=patient))
            await self._store(symbol, sound)

    async def _store(self, symbol: str, bars: Bars) -> None:
        await self._data.candles.store_bars(symbol, bars, "rest")

    async def _read(self, page: Page, *, patient: bool) -> Bars:
        async def read() -> Bars:
            return await self._exchange.bars(
                page.symbol,
                page.interval,
                page.from_ms,
                page.until_ms - page.interval.ms,
                page.rows,
                # What trading waits for goes before what it does not.
                backfill=patient,
            )

        if not patient:
            return await read()
        await self._leave_room()
        return await self._patiently(read)

    async def _leave_room(self) -> None:
        """Wait while others may need what is left of the budget."""
        while self._share < 1:
            status = self._exchange.status()
            if status.weight_used < status.weight_limit * self._share:
                return
            await self._clock.sleep(_LOOK_AGAIN_S)

    async def _patiently(self, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Read, again and again while no answer comes; said once."""
        pause_s = 1.0
        while True:
            try:
                found = await read()
            except ExchangeRefusal:
                raise
            except (ExchangeError, UnreachableError) as error:
                if not self._in_trouble:
                    self._in_trouble = True
                    self._say(f"no history for now, asking again: {error}")
                await self._clock.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                if self._in_trouble:
                    self._in_trouble = False
                    self._say("history goes on")
                return found


def _pages(lane: Lane, gaps: Sequence[Gap]) -> list[Page]:
    """The pages of what is not settled."""
    return newest_first(lane, [(gap.from_ms, gap.until_ms) for gap in gaps if not gap.settled])


def _finding(broken: Broken, cure: Cure, found_ms: int) -> Finding:
    candle = broken.candle
    return Finding(
        symbol=candle.symbol,
        interval=candle.interval,
        open_time_ms=candle.open_time_ms,
        until_ms=candle.close_time_ms,
        kind=FindingKind.BROKEN,
        cure=cure,
        detail=broken.why,
        found_ms=found_ms,
        candle=candle,
    )


async def _all(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do all at the same time; the first that fails ends the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
