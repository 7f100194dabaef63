"""What the console needs of a link to an engine; the real one and scripted ones have it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from rusy_tui.domain.commands import Command, Reply
from rusy_tui.domain.events import Event


class EngineLink(Protocol):
    """A connection to a running engine.

    Both calls raise a :class:`~rusy_tui.domain.errors.RusyError` whose text says why when
    the engine is gone.
    """

    def events(self) -> AsyncIterator[Event]:
        """A snapshot first, then events; market data may be conflated."""

    async def send(self, command: Command) -> Reply:
        """Hand a command to the engine and wait for its answer."""

    async def close(self) -> None:
        """Leave; the engine goes on."""


Connect = Callable[[], Awaitable[EngineLink]]
"""Starts or finds an engine and connects to it; raises RusyError where that fails."""
