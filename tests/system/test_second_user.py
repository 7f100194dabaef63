"""An ordinary user's demo: the embedded database runs as that user."""

import os
import pwd
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.driving import Home, closing_all

pytestmark = [
    pytest.mark.verify,
    pytest.mark.needs("second-user"),
    pytest.mark.timeout(120),
]


@pytest.fixture
def ordinary(root: Path) -> Iterator[Home]:
    """A home of a user without rights, in a place where that user can go."""
    user = pwd.getpwnam("nobody").pw_uid
    with tempfile.TemporaryDirectory(prefix="rusy-user-") as made:
        folder = Path(made)
        os.chown(folder, user, user)
        environ = {
            "HOME": made,
            # The Python that this user can run may be another than that of the environment.
            "PYTHONPATH": os.pathsep.join([str(root), sysconfig.get_path("purelib")]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
            home = Home(folder / "home", user=user, python=python)
            home.environ |= environ
            if _may_run(home):
                break
        else:
            pytest.skip("the user nobody can't run a Python of this version")
        with closing_all(home):
            yield home


def _may_run(home: Home) -> bool:
    try:
        return home.rusy("--version").returncode == 0
    except PermissionError:
        return False


def test_a_demo_starts_as_an_ordinary_user(ordinary: Home) -> None:
    engine = ordinary.start()
    status = ordinary.told("status")
    assert status["phase"] == "running"
    assert status["connection"]["database"] is True
    running = ordinary.database_processes()
    assert {each.username() for each in running} == {"nobody"}
    assert ordinary.database_folder.is_relative_to(ordinary.folder), "it needs no other place"
    assert ordinary.rusy("stop").returncode == 0
    assert engine.ended(5.0) == 0
    assert ordinary.database_processes() == []
