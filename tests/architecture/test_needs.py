"""A test whose needs are not met is skipped with one line, or fails where all is required."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run_pytest(folder: Path, root: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the one test of a folder with the project's own conftest."""
    (folder / "conftest.py").write_text("from tests.conftest import *\n")
    (folder / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.needs('recordings')\n"
        "def test_marked(): pass\n"
        "def test_fixture(recordings): pass\n"
    )
    options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-m", "not training"]
    return subprocess.run(
        [
            *[sys.executable, "-m", "pytest", *options],
            *["-c", str(root / "pyproject.toml"), "--rootdir", str(folder), str(folder)],
        ],
        cwd=root,
        env={**os.environ, "RUSY_RECORDINGS": "", "REQUIRE": "", **environ},
        capture_output=True,
        text=True,
    )


def test_a_missing_need_is_one_line(tmp_path: Path, root: Path) -> None:
    done = run_pytest(tmp_path, root)
    assert done.returncode == 0, done.stdout
    assert (
        "SKIPPED recordings: RUSY_RECORDINGS is not set; make test DATA=DIR (2 tests)"
        in done.stdout
    )


def test_a_missing_need_fails_where_all_is_required(tmp_path: Path, root: Path) -> None:
    done = run_pytest(tmp_path, root, REQUIRE="all")
    assert done.returncode == 1
    assert "2 errors" in done.stdout
    assert "REQUIRE=all" in done.stdout


def test_a_need_that_is_met_runs(tmp_path: Path, root: Path) -> None:
    (tmp_path / "data" / "klines").mkdir(parents=True)
    done = run_pytest(tmp_path, root, RUSY_RECORDINGS=str(tmp_path / "data"), REQUIRE="all")
    assert "2 passed" in done.stdout
    assert done.returncode == 0


@pytest.mark.needs("recordings")
def test_the_recordings_hold_the_week_that_is_replayed(recordings: Path) -> None:
    assert (recordings / "klines" / "BTCUSDT-15m.parquet").is_file()
