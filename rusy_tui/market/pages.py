"""Which pages of candles are asked for, in which order, and what a page lacks: pure.

A span is of open times [from, until), in ms.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest

import msgspec
import numpy as np

from rusy_tui.domain.bars import Times
from rusy_tui.domain.candle import Interval

Lane = tuple[str, Interval]
Span = tuple[int, int]

# Weights of klines by rows: below 100 1, below 500 2, up to 1000 5. This size gets the most
# rows for its weight.
ROWS_A_CALL = 499
WEIGHT_A_CALL = 2
_SMALL_ROWS, _SMALL_WEIGHT = 99, 1


class Page(msgspec.Struct, frozen=True):
    """The bars of a lane that one call asks for: open times [from_ms, until_ms) on the grid."""

    symbol: str
    interval: Interval
    from_ms: int
    until_ms: int

    @property
    def rows(self) -> int:
        """How many bars it spans."""
        return (self.until_ms - self.from_ms) // self.interval.ms

    @property
    def weight(self) -> int:
        """What its call weighs."""
        return _SMALL_WEIGHT if self.rows <= _SMALL_ROWS else WEIGHT_A_CALL


def newest_first(lane: Lane, spans: Iterable[Span], rows: int = ROWS_A_CALL) -> list[Page]:
    """The pages of spans, the newest bars on the first one."""
    symbol, interval = lane
    step_ms = rows * interval.ms
    return [
        Page(symbol, interval, max(from_ms, end_ms - step_ms), end_ms)
        for from_ms, until_ms in sorted(spans, reverse=True)
        for end_ms in range(until_ms, from_ms, -step_ms)
    ]


def covering(holes: Iterable[Span], longest_ms: int) -> list[Span]:
    """Spans that cover holes, newest first: as few as can be, none longer than that."""
    rest, spans = sorted(holes), list[Span]()
    while rest:
        until_ms = from_ms = rest[-1][1]
        least_ms = until_ms - longest_ms
        while rest and rest[-1][1] > least_ms:
            begin_ms, _ = rest.pop()
            from_ms = max(begin_ms, least_ms)
            if begin_ms < least_ms:
                rest.append((begin_ms, least_ms))
        spans.append((from_ms, until_ms))
    return spans


def in_turns(lanes: Iterable[Sequence[Page]]) -> list[Page]:
    """The pages of several lanes: the first of each, then the second of each, and so on."""
    rounds = chain.from_iterable(zip_longest(*lanes))
    return [page for page in rounds if page is not None]


def without(spans: Iterable[Span], left_out: Iterable[Span]) -> list[Span]:
    """What of spans lies in none of the others, ascending."""
    rest = sorted(spans)
    for out_from, out_until in left_out:
        cut: list[Span] = []
        for from_ms, until_ms in rest:
            before = (from_ms, min(until_ms, out_from))
            after = (max(from_ms, out_until), until_ms)
            overlap = from_ms < out_until and out_from < until_ms
            pieces = (before, after) if overlap else ((from_ms, until_ms),)
            cut += [piece for piece in pieces if piece[0] < piece[1]]
        rest = cut
    return rest


def absent(page: Page, open_time_ms: Times) -> list[Span]:
    """The spans of a page of which no bar is among these ascending open times."""
    step = page.interval.ms
    before = np.concatenate(([page.from_ms - step], open_time_ms))
    after = np.concatenate((open_time_ms, [page.until_ms]))
    return [
        (int(before[row]) + step, int(after[row]))
        for row in np.flatnonzero(after - before > step)
    ]


def seconds_left(
    rows_left: int, rows_per_s: float, weight_left: int, weight_free: int, weight_a_minute: int
) -> float | None:
    """How long a backfill will still take: by its own pace, or by what the budget lets through.

    Args:
        rows_left: still to come.
        rows_per_s: until now; 0 as long as nobody knows.
        weight_left: of the calls still to come.
        weight_free: what may be used now.
        weight_a_minute: what may be used in each minute after.

    Returns:
        Wall seconds; None as long as nobody knows.
    """
    if not rows_left:
        return 0.0
    if rows_per_s <= 0 or weight_a_minute <= 0:
        return None
    waiting = max(0, weight_left - weight_free) / weight_a_minute * 60
    return max(rows_left / rows_per_s, waiting)
