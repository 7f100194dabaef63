"""`rusy import`: files into the market data of a venue, and what it tells of it."""

import dataclasses
import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rusy_tui.clock import SystemClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.settings import Settings, Venue
from rusy_tui.launching import data
from rusy_tui.launching.job import Job
from rusy_tui.launching.progress import Told, shown
from rusy_tui.launching.signals import run_to_end

if TYPE_CHECKING:
    from rusy_tui.market.importing.report import FileReport, Progress, Report

# So many rows of a file are told; the table `findings` has them all.
_ROWS_TOLD = 100


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What to import, and into which market data.

    ``venue`` is None for the configured one. ``symbol``, ``interval`` and ``kind`` are said
    in place of what the files' names and folders tell.
    """

    paths: tuple[str, ...]
    config: str | None = None
    venue: str | None = None
    symbol: str | None = None
    interval: str | None = None
    kind: str | None = None


def run(wanted: Import, say: Callable[[str], None]) -> "Report":
    """Import files.

    Args:
        wanted: which, and whereto.
        say: told where it writes, before it does.

    Raises:
        UsageError: there is nothing to import.
        StorageError: the database can't be used; what was written stays.
        KeyboardInterrupt: told to end; what was written is whole chunks.
    """
    return run_to_end(_run(wanted, say))


async def _run(wanted: Import, say: Callable[[str], None]) -> "Report":
    from rusy_tui.market.importing import sources
    from rusy_tui.market.importing.importer import Importer

    given = sources.Given(
        symbol=wanted.symbol.upper() if wanted.symbol else None,
        interval=Interval(wanted.interval) if wanted.interval else None,
        kind=sources.Kind(wanted.kind) if wanted.kind else None,
    )
    files, left_out = sources.find([Path(path) for path in wanted.paths], given)
    for each in left_out:
        say(f"left out: {each.why}")
    job, settings = _settings(wanted)
    clock = SystemClock()
    async with data.market_data(job, settings, clock) as market:
        say(f"importing into the market data of {market.venue}, {market.database.address}")
        with shown(clock) as told:
            return await Importer(market, clock, _telling(told)).run(files, left_out)


def _telling(told: Told) -> "Callable[[Progress], None]":
    return lambda progress: told(progress.done, progress.files, progress.rows, progress.doing)


def _settings(wanted: Import) -> tuple[Job, Settings]:
    """The configuration with the venue that is written to; its database goes with it.

    A recording is of the real exchange: where the configured market is an invented one, it
    belongs to the live venue's data.
    """
    from rusy_tui import config

    job = Job(demo=False, config=wanted.config)
    there = wanted.config is not None or config.DEFAULT_FILE.is_file()
    settings = job.settings() if there else config.default_settings()
    venue = settings.exchange.venue
    if wanted.venue is not None:
        venue = Venue(wanted.venue)
    elif venue.simulated:
        venue = Venue.LIVE
    exchange = dataclasses.replace(settings.exchange, venue=venue)
    return job, dataclasses.replace(settings, exchange=exchange)


# --- what it tells --------------------------------------------------------------------------


def as_object(report: "Report") -> dict[str, Any]:
    """An import's result for a script."""
    return {
        "read": report.read,
        "stored": report.stored,
        "equal": report.equal,
        "set_aside": report.set_aside,
        "files": len(report.files),
        "failed": [{"path": str(each.path), "error": each.error} for each in report.failed],
        "by_file": [_file_object(each) for each in report.files if each.error is None],
        "built": report.built,
        "compared": report.compared,
        "differing": report.differing,
        "gaps": report.gaps,
        "unknown_ticks": report.unknown_ticks,
    }


def _file_object(report: "FileReport") -> dict[str, Any]:
    return {
        "path": str(report.path),
        "kind": report.kind,
        "symbol": report.symbol,
        "interval": report.interval or None,
        "read": report.read,
        "stored": report.stored,
        "equal": report.equal,
        "set_aside": len(report.set_aside),
        "set_aside_rows": [
            {"line": each.line, "kind": str(each.kind), "why": each.why}
            for each in report.set_aside[:_ROWS_TOLD]
        ],
    }


def as_lines(report: "Report") -> Iterator[str]:
    """An import's result for a person."""
    for file in report.files:
        if file.error is not None:
            yield f"REFUSED {file.error}"
        yield from _set_aside_lines(file)
    for symbol in report.unknown_ticks:
        yield f"{symbol}: no tick is on record for some days, so digits were not judged"
    for built in report.built:
        yield (
            f"{built.symbol} {built.interval} built of minutes: {built.stored:,} stored, "
            f"{built.equal:,} equal, {built.differing:,} differ from the exchange's own"
        )
    for gap in report.gaps:
        yield (
            f"{gap.symbol} {gap.interval} missing from {_utc(gap.from_ms)} "
            f"until {_utc(gap.until_ms)}: {gap.bars:,} bars"
            + (f" ({gap.settled})" if gap.settled else "")
        )
    for symbol, count in sorted(report.compared.items()):
        if count:
            wrong = sum(
                each.symbol == symbol and each.interval is Interval.H1
                for each in report.differing
            )
            yield f"{symbol}: {count:,} hours were held against their quarters, {wrong} differ"
    for each in report.differing:
        yield f"{each.symbol} {each.interval} {_utc(each.open_time_ms)} differs: {each.detail}"
    yield (
        f"{len(report.files):,} {'file' if len(report.files) == 1 else 'files'}, "
        f"{len(report.failed):,} refused: "
        f"{report.read:,} rows read = {report.stored:,} stored + {report.equal:,} equal "
        f"+ {report.set_aside:,} set aside"
    )


def _set_aside_lines(file: "FileReport") -> Sequence[str]:
    lines = [
        f"set aside: {file.path}:{each.line}: {each.kind}: {each.why}"
        for each in file.set_aside[:_ROWS_TOLD]
    ]
    if more := len(file.set_aside) - len(lines):
        lines.append(f"set aside: {file.path}: {more:,} more rows, all kept as findings")
    return lines


def _utc(time_ms: int) -> str:
    moment = datetime.datetime.fromtimestamp(time_ms / 1000, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M")
