"""Statistics over the last n values, each window summed on its own.

Running sums would be faster, but their rounding error depends on everything that came
before: the value at a bar would then differ between a short and a long history. Here a
window's value is a function of that window alone.

Each function takes and returns arrays of shape ``(bars,)``; the first ``n - 1`` values are
NaN, and so is each window that holds a NaN.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rusy_tui.domain.bars import Floats

TINY = 1e-12
"""Keeps a quotient finite where a market stood still (a halt: range and volume are 0)."""


def windows(x: Floats, n: int) -> Floats:
    """The last n values at each bar that has them, shape ``(max(bars - n + 1, 0), n)``."""
    if len(x) < n:
        return np.empty((0, n))
    return sliding_window_view(x, n)


def _padded(values: Floats, bars: int) -> Floats:
    out = np.full(bars, np.nan)
    out[bars - len(values) :] = values
    return out


def mean(x: Floats, n: int) -> Floats:
    """Arithmetic mean of the last n values."""
    return _padded(windows(x, n).mean(axis=1), len(x))


def total(x: Floats, n: int) -> Floats:
    """Sum of the last n values."""
    return _padded(windows(x, n).sum(axis=1), len(x))


def std(x: Floats, n: int) -> Floats:
    """Population standard deviation of the last n values."""
    return _padded(windows(x, n).std(axis=1), len(x))


def rms(x: Floats, n: int) -> Floats:
    """Root of the mean square of the last n values: volatility about a mean of zero."""
    return np.sqrt(mean(x * x, n))


def highest(x: Floats, n: int) -> Floats:
    """Largest of the last n values."""
    return _padded(windows(x, n).max(axis=1), len(x))


def lowest(x: Floats, n: int) -> Floats:
    """Smallest of the last n values."""
    return _padded(windows(x, n).min(axis=1), len(x))


def covariance(x: Floats, y: Floats, n: int) -> Floats:
    """Population covariance of the last n pairs."""
    wx, wy = windows(x, n), windows(y, n)
    centred = (wx - wx.mean(axis=1, keepdims=True)) * (wy - wy.mean(axis=1, keepdims=True))
    return _padded(centred.mean(axis=1), len(x))


def lagged(x: Floats, k: int) -> Floats:
    """The value k bars ago; NaN for the first k bars."""
    out = np.full(len(x), np.nan)
    if k < len(x):
        out[k:] = x[: len(x) - k]
    return out


def ratio(over: Floats, under: Floats) -> Floats:
    """``over / under``, and 0 where both vanish."""
    return over / np.maximum(under, TINY)


def log_ratio(over: Floats, under: Floats) -> Floats:
    """``ln(over / under)`` of two non-negative series, and 0 where both vanish."""
    return np.log(np.maximum(over, TINY) / np.maximum(under, TINY))
