"""A recording is played back to the digit, and a bad one is refused in words."""

import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.domain.money import exact
from rusy_tui.simulator.feeds.replay import DEFAULT_FUNDING_RATE, ReplayFeed
from tests.simulator_feeds.bars import all_steps, bars_of

START = int(datetime(2025, 5, 1, tzinfo=UTC).timestamp() * 1000)
HOUR = Interval.H1.ms
QUARTER = Interval.M15.ms

Row = tuple[float, float, float, float, float]
ROSE: Row = (100.0, 103.7, 98.2, 101.3, 15.007)
FELL: Row = (101.3, 102.0, 97.1, 97.5, 0.016)
HALT: Row = (97.5, 97.5, 97.5, 97.5, 0.0)
BACK: Row = (97.5, 99.0, 97.5, 99.0, 3161.797)


def columns(rows: list[Row], interval: Interval, start_ms: int = START) -> dict[str, list[Any]]:
    opens = [start_ms + row * interval.ms for row in range(len(rows))]
    names = ("open", "high", "low", "close", "volume")
    return {
        "open_time": opens,
        **dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)),
    }


def write(folder: Path, name: str, table: dict[str, list[Any]]) -> Path:
    path = folder / name
    parquet.write_table(pa.table(table), path)
    return path


def day(folder: Path, rows: list[Row], name: str = "BTCUSDT-15m.parquet", **more: Any) -> Path:
    """A file of one hour of past and then these bars."""
    table = columns([BACK] * 4 + rows, Interval.M15, START - HOUR)
    return write(folder, name, {**table, **more})


def test_every_bar_comes_back_to_the_digit(tmp_path: Path) -> None:
    rows = [ROSE, FELL, HALT, BACK]
    feed = ReplayFeed(day(tmp_path, rows), from_ms=START)
    steps = all_steps(feed)
    assert [step.time_ms for step in steps] == list(range(START, START + HOUR, 60_000))
    bars = bars_of(steps, "BTCUSDT", Interval.M15)
    traded = [(at, row) for at, row in enumerate(rows) if row[-1]]
    assert [bar.open_time_ms for bar in bars] == [START + at * QUARTER for at, _ in traded]
    for bar, (_, row) in zip(bars, traded, strict=True):
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == tuple(map(exact, row))
        assert (bar.trades, bar.taker_buy_volume) == (0, Decimal(0))
    assert feed.next_step() is None
    assert feed.end_ms == START + HOUR


def test_a_bar_without_volume_has_steps_without_prints(tmp_path: Path) -> None:
    steps = all_steps(ReplayFeed(day(tmp_path, [ROSE, HALT]), from_ms=START))
    halted = [step for step in steps if step.time_ms >= START + QUARTER]
    assert len(halted) == 15
    assert not any(step.prints for step in halted)


@pytest.mark.parametrize(
    ("row", "turns"),
    [(ROSE, ("100.0", "98.2", "103.7", "101.3")), (FELL, ("101.3", "102.0", "97.1", "97.5"))],
)
def test_low_comes_first_where_the_bar_rose(
    tmp_path: Path, row: Row, turns: tuple[str, ...]
) -> None:
    steps = all_steps(ReplayFeed(day(tmp_path, [row]), from_ms=START))
    prices = [step.prints[0].price for step in steps]
    assert [prices[at] for at in (0, 5, 9, 14)] == list(map(Decimal, turns))
    for begin, end in ((0, 5), (5, 9), (9, 14)):
        leg = prices[begin : end + 1]
        assert leg in (sorted(leg), sorted(leg, reverse=True))
    assert all(price % Decimal("0.1") == 0 for price in prices)


def test_volume_is_spread_evenly_on_the_step_where_there_is_enough(tmp_path: Path) -> None:
    steps = all_steps(ReplayFeed(day(tmp_path, [ROSE]), from_ms=START))
    assert {step.prints[0].quantity for step in steps} == {Decimal("1.000"), Decimal("1.001")}


def test_trades_and_takers_are_spread_and_never_exceed_the_volume(tmp_path: Path) -> None:
    rows: list[Row] = [ROSE, (101.3, 102.0, 97.1, 97.5, 0.030), BACK, BACK]
    taken = [0.0] * 4 + [14.992, 0.029, 3161.797, 0.001]
    feed = ReplayFeed(day(tmp_path, rows, count=[9] * 8, taker_buy_volume=taken), from_ms=START)
    steps = all_steps(feed)
    assert all(
        0 <= made.taker_buy_quantity <= made.quantity for step in steps for made in step.prints
    )
    bars = bars_of(steps, "BTCUSDT", Interval.M15)
    assert [bar.taker_buy_volume for bar in bars] == list(map(exact, taken[4:]))
    assert [bar.trades for bar in bars] == [9] * 4


def test_a_minute_has_four_steps(tmp_path: Path) -> None:
    path = write(tmp_path, "NEARUSDT-1m-2025-06.parquet", columns([FELL] * 60, Interval.M1))
    feed = ReplayFeed(path, from_ms=START)
    steps = all_steps(feed)
    assert feed.update_ms == 15_000
    assert [step.time_ms - START for step in steps[:5]] == [0, 15_000, 30_000, 45_000, 60_000]
    assert [step.prints[0].price for step in steps[:4]] == [
        exact(FELL[at]) for at in (0, 1, 2, 3)
    ]


