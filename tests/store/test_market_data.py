"""The tables beside the candles: each row once, the last word counts, NaN kept."""

import math

import msgspec
import pytest

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.history import (
    BarStats,
    Cure,
    Finding,
    FindingKind,
    FundingRate,
    MarkCandle,
    OpenInterest,
)
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.pool import Database

BTC = "BTCUSDT"
START = 1_749_999_600_000
STEP = Interval.M15.ms


@pytest.fixture
def data(database: Database) -> MarketData:
    return MarketData(database, "demo")


def rate(number: int, **changed: float) -> FundingRate:
    made = FundingRate(
        symbol=BTC, time_ms=START + number * 8 * 3_600_000, rate=1e-4, mark_price=math.nan
    )
    return msgspec.structs.replace(made, **changed)


def stats(number: int, **changed: float) -> BarStats:
    made = BarStats(
        symbol=BTC,
        interval=Interval.M15,
        open_time_ms=START + number * STEP,
        trades=4.0,
        taker_buy_volume=1.5,
        taker_sell_volume=2.5,
        vwap=100.5,
        mean_trade=1.0,
        largest_trade=2.0,
        spread_bps=0.1,
        depth_imbalance=-0.25,
        vpin=0.25,
        covered=1.0,
    )
    return msgspec.structs.replace(made, **changed)


def finding(number: int, **changed: object) -> Finding:
    made = Finding(
        symbol=BTC,
        interval=Interval.M15,
        open_time_ms=START + number * STEP,
        until_ms=START + (number + 1) * STEP,
        kind=FindingKind.BROKEN,
        cure=Cure.OPEN,
        detail="high 1 is below open 2",
        found_ms=START,
    )
    return msgspec.structs.replace(made, **changed)


async def test_a_row_is_kept_once_and_its_last_word_counts(data: MarketData) -> None:
    assert await data.funding_rates.store([rate(1), rate(0), rate(0, rate=2e-4)]) == 2
    assert await data.funding_rates.store([rate(0, rate=2e-4), rate(1)]) == 0
    assert await data.funding_rates.store([rate(1, mark_price=99.5)]) == 1
    read = await data.funding_rates.between(BTC, None, START, rate(2).time_ms)
    assert [(each.time_ms, each.rate) for each in read] == [
        (START, 2e-4),
        (rate(1).time_ms, 1e-4),
    ]
    assert math.isnan(read[0].mark_price)
    assert read[1].mark_price == 99.5
    assert await data.funding_rates.bounds_ms(BTC, None) == (START, rate(1).time_ms)
    assert await data.funding_rates.bounds_ms("ETHUSDT", None) is None
    assert await data.funding_rates.store([]) == 0


