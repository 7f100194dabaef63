"""Invented contracts have years of quarters: the same each time, whole, and like a market."""

import hashlib
from datetime import UTC, datetime
from functools import cache

import msgspec
import numpy as np
import pytest

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.feeds.contracts import known_symbols
from rusy_tui.simulator.feeds.deep import DeepPast
from rusy_tui.simulator.feeds.figures import COLUMNS, Figures
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed

START = int(datetime(2025, 7, 1, tzinfo=UTC).timestamp() * 1000)
HOUR, QUARTER, DAY = Interval.H1.ms, Interval.M15.ms, 24 * Interval.H1.ms
SYMBOLS = (
    *("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT"),
    *("XRPUSDT", "LINKUSDT", "FILUSDT", "NEARUSDT"),
)


@cache
def deep(
    symbol: str, days: int = 3000, seed: int = 3, resume_ms: int | None = None
) -> DeepPast:
    feed = SyntheticFeed(seed, START, (symbol,), resume_ms, history_days=days)
    past = feed.deep_past(symbol)
    assert past is not None
    return past


def quarters(past: DeepPast) -> Figures:
    return past.figures(past.first_ms, past.end_ms, QUARTER)


def same(one: Figures, other: Figures) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS)


def digest(told: object) -> str:
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]


def test_the_recent_past_and_the_market_are_what_they_were_without_it() -> None:
    """Digests of before there was a deep past: the demo's decisions hang on these bars."""
    feed = SyntheticFeed(3, START, SYMBOLS)
    assert [
        digest(
            [[msgspec.structs.astuple(c) for c in feed.history(each, span)] for each in SYMBOLS]
        )
        for span in Interval
    ] == ["f247bfa52a8205de", "ecf67483efaf000f", "1dffd8a7dbf27516"]
    steps = [feed.next_step() for _ in range(3600)]
    assert digest([repr(step) for step in steps]) == "16b9c7cc9f2744c6"
    again = SyntheticFeed(3, START, SYMBOLS, resume_ms=START + 30 * HOUR)
    assert [
        digest(
            [[msgspec.structs.astuple(c) for c in again.history(each, i)] for each in SYMBOLS]
        )
        for i in Interval
    ] == ["9aebeeae80d1af77", "f906cb068c1a9cc8", "d9a1a527e0d8d6ca"]


def test_a_past_is_of_its_seed_and_symbol_alone() -> None:
    past = quarters(deep("ETHUSDT", 60))
    feed = SyntheticFeed(3, START, ("BTCUSDT", "ETHUSDT"), history_days=60)
    assert feed.next_step() is not None
    beside = feed.deep_past("ETHUSDT")
    assert beside is not None
    assert same(quarters(beside), past)
    assert not same(quarters(deep("ETHUSDT", 60, 4)), past)
    assert feed.deep_past("PEPEUSDT") is None


@pytest.mark.parametrize("symbol", known_symbols())
def test_three_thousand_days_are_whole_valid_and_bounded(symbol: str) -> None:
    past = deep(symbol)
    bars = quarters(past)
    assert len(bars) == 288_000
    assert past.first_ms == START - 3000 * DAY
    assert past.end_ms == START
    assert np.array_equal(bars.open_time_ms, np.arange(past.first_ms, START, QUARTER))
    # Every bar opens where the one before it closed, across the seam of the years as well.
    assert np.array_equal(bars.open[1:], bars.close[:-1])
    assert np.all(bars.high >= np.maximum(bars.open, bars.close))
    assert np.all(bars.low <= np.minimum(bars.open, bars.close))
    contract = SyntheticFeed(3, START, (symbol,)).instruments[symbol]
    tick = int(contract.tick_size.scaleb(bars.digits.price))
    for prices in (bars.open, bars.high, bars.low, bars.close):
        assert np.all(prices % tick == 0)
        assert np.all(prices > 0)
    last = bars.close[-1]
    assert np.all((bars.low > last / 40) & (bars.high < last * 40))
    assert bars.high.max() > 1.5 * bars.low.min()
    # It stood still now and then: flat, without volume.
    still = bars.volume == 0
    assert 5 <= still.sum() <= 100
    assert np.array_equal(bars.high[still], bars.low[still])
    for column in (bars.quote_volume, bars.trades, bars.taker_buy_volume):
        assert np.all(column[still] == 0)
        assert np.all(column >= 0)
    assert np.all(bars.trades[~still] >= 1)
    assert np.all(bars.taker_buy_volume <= bars.volume)
    assert np.all(bars.taker_buy_quote_volume <= bars.quote_volume)
    mean = bars.quote_volume[~still] / bars.volume[~still]
    assert np.all((mean > bars.low[~still] * 0.9999) & (mean < bars.high[~still] * 1.0001))


def test_hours_are_their_quarters_and_days_their_hours() -> None:
    past = deep("SOLUSDT", 100)
    quarter, hours = (
        past.figures(past.first_ms, past.end_ms, span) for span in (QUARTER, HOUR)
    )
    assert same(quarter.merged(4), hours)
    assert same(past.figures(past.first_ms, past.end_ms, DAY), hours.merged(24))
    # Any stretch is a part of the whole one.
    first_ms, end_ms = past.recent_ms - 5 * HOUR, past.recent_ms + 7 * HOUR
    at = (first_ms - past.first_ms) // QUARTER
    assert same(past.figures(first_ms, end_ms, QUARTER), quarter.rows(slice(at, at + 48)))


def test_the_years_have_the_looks_of_the_recent_past() -> None:
    moves = {}
    for symbol in ("BTCUSDT", "SOLUSDT"):
        past = deep(symbol)
        bars = quarters(past)
        seam = (past.recent_ms - past.first_ms) // QUARTER
        moved = np.diff(np.log(bars.close))
        before, after = moved[:seam], moved[seam:]
        assert 0.5 < before.std() / after.std() < 2.0
        size = np.abs(before)
        assert np.corrcoef(size[:-8], size[8:])[0, 1] > 0.05
        for column in (
            bars.volume * bars.close,
            bars.trades,
            bars.taker_buy_volume * bars.close,
        ):
            assert 0.4 < np.median(column[:seam]) / np.median(column[seam:]) < 2.5
        moves[symbol] = before
    assert np.corrcoef(moves["BTCUSDT"], moves["SOLUSDT"])[0, 1] > 0.4


def test_a_market_taken_up_again_has_the_same_past_row_by_row() -> None:
    whole = quarters(deep("NEARUSDT", 60))
    for hours in (1, 30, 700):
        again = deep("NEARUSDT", 60, 3, START + hours * HOUR + 12_345)
        assert again.end_ms == START + hours * HOUR
        assert (again.first_ms, again.begin_ms) == (START - 60 * DAY, START)
        assert same(quarters(again).rows(slice(None, len(whole))), whole)
    longest = quarters(again)
    shorter = quarters(deep("NEARUSDT", 60, 3, START + 30 * HOUR + 12_345))
    assert same(longest.rows(slice(None, len(shorter))), shorter)


@pytest.mark.parametrize(("days", "hours"), [(0, 640), (20, 640), (27, 648), (3000, 72_000)])
def test_a_contract_is_as_old_as_its_first_bar(days: int, hours: int) -> None:
    feed = SyntheticFeed(3, START, ("BTCUSDT",), history_days=days)
    past = deep("BTCUSDT", days)
    assert feed.instruments["BTCUSDT"].onboard_ms == START - hours * HOUR == past.first_ms
    assert len(past.figures(past.first_ms, past.end_ms, HOUR)) == hours
