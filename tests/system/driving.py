"""Rusy as its user meets it: real processes in a home of their own, ended whatever happens."""

import contextlib
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import psutil

T = TypeVar("T")

_COMMAND_WITHIN_S = 60.0
_ANSWER_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.02


def wait_for(
    look: Callable[[], T | None],
    within_s: float,
    what: str,
    *,
    every_s: float = _LOOK_EVERY_S,
    or_say: Callable[[], str] = str,
) -> T:
    """The first answer that is neither None nor False; fails with ``what`` when none comes."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {what}\n{or_say()}"
        time.sleep(every_s)


class Exchange:
    """A demo's simulated exchange, seen from outside: by its control endpoint, not by Rusy.

    Args:
        file: what the simulator wrote about itself.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.place: dict[str, Any] = json.loads(file.read_bytes())

    @property
    def pid(self) -> int:
        """Its process."""
        return int(self.place["pid"])

    @property
    def lives(self) -> bool:
        """Whether that process runs."""
        return psutil.pid_exists(self.pid)

    def state(self) -> dict[str, Any]:
        """Prices, pace and the true books."""
        return _object(self._control("state"))

    def account(self) -> dict[str, Any]:
        """The one account."""
        (account,) = self.state()["accounts"]
        return _object(account)

    def history(self, symbol: str, interval: str) -> list[list[Any]]:
        """Closed candles, as the exchange's own klines."""
        query = urllib.parse.urlencode({"symbol": symbol, "interval": interval})
        found = self._control(f"history?{query}")
        assert isinstance(found, list)
        return found

    def set_speed(self, speed: float) -> None:
        """Another pace, as the engine asks for one."""
        self._control("pace", json.dumps({"speed": speed}).encode())

    def orders(self, symbol: str) -> list[dict[str, Any]]:
        """All plain orders there ever were, by the exchange's own signed query."""
        return self._signed("allOrders", symbol)

    def algo_orders(self, symbol: str) -> list[dict[str, Any]]:
        """All conditional orders there ever were."""
        return self._signed("allAlgoOrders", symbol)

    def stops(self) -> list[dict[str, Any]]:
        """Stops that rest in the book of conditional orders."""
        account = self.account()
        return [o for o in account["open_algo_orders"] if o["orderType"] == "STOP_MARKET"]

    def open_and_protected(self) -> dict[str, Any] | None:
        """The account, once it holds a position and a stop rests for each it holds."""
        account = self.account()
        held = sorted(position["symbol"] for position in account["positions"])
        guarded = sorted(
            order["symbol"]
            for order in account["open_algo_orders"]
            if order["orderType"] == "STOP_MARKET"
        )
        return account if held and held == guarded else None

    def _control(self, path: str, body: bytes | None = None) -> object:
        return _fetched(
            f"{self.place['control_url']}/{path}",
            {"X-Control-Token": self.place["control_token"]},
            body,
        )

    def _signed(self, what: str, symbol: str) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode(
            {"symbol": symbol, "limit": 1000, "timestamp": self.state()["market_ms"]}
        )
        secret = self.place["api_secret"].encode()
        signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
        found = _fetched(
            f"{self.place['rest_url']}/fapi/v1/{what}?{query}&signature={signature}",
            {"X-MBX-APIKEY": self.place["api_key"]},
        )
        assert isinstance(found, list)
        return found


