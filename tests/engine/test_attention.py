"""The demo runs at real time while somebody has to decide, and at its own speed else."""

import asyncio
from collections.abc import Awaitable, Callable

from rusy_tui.attention import AFTER_FILL_S, Attention
from rusy_tui.clock import LockstepClock
from rusy_tui.domain.clock import Pace
from rusy_tui.domain.errors import UnreachableError
from tests.lockstep import in_lockstep


class Owner:
    """Owns the pace; notes what it was asked for."""

    def __init__(self) -> None:
        self.speeds: list[float] = []
        self.away = False

    async def set_speed(self, speed: float) -> Pace:
        if self.away:
            raise UnreachableError("no answer")
        self.speeds.append(speed)
        return Pace(0, 0.0, speed)


class Scene:
    def __init__(self, clock: LockstepClock, speed: float) -> None:
        self.clock = clock
        self.owner = Owner()
        self.pending = False
        self.told: list[bool] = []
        self.attention = Attention(
            clock,
            self.owner,
            speed,
            lambda: self.pending,
            lambda pace, deciding: self.told.append(deciding),
        )


def play(scene: Callable[[Scene], Awaitable[None]], speed: float = 60.0) -> None:
    async def main(clock: LockstepClock) -> None:
        made = Scene(clock, speed)
        task = asyncio.get_running_loop().create_task(made.attention.run())
        await clock.sleep(0.1)
        await scene(made)
        task.cancel()

    in_lockstep(main)


def test_a_pending_proposal_slows_the_market_until_it_is_decided() -> None:
    async def scene(world: Scene) -> None:
        world.pending = True
        world.attention.look()
        await world.clock.sleep(1)
        world.pending = False
        world.attention.look()
        await world.clock.sleep(1)
        assert world.owner.speeds == [60.0, 1.0, 60.0]
        assert world.told == [False, True, False]

    play(scene)


def test_a_fill_slows_the_market_for_a_while() -> None:
    async def scene(world: Scene) -> None:
        world.attention.fill()
        await world.clock.sleep(AFTER_FILL_S - 1)
        assert world.owner.speeds == [60.0, 1.0]
        world.attention.fill()
        await world.clock.sleep(AFTER_FILL_S - 1)
        assert world.owner.speeds == [60.0, 1.0]
        await world.clock.sleep(2)
        assert world.owner.speeds == [60.0, 1.0, 60.0]

    play(scene)


def test_a_card_slows_the_market_while_any_watcher_has_it_open() -> None:
    async def scene(world: Scene) -> None:
        world.attention.card("ann", True)
        world.attention.card("bob", True)
        await world.clock.sleep(1)
        world.attention.card("ann", False)
        await world.clock.sleep(1)
        assert world.owner.speeds == [60.0, 1.0]
        world.attention.card("bob", False)
        await world.clock.sleep(1)
        assert world.owner.speeds == [60.0, 1.0, 60.0]

    play(scene)


def test_a_demo_that_is_slower_than_real_time_is_not_sped_up() -> None:
    async def scene(world: Scene) -> None:
        world.attention.fill()
        await world.clock.sleep(1)
        assert world.owner.speeds == [0.5, 0.5]

    play(scene, speed=0.5)


def test_an_owner_that_did_not_answer_is_asked_again() -> None:
    async def scene(world: Scene) -> None:
        world.owner.away = True
        world.attention.card("ann", True)
        await world.clock.sleep(1)
        world.owner.away = False
        await world.clock.sleep(3)
        assert world.owner.speeds == [60.0, 1.0]

    play(scene)
