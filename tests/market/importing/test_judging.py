"""Rows that break a rule are told, with the rule; those that keep all are whole columns."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rusy_tui.domain.bars import COLUMNS
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.history import FindingKind
from rusy_tui.market.importing import judging
from rusy_tui.market.importing.judging import Judged, Tick
from rusy_tui.market.importing.reading import Table
from rusy_tui.market.importing.report import FileRefused
from rusy_tui.market.importing.sources import Kind
from rusy_tui.market.validation import absent_made_nan, fault_of
from tests.market.importing.files import QUARTER_MS, START_MS

NOW_MS = START_MS + 400 * 86_400_000
DAY_MS = 86_400_000
SOUND = (100.1, 103.5, 98.0, 101.2, 10.25, 1000.5, 40.0, 4.125)


def _table(*rows: tuple[float, ...], times: list[int] | None = None) -> Table:
    count = len(rows)
    opened = times or [START_MS + number * QUARTER_MS for number in range(count)]
    return Table(
        Kind.KLINES,
        np.arange(1, count + 1, dtype=np.int64),
        np.array(opened, dtype=np.int64),
        None,
        {
            name: np.array([row[at] for row in rows], dtype=np.float64)
            for at, name in enumerate(COLUMNS)
        },
    )


def _changed(**figures: float) -> tuple[float, ...]:
    return tuple(figures.get(name, value) for name, value in zip(COLUMNS, SOUND, strict=True))


def _judged(table: Table, ticks: list[Tick] | None = None, now_ms: int = NOW_MS) -> Judged:
    return judging.judge_bars(table, "BTCUSDT", Interval.M15, now_ms, ticks or [])


@pytest.mark.parametrize(
    ("figures", "why"),
    [
        ({"open": 0.0}, "a price is not positive"),
        ({"low": -1.0}, "a price is not positive"),
        ({"high": math.inf}, "a price is not positive"),
        ({"close": math.nan}, "a price is not positive"),
        ({"high": 101.0}, "high 101.0 is below"),
        ({"low": 100.5}, "low 100.5 is above"),
        ({"volume": -1.0}, "volume -1.0 is no amount"),
        ({"volume": math.nan}, "volume nan is no amount"),
        ({"volume": math.inf}, "volume inf is no amount"),
        ({"quote_volume": -2.0}, "quote volume -2.0 is no amount"),
        ({"trades": -3.0}, "trades -3.0 is no amount"),
        ({"taker_buy_volume": 10.3}, "taker volume 10.3 exceeds volume 10.25"),
    ],
)
def test_a_row_that_breaks_a_rule_is_set_aside(figures: dict[str, float], why: str) -> None:
    judged = _judged(_table(SOUND, _changed(**figures), SOUND))
    (row,) = judged.set_aside
    assert (row.line, row.kind) == (2, FindingKind.BROKEN_ROW)
    assert row.why.startswith(why)
    assert row.candle is not None
    assert row.candle.open_time_ms == START_MS + QUARTER_MS
    assert judged.lines.tolist() == [1, 3]


def test_real_halts_and_absent_columns_are_no_faults() -> None:
    halt = (100.0, 100.0, 100.0, 100.0, 0.0, 0.0, 0.0, 0.0)
    bare = (*SOUND[:5], math.nan, math.nan, math.nan)
    no_count = _changed(trades=0.0, taker_buy_volume=0.0)
    judged = _judged(_table(SOUND, halt, bare, no_count))
    assert judged.set_aside == []
    assert judged.bars.trades[:2].tolist() == [40.0, 0.0]
    assert np.isnan(judged.bars.trades[2:]).all()
    assert np.isnan(judged.bars.taker_buy_volume[2:]).all()


def test_rows_off_the_grid_forming_or_of_no_time_are_set_aside() -> None:
    opened = [START_MS, START_MS + 1, START_MS + QUARTER_MS * 2, START_MS + QUARTER_MS * 3, 7]
    judged = _judged(_table(*[SOUND] * 5, times=opened), now_ms=START_MS + QUARTER_MS * 3)
    assert [(row.line, row.why.partition(":")[0]) for row in judged.set_aside] == [
        (2, f"open time {START_MS + 1} is not on the 15m grid"),
        (4, "still forming"),
        (5, "time 7 is no moment in ms since 1970"),
    ]
    assert judged.set_aside[2].open_time_ms == 0
    assert judged.lines.tolist() == [1, 3]


def test_a_close_time_of_another_interval_is_told() -> None:
    table = _table(SOUND, SOUND)
    table.close_time_ms = table.open_time_ms + np.array([QUARTER_MS, 4 * QUARTER_MS]) - 1
    (row,) = _judged(table).set_aside
    assert "is not 15m after its open time" in row.why


def test_a_row_given_twice_counts_once_and_unlike_ones_are_set_aside() -> None:
    opened = [START_MS + n * QUARTER_MS for n in (3, 0, 1, 0, 2, 1, 0)]
    other = _changed(volume=11.0)
    rows = [SOUND, SOUND, SOUND, SOUND, SOUND, other, SOUND]
    judged = _judged(_table(*rows, times=opened))
    assert judged.lines.tolist() == [2, 5, 1]
    assert judged.equal == 2
    assert [(row.line, row.kind) for row in judged.set_aside] == [
        (3, FindingKind.DUPLICATE),
        (6, FindingKind.DUPLICATE),
    ]
    assert "given in 3, 6 and not alike" in judged.set_aside[0].why


@pytest.mark.parametrize("turned", [False, True])
def test_a_price_finer_than_the_finest_tick_of_its_day_is_set_aside(turned: bool) -> None:
    days = [START_MS + n * DAY_MS for n in range(5)]
    fine = _changed(close=101.25)
    # Day 0: nothing known. Day 1: 0.1. Day 2: 0.1 and 0.01, the finest counts. Day 3: 0.01.
    ticks = [
        (0.1, days[1] + 5, days[2] + 5),
        (0.01, days[2] + 6, days[3] + 7),
    ]
    judged = _judged(_table(*[fine] * 5, times=days), ticks[::-1] if turned else ticks)
    (row,) = judged.set_aside
    assert (row.line, row.kind) == (2, FindingKind.FINER_THAN_TICK)
    assert row.why == "finer than the tick 0.1 of that day: close 101.25"
    assert judged.unjudged == (days[0], days[4])


@pytest.mark.parametrize("step", [0.1, 0.01, 1e-3, 1e-5, 1e-7, 0.5])
def test_whole_numbers_of_ticks_are_never_finer(step: float) -> None:
    counts = np.random.default_rng(3).integers(1, 10**7, 5000)
    digits = max(0, round(-math.log10(step)) + 1)
    prices = np.array([round(int(count) * step, digits) for count in counts])
    steps = np.full(len(prices), step)
    assert not judging._between_steps(prices, steps).any()
    assert judging._between_steps(prices + step / 10, steps).all()


def test_another_interval_or_mark_prices_refuse_the_file() -> None:
    hourly = [START_MS + n * 4 * QUARTER_MS for n in range(12)]
    with pytest.raises(FileRefused, match="3600 s apart, which is not 15m"):
        _judged(_table(*[SOUND] * 12, times=hourly))
    marks = _changed(volume=0.0, quote_volume=0.0, taker_buy_volume=0.0)
    with pytest.raises(FileRefused, match="mark or index prices"):
        _judged(_table(marks, marks))


_figures = st.one_of(
    st.sampled_from([0.0, -1.0, math.nan, math.inf, 10.25, 40.0, 98.0, 100.1, 103.5, 101.2]),
    st.floats(1, 200),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(*[_figures] * len(COLUMNS)), min_size=1, max_size=4))
def test_whatever_a_candle_is_refused_for_a_row_is_too(rows: list[tuple[float, ...]]) -> None:
    rows = [SOUND, *rows]  # a file of nothing but still bars is another matter
    judged = _judged(_table(*rows))
    kept = set(judged.lines.tolist())
    for number, row in enumerate(rows, start=1):
        candle = absent_made_nan(
            Candle(
                symbol="BTCUSDT",
                interval=Interval.M15,
                open_time_ms=START_MS + (number - 1) * QUARTER_MS,
                **dict(zip(COLUMNS, row, strict=True)),
                closed=True,
            )
        )
        if fault_of(candle) is not None:
            assert number not in kept
        elif number not in kept:
            # Beyond a candle's own rules: what the table itself would refuse.
            assert any(
                not (math.isfinite(value) or (math.isnan(value) and at > 4)) or value < 0
                for at, value in enumerate(row)
            )
