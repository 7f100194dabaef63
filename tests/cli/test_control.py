"""One-shot commands against a scripted engine: what they print, and how they end."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rusy_tui.cli.main import main
from rusy_tui.domain.commands import Approve, CloseTrade, Flatten, SetMode
from rusy_tui.domain.modes import Gate, Mode
from rusy_tui.domain.state import Connection
from tests.link.scripted import ScriptedEngine, a_state, scripted_engine

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Rusy of its own, in a place short enough for a socket."""
    import sys

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # main() replaces it
    with tempfile.TemporaryDirectory(prefix="rusy-") as made:
        monkeypatch.setenv("RUSY_HOME", made)
        yield Path(made)


async def _rusy(engine: ScriptedEngine, home: Path, *arguments: str) -> int:
    """Run a command against an engine, in a thread as if it were another process."""
    path = home / "engine" / "e.sock"
    if not path.exists():
        await engine.server.serve_unix(path)
    return await asyncio.to_thread(main, [*arguments, "--socket", str(path)])


async def test_status_as_text_and_as_json(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with scripted_engine() as engine:
        assert await _rusy(engine, home, "status") == 0
        text = capsys.readouterr().out
        assert text.startswith("DEMO  starting")
        assert "gates      all open" in text
        assert await _rusy(engine, home, "status", "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert told["mode"] == "approve"
        assert told["account"]["equity"] == "0"


async def test_status_tells_the_budget_of_requests_and_the_exchange_s_clock(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = Connection(
        weight_used=84, weight_limit=2400, requests_waiting=3, offset_ms=-7, offset_error_ms=12
    )
    state = msgspec.structs.replace(a_state(), connection=link)
    async with scripted_engine(state) as engine:
        await _rusy(engine, home, "status")
        text = capsys.readouterr().out
        assert "weight 84 of 2400 a minute, 3 requests wait, clock -7 ± 12 ms" in text


async def test_a_closed_gate_says_why_and_what_opens_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = Gate(name="stale data", why="no price", opens="prices", halted=False, since_ms=1)
    state = msgspec.structs.replace(a_state(), gates=(gate,))
    async with scripted_engine(state) as engine:
        await _rusy(engine, home, "status")
        assert "stale data: no price; opens: prices" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["approve", "7", "a81f"], Approve("", 7, "a81f")),
        (["mode", "auto"], SetMode("", Mode.AUTO)),
        (["close", "btcusdt", "--yes"], CloseTrade("", "BTCUSDT")),
        (["flatten", "--yes"], Flatten("", None)),
        (["flatten", "ethusdt", "--yes"], Flatten("", "ETHUSDT")),
    ],
)
async def test_a_command_reaches_the_engine_as_typed(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: Any
) -> None:
    async with scripted_engine() as engine:
        assert await _rusy(engine, home, *arguments) == 0
        ((command, who),) = engine.handled
        assert type(command) is type(expected)
        fields = {name: getattr(command, name) for name in command.__struct_fields__}
        wanted = {name: getattr(expected, name) for name in expected.__struct_fields__}
        assert fields | {"command_id": ""} == wanted
        assert command.command_id
        assert "command line" in who
        assert capsys.readouterr().out.startswith("done: ")


async def test_what_the_engine_did_not_do_ends_with_one(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with scripted_engine() as engine:
        assert await _rusy(engine, home, "stop") == 1
        assert capsys.readouterr().out == "failed: the disk is full\n"


async def test_lists_that_are_empty_say_so(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with scripted_engine() as engine:
        for name, nothing in {
            "positions": "no open positions",
            "orders": "no open orders",
            "proposals": "no proposals pend",
            "trades": "no trades yet",
        }.items():
            assert await _rusy(engine, home, name) == 0
            assert capsys.readouterr().out == f"{nothing}\n"
            assert await _rusy(engine, home, name, "--json") == 0
            assert capsys.readouterr().out == "[]\n"


def test_without_an_engine_the_end_is_three(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["status"], ["approve", "1", "aaaa"], ["flatten", "--yes"]):
        assert main(command) == 3
        assert "no engine runs here" in capsys.readouterr().err


def test_an_engine_that_is_named_and_gone_is_three(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--socket", str(home / "gone.sock")]) == 3
    assert "gone.sock: no engine answers there" in capsys.readouterr().err


def test_what_closes_positions_wants_a_yes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    for command in (["flatten"], ["close", "BTCUSDT"], ["stop", "--flatten"]):
        assert main(command) == 2
        assert "say --yes" in capsys.readouterr().err
