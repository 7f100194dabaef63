"""The microstructure of bars, from the streams: against a second computation, and its rules."""

import math
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.history import BarStats
from rusy_tui.domain.market import (
    BookDepth,
    BookTop,
    MarketEvent,
    MarketTrade,
    StreamInterrupted,
    StreamRestored,
)
from rusy_tui.market.bar_stats import PARTS, BarStatistics, vpin

QUARTER_MS, HOUR_MS = Interval.M15.ms, Interval.H1.ms
# 2025-06-15 15:00 UTC, on the grid of both intervals.
START_MS = 1_749_999_600_000
SYMBOL = "BTCUSDT"


def trade(
    after_ms: int, quantity: str, price: str = "100", *, sold: bool = False, trades: int = 1
) -> MarketTrade:
    return MarketTrade(
        SYMBOL, Decimal(price), Decimal(quantity), sold, START_MS + after_ms, trades
    )


def top(after_ms: int, bid: str, ask: str) -> BookTop:
    one = Decimal(1)
    return BookTop(SYMBOL, Decimal(bid), one, Decimal(ask), one, START_MS + after_ms)


def depth(after_ms: int, bids: float, asks: float) -> BookDepth:
    return BookDepth(SYMBOL, bids, asks, START_MS + after_ms)


def listening(from_ms: int = START_MS) -> BarStatistics:
    """Statistics whose streams deliver from an instant on."""
    made = BarStatistics([SYMBOL], START_MS)
    for route in ("public", "market"):
        made.see(StreamRestored(route, from_ms, from_ms))
    return made


def closed(events: Sequence[MarketEvent], until_ms: int = QUARTER_MS) -> list[BarStats]:
    made = listening()
    for event in events:
        made.see(event)
    return made.close(START_MS + until_ms)


def test_a_bar_of_three_trades() -> None:
    (bar,) = closed(
        [
            trade(0, "2", "100", trades=3),
            trade(1_000, "1", "103", sold=True, trades=2),
            trade(QUARTER_MS - 1, "3", "101"),
            trade(QUARTER_MS, "50", "200"),
        ]
    )
    assert (bar.symbol, bar.interval, bar.open_time_ms) == (SYMBOL, Interval.M15, START_MS)
    assert (bar.trades, bar.taker_buy_volume, bar.taker_sell_volume) == (6, 5, 1)
    assert bar.vwap == pytest.approx((200 + 103 + 303) / 6)
    # A single trade is what the exchange counts; the largest is what one taker took at a price.
    assert (bar.mean_trade, bar.largest_trade) == (1, 3)
    # Of 50 parts of 0.12 one holds both, 0.08 bought and 0.04 sold.
    assert bar.vpin == pytest.approx((49 * 0.12 + 0.04) / 6)
    assert bar.covered == 1


def test_what_was_not_seen_is_absent_and_what_was_not_traded_is_zero() -> None:
    (bar,) = closed([])
    assert (bar.trades, bar.taker_buy_volume, bar.taker_sell_volume) == (0, 0, 0)
    unseen = (bar.vwap, bar.mean_trade, bar.largest_trade, bar.spread_bps)
    assert all(map(math.isnan, (*unseen, bar.depth_imbalance, bar.vpin)))
    assert bar.covered == 1
    # Streams that never delivered tell nothing, not even that nothing was traded.
    assert BarStatistics([SYMBOL], START_MS).close(START_MS + HOUR_MS) == []


def test_books_are_sampled_once_a_second() -> None:
    (bar,) = closed(
        [
            top(0, "99", "101"),
            top(400, "10", "190"),
            top(1_000, "100", "100"),
            # Of a crossed book there is no spread, and the second waits for another.
            top(2_000, "101", "100"),
            top(2_100, "99.5", "100.5"),
            depth(0, 3, 1),
            depth(999, 0, 9),
            depth(1_000, 1, 1),
            depth(2_000, 0, 0),
            depth(2_500, 0, 2),
        ]
    )
    assert bar.spread_bps == pytest.approx((200 + 0 + 100) / 3)
    assert bar.depth_imbalance == pytest.approx((0.5 + 0 - 1) / 3)


