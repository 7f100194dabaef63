"""Writes the reference of the configuration from the settings' own docstrings.

``python -m tools.configuration_reference docs/configuration.md``; a test holds the file up to
date.
"""

import ast
import dataclasses
import enum
import inspect
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annotated_types

from rusy_tui.config.environment import variable_name
from rusy_tui.config.shape import Shape
from rusy_tui.domain import settings as module
from rusy_tui.domain.settings import Settings

_HEAD = """\
# Configuration

<!-- Made by `make reference` from rusy_tui/domain/settings.py; edit the docstrings there. -->

Rusy reads `configuration.yaml` in the folder it is started in, or the file named by
`--config`. Every key may be left out; a file may hold a single key. `rusy demo` needs no file.
`rusy check --offline` judges the configuration and starts nothing.

**Who wins.** The command line, then the environment, then `.env` beside the file, then the
file, then the default. A variable is named `RUSY_<SECTION>__<KEY>`: `RUSY_RISK__LEVERAGE=2`
stands for `risk.leverage: 2`. A variable that is set to nothing counts as not set. A list is
written `A,B`, or as YAML writes it.

**Secrets** come from the environment or `.env` alone: `RUSY_API_KEY`, `RUSY_API_SECRET` (or
`RUSY_API_PRIVATE_KEY`, an RSA or Ed25519 key's file, and `RUSY_API_PRIVATE_KEY_PASSWORD`),
and `RUSY_DATABASE__URL` when it holds a password. In a file they are refused.
Spaces around one are no part of it, and a password without a private key is not used.
`.env.example` shows the form.

**Mistakes** are told all at once, each with file, line, key, value and what to write instead;
the exit code is 2. Comments begin with `#`.
"""

_KINDS = {
    "int": "whole number",
    "float": "number",
    "Decimal": "exact number",
    "str": "text",
    "bool": "true or false",
    "datetime": "date and time",
    "tuple": "list",
}


def reference() -> str:
    """The whole page."""
    docs = _field_docstrings()
    parts = [_HEAD]
    shape = Shape()
    for section, key in shape.keys(Settings).items():
        if key.group is None:
            raise TypeError(f"{section} is no group of keys")
        parts.append(f"\n## {section}\n\n{inspect.getdoc(key.group)}\n")
        parts.extend(_rows(shape, key.group, section, docs))
    return "".join(parts)


def _rows(
    shape: Shape, group: type, path: str, docs: dict[tuple[str, str], str]
) -> Iterator[str]:
    hints = typing.get_type_hints(group, include_extras=True)
    for field in dataclasses.fields(group):
        key = shape.keys(group)[field.name]
        here = f"{path}.{field.name}"
        kind = _kind(key.plain) if key.group is None else "list"
        limits = ", ".join(_limits(hints[field.name]))
        facts = f"{kind}, {limits}" if limits else kind
        yield f"\n### `{here}`\n\n{docs[group.__name__, field.name]}\n\n- {facts}\n"
        if key.group is not None:
            yield from _rows(shape, key.group, f"{here}[]", docs)
            continue
        if field.default is not dataclasses.MISSING:
            yield f"- default: {_written(field.default)}\n"
        elif "[]" in path:
            yield "- must be given\n"
        if "[]" not in path:
            yield f"- variable: `{variable_name(tuple(here.split('.')))}`\n"


def _kind(plain: type) -> str:
    if issubclass(plain, enum.Enum):
        return "one of " + ", ".join(f"`{member.value}`" for member in plain)
    return _KINDS[plain.__name__]


def _limits(hint: Any) -> Iterator[str]:
    """The constraints of a type, in words."""
    if typing.get_origin(hint) is typing.Annotated:
        for constraint in hint.__metadata__:
            match constraint:
                case annotated_types.Gt(gt=bound):
                    yield f"above {bound}"
                case annotated_types.Ge(ge=bound):
                    yield f"at least {bound}"
                case annotated_types.Lt(lt=bound):
                    yield f"below {bound}"
                case annotated_types.Le(le=bound):
                    yield f"at most {bound}"
                case _:
                    pass  # lengths: nothing but "not empty"
        yield from _limits(hint.__origin__)
    elif typing.get_origin(hint) is not tuple:
        for part in typing.get_args(hint):
            yield from _limits(part)


def _written(value: object) -> str:
    """A default as it is written in the file."""
    match value:
        case None:
            return "unset"
        case bool():
            return f"`{str(value).lower()}`"
        case enum.Enum():
            return f"`{value.value}`"
        case tuple():
            return f"`[{', '.join(map(str, value))}]`"
        case _:
            return f"`{value}`"


def _field_docstrings() -> dict[tuple[str, str], str]:
    """The string that stands below each field, by class and field."""
    docs = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, below in zip(node.body, node.body[1:], strict=False):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    docs[node.name, name] = inspect.cleandoc(text)
    return docs


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
