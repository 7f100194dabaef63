"""Candles: one source, whole bars, and their ends before what follows."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from random import Random

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.money import exact
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds import Feed
from rusy_tui.simulator.feeds.replay import ReplayFeed
from rusy_tui.simulator.happenings import CandleMoved, MarketHappening, Printed
from rusy_tui.simulator.runner import play
from tests.simulator.support import (
    START_MS,
    SYMBOL,
    Bench,
    D,
    ScriptedFeed,
    lockstep,
    traded,
)

MINUTE_MS = 60_000


class _Notes:
    """Keeps what the market did."""

    def __init__(self) -> None:
        self.heard: list[MarketHappening] = []

    def market_moved(self, happening: MarketHappening) -> None:
        self.heard.append(happening)

    def account_moved(self, *_: object) -> None: ...

    def ends(self) -> list[CandleMoved]:
        return [h for h in self.heard if isinstance(h, CandleMoved) and h.closed]


def _played(feed: Feed, seed: int = 1) -> tuple[SimulatedExchange, _Notes]:
    notes = _Notes()

    async def scenario(clock: LockstepClock) -> SimulatedExchange:
        exchange = SimulatedExchange(feed, clock, [], seed)
        exchange.listen(notes)
        await play(exchange, feed, clock)
        assert exchange.finished.is_set()
        return exchange

    return lockstep(scenario, feed.start_ms), notes


def test_a_bar_has_the_first_price_the_extremes_the_last_and_the_sums() -> None:
    feed = ScriptedFeed(
        [
            (0, [traded("50010.0", "1", trades=3)]),
            (20, [traded("50030.0", "2", trades=4), traded("49990.0", "0.5")]),
            (50, [traded("50020.0", "0.25")]),
        ],
        end_s=60,
    )
    exchange, _ = _played(feed)
    (bar,) = exchange.markets[SYMBOL].series[Interval.M1].closed
    assert (bar.open, bar.high, bar.low, bar.close) == (
        D("50010.0"),
        D("50030.0"),
        D("49990.0"),
        D("50020.0"),
    )
    assert (bar.volume, bar.trades, bar.taker_buy_volume) == (D("3.75"), 9, D("1.875"))
    assert bar.quote_volume == D("50010") + 2 * D("50030") + D("24995") + D("12505")


def test_the_first_trade_opens_a_bar_not_the_former_close() -> None:
    feed = ScriptedFeed([(0, [traded("50010.0")]), (61, [traded("50050.0")])], end_s=120)
    exchange, _ = _played(feed)
    second = exchange.markets[SYMBOL].series[Interval.M1].closed[1]
    assert (second.open, second.low) == (D("50050.0"), D("50050.0"))


def test_a_bar_without_trades_is_flat_at_the_last_price() -> None:
    exchange, notes = _played(ScriptedFeed([(0, [traded("50010.0")])], end_s=3600))
    bars = exchange.markets[SYMBOL].series[Interval.M1].closed
    assert len(bars) == 60
    assert all(bar.volume == 0 and bar.trades == 0 for bar in bars[1:])
    assert {bar.close for bar in bars} == {D("50010.0")}
    assert {bar.open for bar in bars[1:]} == {D("50010.0")}
    assert len(notes.ends()) == 60 + 4 + 1


def test_bars_end_at_their_own_time_before_what_trades_at_that_instant() -> None:
    feed = ScriptedFeed(
        [(0, [traded("50010.0")]), (60, [traded("50020.0")]), (200, [traded("50030.0")])],
        end_s=240,
    )
    _, notes = _played(feed)
    order = [
        (h.time_ms - START_MS, "end" if isinstance(h, CandleMoved) else "trade")
        for h in notes.heard
        if isinstance(h, Printed)
        or (isinstance(h, CandleMoved) and h.closed and h.interval is Interval.M1)
    ]
    assert order == [
        (0, "trade"),
        (60_000, "end"),
        (60_000, "trade"),
        (120_000, "end"),
        (180_000, "end"),
        (200_000, "trade"),
        (240_000, "end"),
    ]


def test_the_hour_mostly_ends_after_the_quarter_and_now_and_then_before() -> None:
    _, notes = _played(ScriptedFeed([(0, [traded("50010.0")])], end_s=100 * 3600))
    firsts = []
    for _, ends in groupby(notes.ends(), key=lambda end: end.time_ms):
        intervals = [end.interval for end in ends]
        assert intervals[0] is Interval.M1
        if Interval.H1 in intervals:
            firsts.append(intervals[1])
    assert len(firsts) == 100
    assert 50 < firsts.count(Interval.M15) < 100


def _write_recording(path: Path, bars: int) -> list[list[str]]:
    """A walk of quarter-hour bars with awkward digits, the way recordings have them."""
    random = Random(5)
    rows, price = [], 50_000.0
    for number in range(bars):
        open_ = round(price, 1)
        close = round(price * (1 + random.gauss(0, 0.002)), 1)
        high = round(max(open_, close) * (1 + random.random() / 500), 1)
        low = round(min(open_, close) * (1 - random.random() / 500), 1)
        volume = round(random.lognormvariate(5, 1), 3) if number % 50 else 0.0
        if not volume:
            open_ = high = low = close = round(price, 1)
        open_ms = START_MS - 200 * Interval.M15.ms + number * Interval.M15.ms
        rows.append([str(value) for value in (open_ms, open_, high, low, close, volume)])
        price = close
    header = "open_time,open,high,low,close,volume"
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return rows


def _assert_equal_to_recording(feed: ReplayFeed, rows: Iterable[tuple[float, ...]]) -> int:
    exchange, _ = _played(feed)
    (market,) = exchange.markets.values()
    built = market.series[Interval.M15].closed
    recorded = list(rows)
    assert len(built) == len(recorded)
    for bar, (open_ms, *figures) in zip(built, recorded, strict=True):
        assert bar.open_time_ms == open_ms
        assert [bar.open, bar.high, bar.low, bar.close, bar.volume] == [
            exact(figure) for figure in figures
        ]
    return len(built)


def test_bars_of_a_replay_equal_the_recording_to_the_digit(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-15m.csv"
    rows = _write_recording(path, 400)
    feed = ReplayFeed(path, from_ms=START_MS)
    expected = ((int(row[0]), *map(float, row[1:])) for row in rows if int(row[0]) >= START_MS)
    assert _assert_equal_to_recording(feed, expected) == 200


def test_bars_of_a_real_day_equal_the_recording(recordings: Path) -> None:
    from pyarrow import parquet

    path = recordings / "klines" / "BTCUSDT-15m.parquet"
    start_ms = 1_746_057_600_000  # 2025-05-01
    until_ms = start_ms + 86_400_000
    columns = ["open_time", "open", "high", "low", "close", "volume"]
    table = parquet.read_table(path, columns=columns).to_pydict()
    rows = (
        row
        for row in zip(*(table[name] for name in columns), strict=True)
        if start_ms <= row[0] < until_ms
    )
    feed = ReplayFeed(path, from_ms=start_ms, until_ms=until_ms)
    assert _assert_equal_to_recording(feed, rows) == 96


@pytest.mark.parametrize(
    ("start", "end", "limit", "expected"),
    [
        (None, None, 3, [-1, 0, 1]),
        (None, None, 500, list(range(-20, 2))),
        (-5, None, 3, [-5, -4, -3]),
        (-5, -4, 500, [-5, -4]),
        (None, -18, 2, [-19, -18]),
        (0, None, 500, [0, 1]),
        (5, None, 500, []),
    ],
)
def test_history_closed_and_forming_bars_are_one_series(
    start: int | None, end: int | None, limit: int, expected: list[int]
) -> None:
    bench = Bench()
    bench.trade("50010.0", after_s=1)
    bench.exchange.close_bars(START_MS + MINUTE_MS)
    bench.trade("50020.0", after_s=60)
    series = bench.market.series[Interval.M1]
    found = series.between(
        None if start is None else START_MS + start * MINUTE_MS,
        None if end is None else START_MS + end * MINUTE_MS,
        limit,
    )
    assert [(bar.open_time_ms - START_MS) // MINUTE_MS for bar in found] == expected


def test_the_mark_price_halves_its_distance_in_ten_seconds() -> None:
    bench = Bench()
    bench.trade("50100.0", after_s=10)
    assert bench.market.mark == D("50050.00000000")
    bench.trade("50100.0", after_s=10)
    assert bench.market.mark == D("50075.00000000")
