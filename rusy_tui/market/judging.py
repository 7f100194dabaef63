"""A page of candles as it came: what of it can be kept, and what breaks a rule. Pure."""

from typing import NamedTuple

import numpy as np

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Candle
from rusy_tui.market.pages import Page, Span
from rusy_tui.market.validation import fault_of


class Broken(NamedTuple):
    """A candle that breaks a rule, and which."""

    candle: Candle
    why: str


class Judged(NamedTuple):
    """The sound bars of a page, ascending, each once, what is absent NaN; and the others."""

    sound: Bars
    broken: list[Broken]


def judge(page: Page, bars: Bars) -> Judged:
    """Judge the closed bars that came for a page; those of other times are left out.

    Of two for one bar the last counts.
    """
    within = (bars.open_time_ms >= page.from_ms) & (bars.open_time_ms < page.until_ms)
    bars = bars[within]
    # The last of equal times is the first from behind.
    _, from_behind = np.unique(bars.open_time_ms[::-1], return_index=True)
    bars = _absent_made_nan(bars[len(bars) - 1 - from_behind])
    suspect = np.flatnonzero(~_is_surely_sound(bars))
    if not len(suspect):
        return Judged(bars, [])
    broken, keep = [], np.ones(len(bars), dtype=np.bool_)
    for row in suspect.tolist():
        candle = candle_of(page.symbol, bars, row)
        why = fault_of(candle)
        if why is not None:
            broken.append(Broken(candle, why))
            keep[row] = False
    return Judged(bars[keep], broken)


def halts(bars: Bars) -> list[Span]:
    """Spans of bars without volume, each run once: the exchange stood still.

    Args:
        bars: ascending.
    """
    still = bars.open_time_ms[bars.volume == 0]
    ends = np.flatnonzero(np.diff(still, append=np.iinfo(np.int64).max) != bars.interval.ms)
    begins = np.concatenate(([0], ends[:-1] + 1)) if len(still) else ends
    return [
        (int(still[first]), int(still[last]) + bars.interval.ms)
        for first, last in zip(begins, ends, strict=True)
    ]


def candle_of(symbol: str, bars: Bars, row: int) -> Candle:
    """One closed bar of the columns."""
    return Candle(
        symbol=symbol,
        interval=bars.interval,
        open_time_ms=int(bars.open_time_ms[row]),
        closed=True,
        **{name: float(getattr(bars, name)[row]) for name in COLUMNS},
    )


def _absent_made_nan(bars: Bars) -> Bars:
    """As :func:`.validation.absent_made_nan`, for all of them."""
    lacking = (bars.trades == 0) & (bars.volume > 0)
    if not lacking.any():
        return bars
    columns = {name: getattr(bars, name) for name in COLUMNS}
    for name in ("trades", "taker_buy_volume"):
        columns[name] = np.where(lacking, np.nan, columns[name])
    return Bars(bars.interval, bars.open_time_ms, **columns)


def _is_surely_sound(bars: Bars) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which bars no rule of :func:`.validation.fault_of` can be against; it judges the rest."""
    body_high, body_low = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    sound: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        (bars.low > 0)
        & (bars.low <= body_low)
        & (bars.high >= body_high)
        & (bars.high < np.inf)
        & (bars.volume >= 0)
        & (bars.quote_volume >= 0)
        & (bars.taker_buy_volume <= bars.volume)
        & (bars.open_time_ms % bars.interval.ms == 0)
    )
    return sound
