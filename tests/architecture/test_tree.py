"""What the tree holds, and what it must not."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from rusy_tui import resources

# Addresses that belong to one machine or one download, spelt so that this file has none.
FOREIGN = re.compile(
    r"/wor[k]/|/roo[t]/|\.librar[y]|pypi\.or[g]|pythonhosted\.or[g]|npmjs\.or[g]"
    r"|index-ur[l]\s*=|--extra-index-ur[l]|--find-link[s]\b",
)
SHARED = re.compile(r"\.\./share[d]/")


def tracked_texts(root: Path) -> dict[str, str]:
    """Every text file that git tracks, by path."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no git checkout")
    texts = {}
    for name in filter(None, listed.stdout.split("\0")):
        path = root / name
        if not path.is_file():
            continue  # deleted and not yet committed
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a graph of a network, a picture
    return texts


def test_no_file_names_a_machine_or_an_index(root: Path) -> None:
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for name, text in tracked_texts(root).items()
        for match in FOREIGN.finditer(text)
    ]
    assert found == []


def test_only_the_integration_script_looks_beside_the_checkout(root: Path) -> None:
    texts = tracked_texts(root)
    assert [name for name, text in texts.items() if SHARED.search(text)] in ([], [".ci/run"])


def test_the_lock_has_a_hash_for_every_library(root: Path) -> None:
    for lock in sorted((root / "requirements").glob("*.txt")):
        for entry in re.split(r"\n(?=[a-z0-9])", lock.read_text().strip()):
            name = entry.split("==")[0]
            assert "==" in entry.splitlines()[0], f"{lock.name}: {name} is not pinned"
            assert "--hash=sha256:" in entry, f"{lock.name}: {name} has no hash"


def pinned(root: Path, lock: str) -> dict[str, set[str]]:
    """The versions a lock file names, by library (several where the platform decides)."""
    versions: dict[str, set[str]] = {}
    for line in (root / "requirements" / f"{lock}.txt").read_text().splitlines():
        if match := re.match(r"([a-z0-9._-]+)==(\S+)", line):
            versions.setdefault(match[1], set()).add(match[2])
    return versions


def test_each_lock_holds_the_one_before(root: Path) -> None:
    run, dev, train = (pinned(root, name) for name in ("run", "dev", "train"))
    assert run.items() <= dev.items()
    assert dev.items() <= train.items()


def test_the_lock_holds_every_library_that_is_asked_for(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())
    for lock, wanted in {
        "run": project["project"]["dependencies"],
        "dev": project["dependency-groups"]["dev"],
        "train": project["project"]["optional-dependencies"]["train-tools"],
    }.items():
        names = {re.split(r"[<>=\[ ]", line)[0].lower().replace("_", "-") for line in wanted}
        assert names <= pinned(root, lock).keys(), f"{lock}: type make lock"


def test_torch_is_pinned_and_in_no_lock(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())
    assert any(
        re.fullmatch(r"torch==[\d.]+", line)
        for line in project["project"]["optional-dependencies"]["train"]
    )
    for lock in ("run", "dev", "train"):
        assert "torch" not in pinned(root, lock)


def test_the_migrations_and_the_models_are_found(root: Path) -> None:
    assert resources.sql_dir() == root / "sql"
    assert list(resources.sql_dir().glob("*.sql"))
