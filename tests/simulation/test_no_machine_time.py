"""In lockstep nothing of ours reads the machine's clock: two runs could differ by it."""

import sys
import threading
import time
from collections.abc import Callable

import pytest

from rusy_tui.domain.modes import Mode
from tests.engine.votes import LONG, START_MS, Scene, played
from tests.simulation.worlds import settings

BTC = "BTCUSDT"
_READERS = (
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns",
    "localtime", "gmtime",
)  # fmt: skip
# Other libraries measure their own waits; this one would stamp what it sends.
_OURS = ("rusy_tui", "binance")


def _watched(name: str, seen: list[str]) -> Callable[..., object]:
    """A reader of time that notes whoever of ours calls it.

    Threads that were there before belong to other tests' exchanges, which do read the clock.
    """
    real: Callable[..., object] = getattr(time, name)
    others = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}

    def read(*given: object) -> object:
        frame = sys._getframe(1)
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in _OURS and threading.get_ident() not in others:
            seen.append(f"{module}:{frame.f_lineno} time.{name}")
        return real(*given)

    return read


def test_a_world_in_lockstep_reads_no_machine_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """From its start over votes, orders and fills to its end."""
    seen: list[str] = []
    for name in _READERS:
        monkeypatch.setattr(time, name, _watched(name, seen))

    async def act(scene: Scene) -> None:
        scene.votes[BTC] = LONG
        await scene.bar(4)
        assert await scene.store.predictions.count(0, START_MS * 2) == 4
        assert await scene.store.trades.all() != []
        assert (await scene.engine.flatten(None)).flat

    played(settings((BTC,), mode=Mode.AUTO), act, monkeypatch)
    assert seen == []


def test_the_watch_sees_whoever_reads() -> None:
    """A reading in a module of ours is noted, one in a library is not."""
    seen: list[str] = []
    watched = {"read": _watched("time", seen)}
    for module in ("rusy_tui.invented", "somebody.elses"):
        exec("read()", {"__name__": module, **watched})  # noqa: S102
    assert seen == ["rusy_tui.invented:1 time.time"]