async def test_holes_are_told_on_a_grid_and_by_the_longest_distance(
    data: MarketData,
) -> None:
    marks = [
        MarkCandle(
            symbol=BTC, interval=Interval.M15, open_time_ms=START + n * STEP,
            open=1.0, high=1.0, low=1.0, close=1.0,
        )
        for n in (2, 3, 5, 8)
    ]  # fmt: skip
    await data.mark_prices.store(marks)

    async def missing(first: int, end: int, interval: str = "15m") -> list[tuple[int, int]]:
        holes = await data.mark_prices.holes(
            BTC, interval, START + first * STEP, START + end * STEP,
            step_ms=STEP, apart_ms=STEP,
        )  # fmt: skip
        return [((a - START) // STEP, (b - START) // STEP) for a, b in holes]

    assert await missing(0, 10) == [(0, 2), (4, 5), (6, 8), (9, 10)]
    assert await missing(2, 4) == []
    assert await missing(2, 2) == []
    assert await missing(2, 4, "1h") == [(2, 4)]
    hour_ms = 4 * STEP
    paid = (0, 8, 12, 24, 32)
    await data.funding_rates.store(
        [
            FundingRate(symbol=BTC, time_ms=START + n * hour_ms, rate=1e-4, mark_price=5.0)
            for n in paid
        ]
    )
    holes = await data.funding_rates.holes(
        BTC, None, START, START + 33 * hour_ms, step_ms=hour_ms, apart_ms=8 * hour_ms
    )
    assert holes == [(START + 13 * hour_ms, START + 24 * hour_ms)]


async def test_bars_are_kept_apart_by_interval_and_venue(
    data: MarketData, database: Database
) -> None:
    prices = {"open": 100.0, "high": 102.0, "low": 99.0, "close": 101.0}
    bars = [
        MarkCandle(symbol=BTC, interval=interval, open_time_ms=START, **prices)
        for interval in (Interval.M15, Interval.H1)
    ]
    assert await data.mark_prices.store(bars) == 2
    assert await data.mark_prices.between(BTC, "1h", START, START + 1) == [bars[1]]
    assert await data.mark_prices.between(BTC, "1h", START + 1, START + STEP) == []
    other = MarketData(database, "live")
    assert await other.mark_prices.bounds_ms(BTC, "1h") is None


async def test_open_interest_and_microstructure_come_back(data: MarketData) -> None:
    interest = OpenInterest(symbol=BTC, time_ms=START, quantity=3.5, value_usd=350.0)
    await data.open_interest.store([interest])
    assert await data.open_interest.between(BTC, None, START, START + 1) == [interest]
    given = [stats(0), stats(1)]
    await data.microstructure.store(given)
    assert await data.microstructure.between(BTC, "15m", START, START + 2 * STEP) == given


@pytest.mark.parametrize(
    "nonsense",
    [{"vwap": 0.0}, {"depth_imbalance": 1.5}, {"covered": 2.0}, {"trades": -1.0}],
)
async def test_nonsense_is_refused(data: MarketData, nonsense: dict[str, float]) -> None:
    with pytest.raises(StorageError, match="violates check"):
        await data.microstructure.store([stats(0), stats(1, **nonsense)])
    assert await data.microstructure.bounds_ms(BTC, "15m") is None


async def test_the_statistics_of_a_bar_say_where_they_are_from(
    data: MarketData, database: Database
) -> None:
    candle = Candle(
        symbol=BTC,
        interval=Interval.M15,
        open_time_ms=START,
        open=100.0,
        high=102.0,
        low=99.0,
        close=101.0,
        volume=8.0,
        quote_volume=804.0,
        trades=4.0,
        taker_buy_volume=3.0,
        closed=True,
    )
    absent = msgspec.structs.replace(
        candle, open_time_ms=START + STEP, trades=math.nan, taker_buy_volume=math.nan
    )
    await data.candles.store([candle, absent], "rest")
    await data.microstructure.store([stats(0)])
    rows = await database.rows(
        "SELECT kline_vwap, kline_mean_trade, kline_taker_sell_volume, live_vwap, live_covered "
        "FROM bar_statistics ORDER BY open_time"
    )
    assert tuple(rows[0]) == (100.5, 2.0, 5.0, 100.5, 1.0)
    assert [str(value) for value in rows[1]] == ["100.5", "nan", "nan", "nan", "0.0"]


async def test_a_finding_found_again_is_the_same_one(data: MarketData) -> None:
    assert await data.findings.keep([finding(0), finding(1)]) == 2
    assert await data.findings.keep([finding(0, found_ms=START + 5)]) == 0
    cured = finding(0, cure=Cure.REFETCHED, found_ms=START + 9)
    assert await data.findings.keep([cured]) == 1
    (still_open,) = await data.findings.listed(BTC, cures=[Cure.OPEN])
    assert still_open == finding(1)
    first, _ = await data.findings.listed()
    assert first == finding(0, cure=Cure.REFETCHED)
    assert await data.findings.listed("ETHUSDT") == []
    assert await data.findings.listed(kinds=[FindingKind.JUMP]) == []


async def test_what_was_set_aside_is_kept_with_its_finding(data: MarketData) -> None:
    broken = Candle(
        symbol=BTC,
        interval=Interval.M15,
        open_time_ms=START,
        open=math.nan,
        high=math.inf,
        low=-1.0,
        close=0.1,
        volume=1e-300,
        quote_volume=5.0,
        trades=3.0,
        taker_buy_volume=math.nan,
        closed=True,
    )
    await data.findings.keep([finding(0, cure=Cure.QUARANTINED, candle=broken)])
    (read,) = await data.findings.listed(BTC, Interval.M15)
    assert str(read.candle) == str(broken)


async def test_a_finding_may_be_about_no_bars(data: MarketData) -> None:
    about = finding(0, interval=None, kind=FindingKind.UNKNOWN_TICK, cure=Cure.ACCEPTED)
    await data.findings.keep([about])
    assert await data.findings.listed() == [about]


async def test_the_finest_tick_of_a_day(data: MarketData) -> None:
    day = 86_400_000
    start = START - START % day
    for number, tick in ((0, 0.1), (3, 0.1), (5, 0.01), (6, 0.01), (8, 0.1), (2, 0.1)):
        await data.ticks.note(BTC, tick, start + number * day + 5)
    found = [await data.ticks.finest(BTC, start + number * day) for number in range(-1, 10)]
    assert found == [None, 0.1, 0.1, 0.1, 0.1, None, 0.01, 0.01, None, 0.1, None]
    assert await data.ticks.finest("ETHUSDT", start) is None
