"""Puts the closed candles of one symbol and interval into an unbroken row.

Pure: it says what to do, the market service does it.
"""

import msgspec

from rusy_tui.domain.candle import Candle, Interval


class Next(msgspec.Struct, frozen=True):
    """The candle follows the last one: take it."""

    candle: Candle


class Missing(msgspec.Struct, frozen=True):
    """Bars are missing before the candle: fetch open times [from_ms, until_ms) first."""

    from_ms: int
    until_ms: int


class Known(msgspec.Struct, frozen=True):
    """The bar was taken before: nothing to do."""


def place(
    last_open_ms: int | None, candle: Candle, interval: Interval
) -> Next | Missing | Known:
    """Where a closed candle belongs after the last one taken (None: it is the first)."""
    if last_open_ms is None or candle.open_time_ms == last_open_ms + interval.ms:
        return Next(candle)
    if candle.open_time_ms <= last_open_ms:
        return Known()
    return Missing(last_open_ms + interval.ms, candle.open_time_ms)
