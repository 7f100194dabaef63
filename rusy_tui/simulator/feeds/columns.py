"""Bars as columns: what a feed holds of its past and of what it plays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.candle import Interval

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

_FIGURES = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "trades",
    "taker_buy_volume",
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars of one symbol, one array a column, ascending by open time.

    Prices in USDT, ``volume`` and ``taker_buy_volume`` in the base asset, ``quote_volume`` in
    USDT. The last three are None where the source has no such column.
    """

    symbol: str
    interval: Interval
    open_time_ms: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    quote_volume: Floats | None
    trades: Floats | None
    taker_buy_volume: Floats | None

    def __len__(self) -> int:
        return len(self.open_time_ms)

    def rows(self, rows: slice) -> "Columns":
        """The same columns over a slice of its bars."""

        def cut(column: Floats | None) -> Floats | None:
            return None if column is None else column[rows]

        return replace(
            self,
            open_time_ms=self.open_time_ms[rows],
            open=self.open[rows],
            high=self.high[rows],
            low=self.low[rows],
            close=self.close[rows],
            volume=self.volume[rows],
            quote_volume=cut(self.quote_volume),
            trades=cut(self.trades),
            taker_buy_volume=cut(self.taker_buy_volume),
        )

    def index_of(self, time_ms: int) -> int:
        """How many bars open before a moment."""
        return int(np.searchsorted(self.open_time_ms, time_ms))


def joined(parts: Sequence[Columns]) -> Columns:
    """Runs of bars that follow on one another, whole in every column, as one."""
    return Columns(
        parts[0].symbol,
        parts[0].interval,
        np.concatenate([part.open_time_ms for part in parts]),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in _FIGURES),
    )
