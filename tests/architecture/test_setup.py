"""Set-up on machines that lack something: one message with the one command to type."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

TOOLS = ["cat", "chmod", "dirname", "grep", "head", "mkdir", "readlink", "rm", "sed", "tail"]

OLD = """\
case "$2" in *python_version*) echo 3.9.2 ;; *) exit 1 ;; esac
"""
WITHOUT_VENV = """\
case "$2" in
*python_version*) echo 3.12.1 ;;
*'%d.%d'*) echo 3.12 ;;
*ensurepip*) exit 1 ;;
esac
"""
# An environment whose pip fails with what a real one printed.
FAILING_PIP = """\
case "$*" in
*python_version*) echo {version} ;;
*get_platform*) echo linux-armv7l ;;
*'!= (3, 11)'*) [ {version} = 3.11.9 ] ;;
*'pip install'*) echo '{error}' >&2; exit 1 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path, root: Path) -> Path:
    """A folder with all that set-up reads, and a PATH with no Python in it."""
    for name in ("tools", "requirements"):
        shutil.copytree(root / name, tmp_path / name)
    for name in ("pyproject.toml", "Makefile"):
        shutil.copy(root / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in [*TOOLS, "touch", "sh", "apt-get"]:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "/bin/true")
    return tmp_path


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


def set_up(checkout: Path, **environ: str) -> tuple[int, str]:
    """Run the set-up as `make run` does; the exit code and what was printed."""
    done = subprocess.run(
        ["/bin/sh", "tools/setup.sh", "run"],
        cwd=checkout,
        env={"PATH": str(checkout / "bin"), "GOAL": "run", **environ},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_no_python(checkout: Path) -> None:
    code, said = set_up(checkout)
    assert code == 1
    assert "python3 is no Python that runs; 3.11 or newer is needed. Type:" in said
    assert "    sudo apt-get install -y python3.11 python3.11-venv\n" in said


def test_a_python_that_is_too_old(checkout: Path) -> None:
    program(checkout / "bin" / "python3", OLD)
    code, said = set_up(checkout)
    assert code == 1
    assert "python3 is Python 3.9.2; 3.11 or newer is needed. Type:" in said


def test_a_newer_python_beside_an_old_one_is_taken(checkout: Path) -> None:
    program(checkout / "bin" / "python3", OLD)
    program(checkout / "bin" / "python3.12", WITHOUT_VENV)
    _, said = set_up(checkout)
    assert "set-up: python3 is 3.9.2; taking python3.12" in said


def test_the_variable_names_another_python(checkout: Path) -> None:
    program(checkout / "bin" / "mine", OLD)
    _, said = set_up(checkout, PYTHON="mine")
    assert "mine is Python 3.9.2" in said


def test_a_python_without_venv(checkout: Path) -> None:
    program(checkout / "bin" / "python3", WITHOUT_VENV)
    code, said = set_up(checkout)
    assert code == 1
    assert "no venv module" in said
    assert "    sudo apt-get install -y python3.12-venv\n" in said


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        ("3.15.0", "make run PYTHON=python3.11"),
        ("3.11.9", "docker compose run --build --rm rusy demo --headless"),
    ],
)
def test_no_wheel_for_the_platform(checkout: Path, version: str, remedy: str) -> None:
    error = "ERROR: No matching distribution found for ta-lib==0.8.2"
    program(
        checkout / ".venv" / "bin" / "python", FAILING_PIP.format(version=version, error=error)
    )
    code, said = set_up(checkout)
    assert code == 1
    assert f"no wheel of ta-lib for Python {version} on linux-armv7l" in said
    assert f"    {remedy}\n" in said


def test_no_network(checkout: Path) -> None:
    error = (
        "WARNING: Retrying after connection broken by NewConnectionError\n"
        "ERROR: No matching distribution found for aiohttp==3.14.5"
    )
    program(
        checkout / ".venv" / "bin" / "python", FAILING_PIP.format(version="3.12.0", error=error)
    )
    code, said = set_up(checkout)
    assert code == 1
    assert "When the network is back, type:\n\n    make run\n" in said
    assert "Retrying after connection broken" in said


def test_the_second_time_costs_nothing(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    program(python, "exit 1\n")
    program(python.with_name("rusy"), "exit 0\n")
    (checkout / ".venv" / ".stamp-run").touch()
    start = time.perf_counter()
    subprocess.run(["make", "run"], cwd=checkout, check=True, capture_output=True)
    assert time.perf_counter() - start < 0.2


def test_a_changed_lock_is_installed_again(checkout: Path) -> None:
    program(checkout / ".venv" / "bin" / "python", "exit 1\n")
    stamp = checkout / ".venv" / ".stamp-run"
    stamp.touch()
    program(checkout / "tools" / "setup.sh", "echo set-up of $1 >.venv/ran; touch $0\n")
    (checkout / "requirements" / "run.txt").touch()
    subprocess.run(["make", stamp.relative_to(checkout)], cwd=checkout, capture_output=True)
    assert (checkout / ".venv" / "ran").read_text() == "set-up of run\n"
