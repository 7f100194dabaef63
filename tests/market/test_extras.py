"""What is kept beside candles: asked for when it is due, whole in the end, whatever fails."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.account import ExchangeStatus
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import ExchangeError, StorageError
from rusy_tui.domain.history import (
    Cure,
    Finding,
    FindingKind,
    FundingRate,
    MarkCandle,
    OpenInterest,
)
from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.market import InstrumentChanged, MarketTrade, MarkPrice, StreamRestored
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.extras import (
    AFTER_CLOSE_S,
    AGAIN_S,
    HOLES_EVERY_S,
    SETTLED_S,
    Extras,
)
from rusy_tui.market.lanes import FUNDING_ROWS, INTEREST_ROWS, MARK_ROWS
from rusy_tui.market.microstructure import GRACE_S
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.pool import Database
from tests.lockstep import in_lockstep
from tests.market.row import HOUR_MS, START_MS

QUARTER_MS, DAY_MS = Interval.M15.ms, 86_400_000
SYMBOL = "BTCUSDT"
# Some minutes into a quarter of an hour.
NOW_MS = START_MS + 7 * 60_000
MONTH_MS = 30 * DAY_MS
NO_STATUS = ExchangeStatus(
    weight_used=0,
    weight_limit=2400,
    waiting=0,
    closed_for_s=0,
    offset_ms=0,
    offset_error_ms=0,
    offset_age_s=0,
)


class Listed:
    """An exchange that has everything since a contract was listed, as the real one gives it."""

    def __init__(self, clock: LockstepClock, days: int) -> None:
        self.clock = clock
        self.listed_ms = START_MS - days * DAY_MS
        self.asked: Counter[str] = Counter()
        self.failing: set[str] = set()
        self.odd: dict[int, MarkCandle] = {}
        # Quarters, and funding times, that it does not have.
        self.lacking: set[int] = set()
        self.late_ms = 0
        self.used = 0
        self.ticks = Decimal("0.1")

    def exchange_ms(self) -> int:
        return self.clock.market_ms()

    def status(self) -> ExchangeStatus:
        return msgspec.structs.replace(NO_STATUS, weight_used=self.used)

    async def instruments(self) -> Mapping[str, Instrument]:
        await self._answer("instruments")
        one = SimpleNamespace(tick_size=self.ticks, onboard_ms=self.listed_ms)
        return {SYMBOL: cast(Instrument, one)}

    async def mark_price_candles(
        self,
        symbol: str,
        interval: Interval,
        start_ms: int,
        end_ms: int,
        limit: int,
        *,
        backfill: bool = False,
    ) -> Sequence[MarkCandle]:
        assert backfill
        assert limit <= MARK_ROWS
        await self._answer(f"marks {interval}")
        last_ms = interval.floor(self.exchange_ms() - self.late_ms) - interval.ms
        return [
            self.odd.get(at_ms) or mark(at_ms, interval)
            for at_ms in self._grid(start_ms, min(end_ms, last_ms), interval.ms)
            if interval is Interval.H1 or at_ms not in self.lacking
        ][:limit]

    async def funding_rates(
        self, symbol: str, start_ms: int, end_ms: int, limit: int
    ) -> Sequence[FundingRate]:
        assert limit == FUNDING_ROWS
        await self._answer("funding")
        last_ms = min(end_ms, self.exchange_ms())
        # The exchange pays a little after the hour; its first rates had no mark price.
        return [
            FundingRate(symbol=symbol, time_ms=at_ms + 3, rate=0.0001, mark_price=0.0)
            for at_ms in self._grid(start_ms - 3, last_ms - 3, 8 * HOUR_MS)
            if at_ms not in self.lacking
        ][:limit]

    async def open_interest(
        self, symbol: str, start_ms: int, end_ms: int, limit: int
    ) -> Sequence[OpenInterest]:
        assert limit == INTEREST_ROWS
        await self._answer("interest")
        if start_ms < self.exchange_ms() - MONTH_MS:
            raise ExchangeError("parameter 'startTime' is invalid", -1130)
        # Of too many the latest: it is not documented which.
        return [
            OpenInterest(symbol=symbol, time_ms=at_ms, quantity=5.0, value_usd=500.0)
            for at_ms in self._grid(start_ms, min(end_ms, self.exchange_ms()), QUARTER_MS)
        ][-limit:]

    def _grid(self, start_ms: int, last_ms: int, step_ms: int) -> range:
        first_ms = -(-max(start_ms, self.listed_ms) // step_ms) * step_ms
        return range(first_ms, last_ms + 1, step_ms)

    async def _answer(self, what: str) -> None:
        await self.clock.sleep(0.05)
        self.asked[what] += 1
        if what in self.failing:
            raise ExchangeError(f"{what}: HTTP 502")


def mark(at_ms: int, interval: Interval, **changed: float) -> MarkCandle:
    made = MarkCandle(
        symbol=SYMBOL, interval=interval, open_time_ms=at_ms,
        open=100.0, high=102.0, low=99.0, close=101.0,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changed)


class Scene:
    """Extras over an exchange and a database of their own."""

    def __init__(self, clock: LockstepClock, data: MarketData, days: int) -> None:
        self.clock, self.data = clock, data
        self.exchange = Listed(clock, days)
        self.said: list[str] = []
        self.lookback_days = 3000
        self._running: asyncio.Task[None] | None = None

    def start(self) -> Extras:
        extras = Extras(
            cast(ExchangePort, self.exchange), self.data, self.clock, [SYMBOL],
            lookback_days=self.lookback_days,
        )  # fmt: skip
        running = extras.run(lambda text, tone: self.said.append(f"{tone}: {text}"))
        self._running = asyncio.get_running_loop().create_task(running)
        return extras

    async def stop(self) -> None:
        assert self._running is not None
        self._running.cancel()
        (ended,) = await asyncio.gather(self._running, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended

    async def times(self, table: str, interval: Interval | None = None) -> list[int]:
        series: Any = getattr(self.data, table)
        rows = await series.between(SYMBOL, interval, 0, START_MS * 2)
        return [row.time_ms if interval is None else row.open_time_ms for row in rows]


Play = Callable[[Callable[[Scene], Awaitable[None]], int], None]


@pytest.fixture
def play(database_address: DatabaseAddress) -> Play:
    """Runs a scene with an exchange that has so many days."""

    def run(scene: Callable[[Scene], Awaitable[None]], days: int) -> None:
        async def main(clock: LockstepClock) -> None:
            database = await Database.open(database_address, clock)
            try:
                await scene(Scene(clock, MarketData(database, "paper"), days))
            finally:
                await database.close()

        in_lockstep(main, NOW_MS)

    return run


async def assert_whole(scene: Scene, now_ms: int) -> None:
    listed_ms = scene.exchange.listed_ms
    for interval in (Interval.M15, Interval.H1):
        first_ms = -(-listed_ms // interval.ms) * interval.ms
        wanted = list(range(first_ms, interval.floor(now_ms), interval.ms))
        assert await scene.times("mark_prices", interval) == wanted
    eight_ms = 8 * HOUR_MS
    first_ms = -(-listed_ms // eight_ms) * eight_ms
    # By the hour, though it was paid a little after.
    assert await scene.times("funding_rates") == list(range(first_ms, now_ms - 3, eight_ms))
    kept = await scene.times("open_interest")
    assert kept == list(range(kept[0], now_ms + 1, QUARTER_MS))
    assert kept[0] <= max(listed_ms, now_ms - 29 * DAY_MS) + QUARTER_MS


def test_nothing_is_asked_for_until_a_start_has_settled(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        scene.start()
        await scene.clock.sleep(SETTLED_S - 0.1)
        assert not scene.exchange.asked
        await scene.clock.sleep(1)
        assert scene.exchange.asked
        await scene.stop()

    play(scene, 3)


def test_all_that_the_exchange_has_is_there_in_the_end(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        scene.start()
        await scene.clock.sleep(300)
        await assert_whole(scene, scene.clock.market_ms())
        assert scene.said == []
        (rate, *_) = await scene.data.funding_rates.between(SYMBOL, None, 0, START_MS)
        assert math.isnan(rate.mark_price)
        # 100 days of quarters in 20 pages of 499; and whether there was more.
        assert scene.exchange.asked["marks 15m"] < 30
        await scene.stop()

    play(scene, 100)


def test_after_ends_at_any_moment_all_is_there_and_nothing_is_asked_for_again(
    play: Play,
) -> None:
    async def scene(scene: Scene) -> None:
        for number in range(12):
            scene.start()
            await scene.clock.sleep(SETTLED_S + 0.13 * number)
            await scene.stop()
            # Longer away than a page at times: what is new is then more than one.
            await scene.clock.sleep(6 * 86_400 if number % 4 == 3 else 1000)
        scene.start()
        await scene.clock.sleep(300)
        await assert_whole(scene, scene.clock.market_ms())
        scene.exchange.asked.clear()
        await scene.stop()
        scene.start()
        await scene.clock.sleep(SETTLED_S + 60)
        # Whether there is an older row, and no page.
        assert scene.exchange.asked["marks 15m"] <= 2
        await scene.stop()

    play(scene, 60)


def test_lookback_bounds_the_past(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        scene.lookback_days = 10
        scene.start()
        await scene.clock.sleep(200)
        marks = await scene.times("mark_prices", Interval.M15)
        assert 0 <= marks[0] - (NOW_MS - 10 * DAY_MS) <= QUARTER_MS + 60_000
        await scene.stop()

    play(scene, 60)


def test_new_rows_come_after_each_close_and_each_funding_time(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        scene.lookback_days = 0
        extras = scene.start()
        now_ms = scene.clock.market_ms()
        funding_ms = -(-now_ms // (8 * HOUR_MS)) * 8 * HOUR_MS
        price = MarkPrice(SYMBOL, Decimal(100), Decimal(0), funding_ms, now_ms)
        extras.see(price)
        await scene.clock.sleep(60)
        asked = Counter(scene.exchange.asked)
        await scene.clock.sleep_until_market(funding_ms - 1000)
        assert (await scene.times("mark_prices", Interval.H1))[-1] == funding_ms - 2 * HOUR_MS
        assert scene.exchange.asked["funding"] == asked["funding"]
        # Its time is asked for though the next one is announced by then.
        await scene.clock.sleep(2)
        extras.see(msgspec.structs.replace(price, next_funding_ms=funding_ms + 8 * HOUR_MS))
        await scene.clock.sleep(AFTER_CLOSE_S + 1)
        for interval in (Interval.M15, Interval.H1):
            newest = (await scene.times("mark_prices", interval))[-1]
            assert newest == funding_ms - interval.ms
        assert (await scene.times("open_interest"))[-1] == funding_ms
        assert (await scene.times("funding_rates"))[-1] == funding_ms
        assert scene.exchange.asked["funding"] == asked["funding"] + 1
        quarters = (funding_ms - Interval.M15.floor(now_ms)) // QUARTER_MS
        assert scene.exchange.asked["marks 15m"] - asked["marks 15m"] <= 2 * quarters
        await scene.stop()

    play(scene, 3)


def test_a_row_that_is_late_is_asked_for_again(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        scene.lookback_days = 0
        scene.exchange.late_ms = 20_000
        scene.start()
        close_ms = Interval.M15.floor(NOW_MS) + QUARTER_MS
        await scene.clock.sleep_until_market(close_ms)
        await scene.clock.sleep(AFTER_CLOSE_S + AGAIN_S[0] + 1)
        assert (await scene.times("mark_prices", Interval.M15))[-1] == close_ms - 2 * QUARTER_MS
        await scene.clock.sleep(AGAIN_S[1])
        assert (await scene.times("mark_prices", Interval.M15))[-1] == close_ms - QUARTER_MS
        await scene.stop()

    play(scene, 3)


def test_what_fails_is_said_once_and_keeps_nobody_else_from_going_on(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        scene.exchange.failing = {"interest", "marks 1h"}
        scene.start()
        await scene.clock.sleep(300)
        # Once a table, however often and for how many symbols and intervals.
        assert len(scene.said) == 2
        assert all(said.startswith("ask: ") and "502" in said for said in scene.said)
        assert len(await scene.times("mark_prices", Interval.M15)) > 40 * 96
        assert await scene.times("funding_rates")
        assert await scene.times("open_interest") == []
        scene.exchange.failing = set()
        await scene.clock.sleep(900)
        await assert_whole(scene, scene.clock.market_ms())
        assert sorted(scene.said[2:]) == [
            "info: mark prices kept again",
            "info: open interest kept again",
        ]
        await scene.stop()

    play(scene, 50)


def test_the_past_waits_while_trading_needs_the_weight(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        scene.exchange.used = 1300
        scene.start()
        await scene.clock.sleep(120)
        newest = len(await scene.times("mark_prices", Interval.M15))
        assert 0 < newest <= MARK_ROWS
        scene.exchange.used = 100
        await scene.clock.sleep(60)
        await assert_whole(scene, scene.clock.market_ms())
        await scene.stop()

    play(scene, 50)


def test_a_row_that_breaks_a_rule_is_set_aside_and_holds_up_nothing(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        odd_ms = Interval.M15.floor(NOW_MS) - 5 * QUARTER_MS
        scene.exchange.odd[odd_ms] = mark(odd_ms, Interval.M15, low=0.0)
        scene.start()
        await scene.clock.sleep(120)
        marks = await scene.times("mark_prices", Interval.M15)
        assert odd_ms not in marks
        assert {odd_ms - QUARTER_MS, odd_ms + QUARTER_MS} <= {*marks}
        (found,) = await scene.data.findings.listed()
        assert (found.kind, found.cure) == (FindingKind.BROKEN_MARK_PRICE, Cure.QUARANTINED)
        assert (found.interval, found.open_time_ms) == (Interval.M15, odd_ms)
        assert found.until_ms == odd_ms + QUARTER_MS
        assert found.candle is not None
        assert (found.candle.low, found.candle.close) == (0.0, 101.0)
        assert math.isnan(found.candle.volume)
        await scene.stop()

    play(scene, 10)


def test_a_broken_mark_price_leaves_the_finding_of_its_candle_alone(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        odd_ms = Interval.M15.floor(NOW_MS) - 5 * QUARTER_MS
        of_candle = Finding(
            symbol=SYMBOL, interval=Interval.M15, open_time_ms=odd_ms,
            until_ms=odd_ms + QUARTER_MS, kind=FindingKind.BROKEN, cure=Cure.OPEN,
            detail="high 1 is below open 2", found_ms=NOW_MS,
        )  # fmt: skip
        await scene.data.findings.keep([of_candle])
        scene.exchange.odd[odd_ms] = mark(odd_ms, Interval.M15, high=math.inf)
        scene.start()
        await scene.clock.sleep(120)
        assert len(await scene.data.findings.listed()) == 2
        assert await scene.data.findings.listed(kinds=[FindingKind.BROKEN]) == [of_candle]
        assert scene.said == []
        await scene.stop()
        # Asked for again by the next run, and the exchange has mended it.
        del scene.exchange.odd[odd_ms]
        scene.start()
        await scene.clock.sleep(120)
        assert odd_ms in await scene.times("mark_prices", Interval.M15)
        (found,) = await scene.data.findings.listed(kinds=[FindingKind.BROKEN_MARK_PRICE])
        assert found.cure is Cure.REFETCHED
        await scene.stop()

    play(scene, 10)


async def imported(scene: Scene, from_days: int, until_days: int) -> None:
    """Rows of the days [from, until) before now, as an import brings them."""
    today_ms = NOW_MS - NOW_MS % DAY_MS
    from_ms, until_ms = today_ms - from_days * DAY_MS, today_ms - until_days * DAY_MS
    for interval in (Interval.M15, Interval.H1):
        times = range(from_ms, until_ms, interval.ms)
        await scene.data.mark_prices.store([mark(at_ms, interval) for at_ms in times])
    await scene.data.funding_rates.store(
        [
            FundingRate(symbol=SYMBOL, time_ms=at_ms, rate=0.0001, mark_price=math.nan)
            for at_ms in range(from_ms, until_ms, 8 * HOUR_MS)
        ]
    )


def test_holes_between_imported_months_are_filled(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        await imported(scene, 90, 60)
        await imported(scene, 30, 0)
        scene.start()
        await scene.clock.sleep(300)
        await assert_whole(scene, scene.clock.market_ms())
        # What is there is not asked for: 30 days of quarters twice, 6 pages each and a look.
        assert scene.exchange.asked["marks 15m"] < 17
        await scene.stop()

    play(scene, 120)


def test_a_month_that_was_imported_long_ago_does_not_go_before_what_is_new(
    play: Play,
) -> None:
    async def scene(scene: Scene) -> None:
        await imported(scene, 90, 60)
        scene.exchange.used = 1300
        scene.start()
        await scene.clock.sleep(60)
        marks = await scene.times("mark_prices", Interval.M15)
        assert marks[-1] == Interval.M15.floor(NOW_MS) - QUARTER_MS
        assert scene.exchange.asked["marks 15m"] <= 2
        await scene.stop()

    play(scene, 100)


def test_a_hole_of_the_exchange_is_asked_for_once_a_run(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        day_ms = NOW_MS - NOW_MS % DAY_MS - 20 * DAY_MS
        scene.exchange.lacking = {*range(day_ms, day_ms + DAY_MS, QUARTER_MS)}
        scene.start()
        await scene.clock.sleep(300)
        marks = await scene.times("mark_prices", Interval.M15)
        assert not scene.exchange.lacking & {*marks}
        assert day_ms - QUARTER_MS in marks
        paid = await scene.times("funding_rates")
        assert {b - a for a, b in pairwise(paid)} == {8 * HOUR_MS, 32 * HOUR_MS}
        begun = Counter(scene.exchange.asked)
        await scene.clock.sleep(2 * HOLES_EVERY_S)
        asked = scene.exchange.asked - begun
        # Each new quarter, and nothing else.
        assert asked["marks 15m"] == 2 * HOLES_EVERY_S * 1000 / QUARTER_MS
        assert asked["funding"] == 0
        await scene.stop()
        scene.exchange.asked.clear()
        scene.exchange.lacking.clear()
        scene.start()
        await scene.clock.sleep(300)
        await assert_whole(scene, scene.clock.market_ms())
        assert scene.exchange.asked["marks 15m"] <= 4
        await scene.stop()

    play(scene, 40)


def test_a_row_that_the_exchange_has_too_late_is_asked_for_in_the_same_run(
    play: Play,
) -> None:
    async def scene(scene: Scene) -> None:
        # One is a hole already at the start, the other comes to be.
        late_ms = Interval.M15.floor(NOW_MS)
        scene.exchange.lacking = {late_ms - 2 * QUARTER_MS, late_ms}
        scene.start()
        await scene.clock.sleep(3600)
        marks = await scene.times("mark_prices", Interval.M15)
        assert late_ms not in marks
        assert late_ms + QUARTER_MS in marks
        scene.exchange.lacking.clear()
        await scene.clock.sleep(HOLES_EVERY_S)
        marks = await scene.times("mark_prices", Interval.M15)
        assert {late_ms - 2 * QUARTER_MS, late_ms} <= {*marks}
        await scene.stop()

    play(scene, 10)


def test_a_payment_known_by_the_full_hour_is_the_exchanges_a_little_after(
    play: Play,
) -> None:
    async def scene(scene: Scene) -> None:
        await imported(scene, 5, 2)
        # Nothing is missing between, but the exchange is asked for what is beside it.
        scene.start()
        await scene.clock.sleep(300)
        times = await scene.times("funding_rates")
        assert len(times) == len({at_ms // 60_000 for at_ms in times})
        await assert_whole(scene, scene.clock.market_ms())
        await scene.stop()

    play(scene, 10)


def test_ticks_are_noted_each_day_and_when_a_contract_changes(play: Play) -> None:
    async def scene(scene: Scene) -> None:
        scene.lookback_days = 0
        extras = scene.start()
        await scene.clock.sleep(60)
        assert await scene.data.ticks.finest(SYMBOL, NOW_MS) == 0.1
        scene.exchange.ticks = Decimal("0.01")
        await scene.clock.sleep(3600)
        assert await scene.data.ticks.finest(SYMBOL, NOW_MS) == 0.1
        extras.see(InstrumentChanged(SYMBOL, scene.clock.market_ms()))
        await scene.clock.sleep(1000)
        assert await scene.data.ticks.finest(SYMBOL, NOW_MS) == 0.01
        await scene.clock.sleep(86_400)
        assert await scene.data.ticks.finest(SYMBOL, NOW_MS + DAY_MS) == 0.01
        assert scene.exchange.asked["instruments"] == 3
        await scene.stop()

    play(scene, 3)


def trade(at_ms: int) -> MarketTrade:
    return MarketTrade(SYMBOL, Decimal(100), Decimal(2), False, at_ms, 3)


def test_a_bar_is_stored_a_little_after_its_end_with_what_came_late(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(scene: Scene) -> None:
        scene.lookback_days = 0
        extras = scene.start()
        for route in ("public", "market"):
            extras.see(StreamRestored(route, NOW_MS, NOW_MS))
        close_ms = Interval.M15.floor(NOW_MS) + QUARTER_MS
        extras.see(trade(NOW_MS))
        series, refused = scene.data.microstructure, [StorageError("the database is away")]
        store = series.store

        async def lost(rows: Sequence[Any]) -> int:
            if refused:
                raise refused[0]
            return await store(rows)

        monkeypatch.setattr(series, "store", lost)
        await scene.clock.sleep_until_market(close_ms)
        await scene.clock.sleep(GRACE_S / 2)
        extras.see(trade(close_ms - 1))
        await scene.clock.sleep(GRACE_S)
        extras.see(trade(close_ms - 2))
        extras.see(trade(close_ms + 5))
        assert len(scene.said) == 1
        refused.clear()
        await scene.clock.sleep(900)
        assert len(scene.said) == 2
        first, second = await series.between(SYMBOL, Interval.M15, 0, START_MS * 2)
        assert first.open_time_ms == close_ms - QUARTER_MS
        assert (first.trades, first.taker_buy_volume) == (6, 4)
        assert first.covered == pytest.approx((close_ms - NOW_MS) / QUARTER_MS)
        assert (second.trades, second.covered) == (3, 1)
        assert math.isnan(second.spread_bps)
        await scene.stop()

    play(scene, 3)