class Engine:
    """A headless engine that a test started.

    Args:
        process: its process.
        log: the file with its standard output.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def events(self) -> list[dict[str, Any]]:
        """What it logged: one JSON object a line, and nothing else."""
        text = self.log.read_text()
        # The last line may be half written.
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def runs(self) -> bool:
        """Whether it has said that it runs."""
        if self.process.poll() is not None:
            raise AssertionError(f"the engine ended with {self.process.returncode}:\n{self}")
        return any(event.get("phase") == "running" for event in self.events())

    def kill(self) -> None:
        """As ``kill -9`` does."""
        self.process.kill()
        self.process.wait()

    def ended(self, within_s: float = 30.0) -> int:
        """Its exit code."""
        return self.process.wait(within_s)

    def __str__(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-20:])


class _User(TypedDict, total=False):
    """What makes ``subprocess`` run a program as somebody else."""

    user: int
    group: int
    extra_groups: Sequence[int]


class Home:
    """One user's Rusy: commands, engines and what they leave on the machine.

    Args:
        folder: becomes ``RUSY_HOME``; logs of headless engines lie beside it.
        user: whose it is, by number; None: our own.
        python: what runs it, where that user can't reach ours.
    """

    def __init__(
        self, folder: Path, *, user: int | None = None, python: str = sys.executable
    ) -> None:
        self.folder = folder
        self.work = folder.parent
        self.program = (python, "-m", "rusy_tui.cli.main")
        self._user: _User = {}
        if user is not None:
            self._user = {"user": user, "group": user, "extra_groups": ()}
        self._engines: list[Engine] = []
        # Nothing of the operator's own settings may leak into a test.
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("RUSY_")}
        self.environ["RUSY_HOME"] = str(folder)

    def rusy(
        self, *arguments: str, within_s: float = _COMMAND_WITHIN_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, without a terminal."""
        return subprocess.run(
            [*self.program, *arguments],
            **self._user,
            env=self.environ,
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within_s,
        )

    def told(self, *arguments: str) -> Any:
        """What a command prints with ``--json``; it must not fail."""
        done = self.rusy(*arguments, "--json")
        assert done.returncode == 0, f"rusy {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def begin(self, *options: str) -> Engine:
        """Start a headless demo."""
        return self.begin_command("demo", "--headless", *options)

    def begin_command(self, *arguments: str) -> Engine:
        """Start a command that logs and goes on, an engine or a collector."""
        log = self.work / f"engine-{len(self._engines)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self.program, *arguments],
                **self._user,
                env=self.environ,
                cwd=self.work,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        engine = Engine(process, log)
        self._engines.append(engine)
        return engine

    def start(self, *options: str, within_s: float = 40.0) -> Engine:
        """Start a headless demo and wait until it runs."""
        engine = self.begin(*options)
        wait_for(engine.runs, within_s, "the engine runs", or_say=lambda: str(engine))
        return engine

    def exchange(self, within_s: float = 20.0) -> Exchange:
        """The simulated exchange of the one demo here."""

        def look() -> Exchange | None:
            files = list(self.folder.glob("demo/*/simulator.json"))
            assert len(files) < 2, f"several markets: {files}"
            return Exchange(files[0]) if files else None

        return wait_for(look, within_s, "the simulator's file")

    @property
    def database_folder(self) -> Path:
        """Where the embedded server's files really are."""
        (asked,) = self.folder.glob("demo/*/database")
        moved = asked / "moved-to"
        return Path(moved.read_text().strip()) if moved.exists() else asked.resolve()

    def database_processes(self) -> list[psutil.Process]:
        """What of PostgreSQL runs on this home's files."""
        data = str(self.database_folder / "data")
        return [each for each in psutil.process_iter() if data in _arguments(each)]

    def processes(self) -> list[psutil.Process]:
        """Everything of Rusy's own that runs with this home."""
        return [each for each in psutil.process_iter() if self._is_ours(each)]

    def close(self) -> None:
        """End all that still runs, and remove what lies outside the home."""
        for process in self.processes():
            # The simulator and the database are ended by the command that knows how.
            if "rusy_tui.simulator.process" not in _arguments(process):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        for engine in self._engines:
            engine.process.wait()
        if (self.folder / "demo").is_dir():
            wait_for(self._cleaned, 10.0, "rusy demo --clean", every_s=0.2)
        for process in self.processes():
            process.kill()

    def _cleaned(self) -> bool:
        return self.rusy("demo", "--clean").returncode == 0

    def _is_ours(self, process: psutil.Process) -> bool:
        if process.pid == os.getpid() or "rusy_tui" not in " ".join(_arguments(process)):
            return False
        try:
            return process.environ().get("RUSY_HOME") == str(self.folder)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


