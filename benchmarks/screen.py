"""The console's own work while the market moves, against the same console in a still one.

Headless: Textual composes and compares every picture, no terminal is written to.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

from benchmarks import scene
from benchmarks.measuring import Row, row_of_costs
from rusy_tui.console.app import Console
from rusy_tui.domain.commands import Command, Reply
from rusy_tui.domain.events import Event, Snapshot
from rusy_tui.domain.state import State

EVENTS_A_SECOND = 300
SECONDS = 4.0
_SIZE = (120, 40)
_BURST_S = 0.05
_SETTLE_S = 1.0


class _Link:
    """An engine that is a list: so many events in each burst, for ever."""

    def __init__(self, begin: State, events_a_second: int) -> None:
        self._begin = begin
        self._burst = round(events_a_second * _BURST_S)

    async def events(self) -> AsyncIterator[Event]:
        yield Snapshot(self._begin)
        moves = scene.moves(self._begin)
        while True:
            await asyncio.sleep(_BURST_S)
            for event in itertools.islice(moves, self._burst):
                yield event

    async def send(self, command: Command) -> Reply:
        return Reply(command.command_id, True, "done", "done")

    async def close(self) -> None: ...


def measure() -> list[Row]:
    """Milliseconds of this process's CPU time in a second."""
    begin = scene.state()
    moving = asyncio.run(_cpu_ms_a_second(begin, EVENTS_A_SECOND))
    still = asyncio.run(_cpu_ms_a_second(begin, 0))
    return [
        row_of_costs(
            f"console at {EVENTS_A_SECOND} events/s, {_SIZE[0]}×{_SIZE[1]}",
            moving,
            "ms CPU/s",
            "the same console, nothing but clocks moving",
            still,
        )
    ]


async def _cpu_ms_a_second(begin: State, events_a_second: int) -> float:
    async def connect() -> _Link:
        return _Link(begin, events_a_second)

    async with Console(connect, "bench").run_test(size=_SIZE):
        await asyncio.sleep(_SETTLE_S)
        began_s, used_s = time.perf_counter(), time.process_time()
        await asyncio.sleep(SECONDS)
        used_s = time.process_time() - used_s
        return used_s * 1000 / (time.perf_counter() - began_s)