def test_the_past_ends_where_play_begins_and_hours_are_made_of_quarters(tmp_path: Path) -> None:
    rows = [ROSE, FELL, HALT, BACK]
    path = write(
        tmp_path,
        "BTCUSDT-15m.parquet",
        columns([BACK, BACK] + rows * 3, Interval.M15, START - QUARTER * 6),
    )
    feed = ReplayFeed(path, from_ms=START)
    quarters = feed.history("BTCUSDT", Interval.M15)
    assert len(quarters) == 6
    assert quarters[-1].close_time_ms == START
    (hour,) = feed.history("BTCUSDT", Interval.H1)
    assert (hour.open_time_ms, hour.closed) == (START - HOUR, True)
    assert (hour.open, hour.high, hour.low, hour.close) == (100.0, 103.7, 97.1, 99.0)
    assert hour.volume == 3176.82
    assert (hour.trades, hour.taker_buy_volume) == (0.0, 0.0)
    assert feed.history("BTCUSDT", Interval.M1) == ()
    # What the past is said to have turned over is what the same bar turns over when played.
    played = bars_of(all_steps(feed), "BTCUSDT", Interval.M15)[0]
    assert quarters[2].quote_volume == pytest.approx(float(played.quote_volume), rel=1e-4)


def test_the_past_begins_after_its_last_gap(tmp_path: Path) -> None:
    table = columns([BACK] * 12, Interval.M15, START - 8 * QUARTER)
    kept = {name: values[:3] + values[4:] for name, values in table.items()}
    feed = ReplayFeed(write(tmp_path, "BTCUSDT-15m.parquet", kept), from_ms=START)
    assert len(feed.history("BTCUSDT", Interval.M15)) == 4
    assert len(feed.history("BTCUSDT", Interval.H1)) == 1


@pytest.mark.parametrize("header", [True, False])
def test_a_csv_in_the_order_of_the_exchange_is_the_same_market(
    tmp_path: Path, header: bool
) -> None:
    rows = [ROSE, FELL, HALT, BACK]
    table = columns(rows, Interval.M15)
    lines = [
        f"{opens},{','.join(map(str, row))},{opens + QUARTER - 1},1.5,7,0.0,0.0,0"
        for opens, row in zip(table["open_time"], rows, strict=True)
    ]
    if header:
        lines.insert(
            0,
            "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
            "taker_buy_volume,taker_buy_quote_volume,ignore",
        )
    path = tmp_path / "recorded.csv"
    path.write_text("\n".join(lines) + "\n")
    feed = ReplayFeed(path, symbol="BTCUSDT", interval=Interval.M15, from_ms=START)
    bars = bars_of(all_steps(feed), "BTCUSDT", Interval.M15)
    assert [float(bar.close) for bar in bars] == [101.3, 97.5, 99.0]
    assert [bar.trades for bar in bars] == [7, 7, 7]


def test_the_contract_is_on_record_or_read_off_the_recording(tmp_path: Path) -> None:
    bitcoin = ReplayFeed(day(tmp_path, [ROSE]), from_ms=START).instruments["BTCUSDT"]
    assert (bitcoin.tick_size, bitcoin.min_notional) == (Decimal("0.10"), Decimal(100))
    row: Row = (0.01453, 0.01461, 0.0145, 0.01455, 1955.0)
    path = write(tmp_path, "1000BONKUSDT-1h.parquet", columns([row] * 3, Interval.H1))
    bonk = ReplayFeed(path, from_ms=START).instruments["1000BONKUSDT"]
    assert (bonk.tick_size, bonk.step_size) == (Decimal("0.00001"), Decimal(1))
    assert bonk.base_asset == "1000BONK"
    assert bonk.price_down(exact(0.01453)) == exact(0.01453)


def test_funding_is_the_recorded_rate_or_the_usual_one(tmp_path: Path) -> None:
    path = day(tmp_path, [BACK] * 4 * 9)
    late: dict[str, list[Any]] = {
        "open_time": [START + 4, START + 8 * HOUR],
        "funding_rate": [-0.00012232, 0.00007],
    }
    recorded = write(tmp_path, "BTCUSDT-8h.parquet", late)
    feed = ReplayFeed(path, from_ms=START, funding_path=recorded)
    assert feed.funding_rate("BTCUSDT", START) == Decimal("-0.00012232")
    assert feed.funding_rate("BTCUSDT", START + 8 * HOUR) == Decimal("0.00007")
    assert ReplayFeed(path, from_ms=START).funding_rate("BTCUSDT", START) == Decimal("0.0001")
    assert feed.funding_rate("BTCUSDT", START - 8 * HOUR) == DEFAULT_FUNDING_RATE
    short = write(tmp_path, "short.parquet", {k: v[:1] for k, v in late.items()})
    with pytest.raises(UsageError, match=r"short.parquet: no funding rate of 2025-05-01 08:00"):
        ReplayFeed(path, from_ms=START, funding_path=short)


