"""The simulator as a process: the system clock's one place, so few and short tests."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.serving import sign

pytestmark = pytest.mark.timeout(60)


class _Process:
    """A simulator that runs, and what its file says."""

    def __init__(self, directory: Path, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.file = directory / "simulator.json"
        deadline = time.monotonic() + 30
        while not self.file.exists():
            assert process.poll() is None, "it ended"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.at: dict[str, Any] = json.loads(self.file.read_text())

    def control(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            f"{self.at['control_url']}/{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"X-Control-Token": self.at["control_token"]},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)

    def public(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.at['rest_url']}{path}", timeout=10) as reply:
            return json.load(reply)

    def signed(self, method: str, path: str, **values: object) -> Any:
        clock = f"{self.at['rest_url']}/fapi/v1/time"
        with urllib.request.urlopen(clock, timeout=10) as reply:
            stamp = json.load(reply)["serverTime"]
        query = "&".join(f"{name}={value}" for name, value in values.items())
        query += f"&timestamp={stamp}"
        signature = sign(query, self.at["api_secret"])
        request = urllib.request.Request(
            f"{self.at['rest_url']}{path}?{query}&signature={signature}",
            method=method,
            headers={"X-MBX-APIKEY": self.at["api_key"]},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


def _wait_for(file: Path, words: str) -> None:
    deadline = time.monotonic() + 20
    while words not in file.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def _simulator(directory: Path, *options: str) -> Generator[_Process]:
    command = [sys.executable, "-m", "rusy_tui.simulator.process"]
    command += ["--directory", str(directory), "--symbols", "BTCUSDT", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield _Process(directory, process)
        finally:
            process.kill()


def test_it_tells_where_it_is_and_only_its_owner(tmp_path: Path) -> None:
    options = ("--json", "--seed", "5", "--start", "2024-03-04")
    with _simulator(tmp_path / "demo", *options) as simulator:
        assert stat.S_IMODE(simulator.file.stat().st_mode) == 0o600
        assert simulator.at["pid"] == simulator.process.pid
        assert simulator.at["seed"] == 5
        assert simulator.at["pace"]["speed"] == 60
        assert simulator.process.stdout is not None
        line = json.loads(simulator.process.stdout.readline())
        assert line["rest_url"] == simulator.at["rest_url"]
        assert line["accounts"][0]["balance"] == "10000"
        simulator.at["control_token"] = "guess"
        with pytest.raises(urllib.error.HTTPError):
            simulator.control("GET", "state")
        assert simulator.end() == 0
    assert not simulator.file.exists()


def test_a_new_pace_holds_from_a_moment_ahead(tmp_path: Path) -> None:
    with _simulator(tmp_path) as simulator:
        asked_s = time.monotonic()
        pace = simulator.control("POST", "pace", {"speed": 2})
        assert pace["speed"] == 2
        assert pace["monotonic_anchor_s"] >= asked_s + 0.1
        assert simulator.control("GET", "state")["pace"] == pace
        # A request stamped under the former pace is not late under the new one.
        assert simulator.signed("GET", "/fapi/v3/balance")[0]["balance"] == "10000"


def test_time_is_set_ahead_and_never_back(tmp_path: Path) -> None:
    """What lies between has traded by then: bars closed, every one of them."""
    with _simulator(tmp_path, "--speed", "1") as simulator:
        began_ms = simulator.control("GET", "state")["market_ms"]
        target_ms = began_ms + 3 * 3_600_000
        assert simulator.control("POST", "time", {"market_ms": target_ms})["speed"] == 1
        deadline = time.monotonic() + 20
        while True:
            path = "history?symbol=BTCUSDT&interval=1h"
            bars = simulator.control("GET", path)
            if len(bars) >= 3 or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        assert [bar[0] for bar in bars] == [
            began_ms // 3_600_000 * 3_600_000 + n * 3_600_000 for n in range(3)
        ]
        assert simulator.control("GET", "state")["market_ms"] >= target_ms
        with pytest.raises(urllib.error.HTTPError) as refused:
            simulator.control("POST", "time", {"market_ms": began_ms})
        assert "has passed" in refused.value.read().decode()


def test_its_account_and_its_market_outlive_a_kill(tmp_path: Path) -> None:
    with _simulator(tmp_path) as simulator:
        simulator.signed(
            "POST",
            "/fapi/v1/order",
            symbol="BTCUSDT",
            side="BUY",
            type="MARKET",
            quantity="0.010",
        )
        state = simulator.control("GET", "state")
        last = float(state["prices"]["BTCUSDT"]["last"])
        simulator.signed(
            "POST",
            "/fapi/v1/algoOrder",
            algoType="CONDITIONAL",
            symbol="BTCUSDT",
            side="SELL",
            type="STOP_MARKET",
            closePosition="true",
            triggerPrice=f"{last * 0.9:.0f}",
            clientAlgoId="stop",
        )
        before = simulator.control("GET", "state")
        _wait_for(tmp_path / "simulator-journal.json", '"client_id":"stop"')
        former = simulator.at
        os.kill(simulator.process.pid, signal.SIGKILL)
        simulator.process.wait()
    simulator.file.unlink()
    with _simulator(tmp_path, "--speed", "1") as again:
        after = again.control("GET", "state")
        assert again.at["api_key"] == former["api_key"]
        (was,), (now) = before["accounts"], after["accounts"][0]
        for name in ("wallet", "fills", "income"):
            assert now[name] == was[name]
        assert [p["positionAmt"] for p in now["positions"]] == ["0.010"]
        assert [a["clientAlgoId"] for a in now["open_algo_orders"]] == ["stop"]
        # The journal is at most a second old, which is a minute of this market.
        assert abs(after["market_ms"] - before["market_ms"]) < 120_000


def test_it_ends_when_nobody_asks_any_more(tmp_path: Path) -> None:
    with _simulator(tmp_path, "--idle", "0.4") as simulator:
        assert simulator.process.wait(timeout=20) == 0
    assert (tmp_path / "simulator-journal.json").exists()
    assert not simulator.file.exists()


def test_it_stays_while_somebody_without_a_key_asks(tmp_path: Path) -> None:
    with _simulator(tmp_path, "--idle", "2") as simulator:
        until_s = time.monotonic() + 4
        while time.monotonic() < until_s:
            simulator.public("/fapi/v1/klines?symbol=BTCUSDT&interval=1h")
            time.sleep(0.1)
        assert simulator.process.poll() is None
        assert simulator.process.wait(timeout=20) == 0


def _refused(*options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "rusy_tui.simulator.process", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


def test_a_busy_port_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        code, said = _refused("--port", str(port), "--symbols", "BTCUSDT")
    assert code == 1
    assert f"port {port}" in said
    assert "--port" in said.splitlines()[-1]


def test_a_directory_that_can_not_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, said = _refused("--directory", str(tmp_path / "file" / "demo"))
    assert code == 1
    assert str(tmp_path / "file" / "demo") in said


@pytest.mark.parametrize(
    "options",
    [
        ["--symbols", "NOPEUSDT"],
        ["--market", "replay"],
        ["--replay", "nowhere/BTCUSDT-15m.parquet"],
        ["--speed", "0"],
        ["--start", "soon"],
    ],
)
def test_wrong_options_are_a_usage_error(options: list[str]) -> None:
    code, said = _refused(*options)
    assert (code, "Traceback" in said) == (2, False), said


def test_a_second_one_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    with _simulator(tmp_path):
        code, said = _refused("--directory", str(tmp_path))
    assert code == 1
    assert "already runs" in said
