"""Migrations interrupted half-way: killed with -9, or cut off, and run again."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rusy_tui.domain.errors import StorageError
from rusy_tui.resources import sql_dir
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.errors import DatabaseLost
from rusy_tui.store.migrations import LOCK, OUTSIDE, migrate, migrations_in
from rusy_tui.store.pool import Database

# Held by the test: a migration that asks for it stands still in the middle.
_BARRIER = 77
_WAITS = "SELECT pg_advisory_xact_lock(77);"
_HALF = (
    "CREATE TABLE extra (a int); INSERT INTO extra VALUES (1); "
    f"UPDATE market_data SET revision = revision + 1; {_WAITS} DROP TABLE fills;"
)
_BARS = """
INSERT INTO market_data
SELECT 'demo', s, '15m', '2025-03-01 00:00+00'::timestamptz + n * interval '15 minutes',
    100 + n / 7.0, 102 + n / 7.0, 99 + n / 7.0, 101 + n / 7.0, n / 3.0, n * 0.1, n, n / 9.0,
    'rest', n % 2
FROM generate_series(1, 500) AS n, unnest(ARRAY['BTCUSDT', 'ETHUSDT']) AS s
"""

_CHILD = """
import asyncio, sys
import msgspec
from pathlib import Path
from rusy_tui.clock import SystemClock
from rusy_tui.store import migrations
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.pool import Database

