"""Candles and the intervals they span."""

import enum

import msgspec


class Interval(enum.StrEnum):
    """A candle's span, spelt as the operator writes it."""

    M1 = "1m"
    M15 = "15m"
    H1 = "1h"

    @property
    def ms(self) -> int:
        """The span in milliseconds."""
        return _INTERVAL_MS[self]

    def floor(self, time_ms: int) -> int:
        """The open time of the bar that an instant falls into, ms since the epoch."""
        return time_ms - time_ms % self.ms


_INTERVAL_MS = {Interval.M1: 60_000, Interval.M15: 900_000, Interval.H1: 3_600_000}


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of one symbol, closed or still forming.

    Prices are in the quote asset (USDT), ``volume`` and ``taker_buy_volume`` in the base
    asset, ``quote_volume`` in the quote asset. ``quote_volume``, ``trades`` and
    ``taker_buy_volume`` are NaN where the source has none: absent is never zero.
    """

    symbol: str
    interval: Interval
    open_time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: float
    taker_buy_volume: float
    closed: bool

    @property
    def close_time_ms(self) -> int:
        """The first instant after the bar, ms since the epoch."""
        return self.open_time_ms + self.interval.ms
