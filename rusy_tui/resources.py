"""Where the migrations and the shipped models lie, in a checkout and in a wheel.

A wheel carries ``sql/`` and ``models/`` inside the package, as ``_sql`` and ``_models``; in a
checkout they stand beside it, and there those are read, so that an edit is seen at once.
"""

from importlib import resources
from pathlib import Path

from rusy_tui.domain.errors import StorageError


def sql_dir() -> Path:
    """The folder of numbered migrations."""
    return _folder("sql")


def models_dir() -> Path:
    """The folder of shipped model versions."""
    return _folder("models")


def _folder(name: str) -> Path:
    # Wheels are always installed as plain files, so the traversable is a path.
    package = Path(str(resources.files("rusy_tui")))
    inside, beside = package / f"_{name}", package.parent / name
    for folder in (inside, beside):
        if folder.is_dir():
            return folder
    raise StorageError(
        f"the folder {name}/ is missing: neither {inside} nor {beside} exists. "
        f"Install rusy again, or run it from a whole clone."
    )
