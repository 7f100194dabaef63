"""A dump is the database, and a restore is the dump."""

import asyncio
import resource
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import msgspec
import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.domain.errors import StorageError
from rusy_tui.resources import sql_dir
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.archive import Manifest
from rusy_tui.store.dump import dump, restore
from rusy_tui.store.embedded import temporary_server
from rusy_tui.store.locks import Lock, account_of
from rusy_tui.store.migrations import migrate
from rusy_tui.store.pool import Database
from rusy_tui.store.store import Store
from tests.store.filled import contents, fill, names

Told = list[tuple[str, int, int]]


async def dumped(
    database: Database, path: Path, progress: Callable[[str, int, int], None] | None = None
) -> Manifest:
    return await dump(
        database.address,
        SystemClock(),
        path,
        sql_dir(),
        program="test",
        progress=progress or (lambda *_: None),
    )


async def restored(
    address: DatabaseAddress,
    path: Path,
    migrations: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Manifest:
    return await restore(
        address,
        SystemClock(),
        path,
        migrations or sql_dir(),
        progress=progress or (lambda *_: None),
    )


def left(folder: Path) -> list[Path]:
    """The files in a folder."""
    return list(folder.iterdir())


@pytest.fixture
async def empty(database_server: DatabaseAddress) -> AsyncGenerator[Database]:
    """Another database of the server, without any table."""
    clock = SystemClock()
    manager = await Database.open(database_server.with_database("postgres"), clock)
    await manager.execute("CREATE DATABASE restored")
    opened = await Database.open(database_server.with_database("restored"), clock)
    yield opened
    await opened.close()
    await manager.execute("DROP DATABASE restored WITH (FORCE)")
    await manager.close()


@pytest.fixture
async def filled(database: Database) -> Database:
    await fill(database)
    return database


async def test_what_the_migrations_make_is_what_is_dumped(database: Database) -> None:
    rows = await database.rows(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') "
        "AND relnamespace = current_schema()::regnamespace AND relname <> 'schema_migrations'"
    )
    assert sorted(names()) == sorted(row["relname"] for row in rows)


async def test_every_row_of_every_table_comes_back(
    filled: Database, empty: Database, tmp_path: Path
) -> None:
    told: Told = []
    path = tmp_path / "all.dump"
    manifest = await dumped(filled, path, lambda *what: told.append(what))
    assert path.stat().st_mode & 0o777 == 0o600
    assert left(tmp_path) == [path]
    assert manifest.venues == ("demo", "live", "paper")
    assert ("market_data", 40_001, 40_001) in told
    # As a caller that has not migrated yet, and as one that has.
    for _ in range(2):
        await restored(empty.address, path)
        assert await contents(empty) == await contents(filled)
        assert await migrate(empty, sql_dir()) == []
        # Numbers go on where they were.
        number = await Store(empty, "demo", "a").journal.append("x", "y", {}, 0)
        assert number == 31
        for name in names():
            await empty.execute(f"DELETE FROM {name}")


async def test_a_dump_is_one_instant(filled: Database, tmp_path: Path) -> None:
    """What is written while it goes on is in no table of it."""
    before = await contents(filled)
    written = asyncio.Event()

    async def write() -> None:
        await filled.execute("DELETE FROM journal")
        await filled.execute("UPDATE tick_sizes SET tick_size = 9")
        written.set()

    tasks: list[asyncio.Task[None]] = []

    def progress(table: str, _done: int, _of: int) -> None:
        if table == "market_data" and not tasks:
            tasks.append(asyncio.create_task(write()))

    manifest = await dumped(filled, tmp_path / "a.dump", progress)
    await written.wait()
    rows = {table.name: table.rows for table in manifest.tables}
    assert rows == {name: len(before[name]) for name in names()}


async def test_on_another_server_that_has_not_all_migrations_yet(
    filled: Database, tmp_path: Path
) -> None:
    """The tables are made as the dump's were, and what came later is run on its rows."""
    path = tmp_path / "a.dump"
    await dumped(filled, path)
    folder = tmp_path / "sql"
    folder.mkdir()
    for each in sql_dir().glob("*.sql"):
        (folder / each.name).write_bytes(each.read_bytes())
    later = len(list(folder.iterdir())) + 1
    (folder / f"{later:04}_later.sql").write_text(
        "ALTER TABLE tick_sizes RENAME COLUMN tick_size TO step;"
        "UPDATE tick_sizes SET step = step * 2;"
    )
    clock = SystemClock()
    async with temporary_server(clock) as address:
        await restored(address, path, folder)
        database = await Database.open(address, clock)
        assert await database.value("SELECT step FROM tick_sizes") == 0.2
        found = await contents(database)
        expected = await contents(filled)
        assert found.pop("tick_sizes") != expected.pop("tick_sizes")
        assert found == expected
        await database.close()


async def test_a_database_that_holds_something_is_refused_and_left_alone(
    filled: Database, tmp_path: Path
) -> None:
    path = tmp_path / "a.dump"
    await dumped(filled, path)
    before = await contents(filled)
    with pytest.raises(
        StorageError, match=r"not empty: market_data \(40,001 rows\), .*journal"
    ):
        await restored(filled.address, path)
    assert await contents(filled) == before


async def test_a_database_in_use_is_refused(
    filled: Database, empty: Database, tmp_path: Path
) -> None:
    path = tmp_path / "a.dump"
    await dumped(filled, path)
    await migrate(empty, sql_dir())
    lock = await Lock.take(empty.address, SystemClock(), account_of("demo", "a"))
    with pytest.raises(StorageError, match=r"in use: process \d+ on .* holds demo/a"):
        await restored(empty.address, path)
    await lock.release()


async def test_a_file_that_is_there_is_not_written_over(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "a.dump"
    path.write_text("precious")
    with pytest.raises(StorageError, match="exists already"):
        await dumped(database, path)
    assert path.read_text() == "precious"


async def test_a_dump_of_a_newer_schema_is_refused(
    filled: Database, empty: Database, tmp_path: Path
) -> None:
    path = tmp_path / "a.dump"
    await dumped(filled, path)
    folder = tmp_path / "sql"
    folder.mkdir()
    (folder / "0001_market.sql").write_bytes((sql_dir() / "0001_market.sql").read_bytes())
    with pytest.raises(StorageError, match="newer than this program"):
        await restored(empty.address, path, folder)
    (folder / "0001_market.sql").write_text("SELECT 1;")
    for number in range(2, 20):
        (folder / f"{number:04}_more.sql").write_text("SELECT 1;")
    with pytest.raises(StorageError, match="not the one that made the dump"):
        await restored(empty.address, path, folder)
    assert await empty.value("SELECT to_regclass('schema_migrations')") is None


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """The same zip, whole in itself, with other entries."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            if (changed := change(name, data)) is not None:
                archive.writestr(name, changed)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1
    path.write_bytes(data)


def a_figure(path: Path) -> None:
    rewritten(path, lambda _, data: data.replace(b"0.0400000000000000000001", b"0.04"))


def a_table_gone(path: Path) -> None:
    rewritten(path, lambda name, data: None if "fills" in name else data)


def no_manifest(path: Path) -> None:
    rewritten(path, lambda name, data: None if "manifest" in name else data)


def no_zip(path: Path) -> None:
    path.write_text("not a dump")


@pytest.mark.parametrize(
    "change", [cut_off, one_bit, a_figure, a_table_gone, no_manifest, no_zip]
)
async def test_a_damaged_dump_is_refused_before_anything_is_changed(
    filled: Database, empty: Database, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.dump"
    await dumped(filled, path)
    change(path)
    with pytest.raises(StorageError, match=r"damaged|no whole dump"):
        await restored(empty.address, path)
    assert (
        await empty.value(
            "SELECT count(*) FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace"
        )
        == 0
    )


async def test_a_missing_dump_is_named(empty: Database, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        await restored(empty.address, tmp_path / "none.dump")


async def test_a_dump_that_is_interrupted_leaves_nothing(
    filled: Database, tmp_path: Path
) -> None:
    task: asyncio.Task[Manifest]

    def progress(table: str, done: int, _of: int) -> None:
        if table == "market_data" and done:
            task.cancel()

    task = asyncio.create_task(dumped(filled, tmp_path / "a.dump", progress))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left(tmp_path) == []


async def test_a_restore_that_is_interrupted_is_seen_by_all_and_can_be_repeated(
    filled: Database, empty: Database, tmp_path: Path
) -> None:
    path = tmp_path / "a.dump"
    await dumped(filled, path)
    task: asyncio.Task[Manifest]

    def progress(table: str, done: int, _of: int) -> None:
        if table == "journal" and done:
            task.cancel()

    task = asyncio.create_task(restored(empty.address, path, progress=progress))
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(StorageError, match=f"not whole: a restore of {path}.*rusy db restore"):
        await Store.open(empty.address, SystemClock(), "demo", "a")
    with pytest.raises(StorageError, match="not whole"):
        await dumped(empty, tmp_path / "b.dump")
    await restored(empty.address, path)
    assert await contents(empty) == await contents(filled)
    await (await Store.open(empty.address, SystemClock(), "demo", "a")).close()


_CHILD = """
import asyncio, resource, sys
from pathlib import Path
import msgspec
from rusy_tui.clock import SystemClock
from rusy_tui.domain.errors import RusyError
from rusy_tui.resources import sql_dir
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.dump import dump, restore

def progress(table, done, of):
    if table == "market_data" and done:
        print("at it", flush=True)

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), resource.RLIM_INFINITY))
address = msgspec.json.decode(sys.argv[2], type=DatabaseAddress)
work = {"dump": dump, "restore": restore}[sys.argv[1]]
more = {"program": "test"} if work is dump else {}
try:
    asyncio.run(work(
        address, SystemClock(), Path(sys.argv[3]), sql_dir(), progress=progress, **more))
