"""Walks what the official SDK made of an answer: nothing unknown, nothing missing.

Its models make every field optional and put unknown ones aside, so that a parse alone proves
nothing.
"""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel

from tests.clients import counts

_ASIDE = "additional_properties"


def faults(value: object, absent: Collection[str] = ()) -> list[str]:
    """What is wrong with a parsed answer, each with its path; nothing when it is right.

    Args:
        value: a model of the SDK, or lists and dicts of them.
        absent: paths of fields that may be ``None``, as ``assets[].updateTime``.
    """
    found: list[str] = []
    _walk(value, "", absent, found)
    return found


def walk(value: object, absent: Mapping[str, str] | None = None) -> None:
    """Fail on an unknown field at any depth, and on a missing one without a reason.

    Args:
        value: a model of the SDK, or lists and dicts of them.
        absent: fields that are not there, by path, each with the reason why.
    """
    reasons = absent or {}
    assert all(reasons.values()), "a missing field needs a reason"
    found = faults(value, reasons.keys())
    assert not found, "\n".join(found)
    counts.walked(value)


def walk_raw(model: type[BaseModel], raw: Any, absent: Mapping[str, str] | None = None) -> None:
    """Walk a raw payload as its model; for streams, whose parser drops what it doesn't know.

    The SDK tells account events apart by ``e``, which most of their models leave out.
    """
    if "e" not in {field.alias or name for name, field in model.model_fields.items()}:
        raw = {name: value for name, value in raw.items() if name != "e"}
    walk(model.from_dict(raw), absent)  # type: ignore[attr-defined]  # each has one


def _walk(value: object, path: str, absent: Collection[str], found: list[str]) -> None:
    if isinstance(value, BaseModel):
        _walk_model(value, path, absent, found)
    elif isinstance(value, list):
        for item in value:
            _walk(item, f"{path}[]", absent, found)
    elif isinstance(value, dict):
        for name, item in value.items():
            _walk(item, _join(path, str(name)), absent, found)


def _walk_model(model: BaseModel, path: str, absent: Collection[str], found: list[str]) -> None:
    fields = type(model).model_fields
    if "actual_instance" in fields:
        actual = model.actual_instance  # type: ignore[attr-defined]  # a choice of models
        if not isinstance(actual, BaseModel | list):
            found.append(f"{path}: none of the models takes {actual!r}")
        _walk(actual, path, absent, found)
        return
    # One of the SDK's models (ListenKeyExpired) reads a field and puts it aside as well.
    read = {field.alias: getattr(model, name) for name, field in fields.items()}
    for name, value in getattr(model, _ASIDE, {}).items():
        if name not in read or read[name] != value:
            found.append(f"{_join(path, name)}: unknown to the SDK, is {value!r}")
    for name, field in fields.items():
        if name == _ASIDE:
            continue
        here = _join(path, field.alias or name)
        value = getattr(model, name)
        if value is None and here not in absent:
            found.append(f"{here}: missing")
        elif value is not None and here in absent:
            found.append(f"{here}: listed as missing, is {value!r}")
        _walk(value, here, absent, found)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
