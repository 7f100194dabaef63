"""The engine's tasks: none is lost sight of, and what must go on begins anew after a defect."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from rusy_tui.domain.clock import Clock

log = structlog.get_logger("engine")

# What ended by a defect begins again after this; wall seconds.
BEGIN_AGAIN_S = 1.0

Work = Coroutine[Any, Any, None]


class Tasks:
    """Runs coroutines until :meth:`stop`.

    Args:
        clock: whose wall time the pause after a defect counts in.
        defect: told of each task that failed, in words.
    """

    def __init__(self, clock: Clock, defect: Callable[[str], None]) -> None:
        self._clock = clock
        self._defect = defect
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Work) -> asyncio.Task[None]:
        """Do something beside all else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def keep_up(self, work: Callable[[], Work]) -> None:
        """Do what must never end while positions may be open: a defect halts entries, and the
        work begins anew.
        """

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception() is not None:
                self.spawn(self._begin_again(work))

        self.spawn(work()).add_done_callback(ended)

    async def stop(self) -> None:
        """Cancel all and wait for their ends."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin_again(self, work: Callable[[], Work]) -> None:
        await self._clock.sleep(BEGIN_AGAIN_S)
        self.keep_up(work)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            # No entries until somebody has looked; exits have tasks of their own.
            self._defect(f"a task of the engine failed: {error!r}")
            log.error("task failed", why=repr(error), exc_info=error)