def test_an_hour_closes_with_its_last_quarter_and_is_made_of_all_four() -> None:
    events = [trade(n * QUARTER_MS + 7, str(n + 1), sold=n % 2 == 1) for n in range(4)]
    bars = closed(events, HOUR_MS)
    assert [bar.interval for bar in bars] == [Interval.M15] * 4 + [Interval.H1]
    hour = bars[-1]
    assert hour.open_time_ms == START_MS
    assert (hour.taker_buy_volume, hour.taker_sell_volume) == (4, 6)
    assert (hour.trades, hour.largest_trade) == (4, 4)


def test_the_share_that_was_heard_is_told() -> None:
    made = listening(START_MS + 90_000)
    made.see(StreamInterrupted("public", START_MS + 180_000, "cut"))
    # Cuts that overlap are not counted twice; the other route is back sooner.
    made.see(StreamInterrupted("market", START_MS + 200_000, "cut"))
    made.see(StreamRestored("market", START_MS + 200_000, START_MS + 225_000))
    made.see(StreamRestored("public", START_MS + 180_000, START_MS + 270_000))
    (bar,) = made.close(START_MS + QUARTER_MS)
    assert bar.covered == pytest.approx(0.8)
    # A cut that lasts takes the rest of a bar, and of those after it.
    made.see(StreamInterrupted("market", START_MS + QUARTER_MS + 450_000, "cut off"))
    (bar,) = made.close(START_MS + 2 * QUARTER_MS)
    assert bar.covered == pytest.approx(0.5)
    assert made.close(START_MS + 3 * QUARTER_MS) == []
    cut_ms = START_MS + QUARTER_MS + 450_000
    made.see(StreamRestored("market", cut_ms, START_MS + 3 * QUARTER_MS))
    last, hour = made.close(START_MS + HOUR_MS)
    assert last.covered == 1
    assert hour.covered == pytest.approx((0.8 + 0.5 + 0 + 1) / 4)
    (bar,) = made.close(START_MS + HOUR_MS + QUARTER_MS)
    assert bar.covered == 1


def test_a_single_stream_that_is_lost_concerns_its_symbol_alone() -> None:
    made = BarStatistics([SYMBOL, "ETHUSDT"], START_MS)
    for route in ("public", "market"):
        made.see(StreamRestored(route, START_MS, START_MS))
    made.see(StreamInterrupted("market ethusdt@aggTrade", START_MS, "silent"))
    made.see(StreamInterrupted("market btcusdt@kline_15m", START_MS, "silent"))
    made.see(StreamInterrupted("market xrpusdt@aggTrade", START_MS, "silent"))
    made.see(StreamRestored("market ethusdt@aggTrade", START_MS, START_MS + 90_000))
    bars = made.close(START_MS + QUARTER_MS)
    assert {bar.symbol: bar.covered for bar in bars} == {SYMBOL: 1, "ETHUSDT": 0.9}


def test_what_comes_after_the_close_changes_nothing_and_is_counted() -> None:
    made = listening()
    made.see(trade(0, "1"))
    first = made.close(START_MS + QUARTER_MS)
    made.see(trade(QUARTER_MS - 1, "1000"))
    made.see(depth(1_000, 5, 1))
    assert made.late == 1
    bars = made.close(START_MS + HOUR_MS)
    assert [bar.taker_buy_volume for bar in (*first, bars[-1])] == [1, 1]
    # One that is late and whose bar is not closed yet counts in it, though another has begun.
    made.see(trade(HOUR_MS + QUARTER_MS, "1"))
    made.see(trade(HOUR_MS + 5, "2"))
    (bar,) = made.close(START_MS + HOUR_MS + QUARTER_MS)
    assert bar.taker_buy_volume == 2
    assert made.late == 1


