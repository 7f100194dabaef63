"""An import from its first file to its last gap, each row of it accounted for."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress

import msgspec
import numpy as np

from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import Defect
from rusy_tui.domain.history import Cure, Finding, FindingKind
from rusy_tui.market.gaps import gaps_of
from rusy_tui.market.importing import building, judging, reading, series
from rusy_tui.market.importing.bars import ARCHIVE, FILE, BarTable
from rusy_tui.market.importing.building import Compared, Span
from rusy_tui.market.importing.judging import Judged
from rusy_tui.market.importing.reading import Table
from rusy_tui.market.importing.report import (
    Differing,
    FileRefused,
    FileReport,
    Progress,
    Report,
    SetAside,
)
from rusy_tui.market.importing.sources import Kind, LeftOut, Source
from rusy_tui.store.market_data import MarketData

# A detail that many rows share (those that tell no time have one key) is told so far.
_LONGEST_DETAIL = 20_000
_FINDINGS_AT_ONCE = 5_000


class Importer:
    """Imports files into one venue's market data.

    Args:
        market: the venue's tables.
        clock: market time says which bars are closed.
        told: told how far it is.
    """

    def __init__(
        self, market: MarketData, clock: Clock, told: Callable[[Progress], None]
    ) -> None:
        self._market = market
        self._clock = clock
        self._told = told
        self._bars = BarTable(market)
        self._report = Report()
        self._findings: dict[tuple[str, str, int, str], Finding] = {}
        self._spans: dict[tuple[str, Interval], list[Span]] = {}
        self._files = 0
        self._done = 0
        self._rows = 0

    async def run(self, sources: Sequence[Source], left_out: Sequence[LeftOut]) -> Report:
        """Import files, build and compare what follows from them, list what is missing.

        What a finding is about is kept before the rows around it are written, so that a row
        that was set aside is on record whenever this ends.

        Args:
            sources: the files, in order.
            left_out: those that can't be taken; the ones named by the operator have failed.

        Raises:
            StorageError: the database is lost or refuses; what was written stays, and the
                same import goes on from there.
        """
        for each in left_out:
            if each.named:
                self._report.files.append(FileReport(each.path, "", "", "", error=each.why))
        self._files = len(sources)
        async with aclosing(_read_ahead(sources)) as tables:
            async for source, table in tables:
                self._tell(source.path.name)
                interval = "" if source.interval is None else str(source.interval)
                report = FileReport(source.path, source.symbol, "", interval)
                self._report.files.append(report)
                try:
                    if isinstance(table, FileRefused):
                        raise table
                    await self._bring(source, table, report)
                except FileRefused as refused:
                    report.error = _located(source, str(refused))
                self._done += 1
                self._tell(source.path.name)
        for symbol in sorted({symbol for symbol, _ in self._spans}):
            await self._finish(symbol)
        return self._report

    # --- one file -------------------------------------------------------------------------

    async def _bring(self, source: Source, table: Table, report: FileReport) -> None:
        report.kind = str(table.kind)
        if table.kind is Kind.FUNDING:
            report.interval = ""
            await self._bring_funding(source, table, report)
        elif source.interval is None:
            raise FileRefused("the name tells no interval that is kept; give --interval")
        elif table.kind is Kind.KLINES:
            await self._bring_bars(source, source.interval, table, report)
        else:
            await self._bring_mark_prices(source, source.interval, table, report)
        report.read = len(table)
        told = report.stored + report.equal + len(report.set_aside)
        if report.read != told:
            raise Defect(f"{source.path}: {report.read} rows read, {told} accounted for")

    async def _bring_bars(
        self, source: Source, interval: Interval, table: Table, report: FileReport
    ) -> None:
        symbol, now_ms = source.symbol, self._clock.market_ms()
        ticks = await self._market.ticks.spans(symbol)
        judged = judging.judge_bars(table, symbol, interval, now_ms, ticks)
        await self._set_aside(source, interval, judged.set_aside, report)
        if judged.unjudged is not None:
            await self._unknown_tick(symbol, *judged.unjudged)
        await self._halts(symbol, judged.bars)
        self._rows += len(table) - len(judged.bars)

        def went(rows: int) -> None:
            self._rows += rows
            self._tell(source.path.name)

        origin = ARCHIVE if source.archive else FILE
        brought = await self._bars.bring(symbol, judged.bars, origin, went)
        await self._set_aside(
            source,
            interval,
            [
                SetAside(
                    int(judged.lines[each.row]),
                    int(judged.bars.open_time_ms[each.row]),
                    FindingKind.CONTRADICTED,
                    f"{each.detail} of {each.source}, which stays",
                    judging.candle(symbol, judged.bars, each.row),
                )
                for each in brought.refused
            ],
            report,
        )
        await self._revised(
            symbol,
            judged.bars,
            {each.row: f"{each.detail} of {each.source}" for each in brought.replaced},
        )
        report.stored += brought.stored
        report.equal += judged.equal + brought.equal
        self._note_span(symbol, judged)

    async def _bring_mark_prices(
        self, source: Source, interval: Interval, table: Table, report: FileReport
    ) -> None:
        now_ms = self._clock.market_ms()
        judged = judging.judge_mark_prices(table, source.symbol, interval, now_ms)
        await self._set_aside(source, interval, judged.set_aside, report)
        written = await series.bring_mark_prices(
            self._market, source.symbol, judged.bars, archive=source.archive
        )
        if source.archive:
            await self._revised(source.symbol, judged.bars, written.unlike, what="mark price ")
        else:
            await self._set_aside(
                source,
                interval,
                [
                    SetAside(
                        int(judged.lines[row]),
                        int(judged.bars.open_time_ms[row]),
                        FindingKind.CONTRADICTED,
                        f"mark price {detail} of the stored, which stays",
                        judging.candle(source.symbol, judged.bars, row),
                    )
                    for row, detail in written.unlike.items()
                ],
                report,
            )
        report.stored, report.equal = written.stored, judged.equal + written.equal
        self._rows += len(table)

    async def _bring_funding(self, source: Source, table: Table, report: FileReport) -> None:
        judged = judging.judge_funding(table, self._clock.market_ms())
        await self._set_aside(source, None, judged.set_aside, report)
        written = await series.bring_funding(
            self._market, source.symbol, judged, archive=source.archive
        )
        unlike = [
            SetAside(
                int(judged.lines[row]),
                int(judged.time_ms[row]),
                FindingKind.REVISED if source.archive else FindingKind.CONTRADICTED,
                f"funding {detail} of the stored" + ("" if source.archive else ", which stays"),
            )
            for row, detail in written.unlike.items()
        ]
        if source.archive:
            await self._keep(
                [
                    _finding(source.symbol, None, each, Cure.ACCEPTED, each.why)
                    for each in unlike
                ]
            )
        else:
            await self._set_aside(source, None, unlike, report)
        report.stored, report.equal = written.stored, judged.equal + written.equal
        self._rows += len(table)

    # --- findings -------------------------------------------------------------------------

    async def _set_aside(
        self,
        source: Source,
        interval: Interval | None,
        rows: Sequence[SetAside],
        report: FileReport,
    ) -> None:
        report.set_aside += rows
        await self._keep(
            [
                _finding(
                    source.symbol,
                    interval,
                    each,
                    Cure.QUARANTINED,
                    f"{source.path.name} {line_word(source)} {each.line}: {each.why}",
                )
                for each in rows
            ]
        )

    async def _revised(
        self, symbol: str, bars: Bars, replaced: dict[int, str], what: str = ""
    ) -> None:
        """The exchange's archive has replaced what was stored."""
        await self._keep(
            [
                _finding(
                    symbol,
                    bars.interval,
                    SetAside(0, int(bars.open_time_ms[row]), FindingKind.REVISED, ""),
                    Cure.ACCEPTED,
                    f"{what}by the exchange's archive: {detail}",
                )
                for row, detail in replaced.items()
            ]
        )

    async def _unknown_tick(self, symbol: str, first_ms: int, last_ms: int) -> None:
        """Once a symbol: its digits can't be judged."""
        if symbol not in self._report.unknown_ticks:
            self._report.unknown_ticks.append(symbol)
        known = await self._market.findings.listed(symbol, kinds=[FindingKind.UNKNOWN_TICK])
        if any(each.open_time_ms <= first_ms and last_ms < each.until_ms for each in known):
            return
        # One finding, grown to the whole span: the first one keeps its key.
        same = min(known, key=lambda each: each.open_time_ms, default=None)
        if same is not None and same.open_time_ms <= first_ms:
            first_ms, last_ms = same.open_time_ms, max(last_ms, same.until_ms - 1)
        await self._keep(
            [
                Finding(
                    symbol=symbol,
                    interval=None,
                    open_time_ms=first_ms,
                    until_ms=last_ms + 1,
                    kind=FindingKind.UNKNOWN_TICK,
                    cure=Cure.ACCEPTED,
                    detail="no tick is on record for these days: digits were not judged",
                    found_ms=0,
                )
            ]
        )

    async def _halts(self, symbol: str, bars: Bars) -> None:
        """Bars without volume are real. Quiet minutes are too many to be told each."""
        if bars.interval is Interval.M1:
            return
        still = np.flatnonzero(bars.volume == 0)
        after = np.diff(bars.open_time_ms[still], prepend=0) != bars.interval.ms
        await self._keep(
            [
                Finding(
                    symbol=symbol,
                    interval=bars.interval,
                    open_time_ms=int(run[0]),
                    until_ms=int(run[-1]) + bars.interval.ms,
                    kind=FindingKind.HALT,
                    cure=Cure.ACCEPTED,
                    detail=f"{len(run)} bars without a trade",
                    found_ms=0,
                )
                for run in np.split(bars.open_time_ms[still], np.flatnonzero(after)[1:])
                if len(run)
            ]
        )

    async def _keep(self, findings: Sequence[Finding]) -> None:
        """Keep findings, one a key: what several rows say of one key is told together."""
        now_ms = self._clock.market_ms()
        due = []
        for each in findings:
            key = (each.symbol, str(each.interval or ""), each.open_time_ms, each.kind.value)
            before = self._findings.get(key)
            detail = each.detail
            if before is not None and detail not in before.detail:
                detail = f"{before.detail}; {detail}"[:_LONGEST_DETAIL]
            elif before is not None:
                detail = before.detail
            found = msgspec.structs.replace(each, detail=detail, found_ms=now_ms)
            self._findings[key] = found
            due.append(found)
        for start in range(0, len(due), _FINDINGS_AT_ONCE):
            await self._market.findings.keep(due[start : start + _FINDINGS_AT_ONCE])

    # --- what follows from the files --------------------------------------------------------

    def _note_span(self, symbol: str, judged: Judged) -> None:
        if len(judged.bars):
            times, interval = judged.bars.open_time_ms, judged.bars.interval
            self._spans.setdefault((symbol, interval), []).append(
                (int(times[0]), int(times[-1]) + interval.ms)
            )

    async def _finish(self, symbol: str) -> None:
        """Build of minutes, compare hours with quarters, and list what is missing."""
        compared: list[Compared] = []
        if minutes := self._spans.get((symbol, Interval.M1)):
            self._tell(f"{symbol}: quarters and hours of its minutes")
            built, differing = await building.build(
                self._market, self._bars, symbol, minutes, lambda rows: None
            )
            self._report.built += built
            compared.append(differing)
        spans = [
            span
            for interval in (Interval.M15, Interval.H1)
            for span in self._spans.get((symbol, interval), [])
        ]
        if spans:
            self._tell(f"{symbol}: hours against their quarters")
            whole = building.joined([(min(s[0] for s in spans), max(s[1] for s in spans))])[0]
            hours = await building.compare_hours(self._market, symbol, whole)
            self._report.compared[symbol] = len(hours.judged[Interval.H1])
            compared.append(hours)
        await self._keep_differing(symbol, compared)
        for (of, interval), imported in sorted(self._spans.items()):
            if of == symbol:
                first, end = min(s[0] for s in imported), max(s[1] for s in imported)
                self._report.gaps += await gaps_of(self._market, (of, interval), first, end)

    async def _keep_differing(self, symbol: str, compared: Sequence[Compared]) -> None:
        """Findings of bars that are not their parts; those of before that are now, mended."""
        found = [each for one in compared for each in one.differing]
        self._report.differing += found
        known = {
            (each.interval, each.open_time_ms): each
            for each in await self._market.findings.listed(
                symbol, kinds=[FindingKind.HOUR_DIFFERS]
            )
        }
        wrong = {(each.interval, each.open_time_ms) for each in found}
        await self._keep([_hour_finding(each) for each in found if _is_news(each, known)])
        judged = {
            (interval, time_ms)
            for one in compared
            for interval, times in one.judged.items()
            for time_ms in times
        }
        await self._market.findings.keep(
            [
                msgspec.structs.replace(each, cure=Cure.REFETCHED)
                for key, each in known.items()
                if each.cure is Cure.OPEN and key in judged and key not in wrong
            ]
        )

    def _tell(self, doing: str) -> None:
        self._told(Progress(self._done, self._files, self._rows, doing))


