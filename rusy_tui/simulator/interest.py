"""How much of a contract is held open, by everybody together.

Invented like everybody else's orders: a pure function of (seed, symbol, time) around a third
of what the contract trades in a day, so that a past figure never changes. Recorded markets
have no column for it either. Our accounts' own positions are too small to show in it.
"""

import math
from decimal import Decimal

from rusy_tui.domain.money import floor_to
from rusy_tui.simulator.randomness import mixed, name_number

PERIOD_MS = 300_000
"""The finest step of the exchange's open-interest statistics."""

_OF_A_DAY = Decimal("0.35")
_SWING = 0.04
_WEEK_MS = 7 * 86_400_000
_SUPPLY = 250
"""Circulating supply, in multiples of the open interest."""


class OpenInterest:
    """One symbol's open interest."""

    def __init__(self, seed: int, symbol: str, step: Decimal) -> None:
        self._key = mixed(seed, name_number(symbol))
        self._step = step

    def at(self, time_ms: int, day_volume: Decimal) -> Decimal:
        """What is open at a moment, base asset, where a day trades so much."""
        number, part = divmod(time_ms, PERIOD_MS)
        before, after = self._noise(number), self._noise(number + 1)
        noise = before + (after - before) * part / PERIOD_MS
        wave = math.sin(2 * math.pi * (time_ms % _WEEK_MS) / _WEEK_MS + self._key % 7)
        factor = Decimal(f"{1 + _SWING * wave + _SWING / 10 * noise:.6f}")
        return max(floor_to(day_volume * _OF_A_DAY * factor, self._step), self._step)

    def supply(self, day_volume: Decimal) -> Decimal:
        """The coin's circulating supply, invented as well, base asset."""
        return (day_volume * _OF_A_DAY * _SUPPLY).quantize(Decimal(1))

    def _noise(self, number: int) -> float:
        return mixed(self._key, number) % 2001 / 1000 - 1
