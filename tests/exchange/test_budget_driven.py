"""The budget driven to the limit: never over it, wherever windows begin, and in order."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rusy_tui.clock import LockstepClock
from rusy_tui.exchange.limits import Cost, Counted, Priority
from rusy_tui.exchange.weights import Budget
from tests.lockstep import in_lockstep

MOST, WINDOW_S = 100, 60
KEY = (Counted.WEIGHT, WINDOW_S)


class Counter:
    """Counts in fixed windows from a phase on, as the exchange does."""

    def __init__(self, clock: LockstepClock, phase_s: float) -> None:
        self._clock = clock
        self._phase_s = phase_s
        self._counts: dict[int, int] = {}

    def count(self, weight: int) -> int:
        window = int((self._clock.monotonic_s() - self._phase_s + 1e6) // WINDOW_S)
        self._counts[window] = self._counts.get(window, 0) + weight
        return self._counts[window]

    @property
    def greatest(self) -> int:
        return max(self._counts.values(), default=0)


request = st.tuples(
    st.integers(1, 40),  # weight
    st.sampled_from(Priority),
    st.floats(0, 150),  # comes at, s
    st.floats(0.001, 3),  # way there, s
    st.floats(0.001, 3),  # way back, s
    st.booleans(),  # whether the answer is lost
)


@settings(max_examples=60, deadline=None)
@given(requests=st.lists(request, min_size=1, max_size=60), phase_s=st.floats(0, 60))
def test_no_window_is_ever_overfull_and_everybody_gets_through(
    requests: list[tuple[int, Priority, float, float, float, bool]], phase_s: float
) -> None:
    async def main(clock: LockstepClock) -> None:
        budget = Budget(clock)
        budget.announce([(Counted.WEIGHT, WINDOW_S, MOST)])
        counter = Counter(clock, phase_s)

        async def one(
            weight: int, who: Priority, at_s: float, there_s: float, back_s: float, lost: bool
        ) -> None:
            await clock.sleep(at_s)
            admission = await budget.admit(Cost(weight=weight, priority=who))
            await clock.sleep(there_s)
            used = counter.count(weight)
            await clock.sleep(back_s)
            budget.settle(admission, {} if lost else {KEY: used})

        await asyncio.gather(*(one(*each) for each in requests))
        assert counter.greatest <= MOST
        assert budget.waiting == 0
        assert budget.weight.pending == 0
        # No more waiting than the sum of what was asked can explain.
        windows = sum(each[0] for each in requests) // (MOST // 2) + 2
        assert clock.monotonic_s() <= 150 + windows * (WINDOW_S + 6)

    in_lockstep(main)


def test_a_full_budget_is_used_to_its_end_window_by_window() -> None:
    async def main(clock: LockstepClock) -> None:
        budget, counter = Budget(clock), Counter(clock, 17.0)
        budget.announce([(Counted.WEIGHT, WINDOW_S, MOST)])
        sent: list[float] = []

        async def one(number: int) -> None:
            admission = await budget.admit(Cost(weight=1))
            sent.append(clock.monotonic_s())
            await clock.sleep(0.05 + number % 7 * 0.02)
            budget.settle(admission, {KEY: counter.count(1)})

        await asyncio.gather(*(one(n) for n in range(400)))
        assert counter.greatest <= MOST
        # 90 at a time: the tenth that is left is the exits'.
        assert sum(at_s < 1 for at_s in sent) == 90
        assert sent[-1] < 4 * (WINDOW_S + 1) + 1

    in_lockstep(main)


@settings(max_examples=40, deadline=None)
@given(
    phase_s=st.floats(0, 60),
    others=st.lists(st.tuples(st.floats(0, 200), st.integers(1, 30)), max_size=4),
)
def test_a_budget_used_slowly_costs_no_more_than_its_windows(
    phase_s: float, others: list[tuple[float, int]]
) -> None:
    """Three requests a second fill it late: that is not believed for a whole window more."""

    async def main(clock: LockstepClock) -> None:
        asked = 0

        async def one(priority: Priority, budget: Budget) -> None:
            admission = await budget.admit(Cost(weight=1, priority=priority))
            await clock.sleep(0.6)
            used = counter.count(1)
            await clock.sleep(0.6)
            budget.settle(admission, {KEY: used})

        def ask() -> None:
            nonlocal asked
            asked += 1
            asking.append(asyncio.ensure_future(one(Priority.EXIT, budget)))

        async def worker() -> None:
            for _ in range(150):
                await one(Priority.BACKFILL, budget)

        async def other(at_s: float, weight: int) -> None:
            await clock.sleep(at_s)
            counter.count(weight)

        asking: list[asyncio.Future[None]] = []
        budget, counter = Budget(clock, ask), Counter(clock, phase_s)
        budget.announce([(Counted.WEIGHT, WINDOW_S, MOST)])
        strangers = [asyncio.ensure_future(other(*each)) for each in others]
        await asyncio.gather(*(worker() for _ in range(4)))
        spent_s = clock.monotonic_s()
        await asyncio.gather(*asking, *strangers)
        # Whoever uses the same address at the same moment can't be foreseen.
        assert others or counter.greatest <= MOST
        assert asked <= 60
        # 600 of 90 a window, the first of which began anywhere, and half a minute for the last.
        assert others or spent_s <= 7 * (WINDOW_S + 4) + 30

    in_lockstep(main)


def test_waiters_go_by_urgency_then_arrival_and_a_heavy_one_is_not_passed() -> None:
    async def main(clock: LockstepClock) -> None:
        budget = Budget(clock)
        budget.announce([(Counted.WEIGHT, WINDOW_S, MOST)])
        budget.settle(await budget.admit(Cost(weight=1)), {KEY: 90})
        done: list[str] = []

        async def one(name: str, cost: Cost) -> None:
            budget.settle(await budget.admit(cost), {})
            done.append(name)

        costs = {
            "candles": Cost(weight=1, priority=Priority.BACKFILL),
            "entry": Cost(weight=40, priority=Priority.ENTRY),
            "light": Cost(weight=1, priority=Priority.ENTRY),
            "account": Cost(weight=5, priority=Priority.RECONCILE),
            "heavy exit": Cost(weight=20, priority=Priority.EXIT),
            "exit": Cost(weight=1, priority=Priority.EXIT),
            "order": Cost(orders=1),
        }
        tasks = [asyncio.create_task(one(name, cost)) for name, cost in costs.items()]
        await clock.sleep(1)
        # An order needs nothing of what is short.
        assert done == ["order"]
        assert budget.waiting == 6
        await asyncio.gather(*tasks)
        assert done[1:] == ["heavy exit", "exit", "account", "entry", "light", "candles"]

    in_lockstep(main)


def test_who_gives_up_takes_nothing_along() -> None:
    async def main(clock: LockstepClock) -> None:
        budget = Budget(clock)
        budget.announce([(Counted.WEIGHT, WINDOW_S, MOST)])
        holder = await budget.admit(Cost(weight=90))
        waiters = [asyncio.create_task(budget.admit(Cost(weight=50))) for _ in range(3)]
        await clock.sleep(1)
        waiters[0].cancel()
        waiters[1].cancel()
        await asyncio.gather(*waiters[:2], return_exceptions=True)
        assert budget.waiting == 1
        budget.settle(holder, {KEY: 0})
        # Let through, and given up before it could know.
        waiters[2].cancel()
        await asyncio.gather(waiters[2], return_exceptions=True)
        assert (budget.waiting, budget.weight.pending) == (0, 0)

    in_lockstep(main)


def test_an_older_answer_that_comes_late_does_not_lower_the_count() -> None:
    async def main(clock: LockstepClock) -> None:
        budget = Budget(clock)
        budget.announce([(Counted.WEIGHT, WINDOW_S, MOST)])
        early = [await budget.admit(Cost(weight=1)) for _ in range(2)]
        late = await budget.admit(Cost(weight=1))
        budget.settle(late, {KEY: 85})
        for n, each in enumerate(early):
            budget.settle(each, {KEY: 3 + n})
        # 3 and the one that ended meanwhile would be a bound, were there no others; what others
        # use is not unlearned by it.
        assert 85 <= budget.weight.used_at(clock.monotonic_s()) <= 86
        fresh = await budget.admit(Cost(weight=1))
        budget.settle(fresh, {KEY: 86})
        assert budget.weight.used_at(clock.monotonic_s()) == 86

    in_lockstep(main)


def test_what_others_use_is_seen_and_their_next_window_too() -> None:
    async def main(clock: LockstepClock) -> None:
        budget = Budget(clock)
        budget.announce([(Counted.WEIGHT, WINDOW_S, MOST)])
        budget.settle(await budget.admit(Cost(weight=1)), {KEY: 88})
        assert budget.weight.used_at(clock.monotonic_s()) == 88
        budget.settle(await budget.admit(Cost(weight=2)), {KEY: 2})
        assert budget.weight.used_at(clock.monotonic_s()) == 2

    in_lockstep(main)


def test_funding_has_a_pool_of_its_own() -> None:
    async def main(clock: LockstepClock) -> None:
        budget = Budget(clock)
        for _ in range(450):
            budget.settle(await budget.admit(Cost(funding=1)), {})
        assert clock.monotonic_s() == 0
        budget.settle(await budget.admit(Cost(weight=1)), {})
        assert clock.monotonic_s() == 0
        budget.settle(await budget.admit(Cost(funding=1)), {})
        assert clock.monotonic_s() == pytest.approx(300)

    in_lockstep(main)
