"""A row knows what is whole, what waits and what is missing."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.market.rows import REMEMBERED, Row, Seen
from tests.market.row import START_MS, bar

STEP = Interval.M15.ms


def _row() -> Row:
    row = Row("BTCUSDT", Interval.M15)
    row.begin(START_MS - STEP)
    return row


def _opens(passed: Sequence[Candle]) -> list[int]:
    return [(each.open_time_ms - START_MS) // STEP for each in passed]


def test_the_first_bar_begins_a_row() -> None:
    row = Row("BTCUSDT", Interval.M15)
    assert _opens(row.stored(bar(5))) == [5]
    assert row.front_ms == START_MS + 5 * STEP


def test_a_bar_is_new_once_then_the_same_or_another() -> None:
    row = _row()
    assert row.see(bar(0)) is Seen.NEW
    assert row.see(bar(0)) is Seen.SAME
    assert row.see(bar(0, volume=1.0)) is Seen.OTHER
    # From before the start: what was told then is not known.
    assert row.see(bar(-3)) is Seen.OTHER


def test_a_lost_bar_is_new_again() -> None:
    row = _row()
    row.see(bar(0))
    row.forget(bar(0))
    assert row.see(bar(0)) is Seen.NEW


def test_what_was_received_is_no_gap_and_what_was_not_stored_is_wanted() -> None:
    row = _row()
    row.see(bar(0))
    assert not row.lacks_before(START_MS + STEP)
    assert row.lacks_before(START_MS + 2 * STEP)
    row.stored(bar(2))
    now_ms = START_MS + 5 * STEP + 1
    assert row.wanted(now_ms) == [
        (START_MS, START_MS + 2 * STEP),
        (START_MS + 3 * STEP, START_MS + 5 * STEP),
    ]


def test_a_row_is_late_by_its_oldest_missing_bar() -> None:
    row = _row()
    assert row.late_ms(START_MS + STEP) == 0
    row.stored(bar(1))
    assert row.late_ms(START_MS + 3 * STEP) == 2 * STEP
    row.stored(bar(0))
    assert row.late_ms(START_MS + 3 * STEP) == 0


def test_an_absent_bar_is_stepped_over() -> None:
    row = _row()
    row.stored(bar(2))
    assert row.accept_absence(START_MS) == []
    assert _opens(row.accept_absence(START_MS + STEP)) == [2]


def test_what_lies_far_behind_is_forgotten() -> None:
    row = _row()
    for number in range(REMEMBERED + 10):
        row.stored(bar(number))
    assert row.received(START_MS) is None
    assert row.received(row.front_ms or 0) is not None


def test_what_was_broken_matters_as_long_as_a_window_holds_it() -> None:
    row = Row("BTCUSDT", Interval.M15, 5)
    row.begin(START_MS)
    row.broken[START_MS] = "high below low"
    for number in range(1, 6):
        row.stored(bar(number))
        assert row.late_ms(START_MS + (number + 1) * STEP) == number * STEP
    row.stored(bar(6))
    assert row.late_ms(START_MS + 7 * STEP) == 0


@given(st.permutations(range(12)), st.sets(st.integers(0, 10)))
def test_whatever_the_order_each_bar_is_passed_on_once_and_in_order(
    order: list[int], absent: set[int]
) -> None:
    row, passed = _row(), list[int]()
    for number in order:
        if number in absent:
            passed += _opens(row.accept_absence(START_MS + number * STEP))
        else:
            passed += _opens(row.stored(bar(number)))
            passed += _opens(row.stored(bar(number)))
    assert passed == [number for number in range(12) if number not in absent]
