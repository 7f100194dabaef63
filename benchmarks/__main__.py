"""``python -m benchmarks``: runs them and prints one table."""

import argparse
import contextlib
import io
import logging
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from benchmarks import (
    backfilling,
    lockstep,
    messages,
    orders,
    predictions,
    publishing,
    screen,
    starting,
    storing,
)
from benchmarks.measuring import Row, table

_ALL: dict[str, Callable[[], list[Row]]] = {
    "lockstep": lockstep.measure,
    "messages": messages.measure,
    "orders": orders.measure,
    "starting": starting.measure,
    "backfilling": backfilling.measure,
    "predictions": predictions.measure,
    "storing": storing.measure,
    "publishing": publishing.measure,
    "screen": screen.measure,
}


def main() -> int:
    """Measure what the command line names, or everything; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_ALL)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in _ALL]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(_ALL)}")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
    )
    logging.disable(logging.CRITICAL)
    rows: list[Row] = []
    for name in given.names or _ALL:
        began_s = time.perf_counter()
        # A screen under test may print; standard output is for the table.
        with contextlib.redirect_stdout(io.StringIO()):
            rows += _ALL[name]()
        sys.stderr.write(f"bench: {name} {time.perf_counter() - began_s:.0f} s\n")
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}")
    print(table(rows))
    if given.json is not None:
        given.json.write_bytes(msgspec.json.encode(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
