"""A time-out never swallows a cancellation: a task that was told to end ends."""

import asyncio

import pytest

from rusy_tui.clock import LockstepClock, SystemClock
from tests.lockstep import in_lockstep


async def scene(clock: SystemClock | LockstepClock) -> None:
    """What is waited for ends in the very moment in which its waiter is cancelled."""
    awaited = asyncio.get_running_loop().create_future()
    task = asyncio.get_running_loop().create_task(clock.within(10, awaited))
    await asyncio.sleep(0)
    awaited.set_result(None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def late(clock: SystemClock | LockstepClock) -> None:
    """What is late is cancelled itself."""
    awaited = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await clock.within(0.01, awaited)
    assert awaited.cancelled()


def test_a_cancelled_task_ends_though_its_wait_has_just_ended_too() -> None:
    in_lockstep(scene)
    asyncio.run(scene(SystemClock()))


def test_what_is_late_is_cancelled() -> None:
    in_lockstep(late)
    asyncio.run(late(SystemClock()))


def test_what_comes_in_time_is_returned() -> None:
    async def quick(clock: LockstepClock) -> int:
        async def work() -> int:
            await clock.sleep(1)
            return 7

        return await clock.within(2, work())

    assert in_lockstep(quick) == 7
