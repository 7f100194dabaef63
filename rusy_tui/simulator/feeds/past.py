"""A market's past: columns as the closed candles the exchange would answer with."""

import math

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.simulator.feeds.columns import Columns
from rusy_tui.simulator.feeds.path import mean_price, steps_in

# More than any warm-up asks for and than a screen shows.
HISTORY_BARS = 1500
# A float holds this many decimal digits; what a sum has beyond them is its binary tail.
_DIGITS = 15


def candles_of(bars: Columns, interval: Interval, most: int = HISTORY_BARS) -> list[Candle]:
    """The last closed candles of an interval, ascending, at most so many.

    Args:
        bars: without a gap, ending on a boundary of ``interval``.
        interval: as long as theirs or longer; only whole bars are built.
        most: of them.
    """
    group = interval.ms // bars.interval.ms
    lead = int(-bars.open_time_ms[0] % interval.ms // bars.interval.ms) if len(bars) else 0
    count = (len(bars) - lead) // group
    skip = lead + max(0, count - most) * group
    count = min(count, most)
    if count <= 0:
        return []
    bars = bars.rows(slice(skip, skip + count * group))
    quote_volume = bars.quote_volume
    if quote_volume is None:
        mean = mean_price(steps_in(bars.interval), bars.open, bars.high, bars.low, bars.close)
        quote_volume = mean * bars.volume
    absent = np.zeros(len(bars))
    columns = (
        bars.open_time_ms[::group],
        bars.open[::group],
        bars.high.reshape(count, group).max(axis=1),
        bars.low.reshape(count, group).min(axis=1),
        bars.close[group - 1 :: group],
        _sums(bars.volume, group),
        _sums(quote_volume, group),
        _sums(absent if bars.trades is None else bars.trades, group),
        _sums(absent if bars.taker_buy_volume is None else bars.taker_buy_volume, group),
    )
    return [
        Candle(
            symbol=bars.symbol,
            interval=interval,
            open_time_ms=time_ms,
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=volume,
            quote_volume=quote,
            trades=trades,
            taker_buy_volume=taken,
            closed=True,
        )
        for time_ms, open_, high, low, close, volume, quote, trades, taken in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def _sums(amounts: NDArray[np.float64], group: int) -> NDArray[np.float64]:
    """Sums of groups, as near to the sum of the recorded decimals as a float is."""
    if group == 1:
        return amounts
    rows = amounts.reshape(-1, group).tolist()
    return np.array([float(f"{math.fsum(row):.{_DIGITS}g}") for row in rows])