except RusyError as error:
    sys.exit(str(error))
"""


def child(
    what: str, address: DatabaseAddress, path: Path, limit_bytes: int = resource.RLIM_INFINITY
) -> subprocess.Popen[str]:
    encoded = msgspec.json.encode(address).decode()
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, what, encoded, str(path), str(limit_bytes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.verify
@pytest.mark.parametrize("limit", [20_000, 300_000])
async def test_a_full_disk_is_told_and_leaves_nothing(
    filled: Database, tmp_path: Path, limit: int
) -> None:
    path = tmp_path / "a.dump"
    ended = child("dump", filled.address, path, limit)
    _, said = await asyncio.to_thread(ended.communicate)
    assert ended.returncode == 1
    assert f"{path} can't be written: File too large; nothing is left of it" in said
    assert "Traceback" not in said
    assert left(tmp_path) == []


@pytest.mark.verify
async def test_a_restore_that_was_killed_is_repeated(
    filled: Database, empty: Database, tmp_path: Path
) -> None:
    path = tmp_path / "a.dump"
    await dumped(filled, path)
    restoring = child("restore", empty.address, path)
    assert restoring.stdout is not None
    assert await asyncio.to_thread(restoring.stdout.readline) == "at it\n"
    restoring.send_signal(signal.SIGKILL)
    await asyncio.to_thread(restoring.communicate)
    with pytest.raises(StorageError, match="not whole"):
        await migrate(empty, sql_dir())
    await restored(empty.address, path)
    assert await contents(empty) == await contents(filled)