trades_of_an_hour = st.lists(
    st.builds(
        trade,
        st.integers(0, HOUR_MS - 1),
        st.decimals("0.001", 50, places=3).map(str),
        st.decimals(90, 110, places=1).map(str),
        sold=st.booleans(),
        trades=st.integers(1, 9),
    ),
    max_size=60,
)


@given(events=trades_of_an_hour, data=st.data())
def test_the_order_of_trades_does_not_matter_and_sums_are_exact(
    events: list[MarketTrade], data: st.DataObject
) -> None:
    bars = closed(events, HOUR_MS)
    shuffled = closed(data.draw(st.permutations(events)), HOUR_MS)
    assert len(bars) == 5
    for one, other in zip(bars, shuffled, strict=True):
        values, others = msgspec.structs.asdict(one), msgspec.structs.asdict(other)
        for name, value in values.items():
            if isinstance(value, float):
                assert others[name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)
            else:
                assert others[name] == value
        inside = [
            event
            for event in events
            if 0 <= event.event_ms - one.open_time_ms < one.interval.ms
        ]
        quantities = [event.quantity for event in inside]
        bought = sum((t.quantity for t in inside if not t.buyer_is_maker), Decimal(0))
        assert one.trades == sum(event.trades for event in inside)
        assert one.taker_buy_volume == pytest.approx(float(bought))
        assert one.taker_sell_volume == pytest.approx(float(sum(quantities) - bought))
        if inside:
            paid = sum(event.price * event.quantity for event in inside)
            assert one.vwap == pytest.approx(float(paid / sum(quantities)))
            assert one.largest_trade == float(max(quantities))
            assert 0 <= one.vpin <= 1


@given(events=trades_of_an_hour, after=trades_of_an_hour)
def test_no_bar_knows_what_came_after_it(
    events: list[MarketTrade], after: list[MarketTrade]
) -> None:
    alone, made = closed(events, HOUR_MS), listening()
    later = [
        msgspec.structs.replace(event, event_ms=event.event_ms + HOUR_MS) for event in after
    ]
    for event in (*events, *later):
        made.see(event)
    assert repr(made.close(START_MS + HOUR_MS)) == repr(alone)
    # Nor does the hour after it know any of these again.
    for event in events:
        made.see(event)
    assert made.late == len(events)
    hour = made.close(START_MS + 2 * HOUR_MS)[-1]
    assert hour.trades == sum(event.trades for event in later)


def by_walking(steps: Sequence[tuple[float, float]], parts: int) -> float:
    """The same imbalance, part by part: each step is poured until a part is full."""
    total = sum(bought + sold for bought, sold in steps)
    size, found = total / parts, 0.0
    room, bought_in, sold_in = size, 0.0, 0.0
    for bought, sold in steps:
        left = bought + sold
        while left > 0:
            poured = min(left, room)
            share = poured / (bought + sold)
            bought_in, sold_in = bought_in + bought * share, sold_in + sold * share
            left, room = left - poured, room - poured
            if room <= size * 1e-12:
                found += abs(bought_in - sold_in)
                room, bought_in, sold_in = size, 0.0, 0.0
    return (found + abs(bought_in - sold_in)) / total


volume = st.floats(0, 100).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(volume, volume), min_size=1, max_size=80))
def test_vpin_is_what_pouring_the_volume_part_by_part_gives(
    steps: list[tuple[float, float]],
) -> None:
    found = vpin(np.array([b for b, _ in steps]), np.array([s for _, s in steps]))
    if not any(map(sum, steps)):
        assert math.isnan(found)
        return
    assert 0 <= found <= 1
    assert found == pytest.approx(by_walking(steps, PARTS), abs=1e-6)


def test_vpin_of_one_sided_and_of_balanced_trading() -> None:
    ones, zeros = np.ones(900), np.zeros(900)
    assert vpin(ones, zeros) == 1
    assert vpin(ones, ones) == 0
    half = np.concatenate((np.ones(450), np.zeros(450)))
    assert vpin(half, half[::-1]) == pytest.approx(1)
