"""Classic technical indicators by TA-Lib, scaled for the networks and plain for the screen.

Exponential averages never forget entirely. With Wilder's smoothing over 14 bars the start
of the history weighs ``(13/14)**n`` after n bars: below 1e-9 from n = 280. MACD's slowest
average (26) is there after 270. That is what the warm-up of this group rests on.
"""

from dataclasses import dataclass

import numpy as np
import talib

from rusy_tui.domain.bars import Bars, Floats
from rusy_tui.features import rolling

WILDER_BARS = 300
"""Bars after which Wilder's averages over 14 bars, one upon another, have settled."""


def bollinger_z(close: Floats, n: int = 20) -> Floats:
    """``(close - mean) / standard deviation`` of the last n closes, in standard deviations.

    Where price sits between the bands of Bollinger (±2 are the bands). 0 where price stood
    still, which leaves rounding dust of the price's size as deviation.
    """
    mean = rolling.mean(close, n)
    deviation = rolling.std(close, n)
    return (close - mean) / np.where(deviation > 1e-10 * mean, deviation, np.inf)


def _ready(bars: Bars, needed: int) -> bool:
    # TA-Lib answers a NaN among its input with wrong numbers, in silence.
    prices = (bars.high, bars.low, bars.close)
    return len(bars) > needed and all(bool(np.isfinite(price).all()) for price in prices)


def indicators(bars: Bars) -> dict[str, Floats]:
    """The indicator group by name, each ``(bars,)`` and without unit.

    All NaN for fewer than 36 bars, or when a price is NaN.
    """
    names = ("rsi_14", "macd_histogram", "atr_log", "bollinger_z", "ema_distance", "adx_14")
    if not _ready(bars, 35):
        return {name: np.full(len(bars), np.nan) for name in names}
    high, low, close = bars.high, bars.low, bars.close
    # A floor, since a market that stood still has no range to divide by.
    atr = np.maximum(talib.ATR(high, low, close, timeperiod=14), 1e-6 * close)
    histogram = talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)[2]
    distance = (close - talib.EMA(close, timeperiod=20)) / atr
    return {
        "rsi_14": talib.RSI(close, timeperiod=14) / 100 - 0.5,
        "macd_histogram": np.clip(histogram / atr, -5, 5),
        "atr_log": np.log(atr / close),
        "bollinger_z": bollinger_z(close),
        "ema_distance": np.clip(distance, -10, 10),
        "adx_14": talib.ADX(high, low, close, timeperiod=14) / 100,
    }


@dataclass(frozen=True, slots=True)
class ScreenIndicators:
    """What the console draws, each ``(bars,)``, NaN while too few bars have passed.

    ``rsi_14`` in [0, 100]; ``macd_histogram``, ``atr_14`` and the averages in the quote
    asset; ``bollinger_z`` in standard deviations.
    """

    rsi_14: Floats
    macd_histogram: Floats
    atr_14: Floats
    bollinger_z: Floats
    ema_20: Floats
    ema_200: Floats


def screen_indicators(bars: Bars) -> ScreenIndicators:
    """The console's indicators; TA-Lib's own definitions with their usual periods.

    ``ema_200`` from 512 bars is within 0.1 % of its value on an endless history.
    """
    high, low, close = bars.high, bars.low, bars.close
    if not len(bars):
        return ScreenIndicators(*(np.empty(0) for _ in range(6)))
    return ScreenIndicators(
        rsi_14=talib.RSI(close, timeperiod=14),
        macd_histogram=talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)[2],
        atr_14=talib.ATR(high, low, close, timeperiod=14),
        bollinger_z=bollinger_z(close),
        ema_20=talib.EMA(close, timeperiod=20),
        ema_200=talib.EMA(close, timeperiod=200),
    )
