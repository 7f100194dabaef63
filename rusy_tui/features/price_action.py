"""Shape of the price path: scaled returns, candle anatomy, place in the range.

Every value is free of the price's unit, so that coins can be pooled. Volatility here is the
root mean square of log returns over the long span, in log return a bar; "in σ" below means
divided by it (and by √k for a return over k bars).
"""

from dataclasses import dataclass

import numpy as np

from rusy_tui.domain.bars import Bars, Floats
from rusy_tui.features import rolling

CLIP_SIGMA = 8.0
"""Scaled returns are cut here: one bar of a crash must not outweigh a month of others."""

LAGS = 8
"""Single-bar returns given to the network that sees no sequence."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Look-backs in bars."""

    short: int
    medium: int
    long: int


M15_SPANS = Spans(short=4, medium=16, long=96)
"""One hour, four hours, one day of 15m bars."""

H1_SPANS = Spans(short=4, medium=8, long=24)
"""Four hours, eight hours, one day of hourly bars."""


def log_returns(bars: Bars) -> Floats:
    """``ln(close[t] / close[t-1])``, shape ``(bars,)``, NaN at the first bar."""
    log_close = np.log(bars.close)
    return log_close - rolling.lagged(log_close, 1)


def volatility(bars: Bars, n: int) -> Floats:
    """Root mean square of the last n log returns, log return a bar, at least 1e-6."""
    return np.maximum(rolling.rms(log_returns(bars), n), 1e-6)


def scaled_return(bars: Bars, k: int, sigma: Floats) -> Floats:
    """``ln(close[t] / close[t-k]) / (σ √k)``, cut at ±8."""
    log_close = np.log(bars.close)
    moved = (log_close - rolling.lagged(log_close, k)) / (sigma * np.sqrt(k))
    clipped: Floats = np.clip(moved, -CLIP_SIGMA, CLIP_SIGMA)
    return clipped


def location(bars: Bars, n: int) -> Floats:
    """``(close - lowest low) / (highest high - lowest low) - 1/2`` over n bars.

    In [-0.5, 0.5]; the stochastic oscillator %K (Lane), centred. 0 where the range is nil.
    """
    low, high = rolling.lowest(bars.low, n), rolling.highest(bars.high, n)
    span = high - low
    inside = (bars.close - low) / np.where(span > 0, span, 1.0) - 0.5
    return np.where(span > 0, inside, np.where(np.isnan(span), np.nan, 0.0))


def price_action(bars: Bars, spans: Spans) -> dict[str, Floats]:
    """The price-action group by name, each ``(bars,)``; formulas in the catalogue."""
    sigma = volatility(bars, spans.long)
    span = bars.high - bars.low
    safe_span = np.where(span > 0, span, 1.0)
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    bar_range = np.log(bars.high / bars.low)
    volume_mean = rolling.mean(bars.volume, spans.long)
    return {
        "return_1": scaled_return(bars, 1, sigma),
        "return_short": scaled_return(bars, spans.short, sigma),
        "return_medium": scaled_return(bars, spans.medium, sigma),
        "return_long": scaled_return(bars, spans.long, sigma),
        "body": (bars.close - bars.open) / safe_span,
        "upper_wick": (bars.high - top) / safe_span,
        "lower_wick": (bottom - bars.low) / safe_span,
        "range": np.minimum(bar_range / sigma, 2 * CLIP_SIGMA),
        "location_medium": location(bars, spans.medium),
        "location_long": location(bars, spans.long),
        "volume_ratio": np.log1p(rolling.ratio(bars.volume, volume_mean)),
        "volatility_ratio": rolling.log_ratio(
            np.maximum(rolling.rms(log_returns(bars), spans.medium), 1e-6), sigma
        ),
    }


def return_lags(bars: Bars, spans: Spans) -> dict[str, Floats]:
    """Earlier single-bar returns in today's σ: ``return_lag_1`` is the bar before this."""
    sigma = volatility(bars, spans.long)
    returns = log_returns(bars)
    return {
        f"return_lag_{k}": np.clip(rolling.lagged(returns, k) / sigma, -CLIP_SIGMA, CLIP_SIGMA)
        for k in range(1, LAGS + 1)
    }


def calendar(bars: Bars) -> dict[str, Floats]:
    """Where in the day and week the bar closes, as points on two circles.

    Volume and reversal follow the hours of the world's exchanges.
    """
    close_ms = bars.open_time_ms + bars.interval.ms
    day = 2 * np.pi * (close_ms % 86_400_000) / 86_400_000
    # 1970-01-01 was a Thursday; the phase of the week does not matter, only its period.
    week = 2 * np.pi * (close_ms % 604_800_000) / 604_800_000
    return {
        "day_sin": np.sin(day),
        "day_cos": np.cos(day),
        "week_sin": np.sin(week),
        "week_cos": np.cos(week),
    }
