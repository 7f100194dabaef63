"""Paper, whole: an engine on a simulated account, in a market that mirrors another one."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.requests_by_hand import ask, control, signed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def _rusy(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rusy_tui.cli.main", *arguments],
        env={**os.environ, "RUSY_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def _line(process: subprocess.Popen[str], words: str) -> Any:
    """The first line of a process that says something, as JSON."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return json.loads(line)
    raise AssertionError("".join(said))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _end(pid: int) -> None:
    """End a process that is nobody's child here, and wait until it is gone."""
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while _lives(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def source() -> Iterator[Any]:
    """The addresses of an exchange in place of the public one."""
    with tempfile.TemporaryDirectory(prefix="rusy-") as home:
        process = _rusy(
            Path(home),
            *("simulator", "--json", "--start", "2024-03-04T08:00", "--speed", "1"),
            *("--symbols", "BTCUSDT,ETHUSDT"),
        )
        yield _line(process, "rest_url")
        process.terminate()
        assert process.wait(timeout=20) == 0


def test_paper_trades_a_simulated_account_in_the_sources_market(source: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="rusy-") as made:
        home = Path(made)
        config = home / "configuration.yaml"
        config.write_text(
            "exchange:\n"
            f"  venue: paper\n  rest_url: {source['rest_url']}\n  ws_url: {source['ws_url']}\n"
            "data:\n  pairs:\n    - symbol: BTCUSDT\n"
        )
        engine = _rusy(home, "headless", "--config", str(config))
        try:
            running = _line(engine, '"phase":"running"')
            # The market's time is the source's, which is not the machine's.
            assert running["market"].startswith("2024-03-04T08:0")
            status = _rusy(home, "status", "--json").communicate(timeout=60)[0]
            state = json.loads(status)
            assert state["venue"] == "paper"
            assert state["account"]["equity"] == "10000"
            (address,) = home.glob("engine/paper-*/simulator.json")
            mirror = json.loads(address.read_bytes())
            assert mirror["rest_url"] != source["rest_url"]
            # Neither the account nor any order of it is the source's.
            assert mirror["api_key"] != source["accounts"][0]["api_key"]
        finally:
            _rusy(home, "stop").communicate(timeout=60)
            assert engine.wait(timeout=60) == 0
            _end(mirror["pid"])


def test_a_mirrors_accounts_outlive_a_kill(source: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="rusy-") as made:
        home = Path(made)
        options = (
            *("simulator", "--json", "--market", "mirror", "--symbols", "BTCUSDT"),
            *("--source-rest", source["rest_url"], "--source-ws", source["ws_url"]),
            *("--directory", str(home / "kept")),
        )
        mirror = _rusy(home, *options)
        said = _line(mirror, "rest_url")
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
        signed(said, "POST", "/fapi/v1/order", 0, **order)
        before = control(said, "state")["accounts"]
        journal = home / "kept" / "simulator-journal.json"
        while '"0.010"' not in journal.read_text():
            time.sleep(0.02)
        mirror.kill()
        mirror.wait()
        again = _rusy(home, *options)
        try:
            there = _line(again, "rest_url")
            assert there["accounts"][0]["api_key"] == said["accounts"][0]["api_key"]
            after = control(there, "state")["accounts"]
            assert after[0]["fills"] == before[0]["fills"] != []
            # In the market as it now is.
            path = "/fapi/v1/klines?symbol=BTCUSDT&interval=15m&limit=2"
            mine, theirs = ask(there, path), ask(source, path)
            assert [float(row[1]) for row in mine] == [float(row[1]) for row in theirs]
        finally:
            again.terminate()
            assert again.wait(timeout=20) == 0


def test_a_source_that_does_not_answer_is_named() -> None:
    with tempfile.TemporaryDirectory(prefix="rusy-") as home:
        process = _rusy(
            Path(home),
            *("simulator", "--market", "mirror", "--symbols", "BTCUSDT"),
            *("--source-rest", "http://127.0.0.1:9", "--source-ws", "ws://127.0.0.1:9"),
        )
        said = process.communicate(timeout=60)[0]
        assert process.returncode == 3
        assert "http://127.0.0.1:9" in said
        assert "Traceback" not in said