def line_word(source: Source) -> str:
    """What a place in a file is called."""
    return "row" if source.path.suffix.lower() == ".parquet" else "line"


def _finding(
    symbol: str, interval: Interval | None, row: SetAside, cure: Cure, detail: str
) -> Finding:
    return Finding(
        symbol=symbol,
        interval=interval,
        open_time_ms=row.open_time_ms,
        until_ms=row.open_time_ms + (interval.ms if interval else 0),
        kind=row.kind,
        cure=cure,
        detail=detail,
        found_ms=0,
        candle=row.candle,
    )


def _hour_finding(each: Differing) -> Finding:
    return Finding(
        symbol=each.symbol,
        interval=each.interval,
        open_time_ms=each.open_time_ms,
        until_ms=each.open_time_ms + each.interval.ms,
        kind=FindingKind.HOUR_DIFFERS,
        cure=Cure.OPEN,
        detail=each.detail,
        found_ms=0,
    )


def _is_news(each: Differing, known: dict[tuple[Interval | None, int], Finding]) -> bool:
    """Whether this is not on record yet, or was not looked at."""
    before = known.get((each.interval, each.open_time_ms))
    return before is None or before.cure is Cure.OPEN or each.detail not in before.detail


def _located(source: Source, why: str) -> str:
    return why if str(source.path) in why else f"{source.path}: {why}"


async def _read_ahead(
    sources: Sequence[Source],
) -> AsyncGenerator[tuple[Source, Table | FileRefused]]:
    """Files read one ahead, in a thread, while the one before is brought into the tables."""

    def read(source: Source) -> Table | FileRefused:
        try:
            return reading.read(source)
        except FileRefused as refused:
            return refused

    ahead: asyncio.Task[Table | FileRefused] | None = None
    try:
        for place, source in enumerate(sources):
            now = ahead or asyncio.create_task(asyncio.to_thread(read, source))
            table = await now
            ahead = None
            if place + 1 < len(sources):
                ahead = asyncio.create_task(asyncio.to_thread(read, sources[place + 1]))
            yield source, table
    finally:
        if ahead is not None:
            ahead.cancel()
            with suppress(asyncio.CancelledError):
                await ahead
