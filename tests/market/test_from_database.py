"""Bars that a collector wrote reach an engine once, in order, whole, whatever is lost."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import pytest

from rusy_tui.clock import LockstepClock, SystemClock
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.history import Cure, Finding, FindingKind
from rusy_tui.market.from_database import DUE_S, GRACE_S, LOOK_S, START_S, DatabaseBars
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.errors import DatabaseLost
from rusy_tui.store.listening import LISTENING
from rusy_tui.store.locks import Lock, collector_of
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.pool import Database
from tests.lockstep import in_lockstep
from tests.market.row import HOUR_MS, START_MS, bar, candle

T = TypeVar("T")
STEP = Interval.M15.ms
WARMUP = {Interval.M15: 20, Interval.H1: 5}
SYMBOL = "BTCUSDT"
QUARTERS = (SYMBOL, Interval.M15)


class Scene:
    """A source over a database of its own, and the one who writes to it."""

    def __init__(self, data: MarketData, clock: Clock, listen_at: DatabaseAddress | None):
        self.data, self.clock = data, clock
        self.said: list[str] = []
        self.journal: list[tuple[str, dict[str, object]]] = []
        self.source = DatabaseBars(
            data,
            clock,
            self.now_ms,
            symbols=[SYMBOL],
            warmup_bars=WARMUP,
            journal=self._append,
            listen_at=listen_at,
        )
        self.given: list[Candle] = []
        self.times: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return self.clock.market_ms() + self.ahead_ms

    async def _append(self, kind: str, subject: str, payload: object, at_ms: int) -> None:
        assert (kind, isinstance(payload, dict)) == ("bars", True)
        self.journal.append((subject, cast(dict[str, object], payload)))

    async def write(self, *candles: Candle, notify: bool = False) -> None:
        """What a collector does."""
        await self.data.candles.store(candles, "stream", notify=notify)

    async def history(self, but: int | None = None) -> None:
        """All the bars that a vote needs, but one."""
        await self.write(*(bar(n) for n in range(-20, 0) if n != but))
        hours = (candle(START_MS + n * HOUR_MS, Interval.H1) for n in range(-5, 0))
        await self.write(*hours)

    async def begin(self) -> None:
        """History, start, and everything that goes on."""
        await self.history()
        await self.source.start(self.said.append)
        self.go_on()

    def go_on(self) -> None:
        """Run the source, and note what it gives."""
        for work in (self.source.run(), self._note()):
            self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def _note(self) -> None:
        async for each in self.source.closed():
            self.given.append(each)
            self.times.append(self.clock.market_ms())

    async def until(self, number: float) -> None:
        """Wait until so many bars after the start, and see what is due then done."""
        await self.clock.sleep_until_market(START_MS + round(number * STEP))

    def quarters(self) -> list[int]:
        """The 15m bars that were given, counted from the start."""
        return [
            (each.open_time_ms - START_MS) // STEP
            for each in self.given
            if each.interval is Interval.M15
        ]

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def play(address: DatabaseAddress, act: Callable[[Scene], Awaitable[T]]) -> T:
    """A scene in lockstep, on one connection, without listening."""

    async def main(clock: LockstepClock) -> T:
        database = await Database.open(address, clock, 1)
        scene = Scene(MarketData(database, "demo"), clock, None)
        try:
            return await act(scene)
        finally:
            await scene.end()
            await database.close()

    return in_lockstep(main, START_MS)


def test_bars_are_given_once_and_in_order(database_address: DatabaseAddress) -> None:
    async def act(scene: Scene) -> None:
        await scene.begin()
        await scene.until(3.1)
        await scene.write(bar(2), bar(0), bar(1))
        await scene.until(3.2)
        await scene.write(bar(1))
        await scene.until(4.05)
        await scene.write(bar(3), candle(START_MS, Interval.H1))
        await scene.until(4.2)
        assert scene.quarters() == [0, 1, 2, 3]
        assert [each for each in scene.given if each.interval is Interval.M15] == [
            bar(n) for n in range(4)
        ]
        assert [each for each in scene.given if each.interval is Interval.H1] == [
            candle(START_MS, Interval.H1)
        ]

    play(database_address, act)


def test_nothing_is_given_beyond_a_hole(database_address: DatabaseAddress) -> None:
    async def act(scene: Scene) -> None:
        await scene.begin()
        await scene.until(4.1)
        await scene.write(bar(0), bar(1), bar(3))
        await scene.until(4.2)
        assert scene.quarters() == [0, 1]
        late_ms = scene.clock.market_ms() - (START_MS + 3 * STEP)
        assert scene.source.behind()[QUARTERS] == late_ms
        await scene.write(bar(2))
        await scene.until(4.3)
        assert scene.quarters() == [0, 1, 2, 3]
        assert QUARTERS not in scene.source.behind()

    play(database_address, act)


def test_a_bar_that_is_written_at_its_close_is_given_within_a_look(
    database_address: DatabaseAddress,
) -> None:
    async def act(scene: Scene) -> int:
        await scene.begin()
        await scene.until(1)
        await scene.clock.sleep(0.2)
        await scene.write(bar(0))
        assert await scene.source.await_bar(*QUARTERS, START_MS)
        return scene.clock.market_ms() - (START_MS + STEP)

    assert play(database_address, act) <= 200 + DUE_S * 1000


def test_rows_are_behind_only_when_the_collector_has_had_its_time(
    database_address: DatabaseAddress,
) -> None:
    async def act(scene: Scene) -> None:
        await scene.begin()
        await scene.until(1)
        await scene.clock.sleep(GRACE_S)
        assert scene.source.behind() == {}
        await scene.clock.sleep(0.1)
        assert scene.source.behind() == {QUARTERS: round(GRACE_S * 1000) + 100}

    play(database_address, act)


def test_a_bar_nobody_writes_is_not_waited_for_for_ever(
    database_address: DatabaseAddress,
) -> None:
    async def act(scene: Scene) -> None:
        await scene.begin()
        await scene.until(1)
        assert not await scene.source.await_bar(*QUARTERS, START_MS)
        assert scene.clock.market_ms() < START_MS + STEP + 15_000

    play(database_address, act)


def test_the_start_waits_for_the_whole_history_and_says_what_lacks(
    database_address: DatabaseAddress,
) -> None:
    async def act(scene: Scene) -> None:
        starting = asyncio.get_running_loop().create_task(scene.source.start(scene.said.append))
        await scene.clock.sleep(DUE_S)
        assert scene.said[-1] == (
            "nobody collects BTCUSDT of demo into this database: start `rusy collect` "
            "(BTCUSDT 15m lacks 20 of 20 bars and 1 more)"
        )
        collector = collector_of("demo", [SYMBOL])
        lock = await Lock.take(scene.data.database.address, scene.clock, collector)
        await scene.history(but=-7)
        await scene.clock.sleep(2 * DUE_S)
        host = f"process {os.getpid()} on {socket.gethostname()}, since 2025-06-15 15:00:02 UTC"
        assert scene.said[-1] == (
            f"waiting for the collector ({host}): BTCUSDT 15m lacks 1 of 20 bars"
        )
        await lock.release()
        assert not starting.done()
        await scene.write(bar(-7))
        await scene.clock.sleep(DUE_S)
        await starting
        window = await scene.source.window(*QUARTERS, START_MS)
        assert window.open_time_ms.tolist() == [bar(n).open_time_ms for n in range(-20, 0)]

    play(database_address, act)


def test_a_start_without_history_goes_on_behind_and_gives_bars_when_it_is_whole(
    database_address: DatabaseAddress,
) -> None:
    async def act(scene: Scene) -> None:
        await scene.source.start(scene.said.append)
        assert scene.clock.market_ms() <= START_MS + START_S * 1000 + DUE_S * 1000
        assert scene.source.behind() == {
            QUARTERS: 20 * STEP,
            (SYMBOL, Interval.H1): 5 * HOUR_MS,
        }
        assert not await scene.source.await_bar(*QUARTERS, START_MS - STEP)
        scene.go_on()
        await scene.until(1.1)
        await scene.write(bar(0))
        await scene.until(1.2)
        assert scene.quarters() == []
        await scene.history()
        await scene.until(1.3)
        # What was there before it was whole is history as well.
        assert scene.quarters() == []
        assert scene.source.behind() == {}
        assert await scene.source.await_bar(*QUARTERS, START_MS)
        await scene.until(2)
        await scene.write(bar(1))
        await scene.until(2.1)
        assert scene.quarters() == [1]
        assert scene.journal[0][0] == "history"

    play(database_address, act)


def test_a_window_ends_with_the_bar_that_has_closed(
    database_address: DatabaseAddress,
) -> None:
    async def act(scene: Scene) -> None:
        await scene.begin()
        await scene.until(5)
        await scene.write(*(bar(n) for n in range(5)), candle(START_MS, Interval.H1))
        hours = await scene.source.window(SYMBOL, Interval.H1, START_MS + 3 * STEP)
        assert hours.open_time_ms[-1] == START_MS - HOUR_MS
        quarters = await scene.source.window(*QUARTERS, START_MS + 3 * STEP)
        assert quarters.open_time_ms[-1] == bar(2).open_time_ms
        assert len(quarters) == 20

    play(database_address, act)


def test_a_revised_bar_is_said_and_not_given_twice(
    database_address: DatabaseAddress,
) -> None:
    async def act(scene: Scene) -> None:
        await scene.begin()
        await scene.until(2.1)
        await scene.write(bar(0), bar(1))
        await scene.until(2.3)
        # Revised before it was given, revised long ago, and one of both after.
        await scene.write(bar(2, volume=11.0))
        await scene.write(bar(2, volume=12.0))
        await scene.until(3.1)
        scene.journal.clear()
        await scene.write(bar(1, volume=13.0), bar(-3, volume=14.0))
        await scene.clock.sleep(LOOK_S + 1)
        await scene.clock.sleep(LOOK_S + 1)
        assert scene.quarters() == [0, 1, 2]
        assert scene.given[2].volume == 12.0
        row = "BTCUSDT 15m"
        assert scene.journal == [
            (row, {"revised_ms": bar(-3).open_time_ms}),
            (row, {"revised_ms": bar(1).open_time_ms}),
        ]

    play(database_address, act)


def test_the_journal_says_what_was_missing_and_who_should_have_written_it(
    database_address: DatabaseAddress,
) -> None:
    async def act(scene: Scene) -> None:
        await scene.begin()
        await scene.until(2.5)
        await scene.write(bar(0), bar(1))
        await scene.until(2.7)
        row = "BTCUSDT 15m"
        missing, whole = scene.journal
        assert missing == (
            row,
            {"missing_from_ms": START_MS, "late_ms": 6000, "collector": "nobody"},
        )
        assert whole == (row, {"whole_until_ms": START_MS + 2 * STEP})

    play(database_address, act)


def test_bars_that_the_exchange_never_had_are_not_waited_for(
    database_address: DatabaseAddress,
) -> None:
    async def act(scene: Scene) -> None:
        def absent(number: int, bars: int) -> Finding:
            return Finding(
                symbol=SYMBOL,
                interval=Interval.M15,
                open_time_ms=bar(number).open_time_ms,
                until_ms=bar(number + bars).open_time_ms,
                kind=FindingKind.MISSING,
                cure=Cure.ACCEPTED,
                detail="asked twice",
                found_ms=START_MS,
            )

        await scene.history(but=-7)
        await scene.data.findings.keep([absent(-7, 1)])
        await scene.source.start(scene.said.append)
        assert scene.said == []
        scene.go_on()
        await scene.until(4.1)
        await scene.write(bar(0), bar(3))
        await scene.until(4.3)
        assert scene.quarters() == [0]
        await scene.data.findings.keep([absent(1, 2)])
        await scene.until(4.5)
        assert scene.quarters() == [0, 3]
        assert QUARTERS not in scene.source.behind()

    play(database_address, act)


def test_a_database_that_is_away_is_looked_at_again(
    database_address: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise DatabaseLost("away")

    async def act(scene: Scene) -> None:
        await scene.begin()
        with monkeypatch.context() as patch:
            patch.setattr(scene.data.candles, "window", away)
            await scene.until(1.2)
            assert scene.source.behind()
        await scene.write(bar(0))
        await scene.until(1.3)
        assert scene.quarters() == [0]
        assert scene.journal == [
            ("database", {"state": "away", "why": "away"}),
            ("database", {"state": "back"}),
        ]

    play(database_address, act)


def test_equal_runs_give_equal_bars_at_equal_times(
    database_address: DatabaseAddress,
) -> None:
    async def act(scene: Scene) -> list[tuple[int, Candle]]:
        await scene.data.database.execute("DELETE FROM market_data")
        await scene.begin()
        for number in range(30):
            await scene.until(number + 1)
            await scene.clock.sleep(0.1 * (number % 7))
            await scene.write(bar(number))
            if number % 4 == 3:
                await scene.write(candle(START_MS + (number - 3) * STEP, Interval.H1))
        await scene.clock.sleep(5)
        return list(zip(scene.times, scene.given, strict=True))

    first, second = play(database_address, act), play(database_address, act)
    assert len(first) == 37
    assert first == second


# With a connection that listens; by the machine's time, so no span is asserted on ---------


async def _listening(scene: Scene, but: int | None = None) -> int:
    """Wait until a backend listens, another one than before; its process."""
    query = "SELECT max(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> $2"
    async with asyncio.timeout(20):
        while True:
            found: int | None = await scene.data.database.value(query, LISTENING, but or 0)
            if found is not None:
                return found
            await asyncio.sleep(0.01)


async def _given(scene: Scene, numbers: list[int]) -> None:
    async with asyncio.timeout(20):
        while scene.quarters() != numbers:
            await asyncio.sleep(0.01)


class _Still(SystemClock):
    """Waits in the machine's time, in a market that stands still, and never looks by itself."""

    market = START_MS

    def market_ms(self) -> int:
        return self.market

    async def sleep(self, wall_s: float) -> None:
        if wall_s in (DUE_S, LOOK_S):
            await asyncio.Event().wait()
        await super().sleep(wall_s)

    async def sleep_until_market(self, market_ms: int) -> None:
        await asyncio.Event().wait()


