"""Closed bars reach the engine in order, once, whole, and only when they are stored."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.history import Cure, FindingKind
from rusy_tui.market.mending import CLOSE_GRACE_S, CONFIRM_S
from rusy_tui.market.review import AFTER_S
from rusy_tui.market.service import BEHIND_AFTER_S
from tests.market.row import HOUR_MS, START_MS, Scene, bar, candle, play

STEP = Interval.M15.ms
M15 = Interval.M15


# The start ------------------------------------------------------------------------------


def test_the_start_stores_the_warm_up_and_announces_nothing() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        assert scene.store.opens() == [START_MS + n * STEP for n in range(-1300, 0)]
        assert scene.announced() == []

    # More bars than one call gives.
    play(scene, {M15: 1300})


def test_the_start_fetches_only_what_is_missing() -> None:
    async def scene(scene: Scene) -> None:
        await scene.store.store([bar(n) for n in range(-20, 0) if n not in (-7, -6)], "rest")
        await scene.start()
        assert scene.exchange.calls == [(M15, START_MS - 7 * STEP, START_MS - 6 * STEP)]
        assert len(scene.store.opens()) == 20

    play(scene, {M15: 20})


def test_a_hole_of_the_exchange_s_own_is_asked_for_twice_and_then_never_again() -> None:
    async def scene(scene: Scene) -> None:
        scene.exchange.missing = {START_MS - 7 * STEP, START_MS - 6 * STEP}
        await scene.start()
        assert scene.cure(FindingKind.MISSING, -7) is Cure.ACCEPTED
        (found,) = scene.tables.findings.rows.values()
        assert found.until_ms == START_MS - 5 * STEP
        calls = len(scene.exchange.calls)
        await scene.start()
        assert len(scene.exchange.calls) == calls
        await scene.live()
        await scene.close_of(0)
        await scene.told(bar(0))
        assert scene.opens() == [0]
        assert scene.service.behind() == {}

    play(scene, {M15: 20})


def test_a_contract_that_is_younger_than_the_warm_up_has_no_hole() -> None:
    async def scene(scene: Scene) -> None:
        scene.exchange.missing = {START_MS + n * STEP for n in range(-20, -5)}
        await scene.live()
        await scene.close_of(0)
        await scene.told(bar(0))
        assert scene.opens() == [0]
        assert scene.service.behind() == {}

    play(scene, {M15: 20})


def test_a_young_hole_holds_the_row_back_until_it_is_filled_or_sure() -> None:
    """It is no reason not to start: whether bars come late is seen when they are live."""

    async def scene(scene: Scene) -> None:
        scene.exchange.missing = {START_MS - 3 * STEP, START_MS - STEP}
        await scene.live()
        scene.exchange.missing = {START_MS - 3 * STEP}
        await scene.clock.sleep(CONFIRM_S / 2)
        assert scene.opens() == []
        assert scene.service.behind()
        await scene.clock.sleep(3 * CONFIRM_S)
        assert scene.cure(FindingKind.MISSING, -3) is Cure.ACCEPTED
        assert scene.opens() == [-2, -1]
        assert scene.service.behind() == {}

    play(scene, {M15: 20})


def test_a_contract_without_any_bar_begins_with_its_first() -> None:
    async def scene(scene: Scene) -> None:
        scene.exchange.missing = {START_MS + n * STEP for n in range(-20, 1)}
        await scene.live()
        await scene.close_of(1)
        await scene.told(bar(1))
        assert scene.opens() == [1]

    play(scene, {M15: 20})


# Live -----------------------------------------------------------------------------------


def test_a_forming_bar_is_never_stored() -> None:
    async def scene(scene: Scene) -> None:
        await scene.clock.sleep(60)
        await scene.live()
        await scene.service.catch_up()
        assert max(scene.store.opens()) == START_MS - STEP

    play(scene)


def test_live_bars_are_passed_on_once_and_in_order() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        for number in (0, 0, 1, 0, 1, 2):
            await scene.close_of(number)
            await scene.told(bar(number))
        assert scene.opens() == [0, 1, 2]
        assert scene.store.written == 20 + 5 + 3
        # Nobody but the start asked the exchange.
        assert len(scene.exchange.calls) == 2

    play(scene)


def test_a_bar_is_stored_within_a_tenth_of_a_second_of_its_receipt() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.close_of(0)
        scene.service.take(bar(0))
        await scene.clock.sleep(0.1)
        assert START_MS in scene.store.opens()

    play(scene)


def test_whichever_of_stream_and_rest_comes_first_wins_once() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.close_of(0)
        await scene.told(bar(0))
        await scene.close_of(1)
        await scene.clock.sleep(CLOSE_GRACE_S + 1)
        await scene.told(bar(1))
        assert scene.opens() == [0, 1]
        sources = [scene.store.sources["BTCUSDT", M15, START_MS + n * STEP] for n in (0, 1)]
        assert sources == ["stream", "rest"]
        assert scene.store.revisions == []
        assert scene.tables.findings.rows == {}

    play(scene)


def test_a_gap_is_filled_over_rest_before_the_bar_after_it() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        # As in a machine that slept through them.
        scene.exchange.failures = 10_000
        await scene.close_of(4)
        scene.exchange.failures = 0
        await scene.told(bar(4))
        assert scene.opens() == [0, 1, 2, 3, 4]
        assert scene.noted(state="not answered")

    play(scene, {M15: 20})


def test_a_gap_that_can_not_be_filled_holds_back_what_follows() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        scene.exchange.failures = 10_000
        for number in (0, 1, 3, 4):
            await scene.close_of(number)
            await scene.told(bar(number))
        # What follows is stored at once all the same.
        assert scene.opens() == [0, 1]
        assert scene.store.opens()[-2:] == [START_MS + 3 * STEP, START_MS + 4 * STEP]
        scene.exchange.failures = 0
        await scene.clock.sleep(5)
        assert scene.opens() == [2, 3, 4]

    play(scene, {M15: 20})


def test_a_closing_event_that_never_comes_is_made_up_for_over_rest() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.close_of(0)
        await scene.clock.sleep(CLOSE_GRACE_S + 0.5)
        assert scene.opens() == [0]

    play(scene)


@pytest.mark.parametrize("ahead_s", [-45, 45])
def test_a_late_closing_event_is_told_by_the_exchange_s_clock(ahead_s: int) -> None:
    """Ours may be off, which the adapter measures; a bar closes when the exchange says so."""

    async def scene(scene: Scene) -> None:
        scene.exchange.ahead_ms = ahead_s * 1000
        await scene.live()
        close_ms = START_MS + Interval.M15.ms - scene.exchange.ahead_ms
        await scene.clock.sleep_until_market(close_ms - 1)
        assert 0 not in scene.opens()
        await scene.clock.sleep(2.5)
        assert scene.opens() == [0]

    play(scene)


def test_a_bar_that_rest_gives_late_is_asked_for_again_soon() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        scene.exchange.missing = {START_MS}
        await scene.close_of(0)
        await scene.clock.sleep(4)
        assert scene.opens() == []
        scene.exchange.missing = set()
        await scene.clock.sleep(3)
        assert scene.opens() == [0]

    play(scene)


def test_an_exchange_that_never_gives_a_bar_is_not_asked_without_end() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        scene.exchange.missing = {START_MS}
        calls = len(scene.exchange.calls)
        await scene.close_of(0)
        await scene.clock.sleep(600)
        assert 5 < len(scene.exchange.calls) - calls <= 10
        # No later bar is known: it may still come.
        assert scene.tables.findings.rows == {}

    play(scene)


def test_a_live_hole_is_accepted_when_a_second_answer_lacks_it_too() -> None:
    """Until then nothing is passed on; then the row goes on, and windows show the hole."""

    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.close_of(0)
        scene.exchange.missing = {START_MS}
        await scene.close_of(1)
        await scene.told(bar(1))
        assert scene.cure(FindingKind.MISSING, 0) is Cure.OPEN
        assert scene.opens() == []
        await scene.clock.sleep(3 * CONFIRM_S)
        assert scene.cure(FindingKind.MISSING, 0) is Cure.ACCEPTED
        assert scene.opens() == [1]
        assert [note["cure"] for note in scene.noted(finding="missing")] == ["open", "accepted"]
        window = await scene.service.window("BTCUSDT", M15, START_MS + 2 * STEP)
        assert list(window.open_time_ms[-2:]) == [START_MS - STEP, START_MS + STEP]

    play(scene, {M15: 20})


# Broken, doubted, revised -----------------------------------------------------------------


def test_a_broken_bar_of_the_stream_is_fetched_anew() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.close_of(0)
        await scene.told(bar(0, high=1.0))
        assert scene.opens() == [0]
        assert scene.store.rows["BTCUSDT", M15, START_MS] == bar(0)
        assert scene.cure(FindingKind.BROKEN, 0) is Cure.REFETCHED

    play(scene)


def test_a_bar_that_is_broken_in_every_answer_is_set_aside_and_not_passed() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        scene.exchange.odd = {START_MS + STEP: bar(1, high=1.0)}
        for number in range(4):
            await scene.close_of(number)
            await scene.told(bar(number, **({"high": 1.0} if number == 1 else {})))
        assert scene.opens() == [0]
        assert START_MS + STEP not in scene.store.opens()
        found = scene.tables.findings.rows[M15, START_MS + STEP, FindingKind.BROKEN]
        assert found.cure is Cure.QUARANTINED
        assert found.candle == bar(1, high=1.0)
        assert ("BTCUSDT", M15) in scene.service.behind()
        # The exchange mends it: at the next close all goes on.
        scene.exchange.odd = {}
        await scene.close_of(4)
        await scene.told(bar(4))
        await scene.clock.sleep(5)
        assert scene.opens() == [1, 2, 3, 4]
        assert scene.cure(FindingKind.BROKEN, 1) is Cure.REFETCHED
        assert scene.service.behind() == {}
        said = [kind for kind in scene.tables.findings.said if kind[0] is FindingKind.BROKEN]
        assert [cure for _, cure in said][-2:] == [Cure.QUARANTINED, Cure.REFETCHED]

    play(scene, {M15: 20})


def test_a_broken_bar_of_a_page_stops_the_row_there_and_nothing_else() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        bad_ms = START_MS + 700 * STEP
        scene.exchange.odd = {bad_ms: candle(bad_ms, high=1.0)}
        scene.exchange.failures = 10_000
        await scene.clock.sleep_until_market(START_MS + 1200 * STEP)
        scene.exchange.failures = 0
        await scene.service.catch_up()
        assert scene.opens() == list(range(700))
        assert bad_ms not in scene.store.opens()
        assert scene.store.opens()[-1] == START_MS + 1199 * STEP

    play(scene, {M15: 20})


def test_a_second_closing_event_with_other_figures_lets_the_exchange_decide() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.close_of(0)
        await scene.told(bar(0), bar(0, volume=11.0))
        assert scene.store.rows["BTCUSDT", M15, START_MS] == bar(0)
        assert scene.store.revisions == []
        assert scene.cure(FindingKind.DUPLICATE, 0) is Cure.REFETCHED
        assert scene.opens() == [0]

    play(scene)


def test_a_revision_is_kept_and_passed_on_to_nobody() -> None:
    """The second look after the hour finds what the exchange changed and told nobody."""

    async def scene(scene: Scene) -> None:
        await scene.live()
        for number in range(4):
            await scene.close_of(number)
            await scene.told(bar(number))
        revised = bar(2, volume=11.0)
        scene.exchange.odd = {START_MS + 2 * STEP: revised}
        await scene.clock.sleep(120)
        assert scene.store.rows["BTCUSDT", M15, START_MS + 2 * STEP] == revised
        assert scene.store.revisions == [bar(2)]
        assert scene.cure(FindingKind.REVISED, 2) is Cure.ACCEPTED
        assert "volume 11 for 10" in scene.noted(finding="revised")[0]["detail"]
        assert scene.opens() == [0, 1, 2, 3]

    play(scene, {M15: 20})


def test_replicas_that_disagree_about_a_bar_are_not_asked_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each second answer is another one; when they agree at last, what they say holds."""

    async def scene(scene: Scene) -> None:
        await scene.live()
        for number in range(4):
            await scene.close_of(number)
            await scene.told(bar(number))
        odd, candles, asked = (
            bar(2, close=bar(2).close + 0.5),
            scene.exchange.candles,
            list[int](),
        )

        async def alternating(
            symbol: str,
            interval: Interval,
            start_ms: int,
            end_ms: int,
            *args: Any,
            **named: Any,
        ) -> Sequence[Candle]:
            if interval is M15 and start_ms <= odd.open_time_ms <= end_ms:
                asked.append(start_ms)
                scene.exchange.odd = {odd.open_time_ms: odd} if len(asked) % 2 else {}
            return await candles(symbol, interval, start_ms, end_ms, *args, **named)

        monkeypatch.setattr(scene.exchange, "candles", alternating)
        # The second look after the hour begins it.
        await scene.clock.sleep(AFTER_S + 600)
        assert 2 <= len(asked) <= 15
        monkeypatch.setattr(scene.exchange, "candles", candles)
        scene.exchange.odd = {odd.open_time_ms: odd}
        await scene.clock.sleep(M15.ms / 1000)
        assert scene.store.rows["BTCUSDT", M15, odd.open_time_ms] == odd
        assert scene.cure(FindingKind.REVISED, 2) is Cure.ACCEPTED

    play(scene)


