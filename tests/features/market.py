"""A made-up market for tests of features and votes: fat tails, wicks, volume, taker flow."""

import dataclasses

import numpy as np

from rusy_tui.domain.bars import COLUMNS, Bars, Floats
from rusy_tui.domain.candle import Interval

START_MS = 1_714_521_600_000
"""2024-05-01 00:00 UTC."""


def market(bars: int, seed: int = 7) -> Bars:
    """15m bars from the start of a UTC day."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.003 * rng.standard_t(4, bars)))
    open_ = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.001, bars)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.001, bars)))
    volume = np.exp(rng.normal(5, 1, bars))
    times = START_MS + np.arange(bars, dtype=np.int64) * Interval.M15.ms
    return Bars(
        Interval.M15,
        times,
        open_,
        high,
        low,
        close,
        volume,
        volume * close,
        np.round(volume * 3) + 1,
        volume * rng.uniform(0.2, 0.8, bars),
    )


def hours(bars: Bars) -> Bars:
    """The whole hours of a market that starts on one."""
    count = len(bars) // 4

    def grouped(column: Floats) -> Floats:
        return column[: count * 4].reshape(count, 4)

    sums = ("volume", "quote_volume", "trades", "taker_buy_volume")
    return Bars(
        Interval.H1,
        bars.open_time_ms[: count * 4 : 4],
        grouped(bars.open)[:, 0],
        grouped(bars.high).max(axis=1),
        grouped(bars.low).min(axis=1),
        grouped(bars.close)[:, -1],
        *(grouped(getattr(bars, name)).sum(axis=1) for name in sums),
    )


def without_flow(bars: Bars) -> Bars:
    """The same bars from a source without trade count and taker volume."""
    absent = np.full(len(bars), np.nan)
    return dataclasses.replace(bars, trades=absent, taker_buy_volume=absent)


def with_another_future(bars: Bars, since: int, seed: int = 99) -> Bars:
    """The same bars up to row ``since``, quite other ones from there on."""
    other = market(len(bars), seed)
    changed = {}
    for name in COLUMNS:
        column = getattr(bars, name).copy()
        column[since:] = 3 * getattr(other, name)[since:]
        changed[name] = column
    return dataclasses.replace(bars, **changed)


def frozen_market(bars: int) -> Bars:
    """A market that does not move at all: no range, no volume, no trades."""
    moving = market(bars)
    flat, nothing = np.full(bars, 100.0), np.zeros(bars)
    return dataclasses.replace(
        moving,
        open=flat,
        high=flat,
        low=flat,
        close=flat,
        volume=nothing,
        quote_volume=nothing,
        trades=nothing,
        taker_buy_volume=nothing,
    )
