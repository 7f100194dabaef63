"""Bars as whole columns: the same outcome as one by one, to the last bit, whatever is there."""

import asyncio
import math
import random

import asyncpg
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import Defect
from rusy_tui.store import bulk
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.binary_copy import HEADER, TRAILER, packed, unpacked
from rusy_tui.store.candles import NOTICES, Candles
from rusy_tui.store.errors import DatabaseRefused
from rusy_tui.store.pool import Database

BTC = "BTCUSDT"
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
        symbol=BTC,
        interval=Interval.M15,
        open_time_ms=START + number * STEP,
        closed=True,
        **(figures | changes),
    )


def columns(candles: list[Candle]) -> Bars:
    return Bars.of(Interval.M15, candles)


async def table(database: Database, name: str, venue: str) -> list[str]:
    """All rows of a venue as text, so that NaN equals NaN."""
    rows = await database.rows(
        f"SELECT * FROM {name} WHERE venue = $1 ORDER BY open_time, revision",
        venue,
    )
    return [str(tuple(row)[1:]) for row in rows]


@pytest.fixture
def candles(database: Database) -> Candles:
    return Candles(database, "demo")


@pytest.mark.parametrize("seed", range(12))
async def test_columns_and_candles_make_the_same_tables(
    database: Database, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(bulk, "BLOCK", chance.choice([1, 7, 1000]))
    one_by_one, whole = Candles(database, "paper"), Candles(database, "demo")
    for number in range(15):
        batch = [
            bar(
                chance.randrange(20),
                trades=chance.choice([17.0, 18.0, math.nan]),
                taker_buy_volume=chance.choice([1.7, 0.0, -0.0, math.nan]),
            )
            for _ in range(chance.choice([0, 1, 5, 30]))
        ]
        if chance.random() < 0.5:
            batch.sort(key=lambda candle: candle.open_time_ms)
        source = f"source {number}"
        told = await one_by_one.store(batch, source)
        assert await whole.store_bars(BTC, columns(batch), source) == told
    for name in ("market_data", "market_data_revisions"):
        expected = await table(database, name, "paper")
        assert await table(database, name, "demo") == expected
        assert expected


async def test_what_is_new_goes_straight_in_and_what_is_known_is_left_alone(
    candles: Candles, database: Database
) -> None:
    given = [bar(n, trades=math.nan) for n in range(50)]
    assert await candles.store_bars(BTC, columns(given[:30]), "rest") == (30, (), 0)
    assert await candles.store_bars(BTC, columns(given), "archive") == (20, (), 30)
    assert await candles.store_bars(BTC, columns(given), "csv") == (0, (), 50)
    sources = await database.rows(
        "SELECT source, count(*) AS bars FROM market_data GROUP BY source ORDER BY source"
    )
    assert [tuple(row) for row in sources] == [("archive", 20), ("rest", 30)]


async def test_revised_ones_are_kept_among_new_ones(
    candles: Candles, database: Database
) -> None:
    await candles.store_bars(BTC, columns([bar(1), bar(2), bar(4)]), "stream")
    later = [bar(0), bar(1), bar(2, trades=18.0), bar(3), bar(4, trades=math.nan)]
    stored = await candles.store_bars(BTC, columns(later), "rest")
    keys = tuple((BTC, Interval.M15, bar(n).open_time_ms) for n in (2, 4))
    assert stored == (2, keys, 1)
    former = await database.rows(
        "SELECT open_time, trades, source, revision FROM market_data_revisions ORDER BY 1"
    )
    assert [tuple(row) for row in former] == [
        (bar(2).open_time_ms, 17.0, "stream", 0),
        (bar(4).open_time_ms, 17.0, "stream", 0),
    ]


async def test_a_batch_with_nonsense_writes_nothing_at_all(
    candles: Candles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BLOCK", 4)
    await candles.store_bars(BTC, columns([bar(0)]), "rest")
    # In the third block, whose first and second are copied by then; then beside a revision.
    for first in (bar(1), bar(0, trades=1.0)):
        batch = [first, *(bar(n) for n in range(2, 12)), bar(12, high=1.0)]
        with pytest.raises(DatabaseRefused, match="market_data_prices"):
            await candles.store_bars(BTC, columns(batch), "rest", notify=True)
    assert await candles.last_open_ms(BTC, Interval.M15) == START
    assert await candles.revised(BTC, Interval.M15) == 0
    assert (await candles.store_bars(BTC, columns([bar(0, trades=2.0)]), "rest")).revised


# Another program's writing.
ONE_BAR = """
INSERT INTO market_data VALUES
    ('demo', 'BTCUSDT', '15m', $1, 100, 101, 99, 100, 1, 100, 1, 1, 'other', 0)
"""


async def wait_for_a_waiting_writer(database: Database) -> None:
    while not await database.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        await asyncio.sleep(0)


@pytest.mark.parametrize("notify", [False, True])
async def test_another_writer_may_be_faster(
    candles: Candles, database: Database, notify: bool
) -> None:
    batch = columns([bar(n) for n in range(10)])
    async with database.transaction() as session:
        await session.execute(ONE_BAR, bar(3).open_time_ms)
        second = asyncio.create_task(candles.store_bars(BTC, batch, "rest", notify=notify))
        await wait_for_a_waiting_writer(database)
    assert await second == (9, ((BTC, Interval.M15, bar(3).open_time_ms),), 0)
    assert await candles.revised(BTC, Interval.M15) == 1


async def test_of_two_who_revise_at_once_none_is_lost(
    candles: Candles, database: Database
) -> None:
    await candles.store([bar(0)], "stream")
    async with database.transaction() as session:
        await session.execute("UPDATE market_data SET trades = 5, revision = 1")
        second = asyncio.create_task(candles.store([bar(0)], "rest"))
        third = asyncio.create_task(candles.store_bars(BTC, columns([bar(0, trades=6.0)]), "y"))
        await wait_for_a_waiting_writer(database)
    await asyncio.gather(second, third)
    rows = await database.rows("SELECT revision FROM market_data_revisions ORDER BY revision")
    now = await database.value("SELECT revision FROM market_data")
    assert [row["revision"] for row in rows] == list(range(now))
    assert now >= 2


async def test_whoever_listens_is_told_the_span(
    candles: Candles, database_address: DatabaseAddress
) -> None:
    heard: list[str] = []
    listener = await asyncpg.connect(**database_address.arguments())
    await listener.add_listener(NOTICES, lambda *told: heard.append(told[3]))
    await candles.store_bars(BTC, columns([bar(3)]), "rest")
    await candles.store_bars(BTC, columns([bar(0), bar(4)]), "rest", notify=True)
    await listener.execute("SELECT 1")
    await listener.close()
    assert heard == [f"demo {BTC} 15m {START} {START + 5 * STEP}"]


async def test_names_outside_ascii_and_quotes_are_names(database: Database) -> None:
    candles = Candles(database, "o'demo")
    symbol = "币安人生USDT"
    batch = columns([bar(0), bar(1)])
    assert (await candles.store_bars(symbol, batch, "")).new == 2
    assert (await candles.store_bars(symbol, batch, "'")).equal == 2
    assert len(await candles.range(symbol, Interval.M15, START, START + STEP)) == 1


async def test_a_range_comes_back_to_the_last_bit(candles: Candles) -> None:
    given = [
        bar(0),
        bar(1, open=1 / 3 + 101, volume=5e-324, taker_buy_volume=0.0),
        bar(2, trades=math.nan, taker_buy_volume=math.nan),
    ]
    await candles.store_bars(BTC, columns([given[n] for n in (2, 0, 1)]), "rest")
    read = await candles.range(BTC, Interval.M15, START, START + 3 * STEP)
    assert read.open_time_ms.tolist() == [candle.open_time_ms for candle in given]
    for name in COLUMNS:
        column = getattr(read, name)
        np.testing.assert_array_equal(column, [getattr(candle, name) for candle in given])
        assert column.dtype == np.float64
        assert column.flags.c_contiguous
    assert len(await candles.range(BTC, Interval.M15, START + 1, START + 2 * STEP)) == 1
    assert len(await candles.range(BTC, Interval.H1, START, START + 2 * STEP)) == 0


async def test_windows_of_both_intervals_end_together(candles: Candles) -> None:
    hours = [
        msgspec.structs.replace(
            bar(n), interval=Interval.H1, open_time_ms=START + n * Interval.H1.ms
        )
        for n in range(6)
    ]
    await candles.store([*hours, *(bar(n) for n in range(24))], "rest")
    wanted = {Interval.M15: 5, Interval.H1: 3, Interval.M1: 2}
    read = await candles.windows(BTC, wanted, START + 14 * STEP)
    assert list(read) == list(wanted)
    assert read[Interval.M15].open_time_ms.tolist() == [START + n * STEP for n in range(9, 14)]
    assert read[Interval.H1].open_time_ms.tolist() == [
        START + n * Interval.H1.ms for n in (1, 2, 3)
    ]
    assert read[Interval.H1].interval is Interval.H1
    assert len(read[Interval.M1]) == 0


def file_of(*fields: NDArray[np.int64] | NDArray[np.float64]) -> bytes:
    return b"".join(packed(fields))


def test_a_file_of_other_rows_is_not_read_as_bars() -> None:
    times = np.array([1, 2], dtype=np.int64)
    figures = np.array([0.5, math.nan])
    read, columns = unpacked(file_of(times, figures), 1)
    assert (len(read), len(columns)) == (2, 1)
    cut = file_of(times, figures)[:-7]
    null = HEADER + b"\0\2\0\0\0\x08" + bytes(8) + b"\xff\xff\xff\xff" + TRAILER
    for broken in (cut, null, b"", file_of(times, figures, figures)):
        with pytest.raises(Defect):
            unpacked(broken, 1)
    with pytest.raises(Defect):
        packed([times, figures[:1]])
    with pytest.raises(Defect):
        packed(["demo"])


async def test_columns_of_a_window_lie_in_one_piece(candles: Candles) -> None:
    await candles.store_bars(BTC, columns([bar(n) for n in range(5)]), "rest")
    read = await candles.window(BTC, Interval.M15, START + 5 * STEP, 4)
    assert read.close.tolist() == [bar(n).close for n in (1, 2, 3, 4)]
    for name in ("open_time_ms", *COLUMNS):
        assert getattr(read, name).strides == (8,)
