"""A database that is away: calls fail at once, or hang, until it returns."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from rusy_tui.store.errors import DatabaseLost
from rusy_tui.store.store import Store

_CALLS = (
    ("commands", "reply"),
    ("commands", "record"),
    ("proposals", "decide"),
    ("orders", "intend"),
    ("orders", "update"),
    ("trades", "add"),
    ("trades", "update"),
    ("fills", "add"),
)


class Away:
    """From its making until :meth:`back` the store's calls fail or hang.

    Args:
        store: whose calls are meant.
        hanging: whether they hang; else they fail at once.
    """

    def __init__(self, store: Store, *, hanging: bool) -> None:
        self._hanging = hanging
        self._back = asyncio.Event()
        for table, name in _CALLS:
            repository = getattr(store, table)
            setattr(repository, name, self._behind(getattr(repository, name)))

    def back(self) -> None:
        """What hangs was never done and fails; later calls are done."""
        self._back.set()

    def _behind(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def away(*arguments: Any, **named: Any) -> Any:
            if self._back.is_set():
                return await call(*arguments, **named)
            if self._hanging:
                await self._back.wait()
            raise DatabaseLost("gone")

        return away
