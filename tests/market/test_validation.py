"""What a candle must be to stand in a row, and what is odd about several."""

import math

import pytest

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.history import MarkCandle
from rusy_tui.market.validation import absent_made_nan, alike, fault_of, halts, jumps
from tests.market.row import START_MS, bar, candle

STEP = Interval.M15.ms


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


def test_absent_figures_are_alike_and_nothing_else_is() -> None:
    absent = bar(0, trades=math.nan)
    assert alike(absent, bar(0, trades=math.nan))
    assert not alike(absent, bar(0))
    assert not alike(bar(0), bar(0, close=100.5))


def test_halts_are_told_once_a_run() -> None:
    row = [bar(n, volume=0.0 if n in (1, 2, 4) else 1.0) for n in range(6)]
    assert halts(row) == [
        (START_MS + STEP, START_MS + 3 * STEP),
        (START_MS + 4 * STEP, START_MS + 5 * STEP),
    ]


@pytest.mark.parametrize(
    ("figures", "odd"),
    [
        ({"high": 104.9}, False),
        ({"high": 105.1}, True),
        ({"low": 95.1}, False),
        ({"low": 94.9}, True),
    ],
)
def test_a_jump_is_a_price_far_from_the_mark_price(
    figures: dict[str, float], odd: bool
) -> None:
    flat = {"open": 100.0, "high": 100.0, "low": 100.0, "close": 100.0}
    mark = MarkCandle(symbol="BTCUSDT", interval=Interval.M15, open_time_ms=START_MS, **flat)
    found = jumps([bar(0, **{**flat, **figures}), bar(1)], [mark])
    assert list(found) == ([START_MS] if odd else [])
