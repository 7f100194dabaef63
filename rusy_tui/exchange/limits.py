"""What of a rate limit is used: an upper bound, from our own count and the exchange's word.

The exchange counts in fixed windows and does not tell where they begin. What is computed here
holds wherever they do, with any number of requests under way and answers in any order:

* a request counts from its sending until a whole window after its answer: no window that is
  open now can hold more of ours than that;
* an answer that came with a count proves more. Whatever was answered before its request was
  sent is in that count, or in a window that is over; so the count, and what of ours ended
  since the sending or is still under way, is all that can be used. This holds others at the
  same address as well, and it sees the next window begin.
"""

import enum
from collections import deque
from dataclasses import dataclass, field


class Counted(enum.StrEnum):
    """What a limit counts."""

    WEIGHT = "weight"
    ORDERS = "orders"
    FUNDING = "funding"  # requests for funding rates, which have a pool of their own
    STATISTICS = "statistics"  # the same of those under /futures/data, such as open interest


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
    funding: int = 0
    statistics: int = 0
    priority: Priority = Priority.ENTRY

    def of(self, counted: Counted) -> int:
        """The share that a limit counts."""
        match counted:
            case Counted.WEIGHT:
                return self.weight
            case Counted.ORDERS:
                return self.orders
            case Counted.FUNDING:
                return self.funding
            case Counted.STATISTICS:
                return self.statistics


@dataclass(slots=True)
class _Said:
    """A count that came with an answer.

    ``since`` is what of ours ended after its request was admitted, itself left out; ``settled``
    the order of its end among all events.
    """

    used: int
    since: int
    settled: int
    at_s: float


@dataclass(slots=True)
class Limit:
    """So many in a window. Times are of the monotonic clock, in seconds.

    ``pending`` are requests let through whose answer has not come; ``known_from`` is the
    order of the event by which the limit came to be known.
    """

    counted: Counted
    window_s: int
    most: int
    pending: int = 0
    known_from: int = 0
    # Ended requests: order of the event, when, how much.
    _ended: deque[tuple[int, float, int]] = field(default_factory=deque)
    _said: _Said | None = None
    # When the running count was first told, in whichever window that was.
    _told_s: float = float("-inf")

    def used_at(self, now_s: float) -> int:
        """What is used and answered for, at most."""
        self._forget(now_s)
        if self._said is not None:
            return self._said.used + self._said.since
        return sum(amount for _, _, amount in self._ended)

    def room(self, now_s: float, reserve: int) -> int:
        """What may be let through now, leaving the reserve; negative when it is overdrawn."""
        return self.most - reserve - self.used_at(now_s) - self.pending

    def changes_at_s(self) -> float:
        """When time alone next makes room; infinity when only answers can."""
        times = [at_s for _, at_s, _ in list(self._ended)[:1]]
        if self._said is not None:
            times.append(self._said.at_s)
        return min(times, default=float("inf")) + self.window_s

    def over_at_s(self) -> float:
        """When the window in which the running count began is over for certain.

        Whatever is told later may still count from before: only an answer tells, and from then
        on it is worth asking for one. Infinity where nothing was told.
        """
        return float("inf") if self._said is None else self._told_s + self.window_s

    def settle(
        self, amount: int, said: int | None, admitted: int, settled: int, now_s: float
    ) -> None:
        """A request of ours ended.

        Args:
            amount: what it cost.
            said: the count that its answer told, None without one.
            admitted: the order of its admission among all events.
            settled: that of this one.
            now_s: when.
        """
        self._forget(now_s)
        self.give_back(amount, admitted)
        if said is not None:
            since = sum(cost for ended, _, cost in self._ended if ended > admitted)
            self._take(_Said(said, since, settled, now_s), admitted, amount)
        elif self._said is not None:
            self._said.since += amount
        if amount:
            self._ended.append((settled, now_s, amount))

    def give_back(self, amount: int, admitted: int) -> None:
        """A request is no longer under way."""
        # One that was let through before the limit was known is not counted in it.
        if admitted >= self.known_from:
            self.pending -= amount

    def _take(self, new: _Said, admitted: int, amount: int) -> None:
        old = self._said
        if old is None or (admitted >= old.settled and new.used < old.used):
            self._told_s = new.at_s
        if old is not None and admitted < old.settled:
            # Under way at the same time, so neither came last for certain. Of ours the closer
            # bound holds; of what others use, the greater count must not be unlearned.
            bound = min(old.used + old.since + amount, new.used + new.since)
            if old.used > new.used:
                new = old
            new.since = max(bound - new.used, 0)
        self._said = new

    def _forget(self, now_s: float) -> None:
        """Leave out what no open window can hold any more."""
        before_s = now_s - self.window_s
        while self._ended and self._ended[0][1] <= before_s:
            self._ended.popleft()
        if self._said is not None and self._said.at_s <= before_s:
            self._said = None
