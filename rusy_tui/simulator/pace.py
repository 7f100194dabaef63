"""Who decides what time a paced market has and how fast it runs: the simulator, for all."""

import asyncio
from typing import Protocol

from rusy_tui.domain.clock import Clock, Pace
from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.gate import Gate

STANDSTILL = 0.0
"""The speed of a market that has not begun."""

AHEAD_S = 0.15
"""A new pace holds from this far ahead (at least 0.1 s), so that all hear of it in time."""

SLOWEST, FASTEST = 0.01, 3600.0

_REMEMBERED_S = 60.0
"""The longest recvWindow: a request may have been stamped under a pace this long ago."""


class PacedMarketClock(Clock, Protocol):
    """A clock whose pace can be told."""

    @property
    def pace(self) -> Pace:
        """The pace in force now."""

    def set_pace(self, pace: Pace) -> None:
        """Take a pace that holds from its monotonic anchor on."""


class PaceOwner:
    """Changes the pace and says what it now is.

    Args:
        clock: is told.
        fixed: the market runs by itself, and nobody may change its pace.
        gate: is closed while the market trades what a jump of time left behind.
    """

    def __init__(self, clock: PacedMarketClock, gate: Gate, *, fixed: bool = False) -> None:
        self._clock = clock
        self._fixed = fixed
        self._gate = gate
        self._coming = clock.pace
        self._former: list[tuple[float, float]] = []
        self._one_at_a_time = asyncio.Lock()

    @property
    def pace(self) -> Pace:
        """The pace last given out; it may hold only from a moment ahead."""
        return self._coming

    def start(self, speed: float) -> None:
        """Let a market that stands still run, from now on."""
        now_s = self._clock.monotonic_s()
        self._coming = Pace(self._clock.market_ms(), now_s, speed)
        self._clock.set_pace(self._coming)

    async def change(self, speed: float) -> Pace:
        """Run the market at another speed (market seconds a wall second).

        Raises:
            UsageError: when the speed is out of bounds, or the pace is fixed.
        """
        if self._fixed and speed != self._coming.speed:
            raise UsageError(f"speed {speed:g}: a mirrored market runs as its source does")
        if not SLOWEST <= speed <= FASTEST:
            raise UsageError(f"a speed lies between {SLOWEST} and {FASTEST:g}, not {speed}")
        async with self._one_at_a_time:
            former = await self._in_force()
            if speed != former.speed:
                from_s = self._clock.monotonic_s() + AHEAD_S
                self._take(Pace(former.market_ms(from_s), from_s, speed), former)
            return self._coming

    async def advance(self, market_ms: int) -> Pace:
        """Set market time ahead; what lies between trades at once, in order, before this ends.

        A client sees the exchange's clock jump: its next timestamp is refused, and it measures.

        Raises:
            UsageError: when the moment has passed, or the pace is fixed.
        """
        if self._fixed:
            raise UsageError("market_ms: a mirrored market runs as its source does")
        async with self._one_at_a_time:
            former = await self._in_force()
            from_s = self._clock.monotonic_s() + AHEAD_S
            now_ms = former.market_ms(from_s)
            if market_ms <= now_ms:
                raise UsageError(
                    f"market_ms: {market_ms} has passed; time is set ahead of {now_ms} alone"
                )
            self._gate.close(market_ms, now_ms)
            self._take(Pace(market_ms, from_s, former.speed), former)
            coming = self._coming
        await self._gate.passed()
        return coming

    async def _in_force(self) -> Pace:
        """The pace in force, once the one given out last is.

        It is never replaced before: somebody who heard of one but not yet of the other would
        see market time jump.
        """
        left_s = self._coming.monotonic_anchor_s - self._clock.monotonic_s()
        if left_s > 0:
            await self._clock.sleep(left_s)
        return self._clock.pace

    def _take(self, pace: Pace, former: Pace) -> None:
        self._coming = pace
        self._former.append((pace.monotonic_anchor_s, former.speed))
        self._clock.set_pace(pace)

    def fastest(self) -> float:
        """The greatest speed that held within the longest recvWindow."""
        now_s = self._clock.monotonic_s()
        self._former = [(t, v) for t, v in self._former if now_s - t <= _REMEMBERED_S]
        return max([self._clock.speed, *(speed for _, speed in self._former)])
