"""An unbroken row, and what a candle must be to stand in it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rusy_tui.domain.candle import Interval
from rusy_tui.market.sequence import Known, Missing, Next, place
from rusy_tui.market.validation import absent_made_nan, fault_of
from tests.market.row import START_MS, bar, candle

STEP = Interval.M15.ms


def test_the_first_candle_begins_the_row() -> None:
    assert place(None, bar(0), Interval.M15) == Next(bar(0))


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (-3, Known()),
        (0, Known()),
        (1, Next(bar(1))),
        (2, Missing(START_MS + STEP, START_MS + 2 * STEP)),
        (9, Missing(START_MS + STEP, START_MS + 9 * STEP)),
    ],
)
def test_a_candle_is_next_known_or_after_a_gap(number: int, step: object) -> None:
    assert place(START_MS, bar(number), Interval.M15) == step


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_whatever_comes_the_row_has_each_bar_once_and_in_order(numbers: list[int]) -> None:
    row, last = list[int](), None
    for number in numbers:
        step = place(last, bar(number), Interval.M15)
        if isinstance(step, Missing):
            row += range(step.from_ms, step.until_ms, STEP)
            step = place(row[-1], bar(number), Interval.M15)
        if isinstance(step, Next):
            row.append(step.candle.open_time_ms)
            last = row[-1]
    assert row == list(range(row[0], row[-1] + 1, STEP))


def test_a_missing_trade_count_becomes_nan_once() -> None:
    absent = absent_made_nan(bar(0, trades=0.0, taker_buy_volume=0.0))
    assert math.isnan(absent.trades)
    assert math.isnan(absent.taker_buy_volume)
    again = absent_made_nan(absent)
    assert math.isnan(again.trades)
    assert fault_of(absent) is None


def test_a_halt_is_a_real_bar_without_trades() -> None:
    flat = {"open": 100.0, "high": 100.0, "low": 100.0, "close": 100.0}
    quiet = {"volume": 0.0, "quote_volume": 0.0, "trades": 0.0, "taker_buy_volume": 0.0}
    halt = bar(0, **flat, **quiet)
    assert absent_made_nan(halt) == halt
    assert fault_of(halt) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"open": 0.0},
        {"close": math.nan},
        {"high": math.inf},
        {"low": -1.0},
        {"high": 50.0},
        {"low": 500.0},
        {"volume": -1.0},
        {"volume": math.nan},
        {"quote_volume": -1.0},
        {"taker_buy_volume": 11.0},
    ],
)
def test_a_candle_that_breaks_a_rule_is_named(wrong: dict[str, float]) -> None:
    assert fault_of(bar(0, **wrong)) is not None


def test_a_candle_off_the_grid_is_named() -> None:
    assert "grid" in (fault_of(candle(START_MS + 60_000)) or "")


def test_a_sound_candle_has_no_fault() -> None:
    assert fault_of(bar(0)) is None
