"""The whole line in lockstep, against its simulated market played to nobody."""

import asyncio
import time
from decimal import Decimal

from benchmarks.measuring import Row, median, row_of_rates
from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.settings import DataSettings, DeskSettings, Pair, Settings
from rusy_tui.launch_lockstep import in_lockstep, world
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from rusy_tui.simulator.runner import play

SYMBOLS = ("BTCUSDT", "ETHUSDT")
START_MS = 1_709_539_200_000  # 2024-03-04 08:00 UTC
BARS = 48  # of 15m, a symbol
_STEP_MS = 60_000
_RUNS = 3
_END_MS = START_MS + BARS * Interval.M15.ms


def measure() -> list[Row]:
    """Closed 15m bars a second, all symbols together, from the market's start on."""
    whole, alone = [], []
    for _ in range(_RUNS):
        whole.append(_whole_line())
        alone.append(_market_alone())
    return [
        row_of_rates(
            "lockstep replay: adapter, server, database, models, orders",
            median(whole),
            "bars/s",
            "the same market played to nobody",
            median(alone),
        )
    ]


def _feed() -> SyntheticFeed:
    return SyntheticFeed(5, START_MS, SYMBOLS, step_ms=_STEP_MS)


def _whole_line() -> float:
    settings = Settings(
        data=DataSettings(pairs=tuple(Pair(symbol=symbol) for symbol in SYMBOLS)),
        desk=DeskSettings(mode=Mode.AUTO),
    )
    feed = _feed()

    async def main(clock: LockstepClock) -> float:
        async with world(clock, feed, settings, seed=1, balance=Decimal(10_000)) as here:
            began_s = time.perf_counter()
            await clock.sleep_until_market(_END_MS)
            await here.engine.decided(_END_MS)
            return time.perf_counter() - began_s

    return BARS * len(SYMBOLS) / in_lockstep(START_MS, main)


def _market_alone() -> float:
    feed = _feed()

    async def main(clock: LockstepClock) -> float:
        exchange = SimulatedExchange(feed, clock, [], 1)
        began_s = time.perf_counter()
        playing = asyncio.create_task(play(exchange, feed, clock))
        await clock.sleep_until_market(_END_MS)
        playing.cancel()
        await asyncio.wait([playing])
        return time.perf_counter() - began_s

    return BARS * len(SYMBOLS) / in_lockstep(START_MS, main)
