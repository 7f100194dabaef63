"""Bad input of every kind: a clear message, and the exit code that says whose turn it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rusy_tui
from rusy_tui.cli.main import main
from rusy_tui.launching.lock import AccountLock, Holder

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # main() replaces it
    monkeypatch.setenv("RUSY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["demo"], 2, "--headless"),
        ([], 2, "rusy headless"),
        (["attach"], 2, "needs a terminal"),
        (["headless"], 2, "there is no configuration"),
        (["collect"], 2, "there is no configuration"),
        (["collect", "--directory", "x"], 2, "needs --demo"),
        (["check", "--offline"], 2, "there is no configuration"),
        (["demo", "--speed", "max"], 2, "--headless"),
        (["demo", "--headless", "--speed", "max"], 2, "--mode auto"),
        (["demo", "--headless", "--speed", "max", "--mode", "approve"], 2, "--mode auto"),
        (["demo", "--headless", "--speed", "max", "--mode", "auto"], 2, "--replay"),
        (["demo", "--headless", "--speed", "-1"], 2, "above 0"),
        (["demo", "--headless", "--from", "May"], 2, "2025-05-01"),
        (["demo", "--headless", "--from", "2025-05-01"], 2, "--replay"),
        (["demo", "--headless", "--summary", "-"], 2, "--speed max"),
        (["demo", "--headless", "--symbol", "ETHUSD"], 2, "did you mean ETHUSDT"),
        (["nothing"], 2, "No such command"),
        (["--config", "x.yaml", "status"], 2, "belongs after the command"),
        (["status"], 3, "no engine runs here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert main(arguments) == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("risk:\n  leverrage: 3\n", "leverage"),
        ("data:\n  lookback_days: 3000 // as deep as it goes\n", "#"),
    ],
    ids=["a misspelt key", "a // comment"],
)
def test_a_wrong_configuration_is_judged_offline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "configuration.yaml").write_text(text)
    for command in (["check", "--offline"], ["headless"]):
        assert main(command) == 2
        shown = capsys.readouterr().err
        assert "configuration.yaml:2" in shown
        assert said in shown


def test_a_data_directory_below_a_file_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RUSY_HOME", str(tmp_path / "file" / "home"))
    assert main(["demo", "--headless"]) == 1
    assert "file/home" in capsys.readouterr().err


def test_several_engines_are_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locks = [
        AccountLock.take(
            home / "run",
            Holder(
                account=name,
                pid=os.getpid(),
                started_ms=0,
                socket=f"/run/{name}.sock",
                venue="demo",
                directory="/d",
                version="0",
            ),
        )
        for name in ("demo-1", "demo-2")
    ]
    assert main(["status"]) == 2
    shown = capsys.readouterr().err
    assert "--socket /run/demo-1.sock" in shown
    assert "--socket /run/demo-2.sock" in shown
    for lock in locks:
        lock.release()


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert rusy_tui.__version__ in capsys.readouterr().out
    assert main(["--help"]) == 0
    assert "Exit codes" in capsys.readouterr().out


def test_a_defect_is_one_line_and_a_traceback_in_the_log(home: Path) -> None:
    program = (
        "import sys; from rusy_tui import launch; from rusy_tui.cli.main import main\n"
        "def broken(*_): raise ZeroDivisionError('half a row')\n"
        "launch.engine_socket = broken\n"
        "sys.exit(main(['status']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "ZeroDivisionError: half a row" in done.stderr
    assert str(home / "rusy.log") in done.stderr
    assert "Traceback" in (home / "rusy.log").read_text()
