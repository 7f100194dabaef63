"""Which span of time a listing is asked about, and how many of its rows."""

from collections.abc import Sequence
from typing import TypeVar

from rusy_tui.simulator.refusals import Refusal
from rusy_tui.simulator.rest.endpoints import Call

_DAY_MS = 86_400_000

Row = TypeVar("Row")


def span(call: Call, days: int, too_long: Refusal) -> tuple[int, int]:
    """The span asked about: the last ``days`` where none is named.

    Raises ``too_long`` where it is longer; the exchange's code differs by endpoint.
    """
    start_ms, end_ms = call.parameters.integer("startTime"), call.parameters.integer("endTime")
    most_ms = days * _DAY_MS
    if start_ms is None:
        end_ms = call.now_ms if end_ms is None else end_ms
        return end_ms - most_ms, end_ms
    if end_ms is None:
        return start_ms, start_ms + most_ms
    if end_ms - start_ms > most_ms:
        raise too_long
    return start_ms, end_ms


def page(
    call: Call, rows: Sequence[Row], default: int, most: int, *, from_start: bool = False
) -> Sequence[Row]:
    """As many rows as asked for: the first ones from a start, otherwise the latest."""
    limit = call.parameters.limit(default, most)
    if from_start or call.parameters.has("startTime"):
        return rows[:limit]
    return rows[-limit:]