def test_absent_columns_are_nan_in_what_is_stored() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.close_of(0)
        given = bar(0, trades=0.0, taker_buy_volume=0.0)
        await scene.told(given, given)
        stored = scene.store.rows["BTCUSDT", M15, START_MS]
        assert stored.trades != stored.trades
        (announced,) = scene.announced()
        assert announced.trades != announced.trades
        assert scene.tables.findings.rows == {}

    play(scene)


def test_a_halt_is_found_once_a_run_and_passed_on() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        still = {"volume": 0.0, "quote_volume": 0.0, "trades": 0.0, "taker_buy_volume": 0.0}
        for number in range(4):
            await scene.close_of(number)
            await scene.told(bar(number, **(still if number in (1, 2) else {})))
        (found,) = scene.tables.findings.rows.values()
        assert (found.kind, found.cure) == (FindingKind.HALT, Cure.ACCEPTED)
        assert (found.open_time_ms, found.until_ms) == (START_MS + STEP, START_MS + 3 * STEP)
        assert scene.opens() == [0, 1, 2, 3]

    play(scene, {M15: 20})


# Who asks -------------------------------------------------------------------------------


@pytest.mark.parametrize("hour_first", [True, False])
def test_a_quarter_that_closes_with_its_hour_sees_that_hour(hour_first: bool) -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        for number in range(3):
            await scene.close_of(number)
            await scene.told(bar(number))
        await scene.close_of(3)
        hour = candle(START_MS, Interval.H1)
        first, then = (hour, bar(3)) if hour_first else (bar(3), hour)
        scene.service.take(first)
        asyncio.get_running_loop().call_later(0.2, scene.service.take, then)
        assert await scene.service.await_bar("BTCUSDT", Interval.H1, START_MS)
        hours = await scene.service.window("BTCUSDT", Interval.H1, START_MS + HOUR_MS)
        assert hours.open_time_ms[-1] == START_MS

    play(scene)


