"""Candles read as columns are those that are read one by one, or refused as they are."""

from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import example, given

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.exchange import columns, market_replies
from rusy_tui.exchange.wire import MalformedError
from tests.exchange.wire_samples import kline

OPEN_MS = 1_749_999_600_000
STEP_MS = Interval.M15.ms

_NUMBERS: st.SearchStrategy[Any] = st.one_of(
    st.decimals(-10, 1e12, places=8).map(str),
    st.integers(0, 10**20),
    st.sampled_from(["1e5", "1E-7", ".5", "5.", "+1", "-0"]),
)
_ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["", "1_000", " 7", "7 ", "\t7", "nan", "inf", "1e40", "-1e41", "1e999"]),
    st.sampled_from(["٣", "0x1", "e", "--1", "7\\u0020", None, True, [], 10**400]),
    st.text(max_size=3),
)
_ROWS = st.lists(st.tuples(st.sampled_from([0, 1, 2, 3, 4, 5, 7, 8, 9]), _NUMBERS), max_size=4)


def by_rows(body: bytes, sure_ms: int) -> Bars | None:
    """The same by the other reader; None where it refuses."""
    try:
        candles = market_replies.candles(body, "BTCUSDT", Interval.M15, sure_ms)
    except MalformedError:
        return None
    return Bars.of(Interval.M15, [candle for candle in candles if candle.closed])


def by_columns(body: bytes, sure_ms: int) -> Bars | None:
    try:
        return columns.bars(body, "BTCUSDT", Interval.M15, sure_ms)
    except MalformedError:
        return None


def assert_alike(body: bytes, sure_ms: int = OPEN_MS + STEP_MS) -> None:
    ours, theirs = by_columns(body, sure_ms), by_rows(body, sure_ms)
    assert (ours is None) == (theirs is None), body
    if ours is None or theirs is None:
        return
    assert np.array_equal(ours.open_time_ms, theirs.open_time_ms)
    for name in COLUMNS:
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name


@given(changes=_ROWS, rows=st.integers(0, 3), sure_ms=st.sampled_from([0, OPEN_MS + STEP_MS]))
def test_plain_numbers_are_read_alike(
    changes: list[tuple[int, Any]], rows: int, sure_ms: int
) -> None:
    table = [kline(OPEN_MS + number * STEP_MS) for number in range(rows)]
    for number, (place, value) in enumerate(changes[:rows]):
        table[number][place] = value
    assert_alike(msgspec.json.encode(table), sure_ms)


@given(place=st.sampled_from([0, 1, 5, 7, 8, 9]), value=_ODD)
@example(place=1, value="1_000")
@example(place=1, value=" 7")
@example(place=8, value="1e999")
def test_what_is_no_number_is_refused_alike(place: int, value: Any) -> None:
    row = kline(OPEN_MS)
    row[place] = value
    try:
        body = msgspec.json.encode([row])
    except (OverflowError, msgspec.MsgspecError):
        return
    assert_alike(body)
    assert_alike(body.replace(b",", b", "))


@given(body=st.binary(max_size=40))
@example(body=b"[")
@example(body=b"[[]]")
@example(body=b'{"code":-1121}')
def test_what_is_no_table_is_refused_alike(body: bytes) -> None:
    assert_alike(body)


def test_more_fields_than_we_know_are_no_error() -> None:
    row = [*kline(OPEN_MS), "1", "2"]
    assert_alike(msgspec.json.encode([row]))


def test_an_open_time_beyond_all_times_is_refused() -> None:
    body = msgspec.json.encode([kline(2**63), kline(OPEN_MS)])
    with pytest.raises(MalformedError):
        columns.bars(body, "BTCUSDT", Interval.M15, OPEN_MS + STEP_MS)
