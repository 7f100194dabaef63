"""Closed bars reach the engine in order, once, whole, and only when they are stored."""

import asyncio

import msgspec
import pytest

from rusy_tui.domain.candle import Interval
from rusy_tui.market.service import CLOSE_GRACE_S
from tests.market.row import HOUR_MS, START_MS, Scene, bar, candle, play

STEP = Interval.M15.ms


def test_backfill_stores_the_warm_up_and_announces_nothing() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        assert scene.store.opens() == [START_MS + n * STEP for n in range(-1300, 0)]
        assert scene.announced() == []

    # More bars than one call gives.
    play(scene, {Interval.M15: 1300})


def test_backfill_fetches_only_what_is_missing() -> None:
    async def scene(scene: Scene) -> None:
        await scene.store.store([bar(n) for n in range(-20, 0) if n not in (-7, -6)], "rest")
        await scene.backfill()
        assert scene.exchange.calls == [
            (Interval.M15, START_MS - 7 * STEP, START_MS - 6 * STEP)
        ]
        assert len(scene.store.opens()) == 20

    play(scene, {Interval.M15: 20})


def test_a_forming_bar_is_never_stored() -> None:
    async def scene(scene: Scene) -> None:
        await scene.clock.sleep(60)
        await scene.backfill()
        await scene.service.catch_up()
        assert max(scene.store.opens()) == START_MS - STEP

    play(scene)


def test_live_bars_are_passed_on_once_and_in_order() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        for number in (0, 0, 1, 0, 1, 2):
            await scene.clock.sleep_until_market(START_MS + (number + 1) * STEP)
            await scene.service._take(bar(number))
        assert scene.opens() == [0, 1, 2]
        assert scene.store.written == 20 + 5 + 3

    play(scene)


def test_a_gap_is_filled_over_rest_before_the_bar_after_it() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        await scene.clock.sleep_until_market(START_MS + 5 * STEP)
        await scene.service._take(bar(4))
        assert scene.opens() == [0, 1, 2, 3, 4]

    play(scene)


def test_a_gap_that_can_not_be_filled_holds_back_what_follows() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        await scene.clock.sleep_until_market(START_MS + 5 * STEP)
        scene.exchange.missing = {START_MS + 2 * STEP}
        await scene.service._take(bar(4))
        assert scene.opens() == [0, 1]
        scene.exchange.missing = set()
        await scene.service._take(bar(4))
        assert scene.opens() == [2, 3, 4]

    play(scene)


def test_a_gap_that_could_not_be_asked_for_is_asked_for_again() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        await scene.clock.sleep_until_market(START_MS + 3 * STEP)
        scene.exchange.failures = 1
        await scene.service._take(bar(2))
        assert scene.opens() == []
        await scene.service.catch_up()
        assert scene.opens() == [0, 1, 2]

    play(scene)


def test_a_bar_that_breaks_a_rule_ends_the_row_there() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        bad_ms = START_MS + 700 * STEP
        scene.exchange.odd = {bad_ms: candle(bad_ms, high=1.0)}
        await scene.clock.sleep_until_market(START_MS + 1200 * STEP)
        await scene.service.catch_up()
        assert scene.opens() == list(range(700))
        assert scene.service.quarantined == 1
        assert max(scene.store.opens()) == bad_ms - STEP

    play(scene, {Interval.M15: 20})


def test_a_closing_event_that_never_comes_is_made_up_for_over_rest() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        watch = asyncio.get_running_loop().create_task(scene.service.watch_closes())
        await scene.clock.sleep_until_market(
            START_MS + STEP + round(CLOSE_GRACE_S * 1000) + 500
        )
        assert scene.opens() == [0]
        watch.cancel()

    play(scene)


def test_a_bar_that_rest_gives_late_is_asked_for_again_soon() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        scene.exchange.missing = {START_MS}
        watch = asyncio.get_running_loop().create_task(scene.service.watch_closes())
        await scene.clock.sleep_until_market(START_MS + STEP + 4000)
        assert scene.opens() == []
        scene.exchange.missing = set()
        await scene.clock.sleep(3)
        assert scene.opens() == [0]
        watch.cancel()

    play(scene)


def test_an_exchange_that_never_gives_a_bar_is_not_asked_without_end() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        scene.exchange.missing = {START_MS}
        watch = asyncio.get_running_loop().create_task(scene.service.watch_closes())
        calls = len(scene.exchange.calls)
        await scene.clock.sleep_until_market(START_MS + STEP + 600_000)
        assert len(scene.exchange.calls) - calls <= 10
        watch.cancel()

    play(scene)


@pytest.mark.parametrize("hour_first", [True, False])
def test_a_quarter_that_closes_with_its_hour_sees_that_hour(hour_first: bool) -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        for number in range(3):
            await scene.clock.sleep_until_market(START_MS + (number + 1) * STEP)
            await scene.service._take(bar(number))
        await scene.clock.sleep_until_market(START_MS + HOUR_MS)
        hour = candle(START_MS, Interval.H1)
        first, then = (hour, bar(3)) if hour_first else (bar(3), hour)
        await scene.service._take(first)
        later = asyncio.get_running_loop().create_task(scene.service._take(then))
        assert await scene.service.await_bar("BTCUSDT", Interval.H1, START_MS)
        await later
        hours = await scene.service.window("BTCUSDT", Interval.H1, START_MS + HOUR_MS)
        assert hours.open_time_ms[-1] == START_MS

    play(scene)


def test_an_hour_stored_early_is_not_seen_by_quarters_that_closed_before_it() -> None:
    """As when quarters are caught up after the hour's event came."""

    async def scene(scene: Scene) -> None:
        await scene.backfill()
        await scene.clock.sleep_until_market(START_MS + HOUR_MS)
        await scene.service._take(candle(START_MS, Interval.H1))
        hours = await scene.service.window("BTCUSDT", Interval.H1, START_MS + 2 * STEP)
        assert hours.open_time_ms[-1] == START_MS - HOUR_MS
        assert len(hours) == 5
        quarters = await scene.service.window("BTCUSDT", Interval.M15, START_MS)
        assert quarters.open_time_ms[-1] == START_MS - STEP

    play(scene)


def test_an_hour_whose_event_stays_away_is_fetched() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        await scene.clock.sleep_until_market(START_MS + HOUR_MS)
        assert await scene.service.await_bar("BTCUSDT", Interval.H1, START_MS)
        assert START_MS in scene.store.opens(Interval.H1)

    play(scene)


def test_an_hour_that_nobody_gives_is_told() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        await scene.clock.sleep_until_market(START_MS + HOUR_MS)
        scene.exchange.missing = {START_MS}
        assert not await scene.service.await_bar("BTCUSDT", Interval.H1, START_MS)

    play(scene)


def test_a_symbol_that_is_not_configured_is_ignored() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        await scene.service._take(msgspec.structs.replace(bar(0), symbol="XRPUSDT"))
        assert scene.announced() == []

    play(scene)


def test_absent_columns_are_nan_in_what_is_stored() -> None:
    async def scene(scene: Scene) -> None:
        await scene.backfill()
        await scene.clock.sleep_until_market(START_MS + STEP)
        await scene.service._take(bar(0, trades=0.0, taker_buy_volume=0.0))
        stored = scene.store.rows["BTCUSDT", Interval.M15, START_MS]
        assert stored.trades != stored.trades
        (announced,) = scene.announced()
        assert announced.trades != announced.trades

    play(scene)
