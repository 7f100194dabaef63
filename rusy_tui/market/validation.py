"""What a closed candle must be before anything stands on it."""

import math

import msgspec

from rusy_tui.domain.candle import Candle


def absent_made_nan(candle: Candle) -> Candle:
    """The candle with what its source lacks as NaN.

    On the wire a missing trade count is 0. A bar that has volume without a trade can't
    exist, so there the count and the taker's share are absent; a bar with neither is real
    (an exchange halt).
    """
    if candle.trades == 0 and candle.volume > 0:
        return msgspec.structs.replace(candle, trades=math.nan, taker_buy_volume=math.nan)
    return candle


def fault_of(candle: Candle) -> str | None:
    """The first rule a closed candle breaks, in words with its figures; None when sound."""
    prices = (candle.open, candle.high, candle.low, candle.close)
    if not all(math.isfinite(price) and price > 0 for price in prices):
        return f"a price is not positive: {prices}"
    if candle.high < max(candle.open, candle.close):
        return f"high {candle.high} is below open {candle.open} or close {candle.close}"
    if candle.low > min(candle.open, candle.close):
        return f"low {candle.low} is above open {candle.open} or close {candle.close}"
    if not (candle.volume >= 0 and candle.quote_volume >= 0):
        return f"volume {candle.volume} or quote volume {candle.quote_volume} is negative"
    if candle.taker_buy_volume > candle.volume * (1 + 1e-9):
        return f"taker volume {candle.taker_buy_volume} exceeds volume {candle.volume}"
    if candle.open_time_ms % candle.interval.ms:
        return f"open time {candle.open_time_ms} is not on the {candle.interval} grid"
    return None
