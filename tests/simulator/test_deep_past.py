"""A client finds years of an invented contract's bars, and the same after a restart."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.candles import Bar, Window, grouped
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from rusy_tui.simulator.markets import CurrentMarket, SyntheticMarket
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.spans import Span
from rusy_tui.simulator.wire.columns import kline_page
from rusy_tui.simulator.wire.market_events import kline_row
from rusy_tui.simulator.wire.market_replies import price_row
from tests.simulator.serving import Served, served
from tests.simulator.support import START_MS, SYMBOL, HandClock, lockstep

MINUTE, QUARTER, HOUR = Interval.M1.ms, Interval.M15.ms, Interval.H1.ms
DAY = 24 * HOUR
DAYS = 60
FIRST = START_MS - DAYS * DAY


def exchange(hours: int = 0) -> SimulatedExchange:
    """A market taken up again after so many hours; 0 for one that begins."""
    resume_ms = START_MS + hours * HOUR if hours else None
    feed = SyntheticFeed(3, START_MS, (SYMBOL,), resume_ms, MINUTE, history_days=DAYS)
    return SimulatedExchange(feed, HandClock(feed.start_ms), [], 1)


def rows(market: SimulatedExchange, window: Window) -> list[Any]:
    """Rows as they were always written: bar by bar."""
    return [kline_row(bar, window.span) for bar in market.markets[SYMBOL].bars(window)]


def asked(path: str) -> Any:
    """What a fresh market's server answers."""

    async def scenario(clock: LockstepClock) -> Any:
        feed = SyntheticFeed(3, START_MS, (SYMBOL,), history_days=DAYS)
        async with served(clock, feed) as server:
            reply = await server.public(path)
            assert reply.status == 200, reply.body
            return reply.body

    return lockstep(scenario)


@pytest.mark.parametrize("span", [span for span in Span if span.ms >= QUARTER])
def test_a_page_of_columns_is_written_like_bars(span: Span) -> None:
    market = exchange()
    for window in (
        Window(span, FIRST + 3 * DAY + 1, None, 499),
        Window(span, START_MS - 30 * DAY, START_MS - 25 * DAY, 1500),
        Window(span, None, START_MS - 20 * DAY, 100),
        Window(span, None, None, 50),
    ):
        found = asked(_path("klines", window))
        assert found == rows(market, window)
        assert len(found) == min(window.limit, len(found))
        assert all(row[0] % span.ms == 0 and row[6] == row[0] + span.ms - 1 for row in found)


def _path(name: str, window: Window) -> str:
    key = "pair" if name.startswith("index") else "symbol"
    path = f"/fapi/v1/{name}?{key}={SYMBOL}&interval={window.span}&limit={window.limit}"
    path += "" if window.start_ms is None else f"&startTime={window.start_ms}"
    return path + ("" if window.end_ms is None else f"&endTime={window.end_ms}")


@pytest.mark.parametrize("interval", [Interval.M15, Interval.H1])
def test_pages_reach_from_the_first_bar_to_now_without_a_gap(interval: Interval) -> None:
    async def scenario(clock: LockstepClock) -> None:
        feed = SyntheticFeed(3, START_MS, (SYMBOL,), history_days=DAYS)
        async with served(clock, feed) as server:
            await _fetch_all(server, interval)

    lockstep(scenario)


async def _fetch_all(server: Served, interval: Interval) -> None:
    (contract,) = (await server.public("/fapi/v1/exchangeInfo")).body["symbols"]
    assert contract["onboardDate"] == FIRST
    found: list[Any] = []
    # Before the first bar the exchange answers from the first one on.
    start_ms = FIRST - 400 * DAY
    while True:
        path = f"/fapi/v1/klines?symbol={SYMBOL}&interval={interval}&limit=499"
        page = (await server.public(f"{path}&startTime={start_ms}")).body
        found += page
        if len(page) < 499:
            break
        start_ms = page[-1][0] + interval.ms
    opens = [row[0] for row in found]
    assert opens == list(range(FIRST, START_MS + 1, interval.ms))
    for row, after in pairwise(found):
        assert Decimal(after[1]) == Decimal(row[4])


