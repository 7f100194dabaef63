"""Which processes run for a command, and how they find each other.

A console never holds an engine: it starts one in the background and talks to it over a
socket pair, or finds one by its lock and talks to it over its Unix socket. Everything heavy
is imported where it is used, after the first paint or in the engine's own process.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rusy_tui.domain.errors import RusyError, UnreachableError, UsageError
from rusy_tui.launching import places
from rusy_tui.launching.job import Job, Replay
from rusy_tui.launching.lock import AccountHeldError, Holder, holder_of, holders

if TYPE_CHECKING:
    from rusy_tui.console.app import Exit
    from rusy_tui.console.engine_link import Connect
    from rusy_tui.launching.spawn import Worker
    from rusy_tui.link.client import LinkClient

__all__ = [
    "Job",
    "Replay",
    "attach",
    "attach_through_ssh",
    "bridge_stdio",
    "check",
    "clean_demo",
    "collect",
    "console",
    "engine_at",
    "engine_socket",
    "headless",
    "keep_traceback",
    "list_models",
    "lockstep",
    "simulator",
    "train",
    "wait_for_end",
]

_LAST_WORDS_S = 5.0
_QUICK_END_S = 1.0
_END_WITHIN_S = 90.0
_LOOK_EVERY_S = 0.02


# --- finding engines ----------------------------------------------------------------------


def engine_socket(named: Path | None) -> Path:
    """The Unix socket of the engine that runs here, or the one that was named.

    Raises:
        UnreachableError: no engine runs.
        UsageError: several do, and none was named.
    """
    if named is not None:
        return named.expanduser().absolute()
    found = holders(places.run_folder())
    if not found:
        raise UnreachableError(
            f"no engine runs here (none holds a lock in {places.run_folder()}); start one "
            "with `rusy demo`, `rusy` or `rusy headless`"
        )
    if len(found) > 1:
        listed = "\n".join(f"  --socket {each.socket}  ({each.described})" for each in found)
        raise UsageError(f"{len(found)} engines run here; say which one:\n{listed}")
    return Path(found[0].socket)


def engine_at(path: Path) -> Holder | None:
    """The engine of ours that listens at a socket; None when no lock tells of one."""
    return next(
        (each for each in holders(places.run_folder()) if each.socket == str(path)), None
    )


def wait_for_end(engine: Holder) -> None:
    """Wait until an engine that was told to stop has given its account back.

    Raises:
        RusyError: it has not, and may hang.
    """
    deadline_s = time.monotonic() + _END_WITHIN_S
    while True:
        now = holder_of(places.run_folder(), engine.account)
        if now is None or now.pid != engine.pid:
            return
        if time.monotonic() > deadline_s:
            raise RusyError(
                f"the engine (process {engine.pid}) was told to stop and has not ended within "
                f"{_END_WITHIN_S:g} s; its log tells more, and `kill {engine.pid}` ends it: "
                "what is open stays protected on the exchange"
            )
        time.sleep(_LOOK_EVERY_S)


def _living_engine(job: Job) -> Holder | None:
    """The engine that works on a job's simulated account already."""
    account = places.account_of_folder("demo", job.folder)
    return holder_of(places.run_folder(), account)


# --- consoles -----------------------------------------------------------------------------


def console(job: Job) -> int:
    """A console on an engine that is started for it.

    Raises:
        UsageError: there is no terminal.
        AccountHeldError: an engine works on the account already.
    """
    _need_terminal("rusy demo --headless" if job.demo else "rusy headless")
    if job.demo:
        if living := _living_engine(job):
            raise AccountHeldError(living, places.run_folder())
        if job.config or any("__" in name for name in os.environ if name[:5] == "RUSY_"):
            job.settings()  # its mistakes belong on the terminal, before anything is drawn
    else:
        job.settings()
    again = _again(job)

    workers: list[Worker] = []

    async def connect() -> "LinkClient":
        return await _start_and_connect(job, workers)

    async def restart() -> "LinkClient":
        return await _start_and_connect(again, workers)

    ended = _show(connect, restart, "demo" if job.demo else "rusy")
    if not workers or workers[-1].process.poll() is not None:
        return 0
    if ended == "detach":
        sys.stdout.write(
            f"the engine goes on (process {workers[-1].process.pid}): "
            "`rusy attach` shows it, `rusy stop` ends it\n"
        )
    elif workers[-1].last_words(_QUICK_END_S) is None:
        # Whoever starts it again at once must find the account free.
        sys.stdout.write("the engine is ending; its database is being closed\n")
        sys.stdout.flush()
        workers[-1].last_words(_END_WITHIN_S)
    return 0


def _again(job: Job) -> Job:
    """The job for an engine that is started anew: what was done at first is not done twice."""
    import msgspec

    return msgspec.structs.replace(job, fresh=False)


async def _start_and_connect(job: Job, workers: "list[Worker]") -> "LinkClient":
    from rusy_tui.launching import spawn
    from rusy_tui.link.client import LinkClient, LinkLost

    worker = await asyncio.to_thread(spawn.engine, job)
    workers.append(worker)
    try:
        return await LinkClient.from_socket(worker.connected)
    except LinkLost as lost:
        why = await asyncio.to_thread(worker.last_words, _LAST_WORDS_S)
        raise RusyError(why or f"{lost}; the engine's log is {worker.log}") from lost


