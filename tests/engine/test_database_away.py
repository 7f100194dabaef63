"""An engine whose database goes away and comes back, in a whole world."""

import asyncio

import pytest

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.modes import Mode
from rusy_tui.launch_lockstep import World
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from tests.engine.votes import LONG, Scene, played
from tests.simulation.worlds import play_in, settings

START_MS = 1_709_539_200_000
SYMBOLS = ("BTCUSDT",)


def test_entries_pause_while_the_database_is_away_and_go_on_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gate names the database, closes no other gate, and opens by itself."""

    async def act(here: World) -> None:
        clock, store, publisher = here.parts.clock, here.parts.store, here.parts.publisher
        await here.engine.decided(START_MS + Interval.M15.ms)

        def shown() -> tuple[list[str], bool]:
            state = publisher.state
            return [gate.name for gate in state.gates], state.connection.database

        async def away(*_: object) -> int:
            raise StorageError("the database is away")

        with monkeypatch.context() as patch:
            patch.setattr(store.journal, "append", away)
            await clock.sleep_until_market(START_MS + 2 * Interval.M15.ms + 60_000)
            assert shown() == (["database"], False)
        await clock.sleep_until_market(START_MS + 3 * Interval.M15.ms + 60_000)
        await asyncio.sleep(0)
        assert shown() == ([], True)
        await here.engine.decided(START_MS + 4 * Interval.M15.ms)

    feed = SyntheticFeed(5, START_MS, SYMBOLS, step_ms=60_000)
    play_in(feed, settings(SYMBOLS), act)


def test_a_call_that_failed_once_costs_the_next_bar_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act(scene: Scene) -> None:
        await scene.bar(1)
        scene.votes["BTCUSDT"] = LONG

        async def away(*_: object) -> bool:
            raise StorageError("the database is away")

        with monkeypatch.context() as patch:
            patch.setattr(scene.store.predictions, "add", away)
            await scene.at(31)
            assert scene.gates() == ["database"]
        assert await scene.proposed() == []
        await scene.bar(3)
        assert await scene.proposed() == ["BTCUSDT"]

    played(settings(SYMBOLS, mode=Mode.APPROVE), act, monkeypatch)
