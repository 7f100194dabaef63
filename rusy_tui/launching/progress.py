"""How far a long command is: a bar in a terminal, a line now and then elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Generator

from rusy_tui.domain.clock import Clock

# Files behind, files in all, rows behind, what is at work.
Told = Callable[[int, int, int, str], None]

_LINE_EVERY_S = 2.0


@contextlib.contextmanager
def shown(clock: Clock) -> Generator[Told]:
    """Shows on standard error how far an import is.

    Args:
        clock: wall time, for rows a second.
    """
    if sys.stderr.isatty():
        with _bar(clock) as told:
            yield told
    else:
        yield _lines(clock)


def _lines(clock: Clock) -> Told:
    began_s = said_s = clock.monotonic_s()

    def told(done: int, files: int, rows: int, doing: str) -> None:
        nonlocal said_s
        now_s = clock.monotonic_s()
        if now_s - said_s < _LINE_EVERY_S:
            return
        said_s = now_s
        sys.stderr.write(
            f"{rows:,} rows, {rows / (now_s - began_s):,.0f} a second, "
            f"{files - done:,} of {files:,} files left: {doing}\n"
        )
        sys.stderr.flush()

    return told


@contextlib.contextmanager
def _bar(clock: Clock) -> Generator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    began_s = clock.monotonic_s()
    columns = (
        BarColumn(),
        TextColumn("{task.completed}/{task.total} files"),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, rows=0, rate=0.0)

        def told(done: int, files: int, rows: int, doing: str) -> None:
            took_s = max(clock.monotonic_s() - began_s, 1e-3)
            bar.update(
                task,
                completed=done,
                total=files,
                description=doing,
                rows=rows,
                rate=rows / took_s,
            )

        yield told
