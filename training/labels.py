"""What is forecast.

Decided at a bar's close, entered at the **next** bar's open: a label from the bar's own
close would reward the bounce between bid and ask, which nobody can trade.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.bars import Bars, Floats

HORIZON_BARS = 4
"""15m bars from the entry: one hour, where the sign of the return is least unpredictable."""

LARGE_MOVE_ATR = 0.9
"""A move of more than this many ATR(14) is a large one."""

UP, DOWN, NEITHER = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Labels:
    """One row a bar: ``log_return (bars,)``, NaN where the run ends before the horizon;
    ``pattern (bars,)`` the CNN's class, -1 there.
    """

    log_return: Floats
    pattern: NDArray[np.int64]


def labels(bars: Bars, atr_log: Floats) -> Labels:
    """Labels of each bar of a run.

    Args:
        bars: a gap-free run.
        atr_log: ``ln(ATR(14) / close)`` at each bar, from the features.
    """
    horizon_return = np.full(len(bars), np.nan)
    if len(bars) > HORIZON_BARS:
        entry = np.log(bars.open[1 : len(bars) - HORIZON_BARS + 1])
        horizon_return[:-HORIZON_BARS] = np.log(bars.close[HORIZON_BARS:]) - entry
    large = LARGE_MOVE_ATR * np.exp(atr_log)
    pattern = np.where(
        horizon_return > large, UP, np.where(horizon_return < -large, DOWN, NEITHER)
    )
    known = np.isfinite(horizon_return) & np.isfinite(large)
    return Labels(horizon_return, np.where(known, pattern, -1).astype(np.int64))
