"""Mark, index and premium of the deep past, made of its quarters all at once.

By the rules of :mod:`.prices` for the time before play; in columns, for a page of days is made
of tens of thousands of quarters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.feeds.deep import DeepPast

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Line = Literal["mark", "index", "premium"]

_QUARTER_MS = Interval.M15.ms
_SAMPLES = 900
"""Of a quarter: one a second."""


@dataclass(frozen=True, slots=True)
class PriceColumns:
    """Bars of one line: USDT, or a fraction of the index price."""

    open_time_ms: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    samples: Ints


def past_prices(
    deep: DeepPast,
    line: Line,
    premium_at: Callable[[int], float],
    first_ms: int,
    end_ms: int,
    span_ms: int,
) -> PriceColumns:
    """Bars of a span that open from one moment to before another, both on its grid."""
    quarters = deep.figures(first_ms, end_ms, _QUARTER_MS)
    unit = 10.0**quarters.digits.price
    open_, high, low, close = (
        column / unit for column in (quarters.open, quarters.high, quarters.low, quarters.close)
    )
    mark_high = (np.maximum(open_, close) + high) / 2
    mark_low = (np.minimum(open_, close) + low) / 2
    if line != "mark":
        mean = np.array([premium_at(time_ms) for time_ms in quarters.open_time_ms.tolist()])
    if line == "premium":
        up, down = high / mark_high - 1, low / mark_low - 1
        bars = (mean, mean + up, mean + down, mean)
    elif line == "index":
        factor = 1 + mean
        bars = (open_ / factor, mark_high / factor, mark_low / factor, close / factor)
    else:
        bars = (open_, mark_high, mark_low, close)
    group = span_ms // _QUARTER_MS
    opens, highs, lows, closes = (column.reshape(-1, group) for column in bars)
    return PriceColumns(
        quarters.open_time_ms[::group],
        opens[:, 0],
        highs.max(axis=1),
        lows.min(axis=1),
        closes[:, -1],
        np.full(len(opens), _SAMPLES * group, dtype=np.int64),
    )
