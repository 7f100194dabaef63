"""Every missing bar is on exactly one page, the newest come first, and lanes take turns."""

from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from rusy_tui.domain.candle import Interval
from rusy_tui.market.pages import (
    ROWS_A_CALL,
    Page,
    Span,
    absent,
    covering,
    in_turns,
    newest_first,
    seconds_left,
    without,
)

STEP = Interval.M15.ms
LANE = ("BTCUSDT", Interval.M15)


def _spans(bounds: set[int]) -> list[Span]:
    """Spans that do not touch each other, from an even number of bounds."""
    ordered = sorted(bounds)
    return [(a * STEP, b * STEP) for a, b in zip(ordered[::2], ordered[1::2], strict=False)]


SPANS = st.sets(st.integers(0, 4000), max_size=8).map(_spans)


def bars_of(spans: list[Span]) -> set[int]:
    return {time for a, b in spans for time in range(a, b, STEP)}


@given(spans=SPANS, rows=st.sampled_from([1, 7, ROWS_A_CALL]))
def test_pages_hold_each_bar_of_the_spans_once_and_the_newest_first(
    spans: list[Span], rows: int
) -> None:
    pages = newest_first(LANE, spans, rows)
    assert all(0 < page.rows <= rows for page in pages)
    assert sum(page.rows for page in pages) == len(bars_of(spans))
    assert bars_of([(page.from_ms, page.until_ms) for page in pages]) == bars_of(spans)
    assert all(later.until_ms <= page.from_ms for page, later in pairwise(pages))


@given(spans=SPANS, others=SPANS)
def test_what_is_left_out_is_left_out_and_nothing_else(
    spans: list[Span], others: list[Span]
) -> None:
    rest = without(spans, others)
    assert bars_of(rest) == bars_of(spans) - bars_of(others)
    assert all(a < b for a, b in rest)
    assert all(one[1] <= other[0] for one, other in pairwise(rest))


@given(opens=st.sets(st.integers(0, 20)), rows=st.integers(1, 21))
def test_a_page_lacks_what_is_not_there(opens: set[int], rows: int) -> None:
    page = Page(*LANE, 0, rows * STEP)
    there = np.array(sorted(n * STEP for n in opens if n < rows), dtype=np.int64)
    lacking = bars_of([(0, rows * STEP)]) - set(there.tolist())
    spans = absent(page, there)
    assert bars_of(spans) == lacking
    assert all(one[1] < other[0] for one, other in pairwise(spans))


def test_3000_days_of_both_timeframes_are_723_calls_of_weight_1445() -> None:
    days = 3000 * 86_400_000
    pages = [
        *newest_first(("BTCUSDT", Interval.M15), [(0, days)]),
        *newest_first(("BTCUSDT", Interval.H1), [(0, days)]),
    ]
    assert len(pages) == 723
    assert sum(page.weight for page in pages) == 1445
    assert sum(page.rows for page in pages) == 360_000


def test_lanes_take_turns_and_a_short_one_holds_nobody_up() -> None:
    long, short, none = (
        newest_first((symbol, Interval.M15), [(0, bars * STEP)], 1)
        for symbol, bars in (("A", 3), ("B", 1), ("C", 0))
    )
    assert [page.symbol for page in in_turns([long, short, none])] == ["A", "B", "A", "A"]


def test_time_left_is_the_pace_until_now_or_what_the_budget_lets_through() -> None:
    assert seconds_left(0, 0.0, 0, 0, 2160) == 0.0
    assert seconds_left(500, 0.0, 2, 100, 2160) is None
    assert seconds_left(5000, 1000.0, 20, 100, 2160) == 5.0
    # 4420 of weight, 100 at once and 2160 in each minute after.
    assert seconds_left(5000, 1000.0, 4420, 100, 2160) == 120.0


def test_holes_are_covered_by_as_few_spans_as_can_be() -> None:
    assert covering([], 10) == []
    assert covering([(3, 5)], 10) == [(3, 5)]
    assert covering([(0, 2), (6, 7), (11, 12), (30, 55)], 10) == [
        (45, 55), (35, 45), (30, 35), (6, 12), (0, 2),
    ]  # fmt: skip
    # One that reaches over a span's begin goes on in the next.
    assert covering([(0, 8), (9, 14)], 10) == [(4, 14), (0, 4)]
