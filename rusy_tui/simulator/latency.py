"""Delays on the clock, so that races and time-outs bite in a simulation too.

Only lockstep has them: with a running clock the machine's own delays are there already.
"""

import random

from rusy_tui.simulator.randomness import generator

LEAST_MS = 20
MOST_MS = 400


class Delays:
    """The delays of one connection, drawn in order."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def next_s(self) -> float:
        """A delay in seconds, whole milliseconds: mostly short, now and then long."""
        share = self._source.random() ** 3
        return round(LEAST_MS + (MOST_MS - LEAST_MS) * share) / 1000


class Latency:
    """Gives each connection a generator of its own, in order of arrival."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._connections = 0

    def connection(self) -> Delays:
        """The delays of the next connection."""
        self._connections += 1
        return Delays(generator(self._seed, "latency", self._connections))
