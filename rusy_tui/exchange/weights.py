"""One budget of requests for all callers: waits instead of breaking a limit of the exchange.

Limits come from the exchange's announcement, what is used from its response headers. A tenth
of each limit is kept for exits (reduce-only orders, stops, cancels): of the usual 2400 a minute
that is 240. Windows count in wall time.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rusy_tui.domain.clock import Clock

# Kept for exits, as a share of every limit.
_RESERVE = 0.1
# A float that is all but due would otherwise be waited for in steps too small to move time.
_LEAST_WAIT_S = 0.001


class Counted(enum.StrEnum):
    """What a limit counts."""

    WEIGHT = "weight"
    ORDERS = "orders"


class Priority(enum.IntEnum):
    """Who goes first when the budget is short; only exits may use the reserve."""

    EXIT = 0  # stops, exits, cancels, and the questions that they hang on
    RECONCILE = 1  # what the account and its orders are
    ENTRY = 2
    BACKFILL = 3  # candles of the past


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request uses up, and how urgent it is."""

    weight: int = 0
    orders: int = 0
    priority: Priority = Priority.ENTRY

    def of(self, counted: Counted) -> int:
        """The share that a limit counts."""
        return self.weight if counted is Counted.WEIGHT else self.orders


@dataclass(slots=True)
class Limit:
    """So many in a window, and how many are used as the exchange last said.

    ``pending`` are requests let through whose answer has not come; ``counted_at_s`` is the
    monotonic time of the last answer.
    """

    counted: Counted
    window_s: int
    most: int
    used: int = 0
    pending: int = 0
    counted_at_s: float = field(default=float("-inf"))

    def used_at(self, now_s: float) -> int:
        """What is used: a count that is older than a whole window can't hold any more."""
        return self.used if self.counted_at_s + self.window_s > now_s else 0

    def wait_s(self, cost: Cost, now_s: float) -> float:
        """Wall seconds until a request of this cost fits; 0 when it fits now."""
        wanted = cost.of(self.counted)
        if wanted == 0:
            return 0.0
        reserve = 0 if cost.priority is Priority.EXIT else int(self.most * _RESERVE)
        # The exchange's windows are fixed; we don't know where they begin.
        window_left_s = self.counted_at_s + self.window_s - now_s
        used = self.used_at(now_s)
        if used + self.pending + wanted <= self.most - reserve:
            return 0.0
        # Nothing of it used, so only answers under way stand in the way: look again soon.
        return window_left_s if used > 0 else 0.1


# Until the exchange has announced its own: the usual ones.
_USUAL = (
    (Counted.WEIGHT, 60, 2400),
    (Counted.ORDERS, 10, 300),
    (Counted.ORDERS, 60, 1200),
)


class Budget:
    """The requests that are left, shared by every caller of one account and address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limits = [Limit(*usual) for usual in _USUAL]
        self._closed_until_s = float("-inf")
        self.waiting = 0

    @property
    def weight(self) -> Limit:
        """The limit of weight a minute."""
        return self._limits[0]

    @property
    def closed_for_s(self) -> float:
        """Wall seconds in which nothing may be sent at all; 0 outside a ban."""
        return max(0.0, self._closed_until_s - self._clock.monotonic_s())

    @property
    def limits(self) -> Sequence[Limit]:
        """Every limit with its use, for showing."""
        return self._limits

    def announce(self, limits: Sequence[tuple[Counted, int, int]]) -> None:
        """Take the exchange's limits: (what, window in s, most). None of a kind: no change."""
        for counted, window_s, most in limits:
            known = self._find(counted, window_s)
            if known is None:
                self._limits.append(Limit(counted, window_s, most))
            else:
                known.most = most

    async def admit(self, cost: Cost) -> None:
        """Wait until a request of this cost may be sent, and count it as under way.

        Every admission must be followed by :meth:`settle`.
        """
        self.waiting += 1
        try:
            while (wait_s := self._wait_s(cost)) > 0:
                await self._clock.sleep(max(wait_s, _LEAST_WAIT_S))
        finally:
            self.waiting -= 1
        for limit in self._limits:
            limit.pending += cost.of(limit.counted)

    def settle(self, cost: Cost, used: Mapping[tuple[Counted, int], int]) -> None:
        """A request ended; ``used`` is what the answer's headers say, empty without one."""
        now_s = self._clock.monotonic_s()
        for limit in self._limits:
            spent = cost.of(limit.counted)
            limit.pending -= spent
            said = used.get((limit.counted, limit.window_s))
            if said is not None:
                limit.used, limit.counted_at_s = said, now_s
            elif spent:
                # No word on it: it may have been counted all the same.
                stale = now_s - limit.counted_at_s >= limit.window_s
                limit.used = spent if stale else limit.used + spent
                limit.counted_at_s = now_s

    def stop(self, for_s: float) -> None:
        """The exchange said stop: nothing is sent, by anybody, for so many wall seconds."""
        until_s = self._clock.monotonic_s() + for_s
        self._closed_until_s = max(self._closed_until_s, until_s)

    def _wait_s(self, cost: Cost) -> float:
        now_s = self._clock.monotonic_s()
        waits = [limit.wait_s(cost, now_s) for limit in self._limits]
        return max(self._closed_until_s - now_s, *waits)

    def _find(self, counted: Counted, window_s: int) -> Limit | None:
        for limit in self._limits:
            if (limit.counted, limit.window_s) == (counted, window_s):
                return limit
        return None
