"""The whole screen as it was judged good, at three sizes and in every situation."""

from collections.abc import Callable
from typing import Protocol

import pytest
from textual.app import App
from textual.pilot import Pilot

from rusy_tui.console.linked import Exit
from rusy_tui.domain.state import State
from tests.console import sample
from tests.console.scripted import HeldConsole, settled

SIZES = [(80, 24), (120, 40), (160, 50)]


class Compare(Protocol):
    """What the snapshot plugin offers."""

    def __call__(
        self,
        app: App[Exit],
        *,
        terminal_size: tuple[int, int],
        run_before: Callable[[Pilot[Exit]], object],
    ) -> bool: ...


async def _settle(pilot: Pilot[Exit]) -> None:
    await settled(pilot)


async def _arm(pilot: Pilot[Exit]) -> None:
    await settled(pilot)
    await pilot.press("a")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "state",
    [
        pytest.param(sample.starting(), id="starting"),
        pytest.param(sample.watching(), id="watching"),
        pytest.param(sample.deciding(), id="card"),
        pytest.param(sample.holding(), id="position"),
        pytest.param(sample.halted(), id="halted"),
        pytest.param(sample.deciding("live"), id="live"),
    ],
)
def test_screen(state: State, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(HeldConsole(state), terminal_size=size, run_before=_settle)


def test_armed_in_light_colours(snap_compare: Compare) -> None:
    app = HeldConsole(sample.deciding(), light=True)
    assert snap_compare(app, terminal_size=(120, 40), run_before=_arm)


def test_too_small(snap_compare: Compare) -> None:
    app = HeldConsole(sample.watching())
    assert snap_compare(app, terminal_size=(70, 20), run_before=_settle)


def test_leaving(snap_compare: Compare) -> None:
    async def ask(pilot: Pilot[Exit]) -> None:
        await settled(pilot)
        await pilot.press("q")

    app = HeldConsole(sample.holding())
    assert snap_compare(app, terminal_size=(80, 24), run_before=ask)