def test_the_recent_rows_are_what_they_were_before_there_were_older_ones() -> None:
    """The one thing that differs: what takers paid in hours whose quarters are told now."""
    feed = SyntheticFeed(3, START_MS, (SYMBOL,), history_days=DAYS)
    market = SimulatedExchange(feed, HandClock(START_MS), [], 1).markets[SYMBOL]
    for interval in (Interval.M15, Interval.H1):
        candles = feed.history(SYMBOL, interval)
        bars = market.series[interval].past
        assert [bar.open_time_ms for bar in bars] == [each.open_time_ms for each in candles]
        for bar, candle in zip(bars, candles, strict=True):
            told = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.taker_buy_volume)
            assert tuple(map(float, told)) == (
                *(candle.open, candle.high, candle.low, candle.close),
                *(candle.volume, candle.taker_buy_volume),
            )
            assert bar.trades == candle.trades
            assert abs(float(bar.quote_volume) - candle.quote_volume) < 0.001


def test_every_span_is_the_sum_of_the_quarters() -> None:
    market = exchange().markets[SYMBOL]

    def bars(span: Span) -> list[Bar]:
        return market.bars(Window(span, None, None, 100_000))

    quarters = bars(Span.M15)
    for span in (Span.M30, Span.H1, Span.H2, Span.H4, Span.H6, Span.H8, Span.H12, Span.D1):
        whole = [bar for bar in grouped(quarters, span.ms) if bar.open_time_ms >= FIRST]
        assert bars(span) == whole, span


