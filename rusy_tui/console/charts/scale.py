"""From prices to half rows, and the round figures for the axis."""

import math
from collections.abc import Iterable
from typing import NamedTuple


class Scale(NamedTuple):
    """A span of prices over rows of cells; each cell has an upper and a lower half."""

    low: float
    high: float
    rows: int

    def half(self, price: float) -> int:
        """The half row a price falls into: 0 is the top one."""
        halves = self.rows * 2
        place = (self.high - price) / (self.high - self.low) * halves
        return min(halves - 1, max(0, math.floor(place)))

    def row(self, price: float) -> int:
        """The row of cells a price falls into."""
        return self.half(price) // 2

    def holds(self, price: float) -> bool:
        """Whether a price lies within."""
        return self.low <= price <= self.high


def nice_step(at_least: float) -> float:
    """The least of 1, 2, 2.5, 5 × 10ⁿ that is not below."""
    if at_least <= 0 or not math.isfinite(at_least):
        return 1.0
    power = 10.0 ** math.floor(math.log10(at_least))
    for factor in (1.0, 2.0, 2.5, 5.0):
        if factor * power >= at_least * (1 - 1e-9):
            return factor * power
    return 10.0 * power


def make_scale(prices: Iterable[float], lines: Iterable[float], rows: int) -> Scale | None:
    """A scale that holds all prices, and the plan's lines that are not far away.

    Its ends lie on round figures, so that a price that moves within them leaves every
    other cell of the chart where it is.
    """
    known = [price for price in prices if math.isfinite(price)]
    if not known or rows < 1:
        return None
    low, high = min(known), max(known)
    span = max(high - low, high * 1e-4)
    for line in lines:
        if low - 2 * span <= line <= high + 2 * span:
            low, high = min(low, line), max(high, line)
    step = nice_step((high - low or span) / 24)
    low = math.floor(low / step - 0.2) * step
    high = math.ceil(high / step + 0.2) * step
    return Scale(low, high, rows)


def ticks(scale: Scale, tick_size: float, every_rows: int = 3) -> list[float]:
    """Round prices about so many rows apart, the highest first."""
    per_row = (scale.high - scale.low) / scale.rows
    step = nice_step(max(per_row * every_rows, tick_size))
    first = math.floor(scale.high / step)
    last = math.ceil(scale.low / step)
    found = (place * step for place in range(first, last - 1, -1))
    return [price for price in found if scale.low < price < scale.high]
