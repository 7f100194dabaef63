"""What a start-up costs of the exchange's rate limit, as the exchange counts it."""

import itertools
import sys
from decimal import Decimal

from benchmarks.measuring import Row, row_of_costs
from rusy_tui.clock import LockstepClock
from rusy_tui.domain.settings import DataSettings, Pair, Settings
from rusy_tui.launch_lockstep import in_lockstep, world
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
START_MS = 1_709_539_200_000  # 2024-03-04 08:00 UTC
# The first reads of all parts come in the seconds after the engine says that it runs.
_SETTLED_S = 20.0
# Candles of the past are counted by the row, in another goal.
_BACKFILL = frozenset({"/fapi/v1/klines"})
_GOAL_FIRST = 140.0
_GOAL_FURTHER = 30.0


def measure() -> list[Row]:
    """Weight of a start with one, two and three pairs, beside their candles."""
    weights = [_weight_of_a_start(SYMBOLS[: count + 1]) for count in range(len(SYMBOLS))]
    steps = [after - before for before, after in itertools.pairwise(weights)]
    return [
        row_of_costs(
            "a start-up with one pair, besides backfill",
            weights[0],
            "weight",
            "the goal",
            _GOAL_FIRST,
        ),
        row_of_costs(
            "each further pair at a start-up, at most",
            max(steps),
            "weight",
            "the goal",
            _GOAL_FURTHER,
        ),
    ]


def _weight_of_a_start(symbols: tuple[str, ...]) -> int:
    settings = Settings(data=DataSettings(pairs=tuple(Pair(symbol=name) for name in symbols)))
    feed = SyntheticFeed(5, START_MS, symbols)

    async def main(clock: LockstepClock) -> dict[str, int]:
        async with world(clock, feed, settings, seed=1, balance=Decimal(10_000)) as here:
            await clock.sleep(_SETTLED_S)
            return dict(here.server.limits.weight_by_path)

    by_path = in_lockstep(START_MS, main)
    asked = {path: weight for path, weight in by_path.items() if path not in _BACKFILL}
    for path, weight in sorted(asked.items(), key=lambda item: -item[1]):
        sys.stderr.write(f"bench: start with {len(symbols)}: {path} {weight}\n")
    return sum(asked.values())
