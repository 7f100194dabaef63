"""Leaving, and losing the engine: what is asked, what is sent, what the app ends with."""

import asyncio

import pytest

from rusy_tui.domain.commands import Command, Reply, StopEngine
from rusy_tui.domain.errors import UnreachableError
from rusy_tui.domain.events import Snapshot
from tests.console import sample
from tests.console.scripted import HeldConsole, ScriptedLink, settled

SIZE = (100, 30)


async def test_detach_leaves_the_engine_alone() -> None:
    app = HeldConsole(sample.holding())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.press("q", "d")
        await pilot.pause()
    assert app.return_value == "detach"
    assert app.link.sent() == []


async def test_escape_stays() -> None:
    app = HeldConsole(sample.holding())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.press("q", "escape", "t")
        assert app.watch_state.interval == "1h"
        assert app.return_value is None


async def test_stop_tells_the_engine_and_waits_for_its_answer() -> None:
    app = HeldConsole(sample.holding())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.press("q", "s")
        await pilot.pause()
    assert app.return_value == "stop"
    (sent,) = app.link.sent()
    assert isinstance(sent, StopEngine)
    assert not sent.flatten


async def test_flatten_then_stop_wants_the_word() -> None:
    app = HeldConsole(sample.holding())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.press("q", "f", *"flat", "enter")
        assert app.link.sent() == []
        await pilot.press(*"flatten", "enter")
        await pilot.pause()
    assert app.return_value == "flatten_stop"
    (sent,) = app.link.sent()
    assert isinstance(sent, StopEngine)
    assert sent.flatten


async def test_a_stop_that_fails_is_said_and_the_console_stays() -> None:
    def not_flat(command: Command) -> Reply:
        return Reply(command.command_id, False, "failed", "ETHUSDT is still open")

    app = HeldConsole(sample.holding(), not_flat)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.press("q", "f", *"flatten", "enter")
        await settled(pilot)
        assert app.return_value is None
        assert app.screen is app.main
        assert "ETHUSDT is still open" in app.text()


@pytest.mark.parametrize("key", ["ctrl+c", "ctrl+q"])
async def test_interrupting_asks_first(key: str) -> None:
    app = HeldConsole(sample.holding())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.press(key)
        assert app.screen is not app.main
        app.pass_time(2.5)
        await pilot.press(key)
        assert app.return_value is None
        await pilot.press("escape")
        assert app.screen is app.main


async def test_interrupting_twice_leaves_at_once() -> None:
    app = HeldConsole(sample.holding())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+c")
        app.pass_time(1.5)
        await pilot.press("ctrl+c")
        await pilot.pause()
    assert app.return_value == "detach"
    assert app.link.sent() == []


async def test_a_lost_engine_is_said_and_may_be_started_again() -> None:
    app = HeldConsole(sample.deciding())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.press("a")
        app.link.cut("the engine was killed")
        await settled(pilot)
        assert "NO ENGINE" in app.text()
        assert "the engine was killed" in app.text()
        assert app.watch_state.arming.armed is None
        await pilot.press("a")
        assert app.watch_state.arming.armed is None
        app.link.push(Snapshot(sample.holding()))
        await pilot.press("r")
        await settled(pilot)
        assert app.starts == 1
        assert "NO ENGINE" not in app.text()


async def test_a_restart_says_how_far_it_is_and_why_it_failed() -> None:
    go_on = asyncio.Event()

    class Refused(HeldConsole):
        async def _restarted(self) -> ScriptedLink:
            await go_on.wait()
            raise UnreachableError("the database directory is gone")

    app = Refused(sample.holding())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        app.link.cut("the engine was killed")
        await settled(pilot)
        await pilot.press("r")
        app.paint()
        assert "starting the engine again" in app.text()
        go_on.set()
        await settled(pilot)
        assert "the database directory is gone" in app.text()
        assert "NO ENGINE" in app.text()


async def test_a_lost_engine_can_be_left() -> None:
    app = HeldConsole(sample.holding())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        app.link.cut("gone")
        await settled(pilot)
        await pilot.press("q")
        await pilot.pause()
    assert app.return_value == "detach"


async def test_the_console_paints_and_leaves_while_the_engine_still_starts() -> None:
    class Waiting(HeldConsole):
        async def _connected(self) -> ScriptedLink:
            self.report_progress("the simulator starts")
            await asyncio.Future()
            raise AssertionError

    app = Waiting(None)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.paint()
        assert "starting" in app.text()
        assert "the simulator starts" in app.text()
        await pilot.press("q", "d")
        await pilot.pause()
    assert app.return_value == "detach"


async def test_a_stop_during_the_start_reaches_the_engine_once_it_listens() -> None:
    listening = asyncio.Event()

    class Slow(HeldConsole):
        async def _connected(self) -> ScriptedLink:
            await listening.wait()
            return self.link

    app = Slow(sample.starting())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("q", "s")
        assert app.link.sent() == []
        listening.set()
        await pilot.pause()
        await pilot.pause()
    assert app.return_value == "stop"
    assert isinstance(app.link.sent()[0], StopEngine)