def attach(named: Path | None) -> int:
    """The console on an engine that runs on this machine."""
    _need_terminal("rusy status")
    path = engine_socket(named)

    async def connect() -> "LinkClient":
        from rusy_tui.link.client import LinkClient

        return await LinkClient.connect_unix(path)

    _show(connect, None, "rusy")
    return 0


def attach_through_ssh(host: str, named: str | None, remote: str) -> int:
    """The console on an engine that runs elsewhere, through ssh.

    Args:
        host: as ssh takes it: USER@HOST, or a name from its configuration.
        named: the engine's socket over there, when several run.
        remote: how the `rusy` command is called over there.
    """
    _need_terminal(f"ssh {host} rusy status")
    # Without BatchMode ssh would ask for a password on the very terminal we draw on.
    command = ["ssh", "-T", "-o", "BatchMode=yes", host, remote, "attach", "--stdio"]
    if named:
        command += ["--socket", named]

    async def connect() -> "LinkClient":
        from rusy_tui.link.client import LinkClient

        return await LinkClient.connect_command(command)

    _show(connect, None, f"rusy at {host}")
    return 0


def bridge_stdio(named: Path | None) -> int:
    """Join this process's stdin and stdout to an engine's socket: the far end of ssh."""
    from rusy_tui.launching import bridge

    return asyncio.run(bridge.run(engine_socket(named)))


def _show(connect: "Connect", restart: "Connect | None", title: str) -> "Exit":
    """Run the console until the operator leaves; answers what they chose."""
    from rusy_tui.console.app import Console

    # A console that broke says so itself, and its engine goes on.
    return Console(connect, title, restart=restart).run(mouse=False) or "detach"


def _need_terminal(instead: str) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the console needs a terminal on its input and output, and there is none; "
            f"without a screen use `{instead}`"
        )


# --- engines in the foreground ------------------------------------------------------------


def headless(job: Job) -> int:
    """An engine in this process, logging on standard output, until it is told to stop."""
    from rusy_tui.launching.host import EngineHost

    host = EngineHost(job, job.settings(), None, sys.stdout)
    asyncio.run(host.run())
    return 0


def collect(job: Job) -> int:
    """The data service alone, in this process, until it is told to stop."""
    from rusy_tui.launching import collecting

    asyncio.run(collecting.collect(job, job.settings(), sys.stdout))
    return 0


def lockstep(job: Job, summary: str | None) -> int:
    """A recorded market as fast as it goes, in this one process.

    Args:
        job: with a replay.
        summary: a file for the result, or "-" for standard output, or None for none.
    """
    from rusy_tui import launch_lockstep

    return launch_lockstep.run(job, summary)


def clean_demo(directory: Path | None) -> Path:
    """Remove all that demos have left in a directory; answers which one.

    Raises:
        AccountHeldError: one still runs there.
    """
    from rusy_tui.launching import cleaning

    job = Job(demo=True, directory=None if directory is None else str(directory))
    if living := _living_engine(job):
        raise AccountHeldError(living, places.run_folder())
    cleaning.forget_demo(job.folder)
    return job.folder


def keep_traceback(text: str) -> Path:
    """Write down what went wrong in this process; answers where.

    Raises:
        StorageError: it can't be written.
    """
    from rusy_tui.launching.spawn import opened_log

    path = places.home() / "rusy.log"
    with opened_log(path) as log:
        log.write(text.encode())
    return path


# --- other programs -----------------------------------------------------------------------


def simulator(arguments: Sequence[str]) -> int:
    """The simulated exchange alone, as a process in the foreground."""
    command = [sys.executable, "-m", "rusy_tui.launching.exchange_process", *arguments]
    return _become(command)


def train(arguments: Sequence[str]) -> int:
    """Training, which only a clone with the train extra has.

    Raises:
        UsageError: it is not here; with the way to get it.
    """
    import importlib.util

    missing = [name for name in ("training", "torch") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"training is not installed here ({', '.join(missing)} missing): clone the "
            "repository and run `make train` in it, which installs what it needs"
        )
    return _become([sys.executable, "-m", "training", *arguments])


def _become(command: list[str]) -> int:
    """Replace this process, so that signals and the exit code are the program's own."""
    os.execv(command[0], command)


def list_models() -> list[tuple[str, bool]]:
    """Model versions by name, and whether each is the one in use."""
    from rusy_tui.ensemble import registry
    from rusy_tui.resources import models_dir

    folder = models_dir()
    shipped = registry.shipped(folder).name
    return [(name, name == shipped) for name in registry.versions(folder)]


def check(config: Path | None, offline: bool) -> list[str]:
    """Judge an installation; one line each thing that was found right.

    Raises:
        RusyError: the first thing that is wrong, with its remedy.
    """
    from rusy_tui.launching import checking

    return checking.check(config, offline=offline)