class Terminal:
    """A terminal 120 columns wide and 40 high, in a tmux server of its own.

    Args:
        home: whose Rusy is shown.
        keep: an existing folder for captures.
        arguments: of the ``rusy`` command.
    """

    def __init__(self, home: Home, keep: Path, *arguments: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rusy-tmux-")
        self._keep = keep
        settings = Path(self._folder.name, "conf")
        settings.write_text(
            # What a program said last is still there when it has ended.
            "set -g remain-on-exit on\nset -g default-terminal tmux-256color\n"
            "set -g status off\nset -s escape-time 0\n"
        )
        self._tmux = ("tmux", "-S", str(Path(self._folder.name, "s")), "-f", str(settings))
        # tmux hands on its own environment: a server of our own has none of the operator's.
        environ = {k: v for k, v in home.environ.items() if k not in ("TMUX", "TMUX_PANE")}
        self._ended = Path(self._folder.name, "ended")
        environ |= {"LC_ALL": "C.UTF-8", "ENDED": str(self._ended)}
        # tmux at times overlooks the end of its program, so a shell writes it down.
        shell = ("sh", "-c", '"$@"; echo $? >"$ENDED.new"; mv "$ENDED.new" "$ENDED"', "sh")
        self.started_s = time.monotonic()
        size = ("-x", "120", "-y", "40")
        subprocess.run(
            [*self._tmux, "new-session", "-d", *size, *shell, *home.program, *arguments],
            env=environ,
            cwd=home.work,
            check=True,
        )

    def text(self) -> str:
        """What is on the screen now, below what scrolled away."""
        return self._run("capture-pane", "-p", "-S", "-")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._run("send-keys", "-l", text)

    def wait(self, pattern: str, within_s: float, what: str = "") -> re.Match[str]:
        """Wait until the screen shows what a regular expression finds."""
        return wait_for(
            lambda: re.search(pattern, self.text()),
            within_s,
            what or f"{pattern!r} on the screen",
            or_say=self.text,
        )

    def keep(self, name: str, text: str | None = None) -> str:
        """Keep a capture as a file; answers it."""
        shown = self.text() if text is None else text
        number = len(list(self._keep.glob("*.txt"))) + 1
        (self._keep / f"{number:02}-{name}.txt").write_text(shown)
        return shown

    @property
    def pid(self) -> int:
        """The program in the terminal."""
        shell = psutil.Process(int(self._run("display-message", "-p", "#{pane_pid}")))
        (program,) = shell.children()
        return program.pid

    @property
    def exit_code(self) -> int | None:
        """How the program ended; None while it runs."""
        return int(self._ended.read_text()) if self._ended.exists() else None

    def ended(self, within_s: float) -> int:
        """The program's exit code, once it has ended."""
        return wait_for(lambda: self.exit_code, within_s, "the end", or_say=self.text)

    def close(self) -> None:
        """End the terminal and what runs in it."""
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)
        self._folder.cleanup()

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout


def resting(order: dict[str, Any]) -> bool:
    """Whether a plain order is still in the book."""
    return order["status"] in ("NEW", "PARTIALLY_FILLED")


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return []


def _fetched(url: str, headers: dict[str, str], body: bytes | None = None) -> object:
    asked = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(asked, timeout=_ANSWER_WITHIN_S) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error}: {error.read().decode()}") from error


def _object(found: object) -> dict[str, Any]:
    assert isinstance(found, dict)
    return found


@contextlib.contextmanager
def closing_all(home: Home) -> Iterator[Home]:
    """A home that is cleaned up whatever happens."""
    try:
        yield home
    finally:
        home.close()
