"""Finding a model version and proving that it is the one that was shipped."""

import hashlib
from pathlib import Path

from rusy_tui.domain.errors import ModelError
from rusy_tui.ensemble import manifest as manifests
from rusy_tui.ensemble.manifest import Manifest
from rusy_tui.features import catalogue
from rusy_tui.resources import models_dir

SHIPPED_FILE = "SHIPPED"
"""Holds the name of the version that is used when none is named."""


def versions(folder: Path) -> tuple[str, ...]:
    """Names of the versions in a folder of models, in order."""
    found = (entry.parent.name for entry in folder.glob(f"*/{manifests.FILE_NAME}"))
    return tuple(sorted(found))


def shipped(folder: Path | None = None) -> Path:
    """The folder of the version in use: what ``SHIPPED`` names.

    Raises:
        ModelError: when it names a version that is not there.
    """
    models = folder or models_dir()
    pointer = models / SHIPPED_FILE
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ModelError(f"{pointer}: can't be read: {error.strerror}") from error
    if name not in versions(models):
        known = ", ".join(versions(models)) or "none"
        raise ModelError(
            f"{pointer}: names version {name!r}, but {models} holds: {known}; "
            "write one of these into it, or train that one with `rusy train`"
        )
    return models / name


def find(name: str | None, folder: Path | None = None) -> Path:
    """A version's folder by its name or by a path to it; the shipped one when unset.

    Raises:
        ModelError: when there is no such version.
    """
    if name is None:
        return shipped(folder)
    models = folder or models_dir()
    for version in (models / name, Path(name).expanduser()):
        if (version / manifests.FILE_NAME).is_file():
            return version
    known = ", ".join(versions(models)) or "none"
    raise ModelError(
        f"no model version {name!r}: neither a folder with a {manifests.FILE_NAME} nor one of "
        f"the versions in {models} ({known}); name one of these, or train it"
    )


def read(path: Path) -> bytes:
    """The bytes of one file of a version.

    Raises:
        ModelError: when it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path}: a file of the model version can't be read: {error.strerror}; "
            "restore it (`git checkout -- models`), or install Rusy again"
        ) from error


def verify(version: Path) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of a version and its graphs' bytes by member, each proven by its hash.

    Raises:
        ModelError: naming the file, what was expected, what was found, and the remedy.
    """
    source = version / manifests.FILE_NAME
    manifest = manifests.decode(read(source), str(source))
    expected = catalogue.digest()
    if manifest.features_sha256 != expected:
        raise ModelError(
            f"{source}: features_sha256: expected {expected}, found "
            f"{manifest.features_sha256}: the model version was trained on other features "
            "than this Rusy computes; train it anew with `rusy train`, or use the shipped one"
        )
    graphs: dict[str, bytes] = {}
    for member, graph in manifest.graphs.items():
        path = version / graph.file
        content = read(path)
        found = hashlib.sha256(content).hexdigest()
        if found != graph.sha256:
            raise ModelError(
                f"{path}: the model file is damaged or was replaced: expected sha256 "
                f"{graph.sha256}, found {found}; restore it (`git checkout -- models`), "
                "install Rusy again, or train the version anew with `rusy train`"
            )
        graphs[member] = content
    return manifest, graphs
