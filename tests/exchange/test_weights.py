"""The budget of requests: waits, keeps a reserve for exits, and obeys the exchange's word."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rusy_tui.clock import LockstepClock, new_lockstep_loop
from rusy_tui.exchange.weights import Budget, Cost, Counted, Priority

WEIGHT = (Counted.WEIGHT, 60)
TEN_S = (Counted.ORDERS, 10)


def in_lockstep(
    scenario: Callable[[Budget, LockstepClock], Coroutine[Any, Any, None]],
) -> None:
    loop, clock = new_lockstep_loop(0)
    try:
        loop.run_until_complete(scenario(Budget(clock), clock))
    finally:
        loop.close()


async def use(budget: Budget, cost: Cost, used: dict[tuple[Counted, int], int]) -> None:
    budget.settle(await budget.admit(cost), used)


def test_what_fits_goes_at_once_and_the_rest_waits_for_the_window() -> None:
    async def scenario(budget: Budget, clock: LockstepClock) -> None:
        await use(budget, Cost(weight=10), {WEIGHT: 2155})
        await use(budget, Cost(weight=5), {WEIGHT: 2160})
        assert clock.monotonic_s() == 0
        await use(budget, Cost(weight=1), {})
        assert clock.monotonic_s() == pytest.approx(60)

    in_lockstep(scenario)


def test_exits_may_use_the_reserve_and_no_more() -> None:
    async def scenario(budget: Budget, clock: LockstepClock) -> None:
        await use(budget, Cost(weight=1), {WEIGHT: 2160})
        await use(budget, Cost(weight=240, priority=Priority.EXIT), {WEIGHT: 2400})
        assert clock.monotonic_s() == 0
        await use(budget, Cost(weight=1, priority=Priority.EXIT), {})
        assert clock.monotonic_s() == pytest.approx(60)

    in_lockstep(scenario)


def test_orders_have_limits_of_their_own() -> None:
    async def scenario(budget: Budget, clock: LockstepClock) -> None:
        await use(budget, Cost(orders=1), {TEN_S: 270})
        # Reads don't wait for them.
        await use(budget, Cost(weight=1), {})
        await use(budget, Cost(orders=1, priority=Priority.EXIT), {TEN_S: 271})
        assert clock.monotonic_s() == 0
        await use(budget, Cost(orders=1), {})
        assert clock.monotonic_s() == pytest.approx(10)

    in_lockstep(scenario)


def test_a_burst_counts_before_its_answers_come() -> None:
    async def scenario(budget: Budget, clock: LockstepClock) -> None:
        cost = Cost(orders=1)
        sent: list[float] = []

        async def order() -> None:
            admission = await budget.admit(cost)
            sent.append(clock.monotonic_s())
            await clock.sleep(0.5)
            budget.settle(admission, {})

        await asyncio.gather(*(order() for _ in range(300)))
        at_once = [time for time in sent if time == 0]
        assert len(at_once) == 270
        assert min(time for time in sent if time > 0) >= 10

    in_lockstep(scenario)


def test_a_stop_holds_everybody_and_the_longest_one_wins() -> None:
    async def scenario(budget: Budget, clock: LockstepClock) -> None:
        budget.stop(30)
        budget.stop(10)
        assert budget.closed_for_s == 30
        await use(budget, Cost(weight=1, priority=Priority.EXIT), {})
        assert clock.monotonic_s() == pytest.approx(30)
        assert budget.closed_for_s == 0

    in_lockstep(scenario)


def test_a_stop_also_holds_who_was_let_through_and_has_not_sent() -> None:
    async def scenario(budget: Budget, clock: LockstepClock) -> None:
        budget.announce([(Counted.ORDERS, 10, 1)])
        first = await budget.admit(Cost(orders=1))
        second = asyncio.create_task(budget.admit(Cost(orders=1)))
        await asyncio.sleep(0)
        assert budget.waiting == 1
        # Lets the second one through, which has not run since.
        budget.settle(first, {TEN_S: 0})
        assert budget.waiting == 0
        budget.stop(30)
        budget.settle(await second, {})
        assert clock.monotonic_s() == pytest.approx(30)
        assert [limit.pending for limit in budget.limits] == [0] * len(budget.limits)

    in_lockstep(scenario)


def test_announced_limits_rule() -> None:
    async def scenario(budget: Budget, clock: LockstepClock) -> None:
        budget.announce([(Counted.WEIGHT, 60, 100), (Counted.ORDERS, 3600, 5)])
        await use(budget, Cost(weight=90), {})
        await use(budget, Cost(weight=10, priority=Priority.EXIT), {})
        assert clock.monotonic_s() == 0
        await use(budget, Cost(weight=1), {})
        assert clock.monotonic_s() == pytest.approx(60)
        assert {(limit.counted, limit.window_s) for limit in budget.limits} == {
            WEIGHT, TEN_S, (Counted.ORDERS, 60), (Counted.FUNDING, 300),
            (Counted.STATISTICS, 300), (Counted.ORDERS, 3600),
        }  # fmt: skip

    in_lockstep(scenario)
