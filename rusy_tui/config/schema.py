"""Settings as pydantic sees them: validated, and as JSON for other processes."""

import functools
import hashlib
import json
from typing import Any

from pydantic import TypeAdapter

from rusy_tui.domain.settings import Settings


@functools.cache
def adapter() -> TypeAdapter[Settings]:
    """The validator of the settings' types and constraints; built once, on first use."""
    return TypeAdapter(Settings)


def dumps(settings: Settings) -> str:
    """Settings as JSON, for handing them to another process. Exact for every field.

    The text may hold the database's password: it is for a pipe, never for a log.
    """
    return adapter().dump_json(settings).decode()


def loads(text: str) -> Settings:
    """Settings from the JSON that :func:`dumps` made."""
    return adapter().validate_json(text)


def fingerprint(settings: Settings) -> str:
    """A short hash of everything that is set, for the journal.

    The database is left out: its address may hold a password, and it decides nothing.
    """
    values: dict[str, Any] = adapter().dump_python(settings, mode="json")
    del values["database"]
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
