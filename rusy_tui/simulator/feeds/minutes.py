"""A synthetic quarter as it traded, and the minute bars that this makes."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.instrument import Instrument
from rusy_tui.simulator.feeds.columns import Columns

Ints = NDArray[np.int64]

_MINUTES = Interval.M15.ms // Interval.M1.ms


@dataclass(frozen=True, slots=True)
class Traded:
    """A quarter of one coin in whole ticks and steps, one number a slot.

    ``units`` and ``taken`` are what was traded and what buyers took of it; nothing traded in
    a slot of 0 units, whatever its other numbers are.
    """

    ticks: Ints
    units: Ints
    taken: Ints
    trades: Ints


def per_unit(grid: Decimal) -> int:
    """How many ticks or steps, which are powers of ten, make one.

    A whole number divided by it is the float nearest to the exact figure, which its product
    with a tick is not always.
    """
    return round(1 / grid)


def minutes_of(contract: Instrument, traded: Traded, open_time_ms: int, last: float) -> Columns:
    """The minute bars of a quarter, exactly as its prints make them.

    Args:
        contract: of the coin.
        traded: the quarter.
        open_time_ms: of the quarter.
        last: price before it, at which a minute without a trade is flat.
    """
    grids = per_unit(contract.tick_size), per_unit(contract.step_size)
    ticks, units, taken, trades = (
        column.reshape(_MINUTES, -1)
        for column in (traded.ticks, traded.units, traded.taken, traded.trades)
    )
    there = units > 0
    ends = ticks.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
    rows = np.arange(_MINUTES)
    open_, close = ticks[rows, there.argmax(axis=1)], ticks[rows, ends]
    high = np.where(there, ticks, 0).max(axis=1)
    low = np.where(there, ticks, np.iinfo(np.int64).max).min(axis=1)
    previous = round(last * grids[0])
    for row in np.flatnonzero(~there.any(axis=1)):
        flat = close[row - 1] if row else previous
        open_[row] = high[row] = low[row] = close[row] = flat
    return Columns(
        contract.symbol,
        Interval.M1,
        open_time_ms + rows * Interval.M1.ms,
        open_ / grids[0],
        high / grids[0],
        low / grids[0],
        close / grids[0],
        units.sum(axis=1) / grids[1],
        (ticks * units).sum(axis=1) / (grids[0] * grids[1]),
        np.where(there, trades, 0).sum(axis=1).astype(np.float64),
        taken.sum(axis=1) / grids[1],
        (ticks * taken).sum(axis=1) / (grids[0] * grids[1]),
    )
