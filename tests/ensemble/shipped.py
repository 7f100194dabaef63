"""The shipped version's manifest, copied and changed by tests."""

import shutil
from pathlib import Path

import msgspec

from rusy_tui.ensemble import manifest as manifests
from rusy_tui.ensemble import registry
from rusy_tui.ensemble.manifest import Manifest


def manifest() -> Manifest:
    return registry.verify(registry.shipped())[0]


def copy_to(folder: Path) -> Path:
    """A copy of the shipped version under a folder."""
    source = registry.shipped()
    return Path(shutil.copytree(source, folder / source.name))


def rewrite(version: Path, **changes: object) -> None:
    """Change fields of a copied version's manifest."""
    path = version / manifests.FILE_NAME
    changed = msgspec.structs.replace(manifest(), **changes)
    path.write_bytes(manifests.encode(changed))
