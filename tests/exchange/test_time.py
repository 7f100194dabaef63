"""The exchange's time: asked again when our clock is set, and its failure said."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from rusy_tui.clock import LockstepClock, LockstepLoop
from rusy_tui.exchange.exchange_time import ExchangeTime, TimeUnknownError
from tests.lockstep import START_MS, in_lockstep


class SettableClock(LockstepClock):
    """A clock whose wall time somebody sets; its monotonic time goes on."""

    step_ms = 0

    def market_ms(self) -> int:
        return super().market_ms() + self.step_ms


def on_settable_clock(
    scene: Callable[[ExchangeTime, SettableClock, list[int]], Awaitable[None]],
    fails: Callable[[int], bool] = lambda _: False,
) -> None:
    """Play a scene with an exchange whose clock is right; ``fails`` by the number of a call."""

    async def main(lockstep: LockstepClock) -> None:
        clock = SettableClock(START_MS, cast(LockstepLoop, asyncio.get_running_loop()))
        asked: list[int] = []

        async def ask() -> tuple[int, int]:
            asked.append(round(clock.monotonic_s()))
            if fails(len(asked)):
                raise TimeUnknownError("no answer")
            true_ms = lockstep.market_ms()
            return true_ms - clock.market_ms() - 20, true_ms - clock.market_ms() + 20

        time = ExchangeTime(clock, ask)
        await time.measure()
        keeping = asyncio.create_task(time.keep())
        try:
            await scene(time, clock, asked)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    in_lockstep(main)


@pytest.mark.parametrize("step_ms", [600, -3_600_000])
def test_a_clock_that_was_set_is_noticed(
    step_ms: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(time: ExchangeTime, clock: SettableClock, asked: list[int]) -> None:
        await clock.sleep(35)
        clock.step_ms = step_ms
        await clock.sleep(11)
        assert time.offset_ms == -step_ms
        assert time.now_ms() == START_MS + round(clock.monotonic_s() * 1000)
        assert asked == [0] * 3 + [40] * 3
        # Said once, and not again.
        await clock.sleep(300)
        assert len(asked) == 6

    with caplog.at_level(logging.WARNING):
        on_settable_clock(scene)
    assert caplog.text.count(f"clock was set by {step_ms:+d} ms") == 1


def test_an_exchange_that_does_not_tell_is_asked_again_and_its_age_shows() -> None:
    async def scene(time: ExchangeTime, clock: SettableClock, asked: list[int]) -> None:
        await clock.sleep(605)
        assert time.age_s == pytest.approx(605)
        await clock.sleep(20)
        assert time.age_s == pytest.approx(625)
        await clock.sleep(10)
        assert time.age_s < 10
        assert asked == [0] * 3 + [600] + [630] * 3

    on_settable_clock(scene, fails=lambda number: number == 4)


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000])
def test_a_clock_that_was_set_proves_no_time_before_it_was_measured_again(
    step_ms: int,
) -> None:
    """A bar that forms must not count as closed because a clock was set forward."""

    async def scene(time: ExchangeTime, clock: SettableClock, asked: list[int]) -> None:
        await clock.sleep(32)
        true_ms = clock.market_ms()
        assert time.sure_ms() == true_ms - time.error_ms
        clock.step_ms = step_ms
        assert time.sure_ms() <= true_ms - time.error_ms
        await clock.sleep(20)
        assert time.sure_ms() == true_ms + 20_000 - time.error_ms

    on_settable_clock(scene)
