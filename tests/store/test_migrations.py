"""Migrations: once, in order, unchanged, and never over a newer database."""

import asyncio
from pathlib import Path

import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.domain.errors import StorageError
from rusy_tui.resources import sql_dir
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.migrations import OUTSIDE, OUTSIDE_ON_TIMESCALE, migrate, migrations_in
from rusy_tui.store.pool import Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in sql_dir().glob("*.sql"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def add(folder: Path, script: str) -> int:
    number = len(list(folder.glob("*.sql"))) + 1
    (folder / f"{number:04}_more.sql").write_text(script)
    return number


async def test_a_second_run_does_nothing(database: Database, folder: Path) -> None:
    before = await database.rows("SELECT * FROM schema_migrations ORDER BY number")
    assert [row["number"] for row in before] == [
        migration.number for migration in migrations_in(folder)
    ]
    assert await migrate(database, folder) == []
    assert await database.rows("SELECT * FROM schema_migrations ORDER BY number") == before


async def test_a_new_one_is_run_once(database: Database, folder: Path) -> None:
    number = add(folder, "CREATE TABLE extra (a int); INSERT INTO extra VALUES (1);")
    assert [migration.number for migration in await migrate(database, folder)] == [number]
    assert await migrate(database, folder) == []
    assert await database.value("SELECT count(*) FROM extra") == 1


async def test_a_failing_one_leaves_nothing(database: Database, folder: Path) -> None:
    number = add(folder, "CREATE TABLE extra (a int); SELECT 1/0;")
    with pytest.raises(StorageError, match=f"migration {number} .* division by zero"):
        await migrate(database, folder)
    assert await database.value("SELECT to_regclass('extra')") is None
    (folder / f"{number:04}_more.sql").write_text("CREATE TABLE extra (a int);")
    assert len(await migrate(database, folder)) == 1


async def test_an_edited_one_is_refused(database: Database, folder: Path) -> None:
    with (folder / "0001_market.sql").open("a") as script:
        script.write("-- one more word\n")
    with pytest.raises(StorageError, match=r"migration 1 \(market\) is not the one"):
        await migrate(database, folder)


async def test_line_ends_are_no_edit(database: Database, folder: Path) -> None:
    script = folder / "0001_market.sql"
    script.write_bytes(script.read_bytes().replace(b"\n", b"\r\n"))
    assert await migrate(database, folder) == []


async def test_a_newer_database_is_refused(database: Database, folder: Path) -> None:
    number = add(folder, "SELECT 1;")
    await migrate(database, folder)
    (folder / f"{number:04}_more.sql").unlink()
    with pytest.raises(StorageError, match="newer than this program"):
        await migrate(database, folder)


async def test_two_at_once_run_each_migration_once(
    database_server: DatabaseAddress, database: Database, folder: Path
) -> None:
    add(folder, "SELECT pg_sleep(0.2); CREATE TABLE extra (a int);")
    other = await Database.open(database.address, SystemClock())
    done = await asyncio.gather(migrate(database, folder), migrate(other, folder))
    await other.close()
    assert sorted(map(len, done)) == [0, 1]


@pytest.mark.parametrize("name", ["more.sql", "4_more.sql", "0009_gap.sql", "0001_twice.sql"])
def test_names_must_count_on(folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(StorageError):
        migrations_in(folder)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Rusy again"):
        migrations_in(tmp_path)


# Outside a transaction --------------------------------------------------------------------

_INDEX = "CREATE INDEX CONCURRENTLY IF NOT EXISTS extra_index ON journal (kind);"


async def test_a_marked_one_runs_outside_a_transaction(
    database: Database, folder: Path
) -> None:
    add(folder, f"{OUTSIDE}\n-- Why; it is found by kind.\n{_INDEX}\n")
    assert len(await migrate(database, folder)) == 1
    assert await database.value("SELECT to_regclass('extra_index') IS NOT NULL")
    assert await migrate(database, folder) == []


async def test_one_without_the_mark_is_refused_by_the_server(
    database: Database, folder: Path
) -> None:
    add(folder, _INDEX)
    with pytest.raises(StorageError, match="cannot run inside a transaction block"):
        await migrate(database, folder)


async def test_one_for_timescaledb_is_recorded_elsewhere(
    database: Database, folder: Path
) -> None:
    add(folder, f"{OUTSIDE_ON_TIMESCALE}\nCALL refresh_continuous_aggregate('d', NULL, NULL)")
    assert len(await migrate(database, folder)) == 1
    assert await migrate(database, folder) == []


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (f"{OUTSIDE}\n{_INDEX} {_INDEX}", "2 statements"),
        (f"{OUTSIDE}\n-- {_INDEX}", "0 statements"),
        (f"{OUTSIDE}\nCREATE INDEX CONCURRENTLY a ON journal (kind)", "run twice"),
        (f"{OUTSIDE}\nINSERT INTO timeframes VALUES ('a;b', 1, true)", "run twice"),
        (f"{OUTSIDE}\nDO $x$ BEGIN PERFORM 1; END $x$;", "run twice"),
        ("-- rusy: outside transactions\nSELECT 1", "mark nobody knows"),
    ],
)
def test_a_marked_one_must_be_one_statement_that_may_be_repeated(
    folder: Path, script: str, why: str
) -> None:
    add(folder, script)
    with pytest.raises(StorageError, match=why):
        migrations_in(folder)


async def test_until_a_number_and_no_further(database: Database, folder: Path) -> None:
    number = add(folder, "CREATE TABLE extra (a int);")
    add(folder, "CREATE TABLE more (a int);")
    assert [each.number for each in await migrate(database, folder, until=number)] == [number]
    assert await database.value("SELECT to_regclass('more')") is None
    assert [each.number for each in await migrate(database, folder)] == [number + 1]
