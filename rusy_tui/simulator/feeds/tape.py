"""The synthetic market within a quarter of an hour: paths, trades, who took whom.

Everything here is vectorised over rows (quarters, or coins in one quarter) and slots (equal
parts of a quarter: its minutes in the past, its seconds in play).
"""

import numpy as np
from numpy.typing import NDArray

from rusy_tui.simulator.feeds.climate import CoinQuarter

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MINUTES = 15
_MINUTE_SECONDS = 60
# Each minute has a temper of its own, lognormal, of mean square 1.
_TEMPER = 0.40
# Seconds have fat tails: Student's t with this many degrees of freedom.
_FREEDOM = 5
# A jump is nearly over after this share of a quarter (45 s to within e^-1.5 … 3 min to 98 %).
_JUMP_SHARE = 0.035
# Mean of |x| of a standard normal number.
_MEAN_ABSOLUTE = 0.7979


def innovations(random: np.random.Generator, rows: int, slots: int) -> Floats:
    """Moves of every slot, shape ``(rows, slots)``; a row's sum has variance 1.

    Where slots are finer than a minute nothing moves into a minute's first slot, so that a
    bar opens where the one before it closed, as recorded ones do.
    """
    tempers = np.exp(_TEMPER * random.standard_normal((rows, MINUTES)) - _TEMPER**2)
    each = slots // MINUTES
    if each == 1:
        return np.asarray(tempers * random.standard_normal((rows, slots)) / np.sqrt(MINUTES))
    moves = random.standard_t(_FREEDOM, (rows, MINUTES, each))
    moves *= np.sqrt((_FREEDOM - 2) / _FREEDOM / (MINUTES * (each - 1)))
    moves *= tempers[:, :, None]
    moves[:, :, 0] = 0.0
    return moves.reshape(rows, slots)


def moves_of(quarters: list[CoinQuarter], market: Floats, own: Floats) -> Floats:
    """Log returns of every slot: innovations, drift and jumps, shape ``(rows, slots)``."""

    def column(values: list[float]) -> Floats:
        return np.array(values)[:, None]

    slots = market.shape[-1]
    moves = column([q.of_market for q in quarters]) * market
    moves += column([q.of_own for q in quarters]) * own
    moves += column([q.drift / slots for q in quarters])
    for row, quarter in enumerate(quarters):
        for jump, scale in (
            (quarter.jump, quarter.of_market),
            (quarter.own_jump, quarter.of_own),
        ):
            if jump.size:
                moves[row] += scale * jump.size * _jump_shares(jump.at, slots)
    return moves


def _jump_shares(at: float, slots: int) -> Floats:
    """How much of a jump falls into each slot: at once most, then less and less; sums to 1."""
    edges = np.linspace(0.0, 1.0, slots + 1)
    done = -np.expm1(-np.maximum(0.0, edges - at) / _JUMP_SHARE)
    return np.asarray(np.diff(done) / done[-1])


def extremes(
    random: np.random.Generator, first: Floats, last: Floats, deviation: Floats
) -> tuple[Floats, Floats]:
    """Highest and lowest of random walks between two ends.

    The law of a Brownian bridge's maximum, a little narrower because trades come one a second
    and not without end.

    Args:
        random: the source of both.
        first: where the walks begin.
        last: where they end.
        deviation: standard deviation of each walk's whole way.
    """
    spread = -2 * (0.9 * deviation) ** 2
    middle, span = (first + last) / 2, (last - first) ** 2
    high = middle + np.sqrt(span + spread * np.log1p(-random.random(first.shape))) / 2
    low = middle - np.sqrt(span + spread * np.log1p(-random.random(first.shape))) / 2
    return high, low


def surprise(moves: Floats, quarters: list[CoinQuarter]) -> Floats:
    """Moves in multiples of what a usual slot of the same quarter does, signed."""
    usual = np.array([quarter.deviation for quarter in quarters]) / np.sqrt(moves.shape[-1])
    return np.asarray(moves / usual[:, None])


def activity(random: np.random.Generator, surprises: Floats, noise: float) -> Floats:
    """How busy each slot is, around 1: two thirds of it come with the size of its move."""
    busy = 0.35 + 0.65 / _MEAN_ABSOLUTE * np.abs(surprises)
    busy *= np.exp(noise * random.standard_normal(surprises.shape) - noise**2 / 2)
    each = surprises.shape[-1] // MINUTES
    if each > 1:
        # Nothing moves into a minute's first slot, but as many come to trade.
        busy[:, ::each] = np.maximum(busy[:, ::each], 1.0)
    return np.asarray(busy)


def taker_shares(random: np.random.Generator, surprises: Floats) -> Floats:
    """The part of each slot's volume that buyers took.

    It goes with the move of its minute and of its slot, and has a noise of its own in each
    of the three spans. Recorded minutes of NEARUSDT: deviation 0.23, correlation with the
    return 0.51; quarters: 0.08 and 0.54.
    """
    rows, slots = surprises.shape
    each = slots // MINUTES
    by_minute = surprises.reshape(rows, MINUTES, each)
    minute = by_minute.sum(axis=2, keepdims=True) / np.sqrt(each)
    shares = 0.5 + 0.10 * np.clip(minute, -3.0, 3.0)
    shares += 0.13 * random.standard_normal((rows, MINUTES, 1))
    shares += 0.05 * random.standard_normal((rows, 1, 1))
    if each > 1:
        shares = shares + 0.10 * np.clip(by_minute, -3.0, 3.0)
        shares += 0.25 * random.standard_normal(by_minute.shape)
    return np.asarray(np.clip(shares, 0.0, 1.0).reshape(rows, slots))


def counts(random: np.random.Generator, trades: Floats) -> Ints:
    """Whole numbers of trades, at least one, around what is expected."""
    around = trades * np.exp(0.3 * random.standard_normal(trades.shape) - 0.045)
    return np.maximum(1, np.rint(around)).astype(np.int64)


def units(amounts: Floats, unit: float) -> Ints:
    """Amounts in whole units, at least one."""
    return np.maximum(1, np.rint(amounts / unit)).astype(np.int64)
