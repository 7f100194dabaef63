"""No look-ahead, no dependence on the length of history, hours aligned by the clock."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rusy_tui.domain.bars import Bars
from rusy_tui.features import catalogue
from rusy_tui.features.windows import (
    FeatureTable,
    complete_rows,
    feature_table,
    member_inputs,
    visible_hour_rows,
)
from tests.features.market import (
    frozen_market,
    hours,
    market,
    with_another_future,
    without_flow,
)

PER_BAR = ("sequence", "image", "bar", "flow")
BARS = 2_400
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def bars() -> Bars:
    return market(BARS)


@pytest.fixture(scope="module")
def table(bars: Bars) -> FeatureTable:
    return feature_table(bars, hours(bars))


@pytest.mark.parametrize("t", [800, 1601, 1602, 1603, 2000])
def test_another_future_moves_no_feature(bars: Bars, table: FeatureTable, t: int) -> None:
    changed = with_another_future(bars, t + 1)
    other = feature_table(changed, hours(changed))
    for name in PER_BAR:
        np.testing.assert_array_equal(
            getattr(other, name)[: t + 1], getattr(table, name)[: t + 1], err_msg=name
        )
        assert not np.array_equal(getattr(other, name)[t + 1], getattr(table, name)[t + 1])
    seen = table.hour_row[t] + 1
    np.testing.assert_array_equal(other.hour_image[:seen], table.hour_image[:seen])
    one, two = (member_inputs(each, np.array([t])) for each in (table, other))
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name))


@pytest.mark.parametrize("t", [1603, 1604, 2001, 2399])
def test_the_warm_up_window_gives_the_features_of_the_whole_history(
    bars: Bars, table: FeatureTable, t: int
) -> None:
    recent = bars[t + 1 - catalogue.WARMUP_BARS["15m"] : t + 1]
    hour = int(table.hour_row[t])
    context = hours(bars)[hour + 1 - catalogue.WARMUP_BARS["1h"] : hour + 1]
    short = feature_table(recent, context)
    assert complete_rows(short)[-1]
    window = catalogue.SEQUENCE_BARS
    for name in PER_BAR:
        np.testing.assert_allclose(
            getattr(short, name)[-window:],
            getattr(table, name)[t + 1 - window : t + 1],
            rtol=0,
            atol=2e-9,
            err_msg=name,
        )
    np.testing.assert_allclose(
        short.hour_image[-window:],
        table.hour_image[hour + 1 - window : hour + 1],
        rtol=0,
        atol=2e-9,
    )


def test_a_bar_sees_the_last_hour_closed_by_its_own_close(bars: Bars) -> None:
    hour_open = hours(bars).open_time_ms
    rows = visible_hour_rows(bars.open_time_ms, hour_open)
    assert rows[:3].tolist() == [-1, -1, -1]
    assert rows[3:8].tolist() == [0, 0, 0, 0, 1]
    closes = bars.open_time_ms + 15 * MINUTE_MS
    seen = rows >= 0
    assert (hour_open[rows[seen]] + 60 * MINUTE_MS <= closes[seen]).all()


def test_an_hour_that_arrives_before_its_bar_is_not_seen_early(
    bars: Bars, table: FeatureTable
) -> None:
    t = 1602
    early = feature_table(bars[: t + 1], hours(bars))
    np.testing.assert_array_equal(early.sequence[t], table.sequence[t])
    assert early.hour_row[t] == table.hour_row[t]


def test_an_hour_that_is_late_leaves_the_bar_incomplete_rather_than_one_hour_older(
    bars: Bars,
) -> None:
    t = 1603
    closed = hours(bars[: t + 1])
    assert complete_rows(feature_table(bars[: t + 1], closed))[t]
    late = feature_table(bars[: t + 1], closed[: len(closed) - 1])
    assert late.hour_row[t] == -1
    assert np.isnan(late.sequence[t]).any()
    assert not complete_rows(late)[t]
    assert complete_rows(late)[t - 1]


@given(
    quarter=st.integers(0, 10_000),
    missing=st.sets(st.integers(0, 40), max_size=10),
)
def test_the_visible_hour_is_the_one_the_clock_names_or_none(
    quarter: int, missing: set[int]
) -> None:
    first = quarter // 4 - 20
    present = np.array([h for h in range(first, first + 41) if h - first not in missing])
    row = visible_hour_rows(np.array([quarter * 900_000]), present * 3_600_000)[0]
    wanted = (quarter + 1) // 4 - 1
    assert (present[row] == wanted) if row >= 0 else wanted not in present


def test_missing_flow_leaves_the_bar_complete_and_says_so(bars: Bars) -> None:
    bare = without_flow(bars)
    table = feature_table(bare, hours(bare))
    assert np.isnan(table.flow).all()
    assert complete_rows(table)[-1]
    inputs = member_inputs(table, np.array([BARS - 1]))
    assert inputs.dnn_flow_present.tolist() == [[0.0]]
    assert (inputs.dnn_flow == 0).all()


def test_one_bar_without_flow_hides_flow_until_the_look_back_has_passed(bars: Bars) -> None:
    trades = bars.trades.copy()
    trades[1000] = np.nan
    holed = dataclasses.replace(bars, trades=trades)
    rows = np.array([999, 1000, 1095, 1096])
    inputs = member_inputs(feature_table(holed, hours(holed)), rows)
    assert inputs.dnn_flow_present[:, 0].tolist() == [1, 0, 0, 1]


def test_shapes_are_those_of_the_catalogue(table: FeatureTable) -> None:
    inputs = member_inputs(table, np.array([1600, 2000]))
    assert inputs.lstm.shape == (2, 32, len(catalogue.SEQUENCE_COLUMNS))
    assert inputs.cnn.shape == (2, 2, 32, len(catalogue.IMAGE_COLUMNS))
    assert inputs.dnn_bar.shape == (2, len(catalogue.BAR_COLUMNS))
    assert inputs.dnn_flow.shape == (2, len(catalogue.FLOW_COLUMNS))
    np.testing.assert_array_equal(inputs.lstm[0, -1], table.sequence[1600].astype(np.float32))
    np.testing.assert_array_equal(inputs.cnn[0, 0, -1], table.image[1600].astype(np.float32))
    hour = table.hour_row[1600]
    np.testing.assert_array_equal(
        inputs.cnn[0, 1, -1], table.hour_image[hour].astype(np.float32)
    )


def test_a_market_that_stands_still_gives_finite_features() -> None:
    still = frozen_market(BARS)
    table = feature_table(still, hours(still))
    assert complete_rows(table)[-1]
    assert np.isfinite(table.flow[-1]).all()
    assert np.abs(table.bar[-1]).max() < 50


def test_features_do_not_depend_on_the_price_unit(bars: Bars, table: FeatureTable) -> None:
    prices = {name: getattr(bars, name) * 1024 for name in ("open", "high", "low", "close")}
    dear = dataclasses.replace(bars, **prices, quote_volume=bars.quote_volume * 1024)
    scaled = feature_table(dear, hours(dear))
    np.testing.assert_allclose(scaled.sequence[600:], table.sequence[600:], atol=1e-8)
    # Dollar volume has a floor of one dollar, which is not scaled with the price.
    np.testing.assert_allclose(scaled.bar[600:], table.bar[600:], atol=1e-3)


def test_too_few_bars_give_no_complete_row() -> None:
    for count in (0, 1, 20, 96, 200):
        few = market(count)
        assert not complete_rows(feature_table(few, hours(few))).any()
