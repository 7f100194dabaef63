"""SIGINT and SIGTERM, for programs that run until they are told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator


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
