"""The gates beside the mode: an entry goes only when none is closed.

Exits and protection never ask here.
"""

from collections.abc import Callable

import msgspec

from rusy_tui.domain.modes import Gate


class Gates:
    """The closed gates, by name. Closing a closed gate keeps its first time.

    Args:
        changed: called after each change, without waiting.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._closed: dict[str, Gate] = {}
        self._changed = changed

    @property
    def closed(self) -> tuple[Gate, ...]:
        """The closed gates in the order they closed."""
        return tuple(self._closed.values())

    @property
    def open(self) -> bool:
        """Whether entries may go."""
        return not self._closed

    def pause(self, name: str, why: str, opens: str, now_ms: int) -> None:
        """Close a gate that opens by itself when what it names is over."""
        self._close(Gate(name=name, why=why, opens=opens, halted=False, since_ms=now_ms))

    def explain(self, name: str, why: str) -> None:
        """Say anew why a gate is paused; it keeps its time."""
        gate = self._closed.get(name)
        if gate is not None and not gate.halted and gate.why != why:
            self._closed[name] = msgspec.structs.replace(gate, why=why)
            self._changed()

    def halt(self, name: str, why: str, now_ms: int) -> None:
        """Close a gate that stays until a person resumes."""
        self._close(
            Gate(name=name, why=why, opens="resume, by a person", halted=True, since_ms=now_ms)
        )

    def end_pause(self, name: str) -> None:
        """Open a paused gate; a halted one of that name stays."""
        gate = self._closed.get(name)
        if gate is not None and not gate.halted:
            del self._closed[name]
            self._changed()

    def resume(self) -> tuple[str, ...]:
        """Open every halted gate; the names of those opened."""
        names = tuple(name for name, gate in self._closed.items() if gate.halted)
        for name in names:
            del self._closed[name]
        if names:
            self._changed()
        return names

    def _close(self, gate: Gate) -> None:
        known = self._closed.get(gate.name)
        # A halt outlives a pause of the same name, never the other way round.
        if known is not None and (known.halted or not gate.halted):
            return
        self._closed[gate.name] = gate
        self._changed()
