"""One collector serves many engines, whatever happens to it."""

import dataclasses
import os
import socket

import pytest

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.settings import Pair, Timeframe
from rusy_tui.launch_lockstep import World
from tests.data_faults.collected import START_MS, STEP, SYMBOL, Scene, configured, played

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROW = f"{SYMBOL} 15m"
LOCK_LINE = "collector lock"
# What two engines are given and make of it. Which of them the exchange answers first at one
# instant may differ between runs, and with it the latencies of their orders.
_TABLES = ("market_data", "model_predictions")


def _gates(here: World) -> list[str]:
    return [gate.name for gate in here.parts.publisher.state.gates]


def test_one_collector_serves_two_engines() -> None:
    """Each decides on every bar, and alike in every run."""

    async def act(scene: Scene) -> list[list[str]]:
        await scene.collector.start()
        first = await scene.engine(configured())
        second = await scene.engine(configured(), account=1)
        await scene.play()
        end_ms = START_MS + 6 * STEP
        for here in (first, second):
            await here.engine.decided(end_ms)
        await scene.clock.sleep(10)
        assert await scene.differences(end_ms) == []
        assert await scene.votes(6) == 6
        assert await scene.proposals() == await scene.proposals("lockstep-1") != []
        rows = []
        for table in _TABLES:
            query = f"SELECT t::text AS row FROM {table} t ORDER BY 1"
            found = await scene.data.database.rows(query)
            rows.append([row["row"] for row in found])
        return rows

    assert played(act, accounts=2) == played(act, accounts=2)


def test_entries_stop_within_a_bar_of_a_collectors_death_and_resume_after_the_repair() -> None:
    async def act(scene: Scene) -> None:
        await scene.collector.start()
        here = await scene.engine(configured())
        await scene.play()
        await here.engine.decided(START_MS + 2 * STEP)
        await scene.at(2.5)
        assert _gates(here) == []
        await scene.collector.kill()
        # The next bar never comes; one heartbeat later nothing is entered any more.
        await scene.at(3.2)
        assert _gates(here) == ["bars missing"]
        await scene.at(5.5)
        assert await scene.votes(7) == 2
        assert all(bar < 3 for bar in await scene.proposals())

        await scene.collector.start()
        await scene.at(5.7)
        assert _gates(here) == []
        # What came late was voted on, for the record, and nothing was proposed of it.
        assert await scene.votes(7) == 5
        assert all(bar < 3 for bar in await scene.proposals())
        end_ms = START_MS + 10 * STEP
        await here.engine.decided(end_ms)
        assert await scene.votes(10) == 10
        assert any(bar > 5 for bar in await scene.proposals())
        assert await scene.differences(end_ms) == []

        missing, whole = await scene.noted("lockstep", ROW)
        assert missing["missing_from_ms"] == START_MS + 2 * STEP
        assert missing["collector"] == "nobody"
        assert whole == {"whole_until_ms": START_MS + 5 * STEP}

    played(act)


def test_a_database_that_is_away_under_both_loses_no_bar() -> None:
    async def act(scene: Scene) -> None:
        await scene.collector.start()
        here = await scene.engine(configured())
        await scene.play()
        await here.engine.decided(START_MS + 2 * STEP)
        await scene.at(2.8)
        with scene.database_away():
            await scene.at(4.5)
            assert set(_gates(here)) >= {"bars missing"}
        await scene.at(4.7)
        assert _gates(here) == []
        end_ms = START_MS + 6 * STEP
        await here.engine.decided(end_ms)
        assert await scene.votes(6) == 6
        assert await scene.differences(end_ms) == []
        collector = await scene.noted("collector", "database")
        assert [each["state"] for each in collector] == ["away", "back"]
        engine = await scene.noted("lockstep", "database")
        assert [each["state"] for each in engine] == ["away", "back"]

    played(act)


def test_a_second_collector_is_refused_with_the_name_of_the_first() -> None:
    async def act(scene: Scene) -> None:
        await scene.collector.start()
        await scene.play()
        await scene.at(1.1)
        second = await scene.another()
        us = f"process {os.getpid()} on {socket.gethostname()}"
        with pytest.raises(StorageError, match=f"{us}, since 2024-03-04 08:00:"):
            await second.start()
        # Nothing that the first collects was touched by it.
        await scene.at(2.1)
        assert await scene.differences(START_MS + 2 * STEP) == []
        # A killed one is in nobody's way.
        await scene.collector.kill()
        await second.start()
        with pytest.raises(StorageError, match=f"{us}, since 2024-03-04 08:31:"):
            await scene.collector.start()
        await scene.at(4.1)
        assert await scene.differences(START_MS + 4 * STEP) == []
        refused = await scene.noted("collector", LOCK_LINE, "lock")
        assert [(each["held"], each["refused"]) for each in refused] == [(False, us)] * 2
        assert all("demo/BTCUSDT" in each["why"] for each in refused)

    played(act)


def test_a_collector_that_lost_its_place_to_another_gives_up() -> None:
    async def act(scene: Scene) -> None:
        await scene.collector.start()
        await scene.play()
        await scene.at(1.1)
        second = await scene.another()
        with scene.collector.cut_off():
            await second.start()
        assert "has lost its place" in await scene.collector.ended()
        await scene.collector.kill()
        await scene.at(3.1)
        assert await scene.differences(START_MS + 3 * STEP) == []
        lines = await scene.noted("collector", LOCK_LINE, "lock")
        gone, away, taken, end = lines
        assert "that holds it is gone" in gone["why"]
        assert away["why"] == "no connection"
        assert "demo/BTCUSDT is collected by another" in taken["why"]
        assert (end["gave_up"], end["why"]) == (True, taken["why"])
        assert [each["held"] for each in lines] == [False] * 4
        assert {each["lost_ms"] for each in lines} == {gone["lost_ms"]}
        assert START_MS + STEP < gone["lost_ms"] < START_MS + 2 * STEP

    played(act)


def test_each_pair_has_the_timeframes_that_are_written_for_it() -> None:
    made = configured()
    minutes = Pair(
        symbol="ETHUSDT",
        timeframes=tuple(Timeframe(interval=each) for each in Interval),
    )
    data = dataclasses.replace(made.data, pairs=(Pair(symbol=SYMBOL), minutes), lookback_days=1)

    async def act(scene: Scene) -> set[tuple[str, str]]:
        await scene.collector.start()
        await scene.play()
        await scene.at(1.2)
        query = "SELECT DISTINCT symbol, timeframe FROM market_data WHERE open_time >= $1"
        rows = await scene.data.database.rows(query, START_MS - 4 * STEP)
        return {(row["symbol"], row["timeframe"]) for row in rows}

    assert played(act, collected=dataclasses.replace(made, data=data)) == {
        ("BTCUSDT", "15m"),
        ("BTCUSDT", "1h"),
        ("ETHUSDT", "1m"),
        ("ETHUSDT", "15m"),
        ("ETHUSDT", "1h"),
    }
