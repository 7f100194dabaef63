"""Streams that are silent, bars that the exchange revises, clocks that jump."""

from pathlib import Path

import asyncpg
import msgspec
import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.history import FindingKind
from rusy_tui.simulator.faults import Fault, Kind
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.candles import NOTICES
from tests.data_faults.scene import START_MS, STEP, Scene, under

MINUTE_MS = 60_000


class JumpingClock(LockstepClock):
    """The service's own clock: it can be set, as by a person, or by waking from a sleep."""

    def __init__(self, clock: LockstepClock) -> None:
        self._clock = clock
        # Messages under way are counted by one clock, whoever sends and receives them.
        self.__dict__.update(clock.__dict__)
        self.ahead_ms = 0

    def market_ms(self) -> int:
        return self._clock.market_ms() + self.ahead_ms

    def close(self) -> None:
        """The threads are the exchange's clock's."""


def _at(minute: float) -> int:
    return START_MS + round(minute * MINUTE_MS)


def test_a_silent_stream_is_made_up_for_over_rest(
    database_address: DatabaseAddress, tmp_path: Path
) -> None:
    """Connections accept and say nothing; every bar is there seconds after its close."""

    async def act(scene: Scene) -> None:
        await scene.start()
        kind = Kind.STREAM_HALF_OPEN
        scene.server.faults.add(Fault(kind=kind, from_ms=_at(10), until_ms=_at(130)))
        for close in range(15, 121, 15):
            await scene.minute(close + 0.1)
            assert await scene.table() == scene.truth()
            assert scene.service.behind() == {}
        await scene.minute(151)
        await scene.must_hold()
        assert len(await scene.noted(fetched=1)) >= 2 * (8 + 2)
        assert await scene.sources() == ["rest", "stream"]
        await scene.stop()

    under(act, database_address, tmp_path)


def test_each_bar_is_told_to_whoever_listens_when_it_is_written(
    database_address: DatabaseAddress, tmp_path: Path
) -> None:
    async def act(scene: Scene) -> None:
        await scene.start()
        heard: list[str] = []
        connection = await asyncpg.connect(**database_address.arguments())
        await connection.add_listener(NOTICES, lambda *told: heard.append(told[3]))
        await scene.minute(61)
        # An answer comes after all notices before it.
        await connection.execute("SELECT 1")
        await connection.close()
        bars = [key for key in await scene.table() if key[2] >= START_MS]
        assert sorted(heard) == sorted(
            f"demo {symbol} {interval} {open_ms} {open_ms + Interval(interval).ms}"
            for symbol, interval, open_ms in bars
        )
        assert len(heard) == 2 * (4 + 1)
        await scene.stop()

    under(act, database_address, tmp_path)


@pytest.mark.parametrize("kind", [Kind.CLOSE_MISSING, Kind.CLOSE_LATE, Kind.CLOSE_TWICE])
def test_closing_events_that_stay_away_come_late_or_twice_change_nothing(
    database_address: DatabaseAddress, tmp_path: Path, kind: Kind
) -> None:
    async def act(scene: Scene) -> None:
        await scene.start()
        scene.server.faults.add(Fault(kind=kind, delay_s=20, until_ms=_at(110)))
        await scene.minute(121)
        await scene.must_hold()
        assert scene.server.faults.counts[kind.value] > 4
        assert await scene.cures(FindingKind.REVISED) == []
        await scene.stop()

    under(act, database_address, tmp_path)


def test_a_silent_stream_and_a_silent_rest_let_no_bar_be_passed_over(
    database_address: DatabaseAddress, tmp_path: Path
) -> None:
    """The missing span is known, the row waits for it, and it is fetched afterwards."""

    async def act(scene: Scene) -> None:
        await scene.start()
        for kind in (Kind.STREAM_HALF_OPEN, Kind.UNAVAILABLE):
            scene.server.faults.add(Fault(kind=kind, from_ms=_at(40), until_ms=_at(100)))
        await scene.minute(99)
        assert len(scene.passed) == 2 * 2
        assert {key[1] for key in scene.service.behind()} == {Interval.M15, Interval.H1}
        await scene.minute(121)
        await scene.must_hold()
        assert await scene.noted(state="not answered")
        await scene.stop()

    under(act, database_address, tmp_path)


def test_a_bar_that_is_revised_after_it_was_stored_is_replaced_and_the_former_kept(
    database_address: DatabaseAddress, tmp_path: Path
) -> None:
    async def act(scene: Scene) -> None:
        await scene.start()
        await scene.minute(80)
        changed = [
            *_revise(scene, "BTCUSDT", START_MS + STEP),
            *_revise(scene, "ETHUSDT", START_MS + 3 * STEP),
        ]
        # The look after the next hour sees them.
        await scene.minute(123)
        await scene.must_hold()
        assert await scene.cures(FindingKind.REVISED) == 4 * ["accepted"]
        assert await scene.cures(FindingKind.HOUR_DIFFERS) == []
        rows = await scene.store.database.rows(
            "SELECT symbol, timeframe, volume, revision FROM market_data_revisions "
            "ORDER BY symbol, timeframe"
        )
        assert [tuple(row) for row in rows] == [(*each, 0) for each in changed]
        for cure in ("open", "accepted"):
            assert len(await scene.noted(finding="revised", cure=cure)) == 4
        await scene.stop()

    under(act, database_address, tmp_path)


def _revise(scene: Scene, symbol: str, open_ms: int) -> list[tuple[str, str, float]]:
    """The exchange has another volume of a quarter, and of its hour; what they were."""
    were = []
    for interval in (Interval.M15, Interval.H1):
        bars = scene.exchange.markets[symbol].series[interval].closed
        (index,) = [n for n, b in enumerate(bars) if b.open_time_ms == interval.floor(open_ms)]
        were.append((symbol, str(interval), float(bars[index].volume)))
        bars[index] = msgspec.structs.replace(bars[index], volume=bars[index].volume + 1)
    return were


@pytest.mark.parametrize("jump_s", [5000, -5000])
def test_a_clock_that_jumps_makes_no_bar_and_loses_none(
    database_address: DatabaseAddress, tmp_path: Path, jump_s: int
) -> None:
    """Forward and back, in the midst of a bar; the exchange's time is measured anew later."""

    def clock_of(clock: LockstepClock) -> JumpingClock:
        return JumpingClock(clock)

    async def act(scene: Scene) -> None:
        clock = scene.own_clock
        assert isinstance(clock, JumpingClock)
        await scene.start()
        await scene.minute(20)
        clock.ahead_ms = jump_s * 1000
        for close in (30, 45, 60):
            await scene.minute(close + 1)
            table, truth = await scene.table(), scene.truth()
            assert table.items() <= truth.items()
        clock.ahead_ms = 0
        await scene.minute(181)
        await scene.must_hold()
        jumps = [note["jumped_s"] for note in await scene.noted() if "jumped_s" in note]
        assert jumps == [jump_s, -jump_s]
        await scene.stop()

    under(act, database_address, tmp_path, clock_of=clock_of)
