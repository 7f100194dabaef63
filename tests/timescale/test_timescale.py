"""What TimescaleDB adds: chunks, compression, policies, plans; answers stay the same."""

import re
import sys
from collections.abc import Sequence

import numpy as np
import pyarrow.parquet
import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.store import bulk, candles, timescale
from rusy_tui.store.candles import Candles
from rusy_tui.store.pool import Database
from rusy_tui.store.retention import DAY_MS, Upkeep
from tests import machine
from tests.store import test_retention
from tests.store.test_bulk import BTC, START, STEP, bar, columns, table

pytestmark = [pytest.mark.verify, pytest.mark.needs("timescaledb")]

A_DAY = DAY_MS // STEP
KEYS = {"venue", "symbol", "timeframe"}


def tell(text: str) -> None:
    """For whoever runs this with -s: figures and plans."""
    sys.stdout.write(f"{text}\n")


async def settings_of(database: Database, hypertable: str) -> tuple[set[str], list[str]]:
    """By which columns it is segmented when compressed, and in which order its rows are."""
    rows = await database.rows(
        "SELECT attname::text AS name, segmentby_column_index AS segment "
        "FROM timescaledb_information.compression_settings WHERE hypertable_name = $1 "
        "ORDER BY orderby_column_index",
        hypertable,
    )
    return (
        {row["name"] for row in rows if row["segment"]},
        [row["name"] for row in rows if not row["segment"]],
    )


async def chunks(database: Database) -> list[tuple[str, bool]]:
    """The chunks of market_data in order of time, and which are compressed."""
    rows = await database.rows(
        "SELECT chunk_name::text AS name, is_compressed FROM timescaledb_information.chunks "
        "WHERE hypertable_name = 'market_data' ORDER BY range_start"
    )
    return [(row["name"], row["is_compressed"]) for row in rows]


async def policies(database: Database) -> set[tuple[str, str]]:
    rows = await database.rows(
        "SELECT proc_name::text AS name, hypertable_name::text AS of "
        "FROM timescaledb_information.jobs WHERE job_id >= 1000"
    )
    found = {(row["name"].removeprefix("policy_"), row["of"]) for row in rows}
    return {(name, "daily" if name.startswith("refresh") else of) for name, of in found}


async def run_policy(database: Database, name: str) -> None:
    """By hand, as the server's own scheduler would."""
    rows = await database.rows(
        "SELECT job_id FROM timescaledb_information.jobs "
        "WHERE job_id >= 1000 AND proc_name = $1 ORDER BY job_id",
        f"policy_{name}",
    )
    assert rows
    for row in rows:
        await database.execute(f"CALL run_job({row['job_id']})")


async def test_what_grows_with_time_is_in_hypertables(database: Database) -> None:
    rows = await database.rows(
        "SELECT hypertable_name::text AS name, compression_enabled "
        "FROM timescaledb_information.hypertables WHERE hypertable_name !~ '^_'"
    )
    assert {row["name"]: row["compression_enabled"] for row in rows} == dict.fromkeys(
        timescale.HYPERTABLES, True
    )
    for name in timescale.REMOVABLE:
        assert await settings_of(database, name) == (KEYS, ["open_time"])
    assert await settings_of(database, "model_predictions") == (
        KEYS,
        ["bar_open_time", "model_version"],
    )
    assert await settings_of(database, "journal") == ({"venue", "account"}, ["at", "id"])
    spans = await database.rows(
        "SELECT extract(epoch FROM time_interval)::int AS seconds "
        "FROM timescaledb_information.dimensions WHERE hypertable_name = ANY($1::text[])",
        list(timescale.HYPERTABLES),
    )
    assert {row["seconds"] for row in spans} == {90 * 86_400}
    assert await policies(database) == set()