def test_an_hour_stored_early_is_not_seen_by_quarters_that_closed_before_it() -> None:
    """As when quarters are caught up after the hour's event came."""

    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.close_of(3)
        await scene.told(candle(START_MS, Interval.H1))
        hours = await scene.service.window("BTCUSDT", Interval.H1, START_MS + 2 * STEP)
        assert hours.open_time_ms[-1] == START_MS - HOUR_MS
        assert len(hours) == 5
        quarters = await scene.service.window("BTCUSDT", M15, START_MS)
        assert quarters.open_time_ms[-1] == START_MS - STEP

    play(scene)


def test_an_hour_whose_event_stays_away_is_fetched() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.close_of(3)
        assert await scene.service.await_bar("BTCUSDT", Interval.H1, START_MS)
        assert START_MS in scene.store.opens(Interval.H1)

    play(scene)


def test_an_hour_that_nobody_gives_is_told() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        scene.exchange.missing = {START_MS}
        await scene.close_of(3)
        assert not await scene.service.await_bar("BTCUSDT", Interval.H1, START_MS)

    play(scene)


def test_a_symbol_that_is_not_configured_is_ignored() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.told(msgspec.structs.replace(bar(0), symbol="XRPUSDT"))
        assert scene.announced() == []

    play(scene)


def test_a_closed_bar_of_the_future_is_not_taken() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.close_of(0)
        for number in (1000, 0):
            await scene.told(bar(number))
        assert scene.opens() == [0]
        assert max(scene.store.opens()) == START_MS

    play(scene)


def test_a_row_is_behind_when_its_bar_is_later_than_rest_could_tell() -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        scene.exchange.missing = {START_MS}
        for number in range(3):
            await scene.close_of(number)
            scene.service.take(bar(number))
        await scene.close_of(3)
        scene.service.take(bar(3))
        assert scene.service.behind() == {}
        await scene.clock.sleep(BEHIND_AFTER_S + 1)
        # The hour's first quarter is missing from nothing but the hours.
        assert set(scene.service.behind()) == {("BTCUSDT", Interval.H1)}
        scene.exchange.missing = set()
        await scene.clock.sleep(20)
        assert scene.service.behind() == {}

    play(scene)
