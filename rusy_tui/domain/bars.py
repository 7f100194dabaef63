"""A run of closed bars as columns: what features, store reads and training work on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.candle import Candle, Interval

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

COLUMNS = (
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
class Bars:
    """Closed bars of one symbol and interval, ascending by open time, one array a column.

    Every array has shape ``(bars,)``. Units and the meaning of NaN are those of
    :class:`rusy_tui.domain.candle.Candle`.
    """

    interval: Interval
    open_time_ms: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    quote_volume: Floats
    trades: Floats
    taker_buy_volume: Floats

    def __len__(self) -> int:
        return len(self.open_time_ms)

    def __getitem__(self, rows: "slice | NDArray[np.bool_] | NDArray[np.intp]") -> Self:
        """The same columns over some of the bars: a slice, a mask, or ascending rows."""
        return type(self)(
            self.interval,
            self.open_time_ms[rows],
            *(getattr(self, column)[rows] for column in COLUMNS),
        )

    @classmethod
    def of(cls, interval: Interval, candles: Sequence[Candle]) -> Self:
        """Columns made from candles that are already in ascending order."""
        return cls(
            interval,
            np.array([candle.open_time_ms for candle in candles], dtype=np.int64),
            *(
                np.array([getattr(candle, column) for candle in candles], dtype=np.float64)
                for column in COLUMNS
            ),
        )
