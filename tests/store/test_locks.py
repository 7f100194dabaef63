"""One engine an account, one collector a symbol."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncGenerator, Callable

import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.domain.errors import StorageError
from rusy_tui.store.locks import Lock, account_of, collector_of, holders
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.pool import Database, connect
from rusy_tui.store.store import Store

ME = f"process {os.getpid()} on {socket.gethostname()}"


async def end_locks(database: Database) -> None:
    """End every connection that holds a lock in this database, and see that it has ended.

    Whoever waits for one is left alone.
    """
    await database.rows(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' "
        "AND granted AND database = (SELECT oid FROM pg_database "
        "WHERE datname = current_database())"
    )


class Watched:
    """A lock that is watched over, and what it told."""

    def __init__(self, lock: Lock, look_every_s: float) -> None:
        self.lock = lock
        self.told: list[str | None] = []
        self._more = asyncio.Event()
        self._task = asyncio.create_task(lock.keep(look_every_s, self._tell))

    def _tell(self, why: str | None) -> None:
        self.told.append(why)
        self._more.set()

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not what():
                self._more.clear()
                await self._more.wait()

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.lock.release()


@pytest.fixture
async def watched(database: Database) -> AsyncGenerator[Watched]:
    """The lock of an account, looked at so seldom that only a word of its end helps."""
    found = Watched(await Store(database, "demo", "abc").lock_account(), look_every_s=30.0)
    await asyncio.sleep(0)
    yield found
    await found.end()


async def test_the_second_engine_learns_who_the_first_is(database: Database) -> None:
    store = Store(database, "demo", "abc")
    first = await store.lock_account()
    with pytest.raises(StorageError, match=f"demo/abc: {ME}, since .* UTC; .*rusy attach"):
        await store.lock_account()
    (noted,) = await store.journal.about("account lock")
    assert (noted.kind, noted.payload["refused"]) == ("lock", ME)
    assert f"demo/abc: {ME}" in noted.payload["why"]
    other = await Store(database, "demo", "another").lock_account()
    await other.release()
    held = [first.held]
    await first.release()
    assert [*held, first.held] == [True, False]
    again = await store.lock_account()
    await again.release()


async def test_the_second_collector_is_refused_and_holds_nothing(database: Database) -> None:
    market_data = MarketData(database, "demo")
    first = await market_data.lock(["ETHUSDT", "BTCUSDT"])
    assert first.names == ("demo/BTCUSDT", "demo/ETHUSDT")
    with pytest.raises(
        StorageError, match=f"of demo/BTCUSDT, demo/ETHUSDT is .*: {ME}.*data.source: database"
    ):
        await market_data.lock(["SOLUSDT", "BTCUSDT", "ETHUSDT", "ADAUSDT"])
    # All or nothing: the two that were free are free still.
    third = await Store(database, "demo", "abc").lock_collector(["ADAUSDT", "SOLUSDT"])
    elsewhere = await MarketData(database, "paper").lock(["BTCUSDT"])
    for lock in (first, third, elsewhere):
        await lock.release()


async def test_of_two_who_want_overlapping_symbols_one_gets_all(database: Database) -> None:
    market_data = MarketData(database, "demo")
    both = await asyncio.gather(
        market_data.lock(["A", "B", "C"]),
        market_data.lock(["C", "B", "D"]),
        return_exceptions=True,
    )
    (lock,) = [each for each in both if isinstance(each, Lock)]
    assert isinstance(next(each for each in both if each is not lock), StorageError)
    await lock.release()


async def test_an_owner_on_another_machine_is_named(database: Database) -> None:
    store = Store(database, "demo", "abc")
    first = await store.lock_account()
    await database.execute("UPDATE lock_owners SET host = 'elsewhere', pid = 7")
    with pytest.raises(StorageError, match=r"process 7 on elsewhere.*that machine is gone"):
        await store.lock_account()
    await first.release()


async def test_the_end_of_its_connection_is_told_at_once_and_it_is_taken_again(
    database: Database, watched: Watched
) -> None:
    await end_locks(database)
    await watched.until(lambda: len(watched.told) == 2)
    assert watched.told[0] is not None
    assert "connection" in watched.told[0]
    assert watched.told[1] is None
    assert watched.lock.held
    with pytest.raises(StorageError, match=ME):
        await Store(database, "demo", "abc").lock_account()


async def test_who_has_it_meanwhile_is_told_and_it_comes_back_when_that_one_ends(
    database: Database,
) -> None:
    clock, subjects = SystemClock(), account_of("demo", "abc")
    watched = Watched(await Lock.take(database.address, clock, subjects), 0.05)
    # Whoever waits in the server's own queue gets it before us.
    other = await connect(database.address, clock)
    waiting = asyncio.create_task(other.execute("SELECT pg_advisory_lock($1)", subjects[0].key))
    while not await database.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        pass
    await database.execute("UPDATE lock_owners SET host = 'elsewhere', pid = 7")
    await end_locks(database)
    await waiting
    await watched.until(lambda: "process 7 on elsewhere" in str(watched.told[-1:]))
    held = [watched.lock.held]
    before = len(watched.told)
    await database.value("SELECT pg_sleep(0.3)")
    assert len(watched.told) == before, "the same is not told again and again"
    await other.close()
    await watched.until(lambda: watched.told[-1] is None)
    assert [*held, watched.lock.held] == [False, True]
    await watched.end()


async def test_a_server_that_falls_silent_no_longer_holds_a_lock_for_us(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rusy_tui.store.locks._ANSWERS_WITHIN_S", 0.2)
    lock = await Lock.take(database.address, SystemClock(), collector_of("demo", ["A"]))
    # The server's process stands still: nothing is sent, and nothing ends.
    pid = await database.value("SELECT pid FROM pg_locks WHERE locktype = 'advisory'")
    os.kill(pid, signal.SIGSTOP)
    try:
        watched = Watched(lock, 0.05)
        await watched.until(lambda: bool(watched.told))
        assert not watched.lock.held
    finally:
        os.kill(pid, signal.SIGCONT)
    await watched.until(lambda: watched.told[-1] is None)
    await watched.end()


async def test_who_holds_what_is_told_and_who_has_gone_is_not(database: Database) -> None:
    subjects = collector_of("demo", ["A", "B"])
    assert await holders(database, subjects) == dict.fromkeys(subjects)
    lock = await Lock.take(database.address, SystemClock(), subjects[:1])
    described = (await holders(database, subjects))[subjects[0]]
    assert described is not None
    assert described.startswith(ME)
    assert (await holders(database, subjects))[subjects[1]] is None
    await lock.release()
    while (await holders(database, subjects))[subjects[0]] is not None:
        pass