async def test_policies_are_set_for_venues_on_the_servers_clock(database: Database) -> None:
    compressed = {("compression", name) for name in timescale.HYPERTABLES}
    refreshed = {("refresh_continuous_aggregate", "daily")}
    removed = {("retention", name) for name in timescale.REMOVABLE}
    await timescale.arrange(database, "live", None)
    assert await policies(database) == compressed | refreshed
    for _ in range(2):
        await timescale.arrange(database, "live", 400)
        assert await policies(database) == compressed | refreshed | removed
    # A policy knows no venue: it must not empty a table of another one's rows.
    await Candles(database, "paper").store([bar(0)], "rest")
    await timescale.arrange(database, "live", 400)
    assert await policies(database) == (compressed | refreshed | removed) - {
        ("retention", "market_data")
    }
    await timescale.arrange(database, "live", None)
    assert await policies(database) == compressed | refreshed


async def test_policies_compress_remove_and_add_up(database: Database) -> None:
    """All of it is older than the server's clock allows, but for the retention's limit."""
    kept = Candles(database, "live")
    await kept.store_bars(BTC, columns([bar(number) for number in range(200 * A_DAY)]), "rest")
    now_ms = await database.value("SELECT now()")
    # So that the limit falls into the second chunk, and the first one goes.
    second = await database.value(
        "SELECT range_start FROM timescaledb_information.chunks "
        "WHERE hypertable_name = 'market_data' ORDER BY range_start OFFSET 1 LIMIT 1"
    )
    await timescale.arrange(database, "live", (now_ms - second) // DAY_MS - 3)
    before = await chunks(database)
    await run_policy(database, "refresh_continuous_aggregate")
    days = await database.value("SELECT count(*) FROM market_data_daily")
    assert days == 200
    await run_policy(database, "compression")
    assert await chunks(database) == [(name, True) for name, _ in before]
    await run_policy(database, "retention")
    assert await chunks(database) == [(name, True) for name, _ in before[1:]]
    first = await database.value("SELECT min(open_time) FROM market_data")
    assert first == second


async def test_compressed_bars_are_revised_and_completed(database: Database) -> None:
    """Every way in, over chunks that are compressed, against a table that never was."""
    compressed, as_it_was = Candles(database, "live"), Candles(database, "paper")
    bars = columns([bar(number) for number in range(100 * A_DAY) if number % 50])
    await compressed.store_bars(BTC, bars, "rest")
    assert await timescale.compress(database, START + 365 * DAY_MS) >= 2
    await as_it_was.store_bars(BTC, bars, "rest")
    for kept in (compressed, as_it_was):
        assert await kept.store([bar(0), bar(1, trades=5.0), bar(2)], "stream") == (
            1,
            ((BTC, Interval.M15, bar(1).open_time_ms),),
            1,
        )
        fresh = columns([bar(number) for number in (50, 100, 5000)])
        assert (await kept.store_bars(BTC, fresh, "archive")).new == 3
        mixed = columns([bar(number, trades=6.0) for number in range(140, 160)])
        told = await kept.store_bars(BTC, mixed, "rest")
        assert (told.new, len(told.revised)) == (1, 19)
        assert (await kept.store_bars(BTC, mixed, "rest")).equal == 20
    for name in ("market_data", "market_data_revisions"):
        assert await table(database, name, "live") == await table(database, name, "paper")
    assert all(is_compressed for _, is_compressed in await chunks(database))


async def plan(database: Database, query: str, *arguments: object) -> tuple[set[str], str]:
    """The chunks of market_data that a query really looked into, and the plan as text."""
    rows = await database.rows(
        f"EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) {query}", *arguments
    )
    lines = [row[0] for row in rows]
    names = [name for name, _ in await chunks(database)]
    touched = {
        name
        for name in names
        for line in lines
        if re.search(rf"\b{name}\b", line) and "never executed" not in line
    }
    return touched, "\n".join(lines)


@pytest.mark.parametrize("compressed", [False, True])
async def test_the_main_queries_touch_only_the_chunks_they_need(
    database: Database, compressed: bool
) -> None:
    kept = Candles(database, "live")
    last = 400 * A_DAY
    hours = 400 * 24
    bars = columns([bar(number) for number in range(last)])
    await kept.store_bars(BTC, bars, "rest")
    first_of_each = bars[::4]
    figures = [getattr(first_of_each, name) for name in COLUMNS]
    await kept.store_bars(BTC, Bars(Interval.H1, first_of_each.open_time_ms, *figures), "rest")
    if compressed:
        await timescale.compress(database, START + 500 * DAY_MS)
    await database.execute("ANALYZE market_data")
    names = [name for name, _ in await chunks(database)]
    assert len(names) >= 5
    spans = await database.rows(
        "SELECT range_start, range_end FROM timescaledb_information.chunks "
        "WHERE hypertable_name = 'market_data' ORDER BY range_start"
    )
    end_ms = START + last * STEP
    assert hours * Interval.H1.ms == last * STEP

    # The window of both intervals: the newest chunk, and the one before where it begins there.
    wanted = [384, 352]
    first_ms = end_ms - 352 * Interval.H1.ms
    window, text = await plan(
        database, candles.WINDOWS, "live", BTC, end_ms, ["15m", "1h"], wanted
    )
    tell(f"\nlive window, {len(window)} of {len(names)} chunks:\n{text}")
    needed = {
        name
        for name, span in zip(names, spans, strict=True)
        if span["range_end"] > first_ms and span["range_start"] < end_ms
    }
    assert window == needed

    # A month out of the middle of a chunk, as bars and as gaps.
    from_ms = spans[2]["range_start"] + 20 * DAY_MS
    until_ms = from_ms + 30 * DAY_MS
    key = ("live", BTC, "15m", from_ms, until_ms)
    read, text = await plan(database, bulk.RANGE, *key)
    tell(f"\nrange, {len(read)} of {len(names)} chunks:\n{text}")
    assert read == {names[2]}
    gaps, text = await plan(database, candles.MISSING, *key, STEP)
    tell(f"\nmissing, {len(gaps)} of {len(names)} chunks:\n{text}")
    assert gaps == {names[2]}


def recorded_year() -> tuple[list[Bars], str]:
    """A year of quarters and hours: recorded where recordings are, else a random walk."""
    chance = np.random.default_rng(1)
    count = 366 * A_DAY
    folder = machine.recordings()
    if folder is not None:
        file = pyarrow.parquet.read_table(folder / "klines" / "LINKUSDT-15m.parquet")
        prices = [file[name].to_numpy()[:count] for name in ("open", "high", "low", "close")]
        volume, source = file["volume"].to_numpy()[:count], "recorded"
    else:
        closes = np.round(14 * np.exp(np.cumsum(chance.normal(0, 0.002, count + 1))), 3)
        opens, closes = closes[:-1], closes[1:]
        high, low = np.maximum(opens, closes) + 0.01, np.minimum(opens, closes) - 0.01
        prices = [opens, high, low, closes]
        volume, source = np.round(chance.gamma(2.0, 40_000.0, count), 2), "made up"
    # Recordings lack these: made as the exchange's are, so that they compress no better.
    quote = np.round(volume * (prices[0] + prices[3]) / 2, 4)
    trades = np.floor(volume / max(1.0, float(np.median(volume))) * 3000) + 1
    taker = np.round(volume * chance.uniform(0.3, 0.7, count), 2)
    times = START + np.arange(count, dtype=np.int64) * STEP
    figures = [*prices, volume, quote, trades, taker]
    quarters = Bars(Interval.M15, times, *figures)
    four = {name: getattr(quarters, name).reshape(-1, 4) for name in COLUMNS}
    hours = Bars(
        interval=Interval.H1,
        open_time_ms=times[::4],
        open=four.pop("open")[:, 0],
        high=four.pop("high").max(axis=1),
        low=four.pop("low").min(axis=1),
        close=four.pop("close")[:, 3],
        **{name: each.sum(axis=1) for name, each in four.items()},
    )
    return [quarters, hours], source


async def test_a_year_of_bars_is_compressed_to_less_than_half(database: Database) -> None:
    kept = Candles(database, "live")
    bars, source = recorded_year()
    for each in bars:
        await kept.store_bars(BTC, each, "archive")
    rows = sum(len(each) for each in bars)
    loose = await database.value("SELECT hypertable_size('market_data')")
    await timescale.compress(database, START + 1000 * DAY_MS)
    packed = await database.value("SELECT hypertable_size('market_data')")
    tell(
        f"\ncompression ratio {loose / packed:.2f}: {rows:,} rows, a {source} year of 15m and "
        f"1h of one symbol, {loose / rows:.0f} bytes a row loose, {packed / rows:.0f} packed"
    )
    assert loose > 2 * packed
    read = await kept.range(BTC, Interval.M15, START, START + 366 * DAY_MS)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(read, name), getattr(bars[0], name))


