"""Formulas against figures worked out by hand, or simulated with a known answer."""

import dataclasses

import numpy as np
import pytest

from rusy_tui.domain.bars import Bars
from rusy_tui.features import microstructure, rolling
from rusy_tui.features.indicators import bollinger_z, indicators, screen_indicators
from rusy_tui.features.price_action import M15_SPANS, calendar, location, price_action
from tests.features.market import market


def with_last(bars: Bars, **prices: float) -> Bars:
    changed = {}
    for name, price in prices.items():
        column = getattr(bars, name).copy()
        column[-1] = price
        changed[name] = column
    return dataclasses.replace(bars, **changed)


def test_candle_anatomy_of_one_bar() -> None:
    bars = with_last(market(200), open=100.0, high=110.0, low=90.0, close=105.0)
    features = price_action(bars, M15_SPANS)
    assert features["body"][-1] == pytest.approx(0.25)
    assert features["upper_wick"][-1] == pytest.approx(0.25)
    assert features["lower_wick"][-1] == pytest.approx(0.5)


def test_a_close_at_the_high_of_its_range_is_located_at_one_half() -> None:
    bars = with_last(market(200), high=500.0, close=500.0)
    assert location(bars, 16)[-1] == pytest.approx(0.5)


def test_calendar_is_midnight_at_the_close_of_the_last_bar_of_a_day() -> None:
    features = calendar(market(96))
    assert features["day_cos"][-1] == pytest.approx(1.0)
    assert features["day_sin"][-1] == pytest.approx(0.0, abs=1e-12)


def test_windows_with_a_nan_are_nan_and_later_ones_are_not() -> None:
    x = np.arange(10.0)
    x[3] = np.nan
    assert np.flatnonzero(np.isnan(rolling.mean(x, 3))).tolist() == [0, 1, 3, 4, 5]
    assert rolling.total(x, 3)[-1] == 24.0
    assert rolling.highest(x, 3)[-1] == 9.0
    assert rolling.lowest(x, 3)[-1] == 7.0


def test_covariance_and_deviation_agree_with_numpy() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=50), rng.normal(size=50)
    assert rolling.covariance(x, y, 20)[-1] == pytest.approx(
        np.cov(x[-20:], y[-20:], bias=True)[0, 1]
    )
    assert rolling.std(x, 20)[-1] == pytest.approx(x[-20:].std())


def test_rolls_spread_finds_the_spread_of_a_bouncing_price() -> None:
    rng = np.random.default_rng(3)
    bars = market(20_000)
    spread = 0.004
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.0005, 20_000)))
    close *= np.exp(spread / 2 * rng.choice([-1, 1], 20_000))
    bounced = dataclasses.replace(bars, close=close)
    estimate = microstructure.roll_spread(bounced, 5_000)[-1]
    assert estimate == pytest.approx(spread, rel=0.1)


def test_range_variances_find_the_variance_of_a_random_walk() -> None:
    rng = np.random.default_rng(4)
    steps = rng.normal(0, 0.001, (3_000, 400))
    paths = 100 * np.exp(np.cumsum(steps, axis=1))
    bars = dataclasses.replace(
        market(3_000),
        open=np.full(3_000, 100.0),
        high=np.maximum(paths.max(axis=1), 100.0),
        low=np.minimum(paths.min(axis=1), 100.0),
        close=paths[:, -1],
    )
    # A path of 400 steps misses part of its range, hence the lower side of the tolerance.
    assert microstructure.garman_klass(bars).mean() == pytest.approx(0.0004, rel=0.12)
    assert microstructure.rogers_satchell(bars).mean() == pytest.approx(0.0004, rel=0.12)


def test_taker_imbalance_is_one_when_all_volume_bought() -> None:
    bars = market(200)
    bought = dataclasses.replace(bars, taker_buy_volume=bars.volume)
    flow = microstructure.flow_group(bought)
    assert flow["taker_imbalance"][-1] == pytest.approx(1.0)
    assert flow["vpin"][-1] == pytest.approx(1.0)


def test_rsi_is_100_in_a_market_that_only_rises() -> None:
    close = 100 * 1.001 ** np.arange(300.0)
    rising = dataclasses.replace(
        market(300), open=close, high=close * 1.0005, low=close * 0.9995, close=close
    )
    assert indicators(rising)["rsi_14"][-1] == pytest.approx(0.5)
    assert screen_indicators(rising).rsi_14[-1] == pytest.approx(100.0)


def test_a_nan_price_makes_indicators_nan_not_wrong() -> None:
    bars = with_last(market(300), close=float("nan"))
    assert all(np.isnan(values).all() for values in indicators(bars).values())


def test_bollinger_z_of_a_flat_price_is_nothing() -> None:
    assert bollinger_z(np.full(40, 0.1))[-1] == 0.0


def test_screen_indicators_of_no_bars_are_empty() -> None:
    screen = screen_indicators(market(0))
    assert len(screen.rsi_14) == len(screen.ema_200) == 0


def test_screen_indicators_have_one_value_a_bar() -> None:
    bars = market(300)
    screen = screen_indicators(bars)
    for field in dataclasses.fields(screen):
        values = getattr(screen, field.name)
        assert len(values) == len(bars)
        assert np.isfinite(values[-1])
