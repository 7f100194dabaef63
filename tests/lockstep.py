"""Runs a coroutine function in a lockstep loop: hours pass as fast as their work."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from rusy_tui.clock import LockstepClock, new_lockstep_loop

START_MS = 1_750_000_000_000
T = TypeVar("T")


def in_lockstep(main: Callable[[LockstepClock], Awaitable[T]], start_ms: int = START_MS) -> T:
    """What the function returns, given a lockstep clock; what it left running is cancelled.

    Args:
        main: takes the clock.
        start_ms: market time at its start.
    """
    loop, clock = new_lockstep_loop(start_ms)

    async def run() -> T:
        return await main(clock)

    try:
        return loop.run_until_complete(run())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
