"""Playing a market: each step at its own time, and the ends of bars in between."""

import asyncio

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds import Feed

_SHORTEST_MS = Interval.M1.ms


async def play(exchange: SimulatedExchange, feed: Feed, clock: Clock) -> None:
    """Play a feed to its end, or until cancelled.

    Bars end at their own time, before what trades at that very instant. Afterwards
    ``exchange.finished`` is set, and the market stands still at its last prices.
    """
    boundary_ms = Interval.M1.floor(feed.start_ms) + _SHORTEST_MS
    step = feed.next_step()
    while step is not None:
        boundary_ms = await _close_until(exchange, clock, boundary_ms, step.time_ms)
        await clock.sleep_until_market(step.time_ms)
        exchange.apply(step)
        step = feed.next_step()
        # Behind its time, the market would otherwise let nobody else run.
        await asyncio.sleep(0)
    if feed.end_ms is not None:
        await _close_until(exchange, clock, boundary_ms, feed.end_ms)
    exchange.finished.set()


async def _close_until(
    exchange: SimulatedExchange, clock: Clock, boundary_ms: int, until_ms: int
) -> int:
    """End all bars up to an instant, each at its time; the first boundary after it."""
    while boundary_ms <= until_ms:
        await clock.sleep_until_market(boundary_ms)
        exchange.close_bars(boundary_ms)
        boundary_ms += _SHORTEST_MS
    return boundary_ms
