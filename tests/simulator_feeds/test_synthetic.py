"""The invented market is the same each time, keeps the filters, and moves like a market."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice, pairwise

import numpy as np
import pytest

from rusy_tui.domain.bars import Bars, Floats
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.feeds import Step
from rusy_tui.simulator.feeds.coins import coin
from rusy_tui.simulator.feeds.contracts import known_symbols
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from tests.simulator_feeds.bars import bars_of

START = int(datetime(2025, 7, 1, tzinfo=UTC).timestamp() * 1000)
HOUR, QUARTER = Interval.H1.ms, Interval.M15.ms
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "NEARUSDT")


def played(feed: SyntheticFeed, until_ms: int) -> list[Step]:
    """The steps before a moment that is on a step."""
    count = (until_ms - feed.start_ms) // feed.update_ms
    return list(islice(iter(feed.next_step, None), count))


def past(symbol: str, interval: Interval, seed: int = 3) -> Bars:
    return Bars.of(interval, SyntheticFeed(seed, START, SYMBOLS).history(symbol, interval))


def returns(bars: Bars) -> Floats:
    return np.asarray(np.diff(np.log(bars.close)))


def test_a_seed_is_a_market() -> None:
    def first_hour(seed: int, symbols: tuple[str, ...] = SYMBOLS) -> list[Step]:
        return played(SyntheticFeed(seed, START, symbols), START + HOUR)

    steps = first_hour(3)
    assert steps == first_hour(3)
    assert steps != first_hour(4)
    # A coin's market does not depend on which others are played.
    alone = first_hour(3, ("SOLUSDT",))
    assert [step.prints for step in alone] == [
        tuple(made for made in step.prints if made.symbol == "SOLUSDT") for step in steps
    ]


def test_a_market_taken_up_again_goes_on_as_if_never_left() -> None:
    whole = SyntheticFeed(3, START, SYMBOLS)
    steps = played(whole, START + 4 * HOUR)
    again = SyntheticFeed(3, START, SYMBOLS, resume_ms=START + 3 * HOUR + 1_234_567)
    assert again.start_ms == START + 3 * HOUR
    assert played(again, START + 4 * HOUR) == steps[3 * 3600 :]
    for symbol in SYMBOLS:
        for interval in Interval:
            bars = bars_of(steps[: 3 * 3600], symbol, interval)
            candles = again.history(symbol, interval)[-len(bars) :]
            assert [
                (c.open_time_ms, c.open, c.high, c.low, c.close, c.volume, c.quote_volume)
                for c in candles
            ] == [
                (
                    bar.open_time_ms,
                    *map(float, (bar.open, bar.high, bar.low, bar.close)),
                    float(bar.volume),
                    float(bar.quote_volume),
                )
                for bar in bars
            ]
            assert [(c.trades, c.taker_buy_volume) for c in candles] == [
                (bar.trades, float(bar.taker_buy_volume)) for bar in bars
            ]


@pytest.mark.parametrize("step_ms", [1000, 5000, 60_000])
def test_prints_keep_the_filters(step_ms: int) -> None:
    symbols = known_symbols()
    feed = SyntheticFeed(5, START, symbols, step_ms=step_ms)
    assert feed.update_ms == step_ms
    steps = played(feed, START + HOUR)
    assert [step.time_ms for step in steps] == list(range(START, START + HOUR, step_ms))
    for step in steps:
        for made in step.prints:
            contract = feed.instruments[made.symbol]
            assert made.price > 0
            assert made.price % contract.tick_size == 0
            assert made.quantity >= contract.min_quantity
            assert made.quantity % contract.step_size == 0
            assert made.taker_buy_quantity % contract.step_size == 0
            assert 0 <= made.taker_buy_quantity <= made.quantity
            assert made.trades >= 1
    for symbol in symbols:
        assert bars_of(steps, symbol, Interval.M15)


def test_most_seconds_of_bitcoin_trade_and_fewer_of_a_small_coin() -> None:
    steps = played(SyntheticFeed(3, START, SYMBOLS), START + HOUR)
    seconds = {
        symbol: sum(any(made.symbol == symbol for made in step.prints) for step in steps)
        for symbol in SYMBOLS
    }
    assert seconds["BTCUSDT"] > 0.7 * 3600
    assert seconds["NEARUSDT"] < 0.5 * 3600


def test_play_goes_on_where_the_past_ends() -> None:
    feed = SyntheticFeed(3, START, SYMBOLS)
    steps = played(feed, START + 60_000)
    for symbol in SYMBOLS:
        last = feed.history(symbol, Interval.M1)[-1]
        assert last.close_time_ms == START
        first = next(
            made.price for step in steps for made in step.prints if made.symbol == symbol
        )
        assert abs(float(first) / last.close - 1) < 0.002


def test_the_past_is_whole_and_its_hours_are_made_of_its_quarters() -> None:
    feed = SyntheticFeed(3, START, SYMBOLS)
    for symbol in SYMBOLS:
        minutes, quarters, hours = (
            Bars.of(interval, feed.history(symbol, interval)) for interval in Interval
        )
        assert (len(minutes), len(quarters), len(hours)) == (1500, 1500, 640)
        for bars in (minutes, quarters, hours):
            assert set(np.diff(bars.open_time_ms)) == {bars.interval.ms}
            assert int(bars.open_time_ms[-1]) + bars.interval.ms == START
            assert np.all(bars.low <= np.minimum(bars.open, bars.close))
            assert np.all(bars.high >= np.maximum(bars.open, bars.close))
            assert np.all(bars.volume > 0)
            assert np.all(bars.trades >= 1)
            assert np.all((bars.taker_buy_volume >= 0) & (bars.taker_buy_volume <= bars.volume))
            mean = bars.quote_volume / bars.volume
            assert np.all((mean > bars.low * 0.9999) & (mean < bars.high * 1.0001))
        overlap = 375
        of_four = quarters[-4 * overlap :].high.reshape(overlap, 4)
        assert np.array_equal(of_four.max(axis=1), hours[-overlap:].high)
        assert np.allclose(
            quarters.volume.reshape(overlap, 4).sum(axis=1), hours[-overlap:].volume, rtol=1e-12
        )
        assert np.array_equal(quarters.close[3::4], hours.close[-overlap:])


def test_returns_have_the_looks_of_a_market() -> None:
    hours = {symbol: past(symbol, Interval.H1) for symbol in SYMBOLS}
    moves = np.array([returns(bars) for bars in hours.values()])
    yearly = moves.std(axis=1) * np.sqrt(24 * 365)
    for symbol, volatility in zip(SYMBOLS, yearly, strict=True):
        assert 0.6 < volatility / coin(symbol).volatility < 1.7
    together = np.corrcoef(moves)[np.triu_indices(len(SYMBOLS), 1)]
    assert np.all((together > 0.4) & (together < 0.9))
    for symbol in SYMBOLS:
        quarters = past(symbol, Interval.M15)
        moved = returns(quarters)
        size = np.abs(moved)
        assert np.corrcoef(size[:-1], size[1:])[0, 1] > 0.05
        assert np.corrcoef(size[:-8], size[8:])[0, 1] > 0.05
        assert abs(np.corrcoef(moved[:-1], moved[1:])[0, 1]) < 0.15
        assert np.mean((moved - moved.mean()) ** 4) / moved.var() ** 2 > 4
        assert np.corrcoef(np.log(quarters.volume[1:]), size)[0, 1] > 0.2
        taken = quarters.taker_buy_volume / quarters.volume
        assert np.corrcoef(taken[1:], moved)[0, 1] > 0.2
        wicks = (quarters.high - quarters.low) / np.abs(quarters.close - quarters.open).mean()
        assert 1.6 < wicks.mean() < 2.4


def test_volume_has_its_hours_of_the_day() -> None:
    hours = past("BTCUSDT", Interval.H1)
    of_day = hours.open_time_ms // HOUR % 24
    new_york, night = (
        np.log(hours.volume[np.isin(of_day, which)]).mean() for which in ((14, 15), (4, 5))
    )
    assert new_york > night + 0.3


def test_play_is_of_the_same_kind_as_the_past() -> None:
    feed = SyntheticFeed(3, START, ("BTCUSDT",), resume_ms=START + 200 * HOUR)
    quarters = Bars.of(Interval.M15, feed.history("BTCUSDT", Interval.M15))
    before, after = quarters[: -200 * 4], quarters[-200 * 4 :]
    for one, other in (
        (np.abs(returns(before)), np.abs(returns(after))),
        (before.volume, after.volume),
        (before.trades, after.trades),
        ((before.high - before.low) / before.close, (after.high - after.low) / after.close),
    ):
        assert 0.4 < np.median(one) / np.median(other) < 2.5


def test_funding_is_a_small_rate_that_the_seed_decides() -> None:
    feed = SyntheticFeed(3, START, SYMBOLS)
    rates = [feed.funding_rate("BTCUSDT", START + k * 8 * HOUR) for k in range(50)]
    again = SyntheticFeed(3, START, ("BTCUSDT",))
    assert again.funding_rate("BTCUSDT", START + 8 * HOUR) == rates[1]
    assert all(Decimal("-0.0002") <= rate <= Decimal("0.0003") for rate in rates)
    assert len(set(rates)) > 20


def test_steps_ascend_without_end() -> None:
    feed = SyntheticFeed(3, START, ("BTCUSDT",), step_ms=60_000)
    assert feed.end_ms is None
    steps = played(feed, START + 24 * HOUR)
    assert all(two.time_ms - one.time_ms == 60_000 for one, two in pairwise(steps))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"symbols": ("PEPEUSDT",)}, "has no PEPEUSDT; it has BNBUSDT, BTCUSDT"),
        ({"seed": -1}, "at least 0"),
        ({"start_ms": START + QUARTER}, "full hour"),
        ({"resume_ms": START - HOUR}, "began later"),
        ({"step_ms": 7000}, "whole number of steps"),
    ],
)
def test_what_it_cant_play_is_refused(arguments: dict[str, object], words: str) -> None:
    good: dict[str, object] = {"seed": 3, "start_ms": START, "symbols": SYMBOLS}
    with pytest.raises(UsageError, match=words):
        SyntheticFeed(**{**good, **arguments})  # type: ignore[arg-type]
