"""How a recorded bar is walked through: its prices step by step, its amounts spread evenly."""

from collections.abc import Iterator
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.money import exact

Floats = NDArray[np.float64]

_MINUTE_MS = 60_000
# A minute has only its four prices to tell: one each 15 s. Longer bars move once a minute.
_STEP_MS = {Interval.M1: _MINUTE_MS // 4, Interval.M15: _MINUTE_MS, Interval.H1: _MINUTE_MS}


def step_ms(interval: Interval) -> int:
    """Market ms between two steps of a bar."""
    return _STEP_MS[interval]


def steps_in(interval: Interval) -> int:
    """The steps a bar is played in; the first is at its open time."""
    return interval.ms // _STEP_MS[interval]


def walk(steps: int, open_: int, high: int, low: int, close: int) -> Iterator[int]:
    """A bar's prices, one a step, in ticks.

    Open, low, high, close when it closed at or above its open; open, high, low, close when it
    fell: each of the four exactly, in between evenly and rounded to the tick.
    """
    turns = (open_, low, high, close) if close >= open_ else (open_, high, low, close)
    at = _turning_steps(steps)
    yield open_
    for begin, end, first, last in zip(at, at[1:], turns, turns[1:], strict=False):
        span = end - begin
        for step in range(1, span + 1):
            yield (2 * (first * (span - step) + last * step) + span) // (2 * span)


def mean_price(steps: int, open_: Floats, high: Floats, low: Floats, close: Floats) -> Floats:
    """The mean price of each bar's walk before rounding: its quote volume by its volume."""
    at = _turning_steps(steps)
    weights = np.zeros(4)
    weights[0] = 1.0
    for turn in range(3):
        share = np.arange(1, at[turn + 1] - at[turn] + 1) / (at[turn + 1] - at[turn])
        weights[turn] += (1 - share).sum()
        weights[turn + 1] += share.sum()
    rose = close >= open_
    second, third = np.where(rose, low, high), np.where(rose, high, low)
    total = weights[0] * open_ + weights[1] * second + weights[2] * third + weights[3] * close
    return np.asarray(total / steps)


def _turning_steps(steps: int) -> tuple[int, int, int, int]:
    """The steps at which a walk stands at the four prices, a third of the bar apart."""
    return 0, round((steps - 1) / 3), round(2 * (steps - 1) / 3), steps - 1


class Amounts:
    """A bar's amounts over its steps: as even as whole units allow, their sums exact.

    A unit is the contract's step, or finer where the recorded figures are finer or where a
    bar traded so little that a step of its walk would be left without a trade.

    Args:
        steps: of the bar.
        step_size: of the contract, base asset.
        volume: recorded, base asset, above zero.
        taker_buy_volume: recorded, at most ``volume``; 0 where it is not known.
        trades: recorded count; 0 where it is not known.
    """

    def __init__(
        self,
        steps: int,
        step_size: Decimal,
        volume: float,
        taker_buy_volume: float,
        trades: int,
    ) -> None:
        traded, taken = exact(volume), exact(taker_buy_volume)
        unit = min(step_size, _unit(traded), _unit(taken) if taken else step_size)
        while traded < steps * unit:
            unit = unit.scaleb(-1)
        self._unit = unit
        self._volume = divmod(int(traded / unit), steps)
        self._taker_buy_volume = divmod(int(taken / unit), steps)
        self._trades = divmod(trades, steps)

    def at(self, step: int) -> tuple[Decimal, Decimal, int]:
        """Quantity, taker-bought quantity (base asset) and trade count of a step.

        The units left over go one by one to the first steps, in all three alike, so no step
        has more bought by takers than traded.
        """
        quantity = self._unit * _share(self._volume, step)
        taken = self._unit * _share(self._taker_buy_volume, step)
        return quantity, taken, _share(self._trades, step)


def _share(spread: tuple[int, int], step: int) -> int:
    each, left_over = spread
    return each + (step < left_over)


def _unit(amount: Decimal) -> Decimal:
    """The power of ten that an amount is recorded to."""
    exponent = amount.normalize().as_tuple().exponent
    return Decimal(1).scaleb(exponent) if isinstance(exponent, int) else amount