@pytest.mark.parametrize("hours", [1, 30, pytest.param(400, marks=pytest.mark.slow)])
def test_what_was_served_before_a_restart_is_served_after_it(hours: int) -> None:
    """One market is played through, another is taken up where that one is then."""
    feed = SyntheticFeed(3, START_MS, (SYMBOL,), step_ms=MINUTE, history_days=DAYS)
    before = SimulatedExchange(feed, HandClock(START_MS), [], 1)
    end_ms = START_MS + hours * HOUR
    while before.played_ms < end_ms:
        step = feed.next_step()
        assert step is not None
        if step.time_ms > START_MS:
            before.close_bars(step.time_ms)
        before.apply(step)
    after = exchange(hours)
    for span in (Span.M15, Span.M30, Span.H1, Span.D1):
        ended_ms = span.floor(end_ms) - 1
        window = Window(span, FIRST - DAY, ended_ms, 100_000)
        found = rows(before, window)
        opens = range(-(-FIRST // span.ms) * span.ms, ended_ms, span.ms)
        assert [row[0] for row in found] == list(opens)
        assert rows(after, window) == found
        pages = (market.markets[SYMBOL].page(window) for market in (before, after))
        told = [msgspec.json.decode(msgspec.json.encode(kline_page(*p, span))) for p in pages]
        assert told == [found, found]
    minutes = Window(Span.M1, end_ms - 24 * HOUR, end_ms - 1, 1440)
    assert rows(after, minutes) == rows(before, minutes)


def test_mark_index_and_premium_reach_as_far_and_agree() -> None:
    market = exchange().markets[SYMBOL]
    for name, told in (
        ("markPriceKlines", market.lines.marks),
        ("indexPriceKlines", market.lines.indices),
        ("premiumIndexKlines", market.lines.premiums),
    ):
        for span in (Span.M15, Span.H1, Span.D1):
            window = Window(span, FIRST - DAY, None, 499)
            found = asked(_path(name, window))
            assert found == [price_row(bar, span) for bar in told(window)]
            assert found[0][0] == -(-FIRST // span.ms) * span.ms
            everything = told(Window(span, FIRST, None, 100_000))
            quarters = told(Window(Span.M15, everything[0].open_time_ms, None, 100_000))
            assert everything == grouped(quarters, span.ms)
    window = Window(Span.M15, FIRST, None, 100_000)
    candles = {bar.open_time_ms: bar for bar in market.bars(window)}
    marks, indices = market.lines.marks(window), market.lines.indices(window)
    assert len(marks) == len(indices) == DAYS * 96 + 1
    for mark, index in zip(marks[:-1], indices[:-1], strict=True):
        candle = candles[mark.open_time_ms]
        assert candle.low <= mark.low <= mark.high <= candle.high
        assert abs(mark.open / index.open - 1) < Decimal("0.001")
        assert mark.trades == 900


def test_past_funding_names_the_mark_price_it_was_paid_at() -> None:
    found = asked(f"/fapi/v1/fundingRate?symbol={SYMBOL}&startTime=0&limit=1000")
    assert [row["fundingTime"] for row in found] == list(range(FIRST, START_MS + 1, 8 * HOUR))
    market = exchange().markets[SYMBOL]
    for row in found[:-1]:
        time_ms = row["fundingTime"]
        (mark,) = market.lines.marks(Window(Span.M15, time_ms, time_ms, 1))
        assert row["markPrice"] == f"{mark.open:f}"
        assert Decimal(row["fundingRate"]) == market.rate_at(time_ms)


@pytest.mark.parametrize("period", ["15m", "1h", "4h"])
def test_open_interest_is_kept_for_a_month_and_survives_a_restart(period: str) -> None:
    path = f"/futures/data/openInterestHist?symbol={SYMBOL}&period={period}&limit=500"
    start_ms = START_MS - 30 * DAY + HOUR
    found = asked(f"{path}&startTime={start_ms}")
    span = Span(period)
    assert found[0]["timestamp"] == -(-start_ms // span.ms) * span.ms
    after = exchange(30).markets[SYMBOL]
    before = exchange().markets[SYMBOL]
    for row in found:
        time_ms = row["timestamp"]
        assert Decimal(row["sumOpenInterest"]) == before.open_interest(time_ms)
        assert before.open_interest(time_ms) == after.open_interest(time_ms)


def test_a_moved_price_moves_the_past_it_was_played_at_and_no_older_one() -> None:
    moved = exchange()
    moved.markets[SYMBOL].moves.append((START_MS + 2 * HOUR, Decimal("0.5")))
    kept = moved.markets[SYMBOL].to_keep()
    plain, again = exchange(30), exchange(30)
    again.markets[SYMBOL].put_back(kept)
    for span in (Span.M15, Span.H1):
        window = Window(span, FIRST, START_MS + 30 * HOUR - 1, 100_000)
        for bar, here in zip(
            plain.markets[SYMBOL].bars(window), again.markets[SYMBOL].bars(window), strict=True
        ):
            factor = Decimal("0.5") if bar.open_time_ms >= START_MS + 2 * HOUR else 1
            assert abs(here.close - bar.close * factor) <= Decimal("0.1")
            assert here.volume == bar.volume


def test_a_year_of_play_forgets_what_was_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rusy_tui.simulator.candles.MOST_CLOSED", 40)
    market = exchange()
    series = market.markets[SYMBOL].series[Interval.M15]
    for _ in range(46):
        series.close_bar()
    opens = [bar.open_time_ms for bar in series.between(None, None, 100_000)]
    assert opens == [START_MS + n * QUARTER for n in range(6, 47)]
    assert series.first_open_ms() == START_MS + 6 * QUARTER
    figures, bars = series.page(Window(Span.M15, 0, None, 1500))
    assert figures is None
    assert [bar.open_time_ms for bar in bars] == opens


def test_the_market_names_its_days_in_the_journal() -> None:
    old = msgspec.json.decode(
        b'{"type":"synthetic","seed":7,"start_ms":3600000,"symbols":["BTCUSDT"]}',
        type=SyntheticMarket,
    )
    assert old == SyntheticMarket(7, 3_600_000, ("BTCUSDT",), 3000)
    assert CurrentMarket(7, ("BTCUSDT",)).goes_on_with(old)
    assert not CurrentMarket(7, ("BTCUSDT",), 10).goes_on_with(old)
    feed = SyntheticMarket(7, START_MS, ("BTCUSDT",), 90).feed(None)
    assert feed.instruments["BTCUSDT"].onboard_ms == START_MS - 90 * DAY


def test_play_runs_on_from_the_deep_past() -> None:
    async def scenario(clock: LockstepClock) -> list[Bar]:
        feed = SyntheticFeed(3, START_MS, (SYMBOL,), step_ms=60_000, history_days=DAYS)
        whole = SimulatedExchange(feed, clock, [], 1)
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * 3600):
                await play(whole, feed, clock)
        return whole.markets[SYMBOL].bars(Window(Span.H1, FIRST, None, 100_000))

    bars = lockstep(scenario)
    assert [bar.open_time_ms for bar in bars] == list(
        range(FIRST, bars[-1].open_time_ms + 1, HOUR)
    )
    assert bars[-1].open_time_ms >= START_MS + HOUR
