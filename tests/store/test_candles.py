"""Bars: exactly once, revised, with gaps found and NaN kept."""

import math

import asyncpg
import msgspec
import numpy as np
import pytest

from rusy_tui.domain.bars import COLUMNS
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import Defect
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.candles import NOTICES, Candles
from rusy_tui.store.errors import DatabaseRefused
from rusy_tui.store.pool import Database

START = 1_746_057_600_000  # 2025-05-01T00:00Z
STEP = Interval.M15.ms


def bar(number: int, **changes: float) -> Candle:
    figures = {
        "open": 100.0 + number,
        "high": 103.5 + number,
        "low": 99.25 + number,
        "close": 101.1 + number,
        "volume": 10.0 / 3,
        "quote_volume": 1000.0 / 3,
        "trades": 17.0,
        "taker_buy_volume": 1.7,
    }
    return Candle(
        symbol="BTCUSDT",
        interval=Interval.M15,
        open_time_ms=START + number * STEP,
        closed=True,
        **(figures | changes),
    )


@pytest.fixture
def candles(database: Database) -> Candles:
    return Candles(database, "demo")


async def test_a_bar_is_stored_once(candles: Candles) -> None:
    first = [bar(n) for n in range(10)]
    assert (await candles.store(first, "rest")).new == 10
    assert await candles.store([*first[5:], bar(10)], "stream") == (1, (), 5)
    assert await candles.store([bar(11), bar(11)], "stream") == (1, (), 1)
    assert await candles.store([], "stream") == (0, (), 0)
    assert await candles.count("BTCUSDT", Interval.M15, START, START + 100 * STEP) == 12
    assert await candles.revised("BTCUSDT", Interval.M15) == 0
    assert await candles.last_open_ms("BTCUSDT", Interval.M15) == START + 11 * STEP
    assert await candles.last_open_ms("BTCUSDT", Interval.H1) is None


async def test_venues_are_kept_apart(candles: Candles, database: Database) -> None:
    await candles.store([bar(0)], "rest")
    other = Candles(database, "live")
    assert await other.last_open_ms("BTCUSDT", Interval.M15) is None
    assert (await other.store([bar(0)], "rest")).new == 1


async def test_columns_come_back_to_the_last_bit(candles: Candles) -> None:
    given = [
        bar(0),
        bar(1, open=1 / 3 + 101, volume=5e-324, taker_buy_volume=0.0),
        bar(2, trades=math.nan, taker_buy_volume=math.nan),
    ]
    await candles.store(list(reversed(given)), "rest")
    read = await candles.window("BTCUSDT", Interval.M15, START + 3 * STEP, 10)
    assert read.open_time_ms.tolist() == [candle.open_time_ms for candle in given]
    for name in COLUMNS:
        expected = np.array([getattr(candle, name) for candle in given])
        np.testing.assert_array_equal(getattr(read, name), expected)
        assert getattr(read, name).dtype == np.float64


async def test_the_window_ends_before_its_bound(candles: Candles) -> None:
    await candles.store([bar(n) for n in range(20)], "rest")
    read = await candles.window("BTCUSDT", Interval.M15, START + 12 * STEP, 5)
    assert read.open_time_ms.tolist() == [START + n * STEP for n in range(7, 12)]
    assert len(await candles.window("BTCUSDT", Interval.M15, START, 5)) == 0


async def test_a_later_answer_that_differs_is_a_revision(
    candles: Candles, database: Database
) -> None:
    await candles.store([bar(0, trades=math.nan)], "stream")
    assert await candles.store([bar(0, trades=math.nan)], "rest") == (0, (), 1)
    assert await candles.revised("BTCUSDT", Interval.M15) == 0
    key = ("BTCUSDT", Interval.M15, START)
    assert await candles.store([bar(0, trades=18.0), bar(1)], "rest") == (1, (key,), 0)
    assert await candles.store([bar(0, trades=19.0)], "archive") == (0, (key,), 0)
    row = await database.row(
        "SELECT trades, source, revision FROM market_data ORDER BY open_time LIMIT 1"
    )
    assert row is not None
    assert tuple(row) == (19.0, "archive", 2)
    former = await database.rows(
        "SELECT trades, source, revision FROM market_data_revisions ORDER BY revision"
    )
    assert [str(tuple(each)) for each in former] == [
        "(nan, 'stream', 0)",
        "(18.0, 'rest', 1)",
    ]


async def test_whoever_listens_is_told_the_keys_once_they_are_kept(
    candles: Candles, database_address: DatabaseAddress
) -> None:
    heard: list[str] = []
    listener = await asyncpg.connect(**database_address.arguments())
    await listener.add_listener(NOTICES, lambda *told: heard.append(told[3]))
    hour = msgspec.structs.replace(bar(0), interval=Interval.H1)
    await candles.store([bar(1), hour, bar(0)], "rest")
    await candles.store([bar(1), hour, bar(0)], "stream", notify=True)
    await listener.execute("SELECT 1")
    await listener.close()
    until_ms = START + 2 * STEP
    assert sorted(heard) == [
        f"demo BTCUSDT 15m {START} {until_ms}",
        f"demo BTCUSDT 1h {START} {START + 4 * STEP}",
    ]


async def test_gaps_are_found_at_both_ends_and_between(candles: Candles) -> None:
    await candles.store([bar(n) for n in (2, 3, 5, 8, 9)], "rest")
    gaps = await candles.missing("BTCUSDT", Interval.M15, START, START + 12 * STEP)
    spans = [((a - START) // STEP, (b - START) // STEP) for a, b in gaps]
    assert spans == [(0, 2), (4, 5), (6, 8), (10, 12)]


async def test_bounds_off_the_grid_are_moved_up(candles: Candles) -> None:
    await candles.store([bar(1)], "rest")
    assert await candles.missing("BTCUSDT", Interval.M15, START + 1, START + STEP + 1) == []
    assert await candles.missing("BTCUSDT", Interval.M15, START + 1, START + 5) == []
    whole = await candles.missing("BTCUSDT", Interval.H1, START, START + 2 * Interval.H1.ms)
    assert whole == [(START, START + 2 * Interval.H1.ms)]


@pytest.mark.parametrize(
    "nonsense",
    [
        {"high": 50.0},
        {"low": 101.5},
        {"low": -1.0},
        {"high": math.inf},
        {"high": math.nan},
        {"close": math.nan},
        {"volume": -1.0},
        {"volume": math.nan},
        {"trades": -1.0},
        {"taker_buy_volume": 11.0},
    ],
)
async def test_nonsense_is_refused_whole(candles: Candles, nonsense: dict[str, float]) -> None:
    with pytest.raises(DatabaseRefused, match="market_data"):
        await candles.store([bar(0), bar(1, **nonsense)], "rest")
    assert await candles.last_open_ms("BTCUSDT", Interval.M15) is None


async def test_a_forming_bar_is_a_defect(candles: Candles) -> None:
    with pytest.raises(Defect):
        await candles.store([msgspec.structs.replace(bar(0), closed=False)], "stream")


async def test_the_timeframes_in_use_are_marked(candles: Candles, database: Database) -> None:
    await candles.enable([Interval.H1])
    rows = await database.rows("SELECT interval FROM timeframes WHERE enabled")
    assert [row["interval"] for row in rows] == ["1h"]
