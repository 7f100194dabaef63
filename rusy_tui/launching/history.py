"""Filling history and telling what is missing, for commands: no engine takes part."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from rusy_tui.clock import SystemClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import UnreachableError, UsageError
from rusy_tui.domain.history import BackfillProgress, Finding, Gap
from rusy_tui.domain.settings import Settings, Venue
from rusy_tui.launching import data
from rusy_tui.launching.job import Job
from rusy_tui.launching.signals import run_to_end

if TYPE_CHECKING:
    from rusy_tui.exchange.port import ExchangePort
    from rusy_tui.market.backfill import Backfill
    from rusy_tui.market.pages import Lane
    from rusy_tui.store.market_data import MarketData

T = TypeVar("T")
Tell = Callable[[BackfillProgress], None]
Say = Callable[[str], None]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Whose history: what is left empty is as the configuration says.

    ``days`` is how far back. ``tell_every_s``: how often progress is told, wall seconds.
    """

    symbols: tuple[str, ...] = ()
    intervals: tuple[Interval, ...] = ()
    days: int | None = None
    venue: Venue | None = None
    tell_every_s: float = 0.25


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill did: bars that were missing, wall seconds, and what is missing still."""

    rows: int
    seconds: float
    gaps: tuple[Gap, ...]

    @property
    def whole(self) -> bool:
        """Whether all that the exchange has is there."""
        return all(gap.settled for gap in self.gaps)


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """What is missing; ``unasked`` says why the exchange was not asked where it begins."""

    venue: str
    gaps: tuple[Gap, ...]
    unasked: str = ""


def fill(job: Job, wanted: Wanted, tell: Tell, say: Say) -> Filled:
    """Make history whole, and tell how far it is.

    Raises:
        UsageError: an unknown symbol.
        UnreachableError: the exchange does not answer at the start.
        StorageError: the database can't be used, or somebody else collects this symbol.
        KeyboardInterrupt: told to end; what is stored is whole pages.
    """
    settings = job.settings()

    async def work() -> Filled:
        async with _backfill(job, settings, wanted, say) as (backfill, clock):
            began_s = clock.monotonic_s()
            await _told(backfill, clock, wanted.tell_every_s, tell)
            rows = backfill.progress.rows_done
            gaps = [gap for lane in backfill.lanes for gap in await backfill.gaps(lane)]
            spent_s = clock.monotonic_s() - began_s
            return Filled(rows=rows, seconds=round(spent_s, 3), gaps=tuple(gaps))

    return run_to_end(work())


def missing(job: Job, wanted: Wanted) -> Missing:
    """What is missing, from the exchange's first candle on.

    Where the exchange does not answer, from the first stored bar on.

    Raises:
        UsageError: an unknown symbol.
        StorageError: the database can't be used.
    """
    settings = job.settings()
    venue = wanted.venue or settings.exchange.venue

    async def asked() -> Missing:
        async with _backfill(job, settings, wanted, lambda text: None, lock=False) as (each, _):
            gaps = [gap for lane in each.lanes for gap in await each.gaps(lane)]
            return Missing(venue=venue, gaps=tuple(gaps))

    async def unasked(why: str) -> Missing:
        from rusy_tui.market.gaps import stored_gaps_of

        now_ms = SystemClock().wall_ms()
        async with data.market_data(job, settings, venue=venue) as tables:
            gaps = [
                gap
                for lane in lanes_of(settings, wanted)
                for gap in await stored_gaps_of(tables, lane, lane[1].floor(now_ms))
            ]
        return Missing(venue=venue, gaps=tuple(gaps), unasked=why)

    if venue is not settings.exchange.venue:
        return run_to_end(unasked(f"the configured exchange is {settings.exchange.venue}"))
    try:
        return run_to_end(asked())
    except UnreachableError as error:
        return run_to_end(unasked(str(error)))


def findings(job: Job, wanted: Wanted) -> list[Finding]:
    """What was found wrong or odd with the candles, and what became of it.

    Raises:
        StorageError: the database can't be used.
    """
    settings = job.settings()

    async def work() -> list[Finding]:
        async with data.market_data(job, settings, venue=wanted.venue) as tables:
            return [
                finding
                for finding in await tables.findings.listed()
                if (not wanted.symbols or finding.symbol in wanted.symbols)
                and (not wanted.intervals or finding.interval in wanted.intervals)
            ]

    return run_to_end(work())


def lanes_of(settings: Settings, wanted: Wanted) -> "list[Lane]":
    """The symbols and intervals that are meant; an unconfigured symbol has both timeframes."""
    configured = {pair.symbol: pair.intervals for pair in settings.data.pairs}
    both = (Interval.M15, Interval.H1)
    return [
        (symbol, interval)
        for symbol in wanted.symbols or tuple(configured)
        for interval in wanted.intervals or configured.get(symbol, both)
    ]


@contextlib.asynccontextmanager
async def _backfill(
    job: Job, settings: Settings, wanted: Wanted, say: Say, *, lock: bool = True
) -> "AsyncGenerator[tuple[Backfill, Clock]]":
    """A backfill of the configured exchange into the configured database."""
    from rusy_tui.market.backfill import Backfill

    async with (
        data.exchange(job, settings) as market,
        data.market_data(job, settings, market.clock) as tables,
    ):
        lanes = lanes_of(settings, wanted)
        symbols = tuple(dict.fromkeys(symbol for symbol, _ in lanes))
        await _known(market.exchange, symbols)
        backfill = Backfill(
            market.exchange,
            tables,
            market.clock,
            lanes,
            lookback_days=wanted.days or settings.data.history_days,
            say=say,
        )
        if not lock:
            yield backfill, market.clock
            return
        async with _collecting(tables, market.clock, symbols):
            yield backfill, market.clock


@contextlib.asynccontextmanager
async def _collecting(
    tables: "MarketData", clock: Clock, symbols: Sequence[str]
) -> AsyncGenerator[None]:
    """Be the one that collects these symbols.

    Raises:
        StorageError: an engine, a collector or another such command does, with its owner.
    """
    from rusy_tui.store.locks import Lock, collector_of

    subjects = collector_of(tables.venue, symbols)
    lock = await Lock.take(tables.database.address, clock, subjects)
    try:
        yield
    finally:
        await lock.release()


async def _known(exchange: "ExchangePort", symbols: Sequence[str]) -> None:
    """Refuse a symbol that the exchange does not list."""
    from rusy_tui.config import nearest

    known = await exchange.instruments()
    for symbol in symbols:
        if symbol not in known:
            meant = nearest(symbol, tuple(known))
            hint = f"; did you mean {meant}?" if meant else ""
            raise UsageError(f"{symbol}: the exchange has no such contract{hint}")


async def _told(backfill: "Backfill", clock: Clock, every_s: float, tell: Tell) -> None:
    """Let a backfill run to its end, telling how far it is."""
    running = asyncio.ensure_future(backfill.history())
    try:
        while not running.done():
            waiting = asyncio.ensure_future(clock.sleep(every_s))
            await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            tell(backfill.progress)
        await running
    finally:
        running.cancel()
        await asyncio.wait([running])
        tell(backfill.progress)
