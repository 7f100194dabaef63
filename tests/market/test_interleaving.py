"""Whatever the order in which bars come, and from wherever, the table ends as the exchange is.

The exchange has bars and revises some. A stream tells each as it was at its close: in time,
late, more than once, or never. Another process reads pages and writes them a while later, over
whatever is there by then. The database and REST may be away for a while. In the end the table
holds what the exchange says, and each bar was passed on once, in order.
"""

import asyncio
import os
import tempfile
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import UnreachableError
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.errors import DatabaseLost
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.pool import Database
from tests.lockstep import in_lockstep
from tests.market.row import START_MS, Scene, bar

EXAMPLES = int(os.environ.get("RUSY_INTERLEAVINGS", "40"))
BTC, M15, STEP = "BTCUSDT", Interval.M15, Interval.M15.ms
BARS, BEFORE = 12, 20
# Nothing happens later than this; two looks after the hour follow.
_LAST_S = 5 * 3600
_END_S = 7 * 3600 + 200


class Told(msgspec.Struct, frozen=True):
    """A stream tells of a bar, as it was at its close."""

    number: int
    late_s: int


class Revised(msgspec.Struct, frozen=True):
    """The exchange says otherwise from now on."""

    number: int
    after_s: int
    volume: int


class Page(msgspec.Struct, frozen=True):
    """Another process reads bars, and writes them later."""

    first: int
    count: int
    at_s: int
    took_s: int


class Away(msgspec.Struct, frozen=True):
    """The database, or REST, is away."""

    database: bool
    at_s: int
    lasts_s: int


Happening = Told | Revised | Page | Away
numbers = st.integers(0, BARS - 1)
starts = st.integers(-5, BARS - 1)
moments = st.integers(0, BARS * 900)
happenings = st.lists(
    st.one_of(
        st.builds(Told, numbers, st.sampled_from([0, 0, 0, 1, 3, 30, 1200, 4000])),
        st.builds(Told, numbers, st.integers(0, 6000)),
        st.builds(Revised, numbers, st.integers(1, 6000), st.integers(11, 14)),
        st.builds(
            Page, st.integers(-5, BARS - 1), st.integers(1, 9), moments, st.integers(0, 120)
        ),
        st.builds(Away, st.booleans(), moments, st.integers(1, 3000)),
    ),
    max_size=30,
)


class World(Scene):
    """A scene in which these things happen."""

    down = 0

    async def happen(self, happening: Happening) -> None:
        """Wait for its moment and do it."""
        match happening:
            case Told(number, late_s):
                await self._until((number + 1) * 900 + late_s)
                self.service.take(bar(number))
            case Revised(number, after_s, volume):
                await self._until(min((number + 1) * 900 + after_s, _LAST_S))
                open_ms = START_MS + number * STEP
                self.exchange.odd[open_ms] = bar(number, volume=float(volume))
            case Page(first, count, at_s, took_s):
                await self._until(at_s)
                from_ms = START_MS + first * STEP
                until_ms = min(from_ms + count * STEP, M15.floor(self.clock.market_ms()))
                with suppress(UnreachableError):
                    page = await self.exchange.bars(BTC, M15, from_ms, until_ms - STEP, 499)
                    await self.clock.sleep(took_s)
                    if self.store.trouble is None:
                        await self.data.candles.store_bars(BTC, page, "rest")
            case Away(database, at_s, lasts_s):
                await self._until(at_s)
                self.down += 1
                if database:
                    self.store.trouble = DatabaseLost("away")
                else:
                    self.exchange.failures = 1_000_000
                await self.clock.sleep(lasts_s)
                self.down -= 1
                if not self.down:
                    self.store.trouble, self.exchange.failures = None, 0

    async def _until(self, at_s: float) -> None:
        await self.clock.sleep_until_market(START_MS + round(at_s * 1000))

    async def judged(self, all_of_it: Sequence[Happening]) -> None:
        """Let it happen, and look at what there is in the end."""
        await self.live()
        works: list[Coroutine[Any, Any, None]] = [self.happen(each) for each in all_of_it]
        await asyncio.gather(*works)
        await self._until(_END_S)
        await self.settled()
        now_ms = self.clock.market_ms()
        from_ms, until_ms = START_MS - BEFORE * STEP, M15.floor(now_ms)
        true = await self.exchange.bars(BTC, M15, from_ms, until_ms - STEP, 10_000)
        kept = await self.data.candles.window(BTC, M15, until_ms, 10_000)
        assert _rows(kept) == _rows(true)
        assert self.opens() == list(range((until_ms - START_MS) // STEP))
        assert self.spool.rows == 0


def _rows(bars: Bars) -> list[tuple[float, ...]]:
    columns = (getattr(bars, name).tolist() for name in COLUMNS)
    return list(zip(bars.open_time_ms.tolist(), *columns, strict=True))


async def _played(
    clock: LockstepClock, all_of_it: Sequence[Happening], data: MarketData | None = None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(clock, {M15: BEFORE}, Path(folder), data)
        try:
            await world.judged(all_of_it)
        finally:
            await world.stop()


# A page that is older than what it is written over, and a closing event older than a page.
@example([Revised(2, 100, 12), Page(0, 9, 2790, 120), Told(2, 0)])
@example([Revised(2, 100, 12), Page(0, 9, 2830, 1), Told(2, 4000)])
@example([Told(3, 0), Away(True, 2600, 3000), Revised(1, 2000, 13), Told(2, 1), Told(2, 2)])
@given(happenings)
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_order_gives_the_same_table(all_of_it: list[Happening]) -> None:
    in_lockstep(lambda clock: _played(clock, all_of_it), START_MS)


@given(happenings)
@settings(
    max_examples=max(3, EXAMPLES // 10),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_order_gives_the_same_table_in_a_database(
    database_address: DatabaseAddress, all_of_it: list[Happening]
) -> None:
    """The same with PostgreSQL, whose outages tests/data_faults has."""

    async def played(clock: LockstepClock) -> None:
        database = await Database.open(database_address, clock)
        try:
            for table in ("market_data", "market_data_revisions", "findings"):
                await database.execute(f"TRUNCATE {table}")
            await _played(clock, all_of_it, MarketData(database, "demo"))
        finally:
            await database.close()

    in_lockstep(played, START_MS)