async def test_a_notice_is_enough(database: Database) -> None:
    clock = _Still()
    scene = Scene(MarketData(database, "demo"), clock, database.address)
    await scene.begin()
    await _listening(scene)
    clock.market = START_MS + 2 * STEP
    await scene.write(bar(0), notify=True)
    await _given(scene, [0])
    await scene.write(bar(1), notify=True)
    await _given(scene, [0, 1])
    await scene.end()


async def test_notices_of_others_are_no_reason_to_look(database: Database) -> None:
    clock = _Still()
    scene = Scene(MarketData(database, "demo"), clock, database.address)
    await scene.begin()
    await _listening(scene)
    await _given(scene, [])
    clock.market = START_MS + 2 * STEP
    await scene.write(bar(0))
    for payload in ("", "demo", "paper BTCUSDT 15m 0 1", "demo ETHUSDT 15m 0 1"):
        await database.execute("SELECT pg_notify('rusy_bars', $1)", payload)
    await scene.write(bar(1), notify=True)
    await _given(scene, [0, 1])
    await scene.end()


async def test_a_listener_that_was_cut_listens_again_and_looks_at_once(
    database: Database,
) -> None:
    """What was told meanwhile is lost, and found."""
    clock = _Still()
    scene = Scene(MarketData(database, "demo"), clock, database.address)
    await scene.begin()
    first = await _listening(scene)
    clock.market = START_MS + 2 * STEP
    await database.execute("SELECT pg_terminate_backend($1)", first)
    await scene.write(bar(0), notify=True)
    await _given(scene, [0])
    await _listening(scene, first)
    await scene.write(bar(1), notify=True)
    await _given(scene, [0, 1])
    await scene.end()


async def test_lost_notices_are_made_up_for_by_looking(database: Database) -> None:
    clock = SystemClock()
    scene = Scene(MarketData(database, "demo"), clock, None)
    # The market is where its history ends, and goes on with the machine.
    scene.ahead_ms = START_MS + STEP - 500 - clock.market_ms()
    await scene.begin()
    await scene.write(bar(0))
    await _given(scene, [0])
    await scene.end()
