"""Longer bars made of shorter ones, and bars compared: pure, over whole columns.

An hour is its four quarters, a quarter its fifteen minutes: open of the first, highest high,
lowest low, close of the last, sums of volumes and trades. The exchange makes them so, and
where its own hour says otherwise, one of the two was recorded before it was final.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Interval

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]

PRICES = ("open", "high", "low", "close")
# Prices and counts are exact; amounts are sums of floats, compared to this share.
AMOUNT_TOLERANCE = 1e-6
_EXACT = (*PRICES, "trades")


class Difference(NamedTuple):
    """A bar that is not what its parts make; ``detail`` names each figure, both ways."""

    open_time_ms: int
    detail: str


def build(parts: Bars, interval: Interval) -> Bars:
    """The longer bars of which every part is there, ascending.

    What is absent in one part is absent in the sum.

    Args:
        parts: ascending, each open time once and on its grid.
        interval: of the bars to build; a multiple of the parts' own.
    """
    each = interval.ms // parts.interval.ms
    group = parts.open_time_ms // interval.ms
    starts = np.flatnonzero(np.diff(group, prepend=group[:1] - 1))
    sizes = np.diff(starts, append=len(parts))
    first = starts[sizes == each]
    last = first + each - 1
    rows = first[:, np.newaxis] + np.arange(each)
    return Bars(
        interval,
        parts.open_time_ms[first],
        parts.open[first],
        parts.high[rows].max(axis=1),
        parts.low[rows].min(axis=1),
        parts.close[last],
        *(getattr(parts, name)[rows].sum(axis=1) for name in COLUMNS[4:]),
    )


def common(one: Bars, other: Bars) -> tuple[Rows, Rows]:
    """The rows of both whose open times are in both, in ascending order of time."""
    _, in_one, in_other = np.intersect1d(
        one.open_time_ms, other.open_time_ms, assume_unique=True, return_indices=True
    )
    return in_one, in_other


def unlike(one: Bars, other: Bars) -> dict[str, Mask]:
    """For each column, in which rows two runs of bars over the same times differ.

    What is absent (NaN) on either side says nothing, and is no difference.
    """
    return {name: _unlike(name, getattr(one, name), getattr(other, name)) for name in COLUMNS}


def differing(whole: Bars, parts: Bars) -> list[Difference]:
    """The bars that differ from what their parts make, ascending.

    Bars with a missing part are not judged.

    Args:
        whole: hours, for instance; ascending, each open time once.
        parts: their quarters; the same.
    """
    built = build(parts, whole.interval)
    in_whole, in_built = common(whole, built)
    whole, built = whole[in_whole], built[in_built]
    wrong = unlike(whole, built)
    rows = np.flatnonzero(np.logical_or.reduce(list(wrong.values())))
    return [
        Difference(int(whole.open_time_ms[row]), _told(wrong, whole, built, int(row)))
        for row in rows
    ]


def described(wrong: dict[str, Mask], one: Bars, other: Bars, row: int) -> list[str]:
    """The figures that differ in a row: name, value, the other value."""
    return [
        f"{name} {getattr(one, name)[row]:.12g} for {getattr(other, name)[row]:.12g}"
        for name in COLUMNS
        if wrong[name][row]
    ]


def _told(wrong: dict[str, Mask], whole: Bars, built: Bars, row: int) -> str:
    return f"{', '.join(described(wrong, whole, built, row))} of its parts"


def _unlike(name: str, one: NDArray[np.float64], other: NDArray[np.float64]) -> Mask:
    known = ~(np.isnan(one) | np.isnan(other))
    apart = np.abs(one - other)
    allowed = np.maximum(np.abs(one), np.abs(other)) * AMOUNT_TOLERANCE
    wrong: Mask = known & ((one != other) if name in _EXACT else (apart > allowed))
    return wrong
