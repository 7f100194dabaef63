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
    USDT. The last four are None where the source has no such column; a takers' amount that is
    not known is NaN.
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
    taker_buy_quote_volume: Floats | None = None

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
            taker_buy_quote_volume=cut(self.taker_buy_quote_volume),
        )

    def index_of(self, time_ms: int) -> int:
        """How many bars open before a moment."""
        return int(np.searchsorted(self.open_time_ms, time_ms))


def joined(parts: Sequence[Columns]) -> Columns:
    """Runs of bars that follow on one another, as one.

    They are whole in every column, but that of a run whose takers' amounts are not known these
    are NaN.
    """
    if len(parts) == 1:
        return parts[0]

    def taken(part: Columns) -> Floats:
        amounts = part.taker_buy_quote_volume
        return np.full(len(part), np.nan) if amounts is None else amounts

    figures = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _FIGURES
    }
    return Columns(
        symbol=parts[0].symbol,
        interval=parts[0].interval,
        open_time_ms=np.concatenate([part.open_time_ms for part in parts]),
        taker_buy_quote_volume=np.concatenate([taken(part) for part in parts]),
        **figures,
    )
