"""The Clock protocol: what everything that waits, stamps or times out is given.

Three times exist, and each limit names the one it counts in:

* *market* time: bars, funding, the premise of a signal;
* *wall* time: network time-outs, watchdogs, the operator's time to decide;
* *exchange* time: signatures and ``recvWindow``; it is market time corrected by an
  offset that the exchange adapter measures, so it is no method here.

The kinds of clock live in :mod:`rusy_tui.clock`.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

import msgspec

T = TypeVar("T")


class Pace(msgspec.Struct, frozen=True):
    """Market time as three numbers that every process can compute with.

    ``market = market_anchor_ms + speed * (monotonic - monotonic_anchor_s) * 1000``, where
    *monotonic* is the machine's monotonic clock, the same in all its processes.
    """

    market_anchor_ms: int
    monotonic_anchor_s: float
    speed: float

    def market_ms(self, monotonic_s: float) -> int:
        """Market time (ms since the epoch, UTC) at a reading of the monotonic clock."""
        elapsed_s = monotonic_s - self.monotonic_anchor_s
        return self.market_anchor_ms + round(elapsed_s * self.speed * 1000)


class InFlight(Protocol):
    """Counts stream messages from their sending until their receiver has queued them.

    Only a lockstep clock counts; for the others each method does nothing. A *channel* is
    one connection, named by the receiving socket's own address (``host:port``), which both
    ends know.
    """

    def sent(self, channel: str) -> None:
        """A message was handed to the channel."""

    def received(self, channel: str) -> None:
        """A message of the channel was parsed and put on its receiver's queue."""

    def closed(self, channel: str) -> None:
        """The channel is gone, and with it what was still under way in it."""


class Clock(Protocol):
    """The only source of time."""

    @property
    def in_flight(self) -> InFlight:
        """The count of stream messages under way."""

    @property
    def speed(self) -> float:
        """Market seconds a wall second, as now in force (1.0 on the system clock)."""

    def market_ms(self) -> int:
        """Market time, ms since the epoch, UTC."""

    def wall_ms(self) -> int:
        """Wall time, ms since the epoch, UTC. For stamps, never for measuring a span."""

    def monotonic_s(self) -> float:
        """Wall seconds on a clock that never steps. For measuring spans."""

    async def sleep(self, wall_s: float) -> None:
        """Wait for a span of wall time, in seconds."""

    async def sleep_until_market(self, market_ms: int) -> None:
        """Wait until market time has reached an instant; at once if it has."""

    def outside_work(self) -> AbstractContextManager[None]:
        """Marks a span in which work goes on that the event loop can't see.

        A call to a database or a job in a thread. Time stands still in lockstep while any
        such span is open.
        """

    async def in_thread(self, job: Callable[[], T]) -> T:
        """Run a blocking job in a worker thread, as outside work, and return its result."""

    async def within(self, wall_s: float, awaitable: Awaitable[T]) -> T:
        """Await with a time-out in wall seconds.

        Raises:
            TimeoutError: when the span passed first; the awaitable is then cancelled.
        """


class PaceControl(Protocol):
    """Whoever owns a paced market's speed."""

    async def set_speed(self, speed: float) -> Pace:
        """Ask for a speed (market seconds a wall second); the answer holds a little later.

        Raises:
            UnreachableError: when the owner does not answer.
        """
