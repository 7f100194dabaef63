"""What a closed candle must be before anything stands on it, and what is odd about a run."""

import math
from collections.abc import Iterable, Sequence

import msgspec

from rusy_tui.domain.bars import COLUMNS
from rusy_tui.domain.candle import Candle
from rusy_tui.domain.history import MarkCandle

# A price may leave the range of the mark price in its bar by this share before it is odd. The
# exchange refuses orders farther from the mark price than the contract's PERCENT_PRICE allows:
# 5 % for BTCUSDT, up to 15 % for others. So beyond 5 % there is either a market torn apart or
# a wrong figure, and asking again, which costs a weight of 1, tells which.
JUMP = 0.05


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
    # A quote volume may be absent, a volume never is.
    if not candle.volume >= 0 or candle.quote_volume < 0:
        return f"volume {candle.volume} or quote volume {candle.quote_volume} is negative"
    if candle.taker_buy_volume > candle.volume * (1 + 1e-9):
        return f"taker volume {candle.taker_buy_volume} exceeds volume {candle.volume}"
    if candle.open_time_ms % candle.interval.ms:
        return f"open time {candle.open_time_ms} is not on the {candle.interval} grid"
    return None


def alike(one: Candle, other: Candle) -> bool:
    """Whether two candles of one bar have the same figures; absent is like absent."""
    return all(
        a == b or (math.isnan(a) and math.isnan(b))
        for a, b in ((getattr(one, name), getattr(other, name)) for name in COLUMNS)
    )


def halts(candles: Iterable[Candle]) -> list[tuple[int, int]]:
    """Spans [from, until) of bars without volume, each run once: the exchange stood still.

    Args:
        candles: of one symbol and interval, ascending.
    """
    spans = list[tuple[int, int]]()
    for candle in candles:
        if candle.volume > 0:
            continue
        if spans and spans[-1][1] == candle.open_time_ms:
            spans[-1] = (spans[-1][0], candle.close_time_ms)
        else:
            spans.append((candle.open_time_ms, candle.close_time_ms))
    return spans


def jumps(candles: Iterable[Candle], marks: Sequence[MarkCandle]) -> dict[int, str]:
    """Bars with a price far from the mark price of the same bar: open time, and how far.

    Bars whose mark price is not known are not judged.
    """
    found, by_time = dict[int, str](), {mark.open_time_ms: mark for mark in marks}
    for candle in candles:
        mark = by_time.get(candle.open_time_ms)
        if mark is None:
            continue
        if candle.high > mark.high * (1 + JUMP):
            found[candle.open_time_ms] = f"high {candle.high:.12g}, mark price {mark.high:.12g}"
        elif candle.low < mark.low * (1 - JUMP):
            found[candle.open_time_ms] = f"low {candle.low:.12g}, mark price {mark.low:.12g}"
    return found
