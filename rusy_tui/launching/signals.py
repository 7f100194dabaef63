"""SIGINT and SIGTERM, for programs that run until they are told to stop, or to their end."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


@contextlib.contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Stop on SIGINT and SIGTERM; a second one ends the process as if there were no handler."""
    loop = asyncio.get_running_loop()
    both = (signal.SIGINT, signal.SIGTERM)

    def first() -> None:
        for each in both:
            loop.remove_signal_handler(each)
        stop()

    for each in both:
        loop.add_signal_handler(each, first)
    try:
        yield
    finally:
        for each in both:
            loop.remove_signal_handler(each)


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run something that comes to an end; SIGTERM interrupts it as SIGINT does.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """

    async def main(work: Awaitable[T]) -> T:
        task = asyncio.current_task()
        assert task is not None, "this runs in one"
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(main(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