async def answers(database: Database) -> Sequence[object]:
    """What every question of the repositories says about the same data, as text."""
    store = await test_retention.fill(database, "live")
    await test_retention.fill(database, "paper")
    data = store.market_data
    await data.ticks.note(BTC, 0.1, START)
    until_ms = START + 31 * DAY_MS
    mid_ms = START + 10 * DAY_MS
    await data.candles.store_bars(
        BTC, columns([bar(number) for number in range(40 * A_DAY, 41 * A_DAY, 3)]), "csv"
    )
    said: list[object] = [
        await data.candles.windows(BTC, {Interval.M15: 700, Interval.H1: 3}, mid_ms),
        await data.candles.range(BTC, Interval.M15, mid_ms, mid_ms + 3 * DAY_MS),
        await data.candles.missing(BTC, Interval.M15, START, START + 42 * DAY_MS),
        await data.candles.count(BTC, Interval.M15, START, mid_ms),
        await data.candles.last_open_ms(BTC, Interval.M15),
        await data.candles.revised(BTC, Interval.M15),
        await data.candles.revisions([BTC], Interval.M15, START),
        await data.findings.listed(),
        await data.ticks.finest(BTC, START),
        await data.funding_rates.between(BTC, None, START, until_ms),
        await data.open_interest.bounds_ms(BTC, None),
        await data.mark_prices.between(BTC, "15m", START, until_ms),
        await data.mark_prices.holes(
            BTC, "15m", START, until_ms, step_ms=900_000, apart_ms=900_000
        ),
        await data.microstructure.between(BTC, "15m", START, until_ms),
        await store.predictions.between(BTC, Interval.M15, START, until_ms),
        await store.predictions.count(START, until_ms),
        await store.predictions.votes(START, until_ms),
        [(entry.at_ms, entry.payload) for entry in await store.journal.since(START)],
    ]
    for view, order in (("bar_statistics", "open_time"), ("market_data_daily", "day")):
        rows = await database.rows(f"SELECT * FROM {view} ORDER BY venue, timeframe, {order}")
        said.append([tuple(row.items()) for row in rows])
    said.append(await Upkeep(database, "live", SystemClock(), 20).once(until_ms))
    rows = await database.rows("SELECT * FROM market_data_daily ORDER BY venue, timeframe, day")
    said.append([tuple(row.items()) for row in rows])
    return [str(each) for each in said]


async def test_the_same_questions_have_the_same_answers_on_both_kinds(
    database: Database, plain: Database
) -> None:
    with np.printoptions(threshold=100_000, floatmode="unique"):
        expected, found = await answers(plain), await answers(database)
    assert not await timescale.present(plain)
    assert await timescale.present(database)
    for one, other in zip(expected, found, strict=True):
        assert one == other


async def test_days_added_up_beforehand_are_the_same_days(
    database: Database, plain: Database
) -> None:
    """Once refreshed by the policy, the answers come from what was kept; still the same."""
    query = "SELECT * FROM market_data_daily ORDER BY venue, symbol, timeframe, day"
    seen = []
    for each in (plain, database):
        bars = [bar(number, volume=number / 7 + 1.7) for number in range(95 * A_DAY)]
        await Candles(each, "live").store_bars(BTC, columns(bars), "rest")
        if each is database:
            await timescale.arrange(each, "live", None)
            await run_policy(each, "refresh_continuous_aggregate")
            await run_policy(each, "compression")
        seen.append([tuple(row.items()) for row in await each.rows(query)])
    assert seen[0] == seen[1]
    assert len(seen[0]) == 95