async def main():
    address = msgspec.json.decode(sys.argv[1], type=DatabaseAddress)
    database = await Database.open(address, SystemClock())
    if sys.argv[3] == "hang before recording":
        async def hang(*_):
            print("run", flush=True)
            await asyncio.Event().wait()
        migrations._record = hang
    await migrations.migrate(database, Path(sys.argv[2]))

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in sql_dir().glob("*.sql"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def add(folder: Path, script: str) -> int:
    number = len(list(folder.glob("*.sql"))) + 1
    (folder / f"{number:04}_more.sql").write_text(script)
    return number


@pytest.fixture
async def bars(database: Database) -> list[tuple[Any, ...]]:
    """Bars that are there before the migration; its last column is the revision."""
    await database.execute(_BARS)
    found = await bars_in(database)
    assert len(found) == 1000
    return found


async def bars_in(database: Database) -> list[tuple[Any, ...]]:
    """All of them, in order, every column."""
    rows = await database.rows("SELECT * FROM market_data ORDER BY symbol, open_time")
    return [tuple(row) for row in rows]


def revised_once(bars: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The same after the half migration has run whole, and once only."""
    return [(*bar[:-1], bar[-1] + 1) for bar in bars]


async def assert_recorded(database: Database, folder: Path, without: int | None = None) -> None:
    """The database says that each file was run, and none but these; one may be missing."""
    query = "SELECT number, name, checksum FROM schema_migrations ORDER BY number"
    assert [tuple(row) for row in await database.rows(query)] == [
        (each.number, each.name, each.checksum)
        for each in migrations_in(folder)
        if each.number != without
    ]


async def child(address: DatabaseAddress, folder: Path, how: str = "") -> Process:
    """A process that migrates."""
    encoded = msgspec.json.encode(address).decode()
    return await create_subprocess_exec(
        sys.executable, "-c", _CHILD, encoded, str(folder), how, stdout=PIPE
    )


async def until(
    database: Database, what: Callable[[], Coroutine[Any, Any, bool]], tries: int = 1500
) -> None:
    """Wait for the server: its own processes are looked at, by real time."""
    for _ in range(tries):
        if await what():
            return
        await database.value("SELECT pg_sleep(0.01)")
    raise AssertionError("it did not come to that")


def stands_still(database: Database, waiting: str) -> Callable[[], Coroutine[Any, Any, bool]]:
    async def look() -> bool:
        found = await database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock' AND query LIKE $1",
            f"%{waiting}%",
        )
        return bool(found)

    return look


def lock_free(database: Database) -> Callable[[], Coroutine[Any, Any, bool]]:
    async def look() -> bool:
        held = await database.value(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1", LOCK
        )
        return not held

    return look


@pytest.mark.verify
async def test_killed_in_the_middle_nothing_of_it_is_kept(
    database: Database, folder: Path, bars: list[tuple[Any, ...]]
) -> None:
    number = add(folder, _HALF)
    async with database.session() as barrier:
        await barrier.execute("SELECT pg_advisory_lock($1)", _BARRIER)
        migrating = await child(database.address, folder)
        await until(database, stands_still(database, "pg_advisory_xact_lock"))
        migrating.send_signal(signal.SIGKILL)
        await migrating.wait()
        # The server ends what nobody waits for any more, while the barrier still stands.
        await until(database, lock_free(database))
        assert await database.value("SELECT to_regclass('extra')") is None
        assert await database.value("SELECT to_regclass('fills')") is not None
        await assert_recorded(database, folder, without=number)
        assert await bars_in(database) == bars
        await barrier.execute("SELECT pg_advisory_unlock($1)", _BARRIER)
    assert [each.number for each in await migrate(database, folder)] == [number]
    assert await database.value("SELECT count(*) FROM extra") == 1
    assert await database.value("SELECT to_regclass('fills')") is None
    await assert_recorded(database, folder)
    assert await bars_in(database) == revised_once(bars)


@pytest.mark.verify
async def test_killed_between_statement_and_record_it_is_run_again(
    database: Database, folder: Path, bars: list[tuple[Any, ...]]
) -> None:
    script = f"{OUTSIDE}\nCREATE INDEX CONCURRENTLY IF NOT EXISTS extra ON journal (kind)"
    number = add(folder, script)
    migrating = await child(database.address, folder, "hang before recording")
    assert migrating.stdout is not None
    assert await migrating.stdout.readline() == b"run\n"
    migrating.send_signal(signal.SIGKILL)
    await migrating.wait()
    await until(database, lock_free(database))
    assert await database.value("SELECT to_regclass('extra')") is not None
    await assert_recorded(database, folder, without=number)
    assert await bars_in(database) == bars
    assert [each.number for each in await migrate(database, folder)] == [number]
    assert await migrate(database, folder) == []
    await assert_recorded(database, folder)
    assert await bars_in(database) == bars


@pytest.mark.verify
async def test_an_index_that_was_half_made_is_made_anew(
    database: Database, folder: Path, bars: list[tuple[Any, ...]]
) -> None:
    script = f"{OUTSIDE}\nCREATE INDEX CONCURRENTLY IF NOT EXISTS extra ON timeframes (enabled)"
    number = add(folder, script)
    async with database.transaction() as writing:
        await writing.execute("UPDATE timeframes SET enabled = NOT enabled")
        migrating = await child(database.address, folder)
        await until(database, stands_still(database, "CREATE INDEX"))
        migrating.send_signal(signal.SIGKILL)
        await migrating.wait()
        await until(database, lock_free(database))
    await assert_recorded(database, folder, without=number)
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'extra'::regclass"
    assert await database.value(valid) is False
    assert [each.number for each in await migrate(database, folder)] == [number]
    assert await database.value(valid) is True
    await assert_recorded(database, folder)
    assert await bars_in(database) == bars


async def test_a_connection_cut_in_the_middle_leaves_nothing(
    database: Database, folder: Path, bars: list[tuple[Any, ...]]
) -> None:
    number = add(folder, _HALF)
    async with database.session() as barrier:
        await barrier.execute("SELECT pg_advisory_lock($1)", _BARRIER)
        migrating = asyncio.create_task(migrate(database, folder))
        await until(database, stands_still(database, "pg_advisory_xact_lock"))
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
            "current_database() AND query LIKE '%pg_advisory_xact_lock%' AND pid <> "
            "pg_backend_pid()"
        )
        with pytest.raises(DatabaseLost):
            await migrating
        await until(database, lock_free(database))
        assert await database.value("SELECT to_regclass('extra')") is None
        await assert_recorded(database, folder, without=number)
        assert await bars_in(database) == bars
        await barrier.execute("SELECT pg_advisory_unlock($1)", _BARRIER)
    assert [each.number for each in await migrate(database, folder)] == [number]
    await assert_recorded(database, folder)
    assert await bars_in(database) == revised_once(bars)


async def test_cancelled_in_the_middle_it_does_not_wait_for_the_end(
    database: Database, folder: Path, bars: list[tuple[Any, ...]]
) -> None:
    number = add(folder, _HALF)
    async with database.session() as barrier:
        await barrier.execute("SELECT pg_advisory_lock($1)", _BARRIER)
        migrating = asyncio.create_task(migrate(database, folder))
        await until(database, stands_still(database, "pg_advisory_xact_lock"))
        migrating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await migrating
        await until(database, lock_free(database))
        assert await database.value("SELECT to_regclass('extra')") is None
        await assert_recorded(database, folder, without=number)
        assert await bars_in(database) == bars
        await barrier.execute("SELECT pg_advisory_unlock($1)", _BARRIER)
    assert [each.number for each in await migrate(database, folder)] == [number]
    await assert_recorded(database, folder)
    assert await bars_in(database) == revised_once(bars)


async def test_who_is_at_it_for_long_is_named(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rusy_tui.store.migrations._WAIT_S", 0.3)
    async with database.session() as other:
        await other.execute("SELECT pg_advisory_lock($1)", LOCK)
        pid = await other.value("SELECT pg_backend_pid()")
        with pytest.raises(StorageError, match=f"server's process {pid}"):
            await migrate(database, folder)
        await other.execute("SELECT pg_advisory_unlock($1)", LOCK)
