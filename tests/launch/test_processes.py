"""The demo's processes, killed and started: who lives on, who is found again, who ends."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Demo:
    """`rusy` commands on a demo of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._environ = {**os.environ, "RUSY_HOME": str(home)}

    def rusy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rusy_tui.cli.main", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def start(self, *options: str) -> subprocess.Popen[str]:
        """An engine without a screen, once it runs."""
        engine = subprocess.Popen(
            [sys.executable, "-m", "rusy_tui.cli.main", "demo", "--headless", *options],
            env=self._environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert engine.stdout is not None
        for line in engine.stdout:
            if json.loads(line).get("phase") == "running":
                return engine
        raise AssertionError(f"the engine ended with {engine.wait()}")

    def simulator(self) -> Any:
        """What the simulator's own file tells."""
        (file,) = self.home.glob("demo/*/simulator.json")
        return json.loads(file.read_bytes())

    def status(self) -> Any:
        return json.loads(self.rusy("status", "--json").stdout)


@pytest.fixture
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="rusy-") as made:
        demo = Demo(Path(made))
        yield demo
        assert demo.rusy("demo", "--clean").returncode == 0


def test_a_killed_engine_leaves_its_exchange_to_the_next_one(demo: Demo) -> None:
    first = demo.start()
    before = demo.simulator()
    status = demo.status()
    assert (status["phase"], status["pid"]) == ("running", first.pid)
    assert status["account"]["equity"] == "10000"

    second = demo.rusy("demo", "--headless")
    assert second.returncode == 1
    assert f"process {first.pid}" in second.stderr

    first.kill()
    first.communicate()
    assert demo.rusy("status").returncode == 3

    third = demo.start()
    assert demo.simulator()["pid"] == before["pid"], "the exchange lived on"
    assert demo.simulator()["api_key"] == before["api_key"], "with the same account"
    assert demo.status()["pid"] == third.pid

    third.send_signal(signal.SIGTERM)
    third.communicate()
    assert third.returncode == 0, "a signal stops it cleanly"
    assert demo.rusy("status").returncode == 3

    fourth = demo.start("--fresh")
    assert demo.simulator()["api_key"] != before["api_key"], "another account on request"
    fourth.send_signal(signal.SIGINT)
    fourth.communicate()
    assert fourth.returncode == 0


def test_stop_ends_the_engine_and_clean_removes_what_is_left(demo: Demo) -> None:
    engine = demo.start()
    assert demo.rusy("demo", "--clean").returncode == 1, "not under a running engine"
    assert demo.rusy("stop").returncode == 0
    engine.communicate()
    assert engine.returncode == 0
    simulator = demo.simulator()["pid"]
    done = demo.rusy("demo", "--clean")
    assert done.returncode == 0, done.stderr
    assert not (demo.home / "demo").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(simulator, 0)
