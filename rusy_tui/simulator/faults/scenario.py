"""Faults written down: in a file (YAML or JSON), or sent to the control endpoint.

One entry of the list ``faults`` is one fault. ``at`` and ``for`` are spans from the start
(at the control endpoint: from now), as seconds or as text such as ``90s``, ``10m``, ``2h``,
in wall time; every other key is a setting of :class:`~rusy_tui.simulator.faults.fault.Fault`.
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import yaml

from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.faults.fault import PLACES, SETTINGS, Fault, Kind

_TYPES = get_type_hints(Fault)
_COMMON = ("kind", "at", "for", "times", "share", "seed")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_UNIT_MS = {"ms": 1, "s": 1000, None: 1000, "m": 60_000, "h": 3_600_000}


def read_file(path: Path, start_ms: int) -> list[Fault]:
    """The faults of a scenario file.

    Args:
        path: of the file.
        start_ms: what its times count from, wall ms.

    Raises:
        UsageError: when it can't be read; the text names file, line, key and remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"can't read the faults of {path}: {error}") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"{path}:{line}: not readable as YAML: {error.problem}") from None
    items = _items(root, str(path))
    return [_fault_at(node, str(path), start_ms) for node in items]


def read_body(body: bytes, now_ms: int) -> list[Fault]:
    """The faults of a request to the control endpoint: one, a list, or {"faults": […]}.

    Raises:
        UsageError: when it can't be understood; the text names key and remedy.
    """
    try:
        given = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise UsageError(f"faults: not JSON: {error}") from None
    if isinstance(given, dict) and set(given) == {"faults"}:
        given = given["faults"]
    entries = given if isinstance(given, list) else [given]
    if not all(isinstance(entry, dict) for entry in entries):
        raise UsageError('faults: send an object such as {"kind": "stream_cut"}, or a list')
    return [fault_of(entry, now_ms) for entry in entries]


def fault_of(values: Mapping[str, Any], start_ms: int) -> Fault:
    """A fault from its keys and values.

    Raises:
        UsageError: its text begins with the key that is wrong.
    """
    kind = _kind(values.get("kind"))
    known = (*_COMMON, *sorted(PLACES[kind]), *sorted(SETTINGS.get(kind, ())))
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"{kind} knows {', '.join(known)}"
            raise UsageError(f"{key}: {kind} has no such key; {hint}")
    from_ms = start_ms + _span_ms("at", values.get("at", 0))
    fields: dict[str, Any] = {"kind": kind, "from_ms": from_ms}
    if "for" in values:
        fields["until_ms"] = from_ms + _span_ms("for", values["for"])
    for key in known[3:]:
        if key in values:
            try:
                fields[key] = msgspec.convert(values[key], _TYPES[key])
            except msgspec.ValidationError as error:
                raise UsageError(f"{key}: {str(error).lower()}") from None
    return Fault(**fields)


def _kind(given: object) -> Kind:
    names = [kind.value for kind in Kind]
    if given is None:
        raise UsageError(f"kind: missing; one of {', '.join(names)}")
    if given not in names:
        near = difflib.get_close_matches(str(given), names, 1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(names)}"
        raise UsageError(f"kind: {given} is no fault; {hint}")
    return Kind(given)


def _span_ms(key: str, given: object) -> int:
    found = _SPAN.fullmatch(str(given).strip())
    if found is None or isinstance(given, bool):
        raise UsageError(f"{key}: {given!r} is no span of time; write 90, 90s, 10m or 2h")
    return round(float(found[1]) * _UNIT_MS[found[2]])


def _items(root: yaml.Node | None, name: str) -> list[yaml.MappingNode]:
    """The entries of a file, each a mapping."""
    remedy = "write a list of entries under the key faults"
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"{name}:1: faults: missing; {remedy}")
    found: list[yaml.MappingNode] = []
    for key, value in root.value:
        line = key.start_mark.line + 1
        if key.value != "faults":
            raise UsageError(f"{name}:{line}: {key.value}: no such key; {remedy}")
        if not isinstance(value, yaml.SequenceNode):
            raise UsageError(f"{name}:{line}: faults: not a list; {remedy}")
        for node in value.value:
            if not isinstance(node, yaml.MappingNode):
                at = node.start_mark.line + 1
                raise UsageError(f"{name}:{at}: faults: an entry is `kind: …` with settings")
            found.append(node)
    return found


def _fault_at(node: yaml.MappingNode, name: str, start_ms: int) -> Fault:
    """A fault from a node; an error names the line of its key."""
    lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
    loader = yaml.SafeLoader("")
    try:
        values = loader.construct_mapping(node, deep=True)
        return fault_of({str(key): value for key, value in values.items()}, start_ms)
    except yaml.MarkedYAMLError as error:
        line = node.start_mark.line + 1
        raise UsageError(f"{name}:{line}: faults: {error.problem}") from None
    except UsageError as error:
        key = str(error).partition(":")[0]
        line = lines.get(key, node.start_mark.line + 1)
        raise UsageError(f"{name}:{line}: {error}") from None
    finally:
        loader.dispose()
