"""One budget of requests for all callers: waits instead of breaking a limit of the exchange.

Limits come from the exchange's announcement, what is used from its response headers. A tenth
of each limit is kept for exits (reduce-only orders, stops, cancels): of the usual 2400 a minute
that is 240. Windows count in wall time.

Who must wait stands in line by priority, then by arrival. A request that does not fit holds
back those behind it that need the same limit, so that a heavy one is not passed for ever by
light ones; those that need only other limits go on. Waiters are woken; nobody polls.

A full count is believed for a whole window, though the exchange's own may be over long before.
So while somebody waits, and a window has passed since the count began, one light question from
the reserve tells how it stands: without it a minute's budget would last a minute and a half.
"""

import asyncio
import bisect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rusy_tui.domain.clock import Clock
from rusy_tui.exchange.limits import Cost, Counted, Limit, Priority

__all__ = ["Admission", "Budget", "Cost", "Counted", "Limit", "Priority"]

# Kept for exits, as a share of every limit.
_RESERVE = 0.1
# A float that is all but due would otherwise be waited for in steps too small to move time.
_LEAST_WAIT_S = 0.001
# Whose count is still full is asked again after this.
_ASK_AGAIN_S = 2.0

# Until the exchange has announced its own: the usual ones. The last two are announced nowhere
# but in the SDK's docstrings, both by address: funding rates and funding info share one, and
# open interest statistics (weight 0) have the other.
_USUAL = (
    (Counted.WEIGHT, 60, 2400),
    (Counted.ORDERS, 10, 300),
    (Counted.ORDERS, 60, 1200),
    (Counted.FUNDING, 300, 500),
    (Counted.STATISTICS, 300, 1000),
)


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may be sent. ``order`` is its place among all that happened."""

    cost: Cost
    order: int


@dataclass(slots=True)
class _Waiter:
    cost: Cost
    arrival: int
    admitted: "asyncio.Future[Admission]" = field(compare=False)

    @property
    def place(self) -> tuple[int, int]:
        return self.cost.priority, self.arrival


class Budget:
    """The requests that are left, shared by every caller of one account and address.

    Args:
        clock: windows count in its wall time.
        ask: sends one light request as an exit, whose answer tells how much weight is used;
            None for nothing of that kind.
    """

    def __init__(self, clock: Clock, ask: Callable[[], None] | None = None) -> None:
        self._clock = clock
        self._limits = [Limit(*usual) for usual in _USUAL]
        self._closed_until_s = float("-inf")
        self._line: list[_Waiter] = []
        self._events = itertools.count()
        self._timer: asyncio.Task[None] | None = None
        self._timer_at_s = float("inf")
        self._ask = ask
        self._ask_from_s = float("-inf")

    @property
    def waiting(self) -> int:
        """How many requests stand in line."""
        return len(self._line)

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
                new = Limit(counted, window_s, most, known_from=next(self._events))
                self._limits.append(new)
            else:
                known.most = most
        self._let_through()

    async def admit(self, cost: Cost) -> Admission:
        """Wait until a request of this cost may be sent, and count it as under way.

        Every admission must be followed by :meth:`settle`.
        """
        future: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(cost, next(self._events), future)
        bisect.insort(self._line, waiter, key=lambda each: each.place)
        self._let_through()
        try:
            admission = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                # Let through and given up in the same moment: it was never sent.
                self._give_back(future.result())
            elif waiter in self._line:
                self._line.remove(waiter)
            self._let_through()
            raise
        if self.closed_for_s > 0:
            # The exchange said stop after this one was let through and before it was sent.
            self._give_back(admission)
            return await self.admit(cost)
        return admission

    def settle(self, admission: Admission, used: Mapping[tuple[Counted, int], int]) -> None:
        """A request ended; ``used`` is what the answer's headers say, empty without one."""
        now_s, settled = self._clock.monotonic_s(), next(self._events)
        for limit in self._limits:
            amount = admission.cost.of(limit.counted)
            said = used.get((limit.counted, limit.window_s))
            if amount or said is not None:
                limit.settle(amount, said, admission.order, settled, now_s)
        self._let_through()

    def stop(self, for_s: float) -> None:
        """The exchange said stop: nothing is sent, by anybody, for so many wall seconds."""
        until_s = self._clock.monotonic_s() + for_s
        self._closed_until_s = max(self._closed_until_s, until_s)

    def _give_back(self, admission: Admission) -> None:
        """What was let through is not sent."""
        for limit in self._limits:
            limit.give_back(admission.cost.of(limit.counted), admission.order)

    def _let_through(self) -> None:
        """Admit whoever fits, in order; be woken when time makes more room."""
        now_s = self._clock.monotonic_s()
        if self._closed_until_s > now_s:
            self._wake_at(self._closed_until_s, now_s)
            return
        # By identity: limits of equal figures are not one limit.
        held: dict[int, Limit] = {}
        for waiter in list(self._line):
            if len(held) == len(self._limits):
                break
            if waiter.admitted.done():
                continue  # given up, and about to leave the line by itself
            needed = [limit for limit in self._limits if waiter.cost.of(limit.counted)]
            short = [
                limit
                for limit in needed
                if id(limit) in held or not self._fits(limit, waiter.cost, now_s)
            ]
            if short:
                held |= {id(limit): limit for limit in short}
                continue
            self._line.remove(waiter)
            for limit in needed:
                limit.pending += waiter.cost.of(limit.counted)
            waiter.admitted.set_result(Admission(waiter.cost, next(self._events)))
        wake_s = min((each.changes_at_s() for each in held.values()), default=float("inf"))
        if id(self.weight) in held and self._ask is not None:
            ask_s = max(self.weight.over_at_s(), self._ask_from_s)
            if ask_s <= now_s:
                ask_s = self._ask_from_s = now_s + _ASK_AGAIN_S
                self._ask()
            wake_s = min(wake_s, ask_s)
        self._wake_at(wake_s, now_s)

    @staticmethod
    def _fits(limit: Limit, cost: Cost, now_s: float) -> bool:
        reserve = 0 if cost.priority is Priority.EXIT else int(limit.most * _RESERVE)
        room, wanted = limit.room(now_s, reserve), cost.of(limit.counted)
        # What is heavier than the whole limit goes alone, or it would wait for ever.
        return wanted <= room or room == limit.most - reserve

    def _wake_at(self, at_s: float, now_s: float) -> None:
        """Look again at a time, while somebody waits."""
        if not self._line or at_s == float("inf"):
            at_s = float("inf")
        if self._timer is not None and self._timer_at_s != at_s:
            self._timer.cancel()
            self._timer = None
        self._timer_at_s = at_s
        if at_s < float("inf") and self._timer is None:
            wait_s = max(at_s - now_s, _LEAST_WAIT_S)
            self._timer = asyncio.create_task(self._look_after(wait_s), name="budget")

    async def _look_after(self, wait_s: float) -> None:
        await self._clock.sleep(wait_s)
        self._timer = None
        self._let_through()

    def _find(self, counted: Counted, window_s: int) -> Limit | None:
        for limit in self._limits:
            if (limit.counted, limit.window_s) == (counted, window_s):
                return limit
        return None
