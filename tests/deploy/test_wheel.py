"""The wheel is whole: the program, the migrations and the models, and nothing of a clone's."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A wheel built from the checkout, without network."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed; make test installs it")
    if not (root / "README.md").is_file():
        pytest.skip("README.md is not written yet")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=root,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_program_and_its_files(wheel: Path, root: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"rusy_tui/__init__.py", "rusy_tui/domain/settings.py"} <= names
    for folder in ("sql", "models"):
        expected = {
            f"rusy_tui/_{path.relative_to(root)}"
            for path in (root / folder).rglob("*")
            if path.is_file()
        }
        assert expected <= names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rusy_tui"}


def test_an_unpacked_wheel_finds_its_files(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = (
        "from rusy_tui import resources, __version__\n"
        "print(resources.sql_dir(), resources.models_dir(), __version__)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    inside = tmp_path / "rusy_tui"
    assert said[:2] == [str(inside / "_sql"), str(inside / "_models")]
    assert wheel.name.startswith(f"rusy_tui-{said[2]}-")
