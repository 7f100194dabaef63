"""The three kinds of clock: system, paced and lockstep. The only source of time.

*System* reads the machine. *Paced* runs market time at a chosen multiple of the machine's
monotonic clock, for people to look at. *Lockstep* stands still while anything is at work
and jumps to the next due timer when all is at rest: a day takes as long as its work, and
equal input gives equal results.
"""

import asyncio
import heapq
import itertools
import selectors
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, TypeVar

from rusy_tui.domain.clock import Pace

T = TypeVar("T")

# Never wait longer than this for a pace that might change meanwhile.
_PACE_CHECK_S = 0.05
# Nor than this for a wall clock that might be set, or of a machine that might sleep: timers
# stand still then, the wall clock doesn't.
_WALL_CHECK_S = 1.0


class _NotCounted:
    """The in-flight count of clocks that run by themselves: nothing to count."""

    def sent(self, channel: str) -> None: ...

    def received(self, channel: str) -> None: ...

    def closed(self, channel: str) -> None: ...


class SystemClock:
    """Market time is wall time: live, paper and testnet."""

    def __init__(self) -> None:
        self.in_flight = _NotCounted()

    @property
    def speed(self) -> float:
        return 1.0

    def market_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, wall_s: float) -> None:
        await asyncio.sleep(wall_s)

    async def sleep_until_market(self, market_ms: int) -> None:
        while (left_ms := market_ms - self.market_ms()) > 0:
            await asyncio.sleep(min(left_ms / 1000, _WALL_CHECK_S))

    @contextmanager
    def outside_work(self) -> Generator[None]:
        yield

    async def in_thread(self, job: Callable[[], T]) -> T:
        return await asyncio.to_thread(job)

    async def within(self, wall_s: float, awaitable: Awaitable[T]) -> T:
        # Not wait_for: that of Python 3.11 swallows a cancellation that comes with the result.
        async with asyncio.timeout(wall_s):
            return await awaitable


class PacedClock(SystemClock):
    """Market time runs at a multiple of the monotonic clock, from an anchor.

    The simulator owns the pace; everybody else is told a new one with :meth:`set_pace`. A new
    pace holds from its own anchor on, which lies a little ahead, so that all processes change
    at the same instant; until then the former one holds.
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace
        self._next: Pace | None = None

    @property
    def pace(self) -> Pace:
        """The pace in force now."""
        if self._next is not None and time.monotonic() >= self._next.monotonic_anchor_s:
            self._pace, self._next = self._next, None
        return self._pace

    @property
    def speed(self) -> float:
        return self.pace.speed

    def set_pace(self, pace: Pace) -> None:
        """Take a pace that holds from its monotonic anchor on."""
        _ = self.pace
        self._next = pace

    def market_ms(self) -> int:
        return self.pace.market_ms(time.monotonic())

    async def sleep_until_market(self, market_ms: int) -> None:
        while (left_ms := market_ms - self.market_ms()) > 0:
            await asyncio.sleep(min(left_ms / 1000 / self.speed, _PACE_CHECK_S))


class LockstepClock:
    """Time that stands still while anything is at work, and then jumps.

    Market, wall and monotonic time are one number here. It needs the event loop of
    :func:`new_lockstep_loop`; several engines and a simulator in one loop share one clock.
    """

    def __init__(self, start_ms: int, loop: "LockstepLoop") -> None:
        self._start_ms = start_ms
        self._loop = loop
        self.in_flight = _Counted(loop.gate)

    @property
    def speed(self) -> float:
        return 1.0

    def market_ms(self) -> int:
        return self._start_ms + round(self._loop.time() * 1000)

    def wall_ms(self) -> int:
        return self.market_ms()

    def monotonic_s(self) -> float:
        return self._loop.time()

    async def sleep(self, wall_s: float) -> None:
        await asyncio.sleep(wall_s)

    async def sleep_until_market(self, market_ms: int) -> None:
        while (left_ms := market_ms - self.market_ms()) > 0:
            await asyncio.sleep(left_ms / 1000)

    @contextmanager
    def outside_work(self) -> Generator[None]:
        self._loop.gate.raise_by(1)
        try:
            yield
        finally:
            self._loop.gate.lower_by(1)

    async def in_thread(self, job: Callable[[], T]) -> T:
        # Here and now: a thread would end before or after a call of the database, as it comes.
        return job()

    async def within(self, wall_s: float, awaitable: Awaitable[T]) -> T:
        # Not wait_for: that of Python 3.11 swallows a cancellation that comes with the result.
        async with asyncio.timeout(wall_s):
            return await awaitable


class _Gate:
    """The count of work outside the loop; time may pass only while it is zero."""

    def __init__(self) -> None:
        self.count = 0

    def raise_by(self, n: int) -> None:
        self.count += n

    def lower_by(self, n: int) -> None:
        if n > self.count:
            raise RuntimeError(f"outside work lowered by {n}, only {self.count} under way")
        self.count -= n


class _Counted:
    """Stream messages under way, channel by channel, each one a piece of outside work."""

    def __init__(self, gate: _Gate) -> None:
        self._gate = gate
        self._under_way: Counter[str] = Counter()

    def sent(self, channel: str) -> None:
        self._under_way[channel] += 1
        self._gate.raise_by(1)

    def received(self, channel: str) -> None:
        # A message may be parsed after its channel was given up: it was lowered then.
        if self._under_way[channel] > 0:
            self._under_way[channel] -= 1
            self._gate.lower_by(1)

    def closed(self, channel: str) -> None:
        self._gate.lower_by(self._under_way.pop(channel, 0))


class _LockstepSelector:
    """Wraps the real selector: waits in real time only for outside work, else moves time.

    asyncio asks the selector to wait until the next timer is due. When nothing is ready and no
    outside work is counted, this moves the loop's number there and returns at once.
    """

    def __init__(self, gate: _Gate) -> None:
        self._real = selectors.DefaultSelector()
        self._gate = gate
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._gate.count > 0 or timeout is None:
            return self._real.select(None)
        self.now_s += timeout
        return []

    def __getattr__(self, name: str) -> Any:
        # register, modify, unregister, get_key, get_map, close: the real one's.
        return getattr(self._real, name)


class _OrderedTimer(asyncio.TimerHandle):
    """A timer that runs in order of registration among those of equal time."""

    __slots__ = ("_order",)

    def __init__(self, order: int, *args: Any) -> None:
        super().__init__(*args)
        self._order = order

    def __lt__(self, other: object) -> bool:
        if isinstance(other, _OrderedTimer):
            return (self.when(), self._order) < (other.when(), other._order)
        return NotImplemented


class LockstepLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a number that only :class:`_LockstepSelector` moves."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self.gate = _Gate()
        self._moved = _LockstepSelector(self.gate)
        self._orders = itertools.count()
        super().__init__(self._moved)  # type: ignore[arg-type]  # it duck-types a selector
        # asyncio calls a timer due within this of now. The machine's own, a nanosecond, is
        # lost in a float after half a year of seconds: the loop would spin for ever.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._moved.now_s

    def call_at(  # type: ignore[override]  # typeshed's variadic form has no plain spelling
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self._check_closed()  # type: ignore[attr-defined]
        timer = _OrderedTimer(next(self._orders), when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]  # as BaseEventLoop.call_at does
        return timer


def new_lockstep_loop(start_ms: int) -> tuple[LockstepLoop, LockstepClock]:
    """An event loop and the clock that goes with it, starting at a market time."""
    loop = LockstepLoop()
    return loop, LockstepClock(start_ms, loop)
