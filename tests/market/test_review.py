"""The second look finds what nobody told: hours unlike their quarters, prices far off."""

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.history import Cure, FindingKind, MarkCandle
from rusy_tui.market.review import AFTER_S
from tests.market.row import START_MS, Scene, bar, candle, play

HOUR = Interval.H1


async def _an_hour(scene: Scene, hour_volume: float = 40.0, **third: float) -> None:
    """Live through an hour; its third quarter and its own volume may be odd."""
    await scene.live()
    for number in range(4):
        await scene.close_of(number)
        await scene.told(bar(number, **(third if number == 2 else {})))
    await scene.told(candle(START_MS, HOUR, volume=hour_volume))
    await scene.clock.sleep(AFTER_S + 2)


def test_an_hour_that_is_its_quarters_is_no_finding() -> None:
    async def scene(scene: Scene) -> None:
        await _an_hour(scene)
        assert scene.tables.findings.rows == {}

    play(scene)


def test_an_hour_that_differs_is_fetched_anew_with_its_quarters() -> None:
    async def scene(scene: Scene) -> None:
        await _an_hour(scene, hour_volume=41.0)
        assert scene.cure(FindingKind.HOUR_DIFFERS, 0, HOUR) is Cure.REFETCHED
        assert scene.store.rows["BTCUSDT", HOUR, START_MS].volume == 40.0

    play(scene)


def test_an_hour_that_differs_by_the_exchange_s_own_word_is_accepted_once() -> None:
    async def scene(scene: Scene) -> None:
        scene.exchange.odd_hours = {START_MS: candle(START_MS, HOUR, volume=41.0)}
        await _an_hour(scene, hour_volume=41.0)
        assert scene.cure(FindingKind.HOUR_DIFFERS, 0, HOUR) is Cure.ACCEPTED
        assert "volume 41 for 40" in scene.noted(finding="hour differs")[0]["detail"]
        await scene.clock.sleep(2 * 3600)
        assert len(scene.noted(finding="hour differs")) == 1

    play(scene)


def test_a_jump_that_the_exchange_repeats_is_real() -> None:
    async def scene(scene: Scene) -> None:
        high = bar(2).high * 1.2
        flat = bar(2)
        scene.tables.mark_prices.rows = [
            MarkCandle(
                symbol="BTCUSDT",
                interval=Interval.M15,
                open_time_ms=flat.open_time_ms,
                open=flat.open,
                high=flat.high,
                low=flat.low,
                close=flat.close,
            )
        ]
        scene.exchange.odd = {flat.open_time_ms: bar(2, high=high)}
        await _an_hour(scene, high=high)
        assert scene.cure(FindingKind.JUMP, 2) is Cure.ACCEPTED
        assert scene.opens() == [0, 1, 2, 3]

    play(scene)


def test_a_jump_that_the_exchange_takes_back_is_gone() -> None:
    async def scene(scene: Scene) -> None:
        flat = bar(2)
        mark = {"open": flat.open, "high": flat.high, "low": flat.low, "close": flat.close}
        open_ms = flat.open_time_ms
        scene.tables.mark_prices.rows = [
            MarkCandle(symbol="BTCUSDT", interval=Interval.M15, open_time_ms=open_ms, **mark)
        ]
        await _an_hour(scene, high=flat.high * 1.2)
        assert scene.cure(FindingKind.JUMP, 2) is Cure.REFETCHED
        assert scene.store.rows["BTCUSDT", Interval.M15, open_ms] == flat

    play(scene)
