"""A home for each test; processes that a test leaves behind are ended."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.driving import Home, Terminal, closing_all


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A Rusy that was never used before."""
    with closing_all(Home(tmp_path / "home")) as made:
        yield made


@pytest.fixture
def captures(tmp_path: Path) -> Iterator[Path]:
    """A folder for captures of the screen, copied to ``RUSY_CAPTURES`` where that is set."""
    folder = tmp_path / "captures"
    folder.mkdir()
    yield folder
    if wanted := os.environ.get("RUSY_CAPTURES", ""):
        shutil.copytree(folder, wanted, dirs_exist_ok=True)


@pytest.fixture
def terminal(home: Home, captures: Path) -> Iterator[Callable[..., Terminal]]:
    """Opens terminals with a `rusy` command in each."""
    opened: list[Terminal] = []

    def open_one(*arguments: str) -> Terminal:
        opened.append(Terminal(home, captures, *arguments))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()
