"""Playing a market: each step at its own time, and the ends of bars in between."""

import asyncio

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds import Feed

_SHORTEST_MS = Interval.M1.ms


async def play(
    exchange: SimulatedExchange, feed: Feed, clock: Clock, resume_ms: int | None = None
) -> None:
    """Play a feed to its end, or until cancelled.

    Bars end at their own time, before what trades at that very instant. Afterwards
    ``exchange.finished`` is set, and the market stands still at its last prices.

    Args:
        exchange: where it is played.
        feed: what is played.
        clock: when.
        resume_ms: what lies before this moment was played by a former run: it only makes
            candles and last prices, in silence and at once.

    What lies before the clock's time trades at once, in order; the exchange's gate opens when
    all of it has.
    """
    boundary_ms = Interval.M1.floor(feed.start_ms) + _SHORTEST_MS
    step = feed.next_step()
    if resume_ms is not None:
        while step is not None and step.time_ms <= resume_ms:
            boundary_ms = _catch_up(exchange, boundary_ms, step.time_ms)
            exchange.recall(step)
            step = feed.next_step()
        boundary_ms = _catch_up(exchange, boundary_ms, resume_ms)
    while step is not None:
        boundary_ms = await _close_until(exchange, clock, boundary_ms, step.time_ms)
        exchange.gate.come_to(step.time_ms, clock.market_ms())
        await clock.sleep_until_market(step.time_ms)
        exchange.apply(step)
        step = feed.next_step()
        # Behind its time, the market would otherwise let nobody else run.
        await asyncio.sleep(0)
    if feed.end_ms is not None:
        await _close_until(exchange, clock, boundary_ms, feed.end_ms)
    exchange.gate.open()
    exchange.finished.set()


def _catch_up(exchange: SimulatedExchange, boundary_ms: int, until_ms: int) -> int:
    """End bars that ended in a former run; the first boundary after an instant."""
    while boundary_ms <= until_ms:
        exchange.recall_bars(boundary_ms)
        boundary_ms += _SHORTEST_MS
    return boundary_ms


async def _close_until(
    exchange: SimulatedExchange, clock: Clock, boundary_ms: int, until_ms: int
) -> int:
    """End all bars up to an instant, each at its time; the first boundary after it."""
    while boundary_ms <= until_ms:
        exchange.gate.come_to(boundary_ms, clock.market_ms())
        await clock.sleep_until_market(boundary_ms)
        exchange.close_bars(boundary_ms)
        boundary_ms += _SHORTEST_MS
    return boundary_ms