@pytest.mark.parametrize(
    ("from_ms", "until_ms", "words"),
    [
        (START + QUARTER, None, "from 2025-05-01 00:15: .* nearest is 2025-05-01 00:00"),
        (START + 9 * HOUR, None, "holds 2025-04-30 23:00 to 2025-05-01 02:00"),
        (START, START, "is not after from"),
        (START, START + 60_000, "a boundary of 15m; the nearest is 2025-05-01 00:00"),
        (START, START + 9 * HOUR, "ends at 2025-05-01 02:00"),
    ],
)
def test_a_span_that_cant_be_played_is_refused_with_the_nearest_that_can(
    tmp_path: Path, from_ms: int, until_ms: int | None, words: str
) -> None:
    path = day(tmp_path, [BACK] * 8)
    with pytest.raises(UsageError, match=words):
        ReplayFeed(path, from_ms=from_ms, until_ms=until_ms)


def test_a_gap_is_named(tmp_path: Path) -> None:
    table = columns([BACK] * 12, Interval.M15)
    kept = {name: values[:5] + values[7:] for name, values in table.items()}
    path = write(tmp_path, "BTCUSDT-15m.parquet", kept)
    words = (
        "2 bars are missing from 2025-05-01 01:15 to 2025-05-01 01:45; play until "
        "2025-05-01 01:15 at most or from 2025-05-01 02:00 on"
    )
    with pytest.raises(UsageError, match=words):
        ReplayFeed(path, from_ms=START)
    assert len(all_steps(ReplayFeed(path, from_ms=START, until_ms=START + HOUR))) == 60


def without(name: str) -> dict[str, list[Any]]:
    table = columns([BACK] * 8, Interval.M15)
    del table[name]
    return table


def changed(name: str, value: Any) -> dict[str, list[Any]]:
    table = columns([BACK] * 8, Interval.M15)
    table[name][2] = value
    return table


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("BTCUSDT-15m.parquet", without("high"), "no column 'high'; it has open_time, open"),
        (
            "BTCUSDT-15m.parquet",
            changed("close", float("nan")),
            "'close' has no number in row 3",
        ),
        ("BTCUSDT-15m.parquet", changed("high", 1.0), "a high below .* of 2025-05-01 00:30"),
        ("BTCUSDT-15m.parquet", changed("volume", -1.0), "a negative volume in the bar of"),
        ("BTCUSDT-15m.parquet", changed("volume", 0.0), "a move without volume"),
        ("BTCUSDT-15m.parquet", changed("open_time", START), "drop duplicates"),
        ("BTCUSDT-15m.parquet", changed("open_time", START + 2 * QUARTER + 1), "grid of 15m"),
        ("BTCUSDT-1h.parquet", columns([BACK] * 8, Interval.M15), "not on a grid of 1h"),
        ("BTCUSDT-1m.parquet", columns([BACK] * 8, Interval.M15), "900 s apart, not 1m"),
        ("BTCUSDT-5m.parquet", columns([BACK] * 8, Interval.M15), "bars of 5m can't be played"),
        ("mine.parquet", columns([BACK] * 8, Interval.M15), "the name tells no symbol"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_by_name(
    tmp_path: Path, name: str, table: dict[str, list[Any]], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        ReplayFeed(write(tmp_path, name, table), from_ms=START)
    assert str(tmp_path / name) in str(refusal.value)


def test_a_file_that_cant_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        ReplayFeed(tmp_path / "BTCUSDT-15m.parquet")
    (tmp_path / "BTCUSDT-15m.parquet").write_bytes(b"not a table")
    with pytest.raises(UsageError, match=r"can't be read as \.parquet"):
        ReplayFeed(tmp_path / "BTCUSDT-15m.parquet")
    (tmp_path / "BTCUSDT-15m.json").write_text("[]")
    with pytest.raises(UsageError, match=r"not a \.parquet or \.csv file"):
        ReplayFeed(tmp_path / "BTCUSDT-15m.json")


@pytest.mark.needs("recordings")
def test_a_real_day_comes_back_to_the_digit() -> None:
    folder = os.environ.get("RUSY_RECORDINGS")
    if folder is None:
        pytest.skip("RUSY_RECORDINGS is not set")
    path = Path(folder) / "klines" / "BTCUSDT-15m.parquet"
    feed = ReplayFeed(path, from_ms=START, until_ms=START + 24 * HOUR)
    bars = bars_of(all_steps(feed), "BTCUSDT", Interval.M15)
    rows = parquet.read_table(
        path,
        filters=[("open_time", ">=", START), ("open_time", "<", START + 24 * HOUR)],
    ).to_pylist()
    assert len(rows) == 96
    assert [
        (bar.open_time_ms, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars
    ] == [
        (row["open_time"], *(exact(row[n]) for n in ("open", "high", "low", "close", "volume")))
        for row in rows
    ]
    assert len(feed.history("BTCUSDT", Interval.H1)) == 1500
