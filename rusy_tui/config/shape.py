"""What keys exist and what kind each is, read from the settings' own types."""

import dataclasses
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any

from rusy_tui.config.document import Path_
from rusy_tui.domain.settings import Settings


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a group: its plain type, and the group it holds if it holds one."""

    plain: type
    """The type without annotations and ``None``: ``int``, ``Decimal``, ``tuple``, a group."""

    group: type | None
    """The settings type of the group, or of each item of a list of groups."""

    optional: bool
    """Whether it may be left empty."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The tree of keys below a settings type."""

    root: type = Settings

    def keys(self, group: type) -> dict[str, Key]:
        """The keys of one group, in the order of its fields."""
        hints = typing.get_type_hints(group, include_extras=True)
        return {field.name: _key(hints[field.name]) for field in _fields(group)}

    def scalar_paths(self) -> list[Path_]:
        """The way to every key that is no group; the items of lists are not entered."""
        return list(self._below(self.root, ()))

    def is_list(self, path: Path_) -> bool:
        """Whether the key at the end of a way holds a list."""
        group = self.root
        for part in path[:-1]:
            inner = self.keys(group)[str(part)].group
            if inner is None:
                return False
            group = inner
        return self.keys(group)[str(path[-1])].plain is tuple

    def _below(self, group: type, path: Path_) -> typing.Iterator[Path_]:
        for name, key in self.keys(group).items():
            if key.group is not None and key.plain is not tuple:
                yield from self._below(key.group, (*path, name))
            else:
                yield (*path, name)


def _fields(group: type) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(group)


def _key(hint: Any) -> Key:
    optional = False
    hint = _bare(hint)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        parts = [part for part in typing.get_args(hint) if part is not types.NoneType]
        optional = len(parts) < len(typing.get_args(hint))
        hint = _bare(parts[0])
    if typing.get_origin(hint) is tuple:
        item = _bare(typing.get_args(hint)[0])
        return Key(tuple, _group(item), optional)
    return Key(hint, _group(hint), optional)


def _group(hint: Any) -> type | None:
    return hint if isinstance(hint, type) and dataclasses.is_dataclass(hint) else None


def _bare(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint
