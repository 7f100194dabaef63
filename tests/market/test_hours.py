"""Hours are their quarters, or are named with what differs."""

import math

import numpy as np
import pytest

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.market import hours

_START_MS = 1_700_006_400_000  # a full hour


def _bars(interval: Interval, count: int, seed: int = 7) -> Bars:
    random = np.random.default_rng(seed)
    low = random.uniform(90, 100, count)
    return Bars(
        interval,
        _START_MS + interval.ms * np.arange(count, dtype=np.int64),
        low + 1,
        low + random.uniform(2, 3, count),
        low,
        low + 1.5,
        random.uniform(0, 50, count),
        random.uniform(0, 5000, count),
        random.integers(0, 90, count).astype(float),
        random.uniform(0, 20, count),
    )


def _without(bars: Bars, *rows: int) -> Bars:
    return bars[np.delete(np.arange(len(bars)), rows)]


def test_an_hour_is_its_four_quarters() -> None:
    quarters = _bars(Interval.M15, 8)
    built = hours.build(quarters, Interval.H1)
    assert built.open_time_ms.tolist() == [_START_MS, _START_MS + 3_600_000]
    for hour, part in enumerate((quarters[:4], quarters[4:])):
        assert built.open[hour] == part.open[0]
        assert built.high[hour] == max(part.high)
        assert built.low[hour] == min(part.low)
        assert built.close[hour] == part.close[-1]
        for name in COLUMNS[4:]:
            assert getattr(built, name)[hour] == pytest.approx(math.fsum(getattr(part, name)))


@pytest.mark.parametrize("lost", [0, 2, 3, 4, 7])
def test_an_hour_that_lacks_a_quarter_is_not_built(lost: int) -> None:
    built = hours.build(_without(_bars(Interval.M15, 12), lost), Interval.H1)
    kept = [hour for hour in range(3) if hour != lost // 4]
    assert built.open_time_ms.tolist() == [_START_MS + 3_600_000 * hour for hour in kept]


def test_parts_that_begin_and_end_inside_an_hour_make_only_whole_ones() -> None:
    built = hours.build(_bars(Interval.M1, 150)[7:], Interval.H1)
    assert built.open_time_ms.tolist() == [_START_MS + 3_600_000]
    assert len(hours.build(_bars(Interval.M1, 0), Interval.H1)) == 0


def test_what_is_absent_in_a_part_is_absent_in_the_hour_and_no_difference() -> None:
    quarters = _bars(Interval.M15, 4)
    whole = hours.build(quarters, Interval.H1)
    quarters.trades[2] = math.nan
    assert math.isnan(hours.build(quarters, Interval.H1).trades[0])
    assert hours.differing(whole, quarters) == []


@pytest.mark.parametrize(
    ("column", "by", "differs"),
    [
        ("close", 1e-9, True),
        ("trades", 1.0, True),
        ("volume", 2e-6, True),
        ("volume", 5e-7, False),
        ("taker_buy_volume", 2e-6, True),
    ],
)
def test_an_hour_that_differs_is_named_with_both_figures(
    column: str, by: float, differs: bool
) -> None:
    quarters = _bars(Interval.M15, 12)
    whole = hours.build(quarters, Interval.H1)
    values = getattr(whole, column)
    values[1] += by if column in ("close", "trades") else by * values[1]
    found = hours.differing(_without(whole, 0), quarters)
    if not differs:
        assert found == []
        return
    (difference,) = found
    assert difference.open_time_ms == _START_MS + 3_600_000
    assert column in difference.detail
