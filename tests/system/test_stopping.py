"""Ends that were meant: nothing is left running, what is open stays protected."""

import os
import re
import signal
import stat
from pathlib import Path

import pytest

from tests.system.busy import busy_options, with_position
from tests.system.driving import Engine, Home

pytestmark = [pytest.mark.verify, pytest.mark.timeout(180)]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def _hit_the_interpreter(engine: Engine) -> bool:
    """Whether it was interrupted before a line of ours ran: Python's own start answers 1."""
    told = engine.log.read_text()
    return told.endswith("KeyboardInterrupt\n") and "/rusy_tui/" not in told


def test_signals_stop_the_engine_and_leave_the_position_protected(home: Home) -> None:
    engine, exchange = with_position(home)
    (stop,) = exchange.stops()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(engine.pid, number)
        assert engine.ended() == 0
        assert exchange.open_and_protected(), "the exchange guards what is open"
        assert [each["clientAlgoId"] for each in exchange.stops()] == [stop["clientAlgoId"]]
        assert home.database_processes() == []
        assert home.rusy("status").returncode == 3
        exchange.set_speed(1)  # the price must not reach the stop in between
        engine = home.start(*busy_options(home, "auto", speed=1))
    assert exchange.lives
    assert home.told("positions")[0]["protected_by"]


def test_stop_returns_when_the_account_is_free_again(home: Home) -> None:
    for _ in range(2):
        engine = home.start()
        done = home.rusy("stop")
        assert (done.returncode, done.stderr) == (0, "")
        assert "stopping" in done.stdout
        assert home.database_processes() == []
        assert home.rusy("status").returncode == 3
        again = home.begin()
        assert engine.ended(within_s=5.0) == 0
        os.kill(again.pid, signal.SIGINT)  # also one that has hardly begun ends in good order
        assert again.ended() in (0, -signal.SIGINT, 130) or _hit_the_interpreter(again)
        assert home.database_processes() == []


def test_a_second_demo_names_the_first_and_files_are_private(home: Home) -> None:
    engine = home.start()
    second = home.rusy("demo", "--headless")
    assert second.returncode == 1
    assert f"process {engine.pid}" in second.stderr
    found = re.search(r"socket (\S+)", second.stderr)
    assert found is not None
    socket = Path(found[1])
    assert stat.S_ISSOCK(socket.stat().st_mode)
    assert (_mode(socket), _mode(socket.parent)) == (0o600, 0o700)
    assert home.rusy("demo", "--clean").returncode == 1, "not under a running engine"

    exchange = home.exchange()
    assert _mode(exchange.file) == 0o600
    assert home.rusy("stop").returncode == 0
    logs = [engine.log, *home.folder.rglob("*.log")]
    for log in logs:
        for secret in ("api_secret", "api_key", "control_token"):
            assert exchange.place[secret] not in log.read_text(), f"{secret} in {log}"


def test_clean_leaves_nothing_behind(home: Home) -> None:
    engine = home.start()
    exchange, files = home.exchange(), home.database_folder
    assert home.rusy("stop").returncode == 0
    engine.ended()
    assert home.rusy("demo", "--clean").returncode == 0
    assert not exchange.lives
    assert not files.exists()
    assert not (home.folder / "demo").exists()
    assert home.processes() == []
