"""What a test may need of its machine, and how to get what is missing.

A test names its needs with ``@pytest.mark.needs("tmux", "recordings")``. Where one is missing
the test is skipped, and the run ends with one line a missing tool; with ``REQUIRE=all`` in the
environment such a test fails instead.
"""

import functools
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


def recordings() -> Path | None:
    """The folder of recorded candles, or None where there is none."""
    named = os.environ.get("RUSY_RECORDINGS", "").strip()
    folder = Path(named)
    return folder if named and (folder / "klines").is_dir() else None


def _program(name: str, package: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        if shutil.which(name):
            return None
        return f"{name} is not installed; apt-get install {package}"

    return missing


def _library(name: str, remedy: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        return None if importlib.util.find_spec(name) else f"{name} is not installed; {remedy}"

    return missing


def _no_recordings() -> str | None:
    if recordings() is not None:
        return None
    named = os.environ.get("RUSY_RECORDINGS", "").strip()
    where = f"{named} has no folder klines/" if named else "RUSY_RECORDINGS is not set"
    return f"{where}; make test DATA=DIR"


def _no_second_user() -> str | None:
    # Only root can start a program as somebody else without being asked for a password.
    if os.geteuid() != 0:
        return "only root can act as a second user; sudo make verify"
    return None if shutil.which("setpriv") else "setpriv is not installed; it is in util-linux"


def _no_docker() -> str | None:
    if not shutil.which("docker"):
        return "docker is not installed"
    return None if Path("/var/run/docker.sock").exists() else "no docker engine runs"


def _no_compose() -> str | None:
    """`docker compose config` judges files without an engine."""
    if not shutil.which("docker"):
        return "docker is not installed"
    asked = subprocess.run(["docker", "compose", "version"], capture_output=True)
    return "the docker client has no compose plugin" if asked.returncode else None


def _no_timescaledb() -> str | None:
    """The only need that is met by asking for it: fetched once, kept in the checkout."""
    from tests.timescale import installed

    return installed.missing()


_NEEDS: dict[str, Callable[[], str | None]] = {
    "compose": _no_compose,
    "docker": _no_docker,
    "node": _program("node", "nodejs"),
    "npm": _program("npm", "npm"),
    "recordings": _no_recordings,
    "rsvg": _program("rsvg-convert", "librsvg2-bin"),
    "second-user": _no_second_user,
    "systemd": _program("systemd-analyze", "systemd"),
    "ssh": _program("ssh", "openssh-client"),
    "timescaledb": _no_timescaledb,
    "tmux": _program("tmux", "tmux"),
    "torch": _library("torch", "make verify installs it"),
    "valgrind": _program("valgrind", "valgrind"),
}


@functools.cache
def missing(need: str) -> str | None:
    """Why a need is not met, or None.

    Raises:
        KeyError: nothing is known of a need by this name.
    """
    return _NEEDS[need]()


def known() -> list[str]:
    """The names a test may use."""
    return sorted(_NEEDS)


def everything_required() -> bool:
    """Whether a skipped test counts as failed."""
    return os.environ.get("REQUIRE", "").strip() == "all"
