"""Bad input given to the real program: what it says, and the exit code a script sees."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.system.driving import Home

pytestmark = pytest.mark.timeout(60)

_CONFIGURATION = "configuration.yaml"


def _said(
    home: Home, *arguments: str, code: int, words: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    """Run a command that must end with a code and say words on stderr, without a traceback."""
    done = home.rusy(*arguments)
    assert done.returncode == code, f"{done.stdout}{done.stderr}"
    for word in words:
        assert word in done.stderr, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert home.processes() == [], "nothing is left running"
    return done


def _configure(home: Home, text: str) -> None:
    (home.work / _CONFIGURATION).write_text(text)


def test_headless_without_a_configuration(home: Home) -> None:
    _said(home, "headless", code=2, words=(str(home.work / _CONFIGURATION), "--config", "demo"))


@pytest.mark.parametrize("command", [("headless",), ("check", "--offline")], ids=" ".join)
def test_a_comment_as_in_other_languages(home: Home, command: tuple[str, ...]) -> None:
    _configure(
        home,
        "data:\n"
        "  lookback_days: 3000 // the earliest useful start is 2019-09\n"
        "  pairs:\n"
        "    - symbol: BTCUSDT\n",
    )
    _said(
        home,
        *command,
        code=2,
        words=(f"{_CONFIGURATION}:2", "data.lookback_days", "//", "#"),
    )


@pytest.mark.parametrize("command", [("headless",), ("check", "--offline")], ids=" ".join)
def test_every_mistake_at_once_with_the_nearest_key(
    home: Home, command: tuple[str, ...]
) -> None:
    _configure(home, "risk:\n  leverrage: 3\n  max_open_trades: many\n")
    _said(
        home,
        *command,
        code=2,
        words=(
            *(f"{_CONFIGURATION}:2", "risk.leverrage", "risk.leverage"),
            *(f"{_CONFIGURATION}:3", "risk.max_open_trades", "many"),
        ),
    )


def test_check_judges_a_good_configuration(home: Home, root: Path) -> None:
    shutil.copy(root / _CONFIGURATION, home.work)
    done = home.rusy("check", "--offline")
    assert (done.returncode, done.stderr) == (0, "")
    assert _CONFIGURATION in done.stdout


def test_an_unknown_symbol(home: Home) -> None:
    _said(
        home,
        *("demo", "--headless", "--symbol", "BTCUSD"),
        code=2,
        words=("BTCUSD:", "did you mean BTCUSDT?"),
    )


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        (("demo",), "rusy demo --headless"),
        ((), "rusy headless"),
        (("attach",), "rusy status"),
    ],
    ids=["demo", "console", "attach"],
)
def test_no_terminal(home: Home, arguments: tuple[str, ...], instead: str) -> None:
    _said(home, *arguments, code=2, words=("terminal", instead))


def test_a_terminal_on_one_side_only(home: Home) -> None:
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [*home.program, "demo"],
            env=home.environ,
            stdin=theirs,
            capture_output=True,
            text=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert "--headless" in done.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--speed", "max"), "--headless"),
        (("--speed", "max", "--headless"), "--mode auto"),
        (("--speed", "max", "--headless", "--mode", "approve"), "--mode auto"),
        (("--speed", "max", "--headless", "--mode", "manual"), "--mode auto"),
    ],
    ids=" ".join,
)
def test_lockstep_needs_nobody(home: Home, options: tuple[str, ...], word: str) -> None:
    _said(home, "demo", *options, code=2, words=("--speed max", word))


def test_a_recording_that_is_not_there(home: Home) -> None:
    done = home.rusy(
        *("demo", "--headless", "--mode", "auto", "--speed", "max"),
        *("--replay", "BTCUSDT-15m.parquet"),
    )
    assert done.returncode in (1, 2)
    assert "BTCUSDT-15m.parquet" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_with_one_byte_changed(home: Home, root: Path) -> None:
    version = (root / "models" / "SHIPPED").read_text().strip()
    model = home.work / "model"
    shutil.copytree(root / "models" / version, model)
    graph = next(iter(sorted(model.glob("*.onnx"))))
    whole = bytearray(graph.read_bytes())
    whole[len(whole) // 2] ^= 1
    graph.write_bytes(whole)
    _configure(home, f"ensemble:\n  model: {json.dumps(str(model))}\n")
    _said(home, "check", code=1, words=(graph.name, "sha256"))
    # What the demo logs goes to stdout, one JSON object a line; the last word to stderr.
    done = home.rusy("demo", "--headless", "--config", str(home.work / _CONFIGURATION))
    assert done.returncode == 1
    assert graph.name in done.stderr
    assert all(json.loads(line) for line in done.stdout.splitlines())


def test_a_busy_port(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        _said(home, "simulator", "--port", port, code=1, words=(port, "in use", "--port"))


def test_a_data_directory_below_a_file(home: Home) -> None:
    home.folder.write_text("a file")
    for option in ((), ("--directory", str(home.folder / "demo"))):
        done = home.rusy("demo", "--headless", *option)
        assert done.returncode == 1
        assert str(home.folder) in done.stderr
        assert "RUSY_HOME" in done.stderr
        assert "Traceback" not in done.stderr
    home.folder.unlink()


@pytest.mark.parametrize(
    "command",
    [("status",), ("approve", "1", "abcd"), ("flatten", "--yes"), ("stop",)],
    ids=" ".join,
)
def test_nothing_runs(home: Home, command: tuple[str, ...]) -> None:
    _said(home, *command, code=3, words=("no engine runs here", "rusy demo"))


def test_an_import_of_nothing(home: Home) -> None:
    (home.work / "empty").mkdir()
    (home.work / "BTCUSDT-5m.csv").write_text("1,2\n")
    _said(home, "import", "absent.zip", code=2, words=("absent.zip", "no such file"))
    _said(home, "import", "empty", code=2, words=("empty", "nothing to import", ".zip"))
    _said(home, "import", code=2, words=("PATH",))
    _said(home, "import", ".", code=2, words=("bars of 5m are not kept",))


@pytest.mark.slow
def test_an_import_of_good_and_bad_files_takes_the_good_ones(home: Home) -> None:
    row = "1614556800000,100,103,98,101,5,1614557699999,500,4,2,200,0\n"
    good = home.work / "BTCUSDT-15m-2021-03.csv"
    good.write_text(row + row.replace(",100,", ",1000,").replace("6800000", "7700000"))
    (home.work / "BTCUSDT-15m-2021-04.zip").write_bytes(b"no zip")
    _configure(home, "exchange:\n  venue: paper\n")
    done = home.rusy("import", ".", "BTCUSDT-5m-2021-03.zip", "--json")
    assert done.returncode == 2
    done = home.rusy("import", ".", "--json")
    assert done.returncode == 1, done.stderr
    assert "importing into the market data of live" in done.stderr
    result = json.loads(done.stdout)
    assert [result[name] for name in ("read", "stored", "equal", "set_aside", "files")] == [
        2, 1, 0, 1, 2,
    ]  # fmt: skip
    assert "broken zip" in result["failed"][0]["error"]
    assert result["by_file"][0]["set_aside_rows"][0]["line"] == 2
    told = home.rusy("import", ".")
    assert told.returncode == 1
    assert "BTCUSDT-15m-2021-03.csv:2: broken row: " in told.stdout
    assert "REFUSED" in told.stdout
    assert "2 rows read = 0 stored + 1 equal + 1 set aside" in told.stdout
    assert "Traceback" not in told.stderr + done.stderr
    assert home.processes() == []
