"""Variables named ``RUSY_<SECTION>__<KEY>``, from ``.env`` and from the process.

A variable that is set to nothing counts as not set: that is how compose files and shells
pass on what nobody wrote.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import yaml
from dotenv.parser import parse_stream

from rusy_tui.config.document import Document, Path_, spell
from rusy_tui.config.errors import Mistake, Place, nearest
from rusy_tui.config.shape import Shape

PREFIX = "RUSY_"
SEPARATOR = "__"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable and where it was set."""

    value: str
    place: Place


def variable_name(path: Path_) -> str:
    """The variable that overrides a key: ``risk.leverage`` → ``RUSY_RISK__LEVERAGE``."""
    return PREFIX + SEPARATOR.join(str(part).upper() for part in path)


def gather(
    environ: Mapping[str, str], env_file: Path | None
) -> tuple[dict[str, Variable], list[Mistake]]:
    """Every ``RUSY_`` variable; the process's own win over those of the file."""
    variables, mistakes = ({}, []) if env_file is None else _read_env_file(env_file)
    for name, value in environ.items():
        if name.startswith(PREFIX) and value.strip():
            variables[name] = Variable(value, Place(source="environment", variable=name))
    return variables, mistakes


def _read_env_file(path: Path) -> tuple[dict[str, Variable], list[Mistake]]:
    variables: dict[str, Variable] = {}
    mistakes: list[Mistake] = []
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return variables, mistakes
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(
            Mistake(
                place=Place(source=str(path)),
                key="",
                problem=f"can't be read: {error}",
                remedy="Make it a readable text file, or delete it.",
            )
        )
        return variables, mistakes
    for binding in parse_stream(StringIO(text)):
        place = Place(source=str(path), line=binding.original.line, variable=binding.key)
        if binding.error:
            mistakes.append(
                Mistake(
                    place=place,
                    key="",
                    problem="is no NAME=VALUE",  # the line itself may hold a secret
                    remedy="Write NAME=VALUE, one a line; comments begin with #.",
                )
            )
        elif (
            binding.key is not None
            and binding.key.startswith(PREFIX)
            and binding.value is not None
            and binding.value.strip()
        ):
            variables[binding.key] = Variable(binding.value, place)
    return variables, mistakes


def overlay(document: Document, variables: Mapping[str, Variable], shape: Shape) -> None:
    """Write the variables that name a key over the document's values."""
    known = {variable_name(path): path for path in shape.scalar_paths()}
    for name, variable in sorted(variables.items()):
        if SEPARATOR not in name:
            continue  # RUSY_API_KEY, RUSY_RECORDINGS and the like are no keys
        path = known.get(name)
        if path is None:
            likely = nearest(name, known)
            document.mistakes.append(
                Mistake(
                    place=variable.place,
                    key="",
                    problem="names no key",
                    remedy=f"Did you mean {likely}?"
                    if likely
                    else "Name it RUSY_<SECTION>__<KEY>; docs/configuration.md lists them.",
                )
            )
            continue
        value: object = variable.value
        if shape.is_list(path):
            value = _listed(document, variable, path)
        document.put(path, value, variable.place)


def _listed(document: Document, variable: Variable, path: Path_) -> object:
    """A list from ``A,B`` or from YAML's own ``[A, B]``."""
    try:
        parsed = yaml.safe_load(variable.value)
    except yaml.YAMLError:
        document.mistakes.append(
            Mistake(
                place=variable.place,
                key=spell(path),
                problem="is no list",
                remedy="Write A,B,C or a list in YAML, [A, B, C].",
            )
        )
        return []
    if isinstance(parsed, str):
        return [part.strip() for part in parsed.split(",") if part.strip()]
    return parsed
