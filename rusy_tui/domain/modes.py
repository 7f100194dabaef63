"""Modes and gates: who may let an entry go, and what holds it back."""

import msgspec

from rusy_tui.domain.settings import Mode

__all__ = ["Gate", "Mode"]


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A closed gate: no entry goes while one exists.

    ``halted`` gates stay until a person resumes; the others open by themselves when what
    they name is over.
    """

    name: str
    why: str
    opens: str
    halted: bool
    since_ms: int
