"""The data service's process: the market and the store of an engine, without its trading."""

import asyncio
import contextlib
import datetime
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rusy_tui.clock import SystemClock
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import RusyError
from rusy_tui.domain.settings import Settings, Venue
from rusy_tui.launching import data, parts
from rusy_tui.launching.job import Job
from rusy_tui.launching.progress_line import ProgressLine
from rusy_tui.launching.signals import stop_signals
from rusy_tui.launching.spawn import opened_log
from rusy_tui.monitoring import logs

if TYPE_CHECKING:
    from rusy_tui.exchange.port import ExchangePort
    from rusy_tui.launching.parts import Market
    from rusy_tui.market.collector import Collector
    from rusy_tui.store.address import DatabaseAddress
    from rusy_tui.store.locks import Lock
    from rusy_tui.store.pool import Database
    from rusy_tui.store.spool import Spool

_log = logging.getLogger(__name__)

# So many bars of each interval are made whole before the streams are heard: live bars first,
# all others are history, the newest first.
FIRST_BARS = 99
# A page is written while the next gap is looked for and a live bar is stored.
_DATABASE_CALLS = 6
_SHOW_EVERY_S = 1.0


async def collect(job: Job, settings: Settings, out: TextIO) -> None:
    """Collect until a signal ends it.

    Args:
        job: what to run.
        settings: the job's configuration.
        out: where JSON lines go; a terminal gets a line that says how far it is, and they go
            to a file.

    Raises:
        RusyError: it could not start, or could not go on.
    """
    with contextlib.ExitStack() as files:
        line, log = None, out
        if out.isatty():
            path = job.folder / "collect.log"
            line, log = ProgressLine(out), files.enter_context(_text_log(path))
            line.say(f"Ctrl-C ends it; the log is {path}")
        lines = logs.set_up(log, settings.monitoring.log_level.value, SystemClock())
        working = asyncio.create_task(_collect(job, settings, lines, line))

        def end() -> None:
            working.cancel()

        with stop_signals(end):
            await asyncio.wait([working])
        if line is not None:
            line.end()
        if working.cancelled():
            return
        if error := working.exception():
            ours = isinstance(error, RusyError)
            text = str(error) if ours else f"a defect ended the collector: {error!r}"
            _log.error("%s", text, exc_info=None if ours else error)
            raise error


@contextlib.contextmanager
def _text_log(path: Path) -> Iterator[TextIO]:
    with opened_log(path) as file, io.TextIOWrapper(file) as text:
        yield text


async def _collect(
    job: Job, settings: Settings, lines: logs.JsonLines, line: ProgressLine | None
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        _say(line, "starting the database and the exchange")
        address = await stack.enter_async_context(data.server(job, settings))
        market = await stack.enter_async_context(data.exchange(job, settings))
        lines.use(market.clock)
        collector = await _put_together(job, settings, address, market, stack)
        helpers = []
        if market.follow is not None:
            helpers.append(asyncio.create_task(market.follow()))
        if line is not None:
            helpers.append(asyncio.create_task(_show(line, settings, collector, market.clock)))
        try:
            await collector.run(lambda text: _say(line, text))
        finally:
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)


async def _put_together(
    job: Job,
    settings: Settings,
    address: "DatabaseAddress",
    market: "Market",
    stack: contextlib.AsyncExitStack,
) -> "Collector":
    """Everything a collector is made of; what has to be closed again is put on the stack."""
    from rusy_tui.resources import sql_dir
    from rusy_tui.store.market_data import MarketData
    from rusy_tui.store.migrations import migrate
    from rusy_tui.store.pool import Database
    from rusy_tui.store.spool import Spool

    database = await Database.open(address, market.clock, _DATABASE_CALLS)
    stack.push_async_callback(database.close)
    await migrate(database, sql_dir())
    tables = MarketData(database, settings.exchange.venue.value)
    lock = await tables.lock(settings.data.symbols)
    stack.push_async_callback(lock.release)
    spool = Spool(job.market_folder(settings) / parts.SPOOL)
    stack.callback(spool.close)
    return await collector_of(settings, database, market.exchange, market.clock, lock, spool)


async def collector_of(
    settings: Settings,
    database: "Database",
    exchange: "ExchangePort",
    clock: Clock,
    lock: "Lock",
    spool: "Spool",
) -> "Collector":
    """A collector of all that the settings ask for.

    Args:
        settings: of its pairs.
        database: open, with all tables.
        exchange: connected.
        clock: of all waits.
        lock: of its symbols; taken.
        spool: where bars wait while the database is away.

    Raises:
        StorageError: the database is lost.
    """
    from rusy_tui.market.collector import Collector
    from rusy_tui.market.extras import Extras
    from rusy_tui.market.service import MarketService
    from rusy_tui.store.journal import Journal
    from rusy_tui.store.locks import COLLECTOR_ACCOUNT
    from rusy_tui.store.market_data import MarketData
    from rusy_tui.store.retention import Upkeep

    data, venue = settings.data, settings.exchange.venue
    intervals = tuple(dict.fromkeys(each for pair in data.pairs for each in pair.intervals))
    tables = MarketData(database, venue.value)
    await tables.candles.enable(intervals)
    on_servers_clock = venue is not Venue.DEMO
    journal = Journal(database, venue.value, COLLECTOR_ACCOUNT)
    bars = MarketService(
        exchange,
        tables,
        clock,
        symbols=data.symbols,
        warmup_bars=dict.fromkeys(intervals, FIRST_BARS),
        spool=spool,
        journal=journal.append,
        history_days=data.history_days,
        upkeep=Upkeep(
            database, venue.value, clock, data.keep_days, on_servers_clock=on_servers_clock
        ),
        lanes=[(pair.symbol, each) for pair in data.pairs for each in pair.intervals],
    )
    extras = Extras(exchange, tables, clock, data.symbols, lookback_days=data.history_days)
    return Collector(
        exchange,
        bars,
        lock,
        clock,
        journal.append,
        symbols=data.symbols,
        intervals=intervals,
        watchers=[extras.see],
        beside=[extras.run],
    )


# What a terminal shows -------------------------------------------------------------------


def _say(line: ProgressLine | None, text: str) -> None:
    if line is not None:
        line.show(text)


async def _show(
    line: ProgressLine, settings: Settings, collector: "Collector", clock: Clock
) -> None:
    while True:
        await clock.sleep(_SHOW_EVERY_S)
        if collector.newest:
            line.show(f"{settings.exchange.venue} {_bars(collector)} · {_history(collector)}")


def _bars(collector: "Collector") -> str:
    """Until when every row is whole."""
    closed_ms = min(each.close_time_ms for each in collector.newest.values())
    closed = datetime.datetime.fromtimestamp(closed_ms / 1000, datetime.UTC)
    return f"whole until {closed:%Y-%m-%d %H:%M} UTC"


def _history(collector: "Collector") -> str:
    progress = collector.history
    if progress is None or progress.whole:
        return "no history to fetch"
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
    return f"history {progress.share:.0%}, {progress.rows_per_s:.0f} rows/s{left}"
