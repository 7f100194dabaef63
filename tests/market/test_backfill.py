"""History is fetched once, newest first, and goes on wherever it was interrupted."""

import asyncio
import random

import msgspec
import pytest

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import ExchangeError, ExchangeRefusal
from rusy_tui.domain.history import Cure, FindingKind
from rusy_tui.market.backfill import Backfill
from tests.market.history import STEP, Past, broken, play
from tests.market.row import START_MS, bar, candle

QUARTERS = (("BTCUSDT", Interval.M15),)


def test_history_is_whole_from_the_first_candle_to_the_last_closed_one() -> None:
    async def scene(past: Past) -> None:
        await past.clock.sleep(100)
        await past.backfill().history()
        assert past.numbers() == list(range(1200))
        assert past.numbers(Interval.H1) == list(range(300))
        assert not past.tables.found

    play(scene)


def test_the_newest_bars_come_first_and_lanes_take_turns() -> None:
    async def scene(past: Past) -> None:
        await past.backfill(calls_at_once=1).history()
        spans = [
            (str(interval), (from_ms - past.first_ms) // STEP)
            for _, interval, from_ms, _ in past.tables.pages
        ]
        assert spans == [("15m", 701), ("1h", 0), ("15m", 202), ("15m", 0)]

    play(scene)


def test_lookback_bounds_what_is_asked_for() -> None:
    async def scene(past: Past) -> None:
        await past.backfill(QUARTERS, lookback_days=5).history()
        assert past.numbers() == list(range(1200 - 5 * 96, 1200))

    play(scene)


def test_what_is_there_is_not_asked_for() -> None:
    async def scene(past: Past) -> None:
        await past.backfill().history()
        past.exchange.calls.clear()
        await past.backfill().history()
        # Whether something came before the first one, and no more.
        assert len(past.exchange.calls) == 2

    play(scene)


def test_bars_in_the_middle_are_the_only_ones_asked_for() -> None:
    async def scene(past: Past) -> None:
        have = [bar(n) for n in range(-1200, 0) if not -700 <= n < -650]
        await past.tables.store(have, "import")
        await past.backfill(QUARTERS, lookback_days=10).history()
        assert past.asked()[-1] == (500, 549)
        assert past.numbers() == list(range(1200))

    play(scene)


def test_a_backfill_that_is_cut_off_anywhere_goes_on_where_it_was() -> None:
    chance = random.Random(5)

    async def scene(past: Past) -> None:
        for _ in range(8):
            running = asyncio.get_running_loop().create_task(past.backfill().history())
            await past.clock.sleep(chance.uniform(0, 0.2))
            running.cancel()
            await asyncio.wait([running])
        # The store refuses a bar that comes twice.
        await past.backfill().history()
        assert past.numbers() == list(range(6000))
        assert past.numbers(Interval.H1) == list(range(1500))

    play(scene, 6000)


def test_calls_are_bounded() -> None:
    async def scene(past: Past) -> None:
        await past.backfill(calls_at_once=3).history()
        assert past.exchange.most_under_way == 3

    play(scene, 6000)


def test_the_warm_up_asks_for_its_own_bars_of_every_lane_alone() -> None:
    async def scene(past: Past) -> None:
        lanes = [(s, i) for s in ("BTCUSDT", "ETHUSDT") for i in (Interval.M15, Interval.H1)]
        await past.backfill(lanes).warm_up({Interval.M15: 600, Interval.H1: 5})
        rows = past.tables.rows
        assert len(rows) == 2 * 605
        assert all(
            time >= START_MS - (600 if kind is Interval.M15 else 20) * STEP
            for _, kind, time in rows
        )

    play(scene)


def test_the_warm_up_tells_that_the_exchange_does_not_answer() -> None:
    async def scene(past: Past) -> None:
        past.exchange.refusal = ExchangeError("klines: no answer in 10 s")
        with pytest.raises(ExchangeError, match="no answer"):
            await past.backfill().warm_up({Interval.M15: 20, Interval.H1: 5})

    play(scene)


def test_a_hole_that_the_exchange_has_is_accepted_and_not_asked_for_again() -> None:
    async def scene(past: Past) -> None:
        past.exchange.missing = {past.first_ms + n * STEP for n in range(600, 610)}
        await past.backfill(QUARTERS).history()
        assert past.numbers() == [n for n in range(1200) if not 600 <= n < 610]
        finding = past.finding(600, FindingKind.MISSING)
        assert (finding.until_ms, finding.cure) == (
            past.first_ms + 610 * STEP, Cure.ACCEPTED,
        )  # fmt: skip
        past.exchange.calls.clear()
        await past.backfill(QUARTERS).history()
        assert past.asked() == [(0, 1199)]

    play(scene)


def test_a_hole_over_several_pages_is_accepted() -> None:
    async def scene(past: Past) -> None:
        past.exchange.missing = {past.first_ms + n * STEP for n in range(100, 1150)}
        await past.backfill(QUARTERS).history()
        assert past.numbers() == [n for n in range(1200) if not 100 <= n < 1150]
        assert await past.backfill(QUARTERS).plan() == []

    play(scene)


def test_bars_that_came_only_when_asked_twice_are_stored() -> None:
    async def scene(past: Past) -> None:
        past.exchange.missing = {past.first_ms + n * STEP for n in range(600, 610)}

        async def mend() -> None:
            # After the first page that lacks them, before the second look.
            while not past.tables.rows:
                await past.clock.sleep(0.01)
            past.exchange.missing = {past.first_ms + n * STEP for n in range(600, 604)}

        mending = asyncio.get_running_loop().create_task(mend())
        await past.backfill(QUARTERS, calls_at_once=1).history()
        await mending
        assert past.numbers() == [n for n in range(1200) if not 600 <= n < 604]
        assert past.finding(600, FindingKind.MISSING).until_ms == past.first_ms + 604 * STEP

    play(scene)


def test_a_young_hole_may_still_fill_and_is_not_accepted() -> None:
    async def scene(past: Past) -> None:
        past.exchange.missing = {START_MS - 2 * STEP, START_MS - STEP}
        await past.clock.sleep(60)
        await past.backfill(QUARTERS).history()
        assert not past.tables.found
        past.exchange.missing = set()
        await past.backfill(QUARTERS).history()
        assert past.numbers() == list(range(1200))

    play(scene)


def test_a_candle_that_breaks_a_rule_once_is_refetched() -> None:
    async def scene(past: Past) -> None:
        odd_ms = past.first_ms + 640 * STEP
        past.exchange.odd, past.exchange.odd_times = {odd_ms: broken(odd_ms)}, 1
        await past.backfill(QUARTERS).history()
        assert past.numbers() == list(range(1200))
        finding = past.finding(640, FindingKind.BROKEN)
        assert finding.cure is Cure.REFETCHED
        assert finding.detail.startswith("high 1.0 is below")

    play(scene)


def test_a_candle_that_breaks_a_rule_twice_is_set_aside_and_not_asked_for_again() -> None:
    async def scene(past: Past) -> None:
        odd_ms = past.first_ms + 640 * STEP
        past.exchange.odd = {odd_ms: broken(odd_ms)}
        await past.backfill(QUARTERS).history()
        assert past.numbers() == [n for n in range(1200) if n != 640]
        finding = past.finding(640, FindingKind.BROKEN)
        assert (finding.cure, finding.candle) == (Cure.QUARANTINED, broken(odd_ms))
        # It is there, so the exchange lacks nothing.
        assert len(past.tables.found) == 1
        assert await past.backfill(QUARTERS).plan() == []

    play(scene)


def test_absent_columns_are_nan_in_what_is_stored() -> None:
    async def scene(past: Past) -> None:
        old_ms = past.first_ms
        past.exchange.odd = {old_ms: candle(old_ms, trades=0.0, taker_buy_volume=0.0)}
        await past.backfill(QUARTERS).history()
        stored = past.tables.rows["BTCUSDT", Interval.M15, old_ms]
        assert stored.trades != stored.trades
        assert stored.taker_buy_volume != stored.taker_buy_volume

    play(scene)


def test_bars_without_volume_are_stored_and_found_once_a_run() -> None:
    async def scene(past: Past) -> None:
        still = [past.first_ms + n * STEP for n in (640, 641, 642, 700)]
        past.exchange.odd = {
            open_ms: candle(open_ms, volume=0.0, trades=0.0, taker_buy_volume=0.0)
            for open_ms in still
        }
        await past.backfill(QUARTERS).history()
        assert past.numbers() == list(range(1200))
        assert len(past.tables.found) == 2
        halt = past.finding(640, FindingKind.HALT)
        assert (halt.until_ms, halt.cure) == (past.first_ms + 643 * STEP, Cure.ACCEPTED)
        assert past.finding(700, FindingKind.HALT).until_ms == past.first_ms + 701 * STEP

    play(scene)


@pytest.mark.parametrize("mended", [True, False])
def test_an_hour_that_is_not_its_quarters_is_read_again(mended: bool) -> None:
    async def scene(past: Past) -> None:
        past.tables.again = True
        hour_ms = past.first_ms + 160 * STEP
        odd = candle(hour_ms, Interval.H1, high=900.0, volume=40.0)
        right = past.exchange._hour(odd)
        past.exchange.hours_given = {hour_ms: [odd, right if mended else odd]}
        await past.backfill().history()
        assert past.numbers() == list(range(1200))
        key = ("BTCUSDT", Interval.H1, hour_ms)
        finding = past.tables.found[*key, FindingKind.HOUR_DIFFERS]
        assert "high 900" in finding.detail
        assert finding.cure is (Cure.REFETCHED if mended else Cure.ACCEPTED)
        assert past.tables.rows[key].high == (right.high if mended else 900.0)
        assert len(past.tables.found) == 1

    play(scene)


def test_a_network_that_fails_is_asked_again_and_said_once() -> None:
    async def scene(past: Past) -> None:
        past.exchange.failures = 30
        await past.backfill(QUARTERS).history()
        assert past.numbers() == list(range(1200))
        assert past.said == [
            "no history for now, asking again: no answer", "history goes on",
        ]  # fmt: skip

    play(scene)


def test_a_refusal_is_not_asked_again() -> None:
    async def scene(past: Past) -> None:
        past.exchange.refusal = ExchangeRefusal("klines: HTTP 403", 0)
        with pytest.raises(ExchangeRefusal):
            await past.backfill(QUARTERS).history()

    play(scene)


def test_history_leaves_its_share_of_the_budget_to_others() -> None:
    async def scene(past: Past) -> None:
        past.exchange.weight_used = 1300
        backfill = past.backfill(QUARTERS, share=0.5)
        running = asyncio.get_running_loop().create_task(backfill.history())
        await past.clock.sleep(30)
        assert not past.tables.rows
        past.exchange.weight_used = 1199
        await running
        assert past.numbers() == list(range(1200))

    play(scene)


def test_progress_counts_what_was_missing() -> None:
    async def scene(past: Past) -> None:
        await past.tables.store([bar(n) for n in range(-100, 0)], "stream")
        backfill: Backfill = past.backfill(QUARTERS, calls_at_once=1)
        assert backfill.progress.whole
        running = asyncio.get_running_loop().create_task(backfill.history())
        # The first candle, and two of three pages, of 50 ms each.
        await past.clock.sleep(0.175)
        past.exchange.weight_used = 100
        told = backfill.progress
        assert (told.rows_done, told.rows_total) == (998, 1100)
        assert told.share == pytest.approx(998 / 1100)
        assert (told.symbol, told.interval) == ("BTCUSDT", "15m")
        assert (told.weight_used, told.weight_limit) == (100, 2400)
        assert told.rows_per_s == pytest.approx(998 / 0.125)
        assert told.seconds_left == pytest.approx(102 / told.rows_per_s)
        await running
        assert backfill.progress.whole
        assert msgspec.structs.asdict(backfill.progress)["seconds_left"] == 0

    play(scene)
