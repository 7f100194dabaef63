"""Estimates of liquidity and order flow from what a bar tells.

The *bar* group needs prices and volume alone. The *flow* group needs trade count and taker
volume; it is NaN where the source has none, and a member that uses it must also vote
without. Dollar volume is volume × typical price, so that sources with and without a
quote-volume column give the same features.
"""

import numpy as np

from rusy_tui.domain.bars import Bars, Floats
from rusy_tui.features import rolling
from rusy_tui.features.price_action import CLIP_SIGMA, log_returns, volatility

_SHORT, _MEDIUM, _LONG = 4, 16, 96
_ROOT_2 = float(np.sqrt(2))
_SIZE_FLOOR = 1e-9
"""Base units; keeps the logarithm of a trade's size finite where nothing was traded."""


def typical_price(bars: Bars) -> Floats:
    """``(high + low + close) / 3``, in the quote asset."""
    return (bars.high + bars.low + bars.close) / 3


def corwin_schultz(bars: Bars) -> Floats:
    """Bid-ask spread from the highs and lows of two bars, as a fraction of price, ≥ 0.

    Corwin and Schultz (2012), equations 14 and 18: the range over two bars holds twice the
    variance of one bar's but the same spread.
    """
    squared = np.log(bars.high / bars.low) ** 2
    beta = squared + rolling.lagged(squared, 1)
    gamma = np.log(rolling.highest(bars.high, 2) / rolling.lowest(bars.low, 2)) ** 2
    scale = 3 - 2 * _ROOT_2
    alpha = (_ROOT_2 - 1) * np.sqrt(beta) / scale - np.sqrt(gamma / scale)
    spread: Floats = 2 * (np.exp(alpha) - 1) / (1 + np.exp(alpha))
    return np.maximum(spread, 0.0)


def roll_spread(bars: Bars, n: int) -> Floats:
    """``2 √max(0, -cov(r[t], r[t-1]))`` over n bars, as a fraction of price.

    Roll (1984): trades bounce between bid and ask, so returns of one bar undo the last's.
    """
    returns = log_returns(bars)
    bounce = rolling.covariance(returns, rolling.lagged(returns, 1), n)
    return 2 * np.sqrt(np.maximum(-bounce, 0.0))


def garman_klass(bars: Bars) -> Floats:
    """Variance of one bar from its four prices, ``½ ln(h/l)² - (2 ln 2 - 1) ln(c/o)²``.

    Garman and Klass (1980). Log return squared, per bar.
    """
    inner = np.log(bars.close / bars.open) ** 2
    variance: Floats = 0.5 * np.log(bars.high / bars.low) ** 2 - (2 * np.log(2) - 1) * inner
    return variance


def rogers_satchell(bars: Bars) -> Floats:
    """Variance of one bar that a trend does not bias, Rogers and Satchell (1991).

    ``ln(h/c) ln(h/o) + ln(l/c) ln(l/o)``, log return squared, per bar.
    """
    up = np.log(bars.high / bars.close) * np.log(bars.high / bars.open)
    down = np.log(bars.low / bars.close) * np.log(bars.low / bars.open)
    variance: Floats = up + down
    return variance


def bulk_imbalance(bars: Bars, sigma: Floats) -> Floats:
    """Share of buying less share of selling in a bar, guessed from its return, in [-1, 1].

    Bulk volume classification (Easley, López de Prado, O'Hara 2012), ``2 Φ(r/σ) - 1``, with
    the logistic curve of slope 1.702 for Φ (within 0.01 of it).
    """
    return np.tanh(0.851 * log_returns(bars) / sigma)


def bar_group(bars: Bars) -> dict[str, Floats]:
    """Microstructure from prices and volume by name, each ``(bars,)`` and without unit."""
    sigma = volatility(bars, _LONG)
    returns = log_returns(bars)
    dollars = bars.volume * typical_price(bars)
    # Amihud (2002): price moved per dollar traded; relative to its own day it has no unit.
    illiquidity = np.abs(returns) / np.maximum(dollars, 1.0)
    imbalance = bulk_imbalance(bars, sigma)
    span = bars.high - bars.low
    pressure = (2 * bars.close - bars.high - bars.low) / np.where(span > 0, span, 1.0)
    hour_variance = rolling.mean(
        (np.log(bars.close) - rolling.lagged(np.log(bars.close), _SHORT)) ** 2, _LONG
    )
    return {
        "amihud_ratio": rolling.log_ratio(
            1e12 * rolling.mean(illiquidity, _MEDIUM), 1e12 * rolling.mean(illiquidity, _LONG)
        ),
        "roll_spread": roll_spread(bars, 32) / sigma,
        "corwin_schultz": rolling.mean(corwin_schultz(bars), _MEDIUM) / sigma,
        "garman_klass": np.sqrt(np.maximum(rolling.mean(garman_klass(bars), _MEDIUM), 0))
        / sigma,
        "rogers_satchell": np.sqrt(np.maximum(rolling.mean(rogers_satchell(bars), _SHORT), 0))
        / sigma,
        "variance_ratio": hour_variance / (_SHORT * sigma**2),
        "bulk_imbalance": imbalance,
        "bulk_imbalance_short": rolling.ratio(
            rolling.total(imbalance * bars.volume, _SHORT), rolling.total(bars.volume, _SHORT)
        ),
        "bulk_imbalance_medium": rolling.ratio(
            rolling.total(imbalance * bars.volume, _MEDIUM),
            rolling.total(bars.volume, _MEDIUM),
        ),
        "close_pressure": rolling.ratio(
            rolling.total(pressure * bars.volume, _SHORT), rolling.total(bars.volume, _SHORT)
        ),
        "dollar_volume_ratio": rolling.log_ratio(
            1 + rolling.mean(dollars, _SHORT), 1 + rolling.mean(dollars, _LONG)
        ),
    }


def flow_group(bars: Bars) -> dict[str, Floats]:
    """Microstructure from trade count and taker volume, each ``(bars,)`` and without unit.

    NaN wherever a bar of the look-back lacks the columns.
    """
    sigma = volatility(bars, _LONG)
    returns = log_returns(bars)
    signed = 2 * bars.taker_buy_volume - bars.volume
    size = rolling.ratio(bars.volume, bars.trades)
    signed_dollars = signed * typical_price(bars)
    # Kyle (1985): price moved per dollar of net buying, times the flow's own spread in σ.
    flow_spread = rolling.std(signed_dollars, 32)
    moved = rolling.covariance(returns, signed_dollars, 32)
    impact = moved / np.maximum(flow_spread, 1.0) / sigma
    volume = {n: rolling.total(bars.volume, n) for n in (_SHORT, _MEDIUM)}
    return {
        "taker_imbalance": rolling.ratio(signed, bars.volume),
        "taker_imbalance_short": rolling.ratio(rolling.total(signed, _SHORT), volume[_SHORT]),
        "taker_imbalance_medium": rolling.ratio(
            rolling.total(signed, _MEDIUM), volume[_MEDIUM]
        ),
        # Easley, López de Prado, O'Hara (2012), with bars of time where they take volume.
        "vpin": rolling.ratio(rolling.total(np.abs(signed), _MEDIUM), volume[_MEDIUM]),
        "trade_count_ratio": rolling.log_ratio(
            1 + bars.trades, 1 + rolling.mean(bars.trades, _LONG)
        ),
        "trade_size_ratio": rolling.log_ratio(
            _SIZE_FLOOR + size, _SIZE_FLOOR + rolling.mean(size, _LONG)
        ),
        "kyle_impact": np.clip(impact, -CLIP_SIGMA, CLIP_SIGMA),
    }
