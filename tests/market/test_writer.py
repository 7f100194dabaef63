"""Nobody waits for the writer: slow, lost or refusing, bars wait where they must, in order."""

from collections.abc import Sequence
from pathlib import Path

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.history import Cure, FindingKind
from rusy_tui.market import writer
from rusy_tui.store.candles import Stored
from rusy_tui.store.errors import DatabaseLost, DatabaseRefused
from tests.market.row import START_MS, Scene, bar, play

M15, STEP = Interval.M15, Interval.M15.ms


def test_what_arrives_while_a_call_takes_long_goes_to_the_disk(tmp_path: Path) -> None:
    """The market's events go on being taken: a call may take 15 s to be lost."""

    async def scene(scene: Scene) -> None:
        await scene.live()
        await scene.close_of(0)
        held = scene.store.hold()
        scene.service.take(bar(0))
        await scene.clock.sleep(writer.SLOW_S / 2)
        assert scene.spool.rows == 0
        await scene.close_of(1)
        await scene.told(bar(1))
        assert scene.spool.rows == 2
        assert scene.opens() == []
        held.set()
        await scene.settled()
        assert scene.opens() == [0, 1]
        assert scene.spool.rows == 0
        assert scene.store.revisions == []
        assert [note["state"] for note in scene.noted() if "state" in note] == ["away", "back"]

    play(scene, {M15: 20}, tmp_path)


def test_bars_that_wait_are_written_in_their_order_and_announced_after(
    tmp_path: Path,
) -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        scene.store.trouble = DatabaseLost("gone")
        for number in range(6):
            await scene.close_of(number)
            await scene.told(bar(number))
        assert scene.spool.rows == 6
        assert scene.opens() == []
        # Nobody asked the exchange for what waits here.
        assert len(scene.exchange.calls) == 1
        scene.store.trouble = None
        await scene.clock.sleep(2 * writer.RETRY_S)
        assert scene.opens() == [0, 1, 2, 3, 4, 5]

    play(scene, {M15: 20}, tmp_path)


def test_of_two_words_about_a_bar_that_waited_the_last_holds(tmp_path: Path) -> None:
    """What waits is written in the order of receipt, whoever said it."""

    async def scene(scene: Scene) -> None:
        await scene.live()
        calls = list[tuple[str, list[tuple[int, float]]]]()
        store = scene.store.store

        async def noted(
            candles: Sequence[Candle], source: str, *, notify: bool = False
        ) -> Stored:
            stored = await store(candles, source, notify=notify)
            said = [((each.open_time_ms - START_MS) // STEP, each.volume) for each in candles]
            calls.append((source, said))
            return stored

        scene.store.store = noted  # type: ignore[method-assign]
        scene.store.trouble = DatabaseLost("gone")
        await scene.close_of(0)
        await scene.told(bar(0))
        scene.exchange.odd[START_MS] = bar(0, volume=11.0)
        scene.service._writer.put([scene.exchange.odd[START_MS]], "rest")
        await scene.close_of(1)
        await scene.told(bar(1))
        assert scene.spool.rows == 3
        assert calls == []
        scene.store.trouble = None
        await scene.clock.sleep(2 * writer.RETRY_S)
        # A revision is read once more after it.
        assert calls[:3] == [
            ("stream", [(0, 10.0)]),
            ("rest", [(0, 11.0)]),
            ("stream", [(1, 10.0)]),
        ]
        assert scene.store.rows["BTCUSDT", M15, START_MS].volume == 11.0
        assert scene.store.sources["BTCUSDT", M15, START_MS] == "rest"
        assert [each.volume for each in scene.store.revisions] == [10.0]

    play(scene, {M15: 20}, tmp_path)


def test_what_a_killed_run_left_is_written_by_the_next_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    async def first(scene: Scene) -> None:
        await scene.live()
        scene.store.trouble = DatabaseLost("gone")
        await scene.close_of(0)
        await scene.told(bar(0))

    async def second(scene: Scene) -> None:
        await scene.store.store([bar(n) for n in range(-20, 0)], "rest")
        await scene.clock.sleep_until_market(START_MS + STEP)
        await scene.start()
        assert scene.exchange.calls == []
        assert scene.store.sources["BTCUSDT", M15, START_MS] == "stream"
        assert scene.noted(written=1)

    play(first, {M15: 20}, tmp_path)
    play(second, {M15: 20}, tmp_path)


def test_a_bar_that_the_database_refuses_is_set_aside_and_the_others_are_written(
    tmp_path: Path,
) -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        scene.store.refused = {START_MS + STEP}
        for number in range(3):
            await scene.close_of(number)
            await scene.told(bar(number))
        assert scene.opens() == [0]
        assert scene.cure(FindingKind.BROKEN, 1) is Cure.QUARANTINED
        assert scene.store.opens()[-1] == START_MS + 2 * STEP
        assert scene.service.behind()
        scene.store.refused = set()
        await scene.close_of(3)
        await scene.told(bar(3))
        await scene.clock.sleep(5)
        assert scene.opens() == [1, 2, 3]
        assert scene.cure(FindingKind.BROKEN, 1) is Cure.REFETCHED

    play(scene, {M15: 20}, tmp_path)


def test_findings_that_the_database_refuses_stop_nothing(tmp_path: Path) -> None:
    async def scene(scene: Scene) -> None:
        await scene.live()
        scene.tables.findings.trouble = DatabaseRefused("no right", "42501")
        await scene.close_of(0)
        await scene.told(bar(0, high=1.0))
        await scene.close_of(1)
        await scene.told(bar(1))
        assert scene.opens() == [0, 1]

    play(scene, {M15: 20}, tmp_path)
