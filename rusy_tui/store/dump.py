"""A database as one file, and a file as a database.

A dump is one consistent picture of all our tables, read through them and never through what
lies below: what plain PostgreSQL wrote restores on TimescaleDB, on another major version, and
the other way round. A restore makes the tables as the dump's own migrations made them, copies
the rows, and then runs the migrations that came later, as an old database would have been.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError
from rusy_tui.store import archive, catalog
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.archive import Applied, Manifest, TableFile
from rusy_tui.store.errors import DatabaseRefused
from rusy_tui.store.migrations import (
    Migration,
    alone,
    applied,
    bring_up,
    check,
    migrations_in,
    refuse_half_restored,
)
from rusy_tui.store.pool import Database, Session

# Told what is at work, and how much of it is done: rows of a dump, bytes of a restore.
Progress = Callable[[str, int, int], None]

# However the server is configured, values look the same, and doubles keep every bit.
_SPELLING = {
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
}
_MARKER = """
CREATE TABLE IF NOT EXISTS schema_restore (archive text NOT NULL, begun_at timestamptz NOT NULL)
"""


async def dump(
    address: DatabaseAddress,
    clock: Clock,
    path: Path,
    migrations: Path,
    *,
    program: str,
    progress: Progress,
) -> Manifest:
    """Write all tables of a database into a file that only its owner can read.

    Args:
        address: of the database; whoever works on it goes on.
        clock: stamps the dump, and whose threads do the packing.
        path: of the file; it appears when it is whole.
        migrations: folder of the numbered files.
        program: who wrote it, for people to read.
        progress: told of rows.

    Raises:
        StorageError: it can't be read, has no tables of ours or newer ones, or the file can't
            be written. Nothing is left of the file.
    """
    known = migrations_in(migrations)
    database = await Database.open(address, clock)
    try:
        with archive.written(path, clock) as writer:
            async with database.session() as session, _picture(session):
                await refuse_half_restored(session, database)
                done = await applied(session)
                if not done:
                    raise StorageError(f"the {address} has no tables of Rusy: nothing to dump")
                check(known, done, address)
                found = await catalog.tables(session, catalog.created_by(known))
                # Nobody may change a table before it was read; only that waits for us.
                names = ", ".join(f"ONLY {table.name}" for table in found)
                await session.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
                manifest = Manifest(
                    format=archive.FORMAT,
                    made_ms=clock.wall_ms(),
                    program=program,
                    server=await session.value("SHOW server_version"),
                    timescaledb=await catalog.timescaledb(session),
                    venues=await catalog.venues(session, found),
                    migrations=tuple(Applied(number, *done[number]) for number in sorted(done)),
                    tables=tuple(
                        [await _write(session, table, writer, progress) for table in found]
                    ),
                )
            writer.finish(manifest)
        return manifest
    finally:
        await database.close()


@asynccontextmanager
async def _picture(session: Session) -> AsyncIterator[None]:
    """Read everything as it was at one instant."""
    await _spell(session)
    await session.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        if not session.lost:
            await session.execute("ROLLBACK")


async def _write(
    session: Session, table: catalog.Table, writer: archive.Writer, progress: Progress
) -> TableFile:
    total = await session.value_long(f"SELECT count(*) FROM {table.name}")
    progress(table.name, 0, total)
    with writer.table(table.name) as file:

        async def sink(data: bytes) -> None:
            await file.write(data)
            progress(table.name, file.rows, total)

        # Not the table itself: a hypertable's rows are in its chunks.
        columns = ", ".join(table.columns)
        await session.copy_text_out(f"SELECT {columns} FROM {table.name}", sink)
        await file.flush()
        progress(table.name, total, total)
        return TableFile(
            name=table.name,
            columns=table.columns,
            rows=file.rows,
            size=file.size,
            sha256=file.sha256,
        )


async def restore(
    address: DatabaseAddress,
    clock: Clock,
    path: Path,
    migrations: Path,
    *,
    progress: Progress,
) -> Manifest:
    """Fill an empty database with what a dump holds, and bring it up to date.

    Interrupted, it leaves a database that every program refuses until the restore is run
    again, which then begins anew.

    Args:
        address: of the database: without tables of ours, or with none that holds anything.
        clock: as for a dump.
        path: of the dump.
        migrations: folder of the numbered files.
        progress: told of bytes: once for all that is checked, then a table at a time.

    Raises:
        StorageError: the dump is damaged or newer than this program, the database is not empty
            or in use. Nothing was changed then.
    """
    known = migrations_in(migrations)
    with archive.opened(path, clock) as reader:
        manifest = reader.manifest
        done = {each.number: (each.name, each.checksum) for each in manifest.migrations}
        check(known, done, f"dump {path}")
        await _check(reader, progress)
        database = await Database.open(address, clock)
        try:
            async with database.session() as session, alone(session, database):
                await _spell(session)
                await _make_room(session, address, known, path, clock.wall_ms())
                await bring_up(session, database, known, until=max(done))
                await _fill(session, reader, progress)
                await bring_up(session, database, known)
                await _refresh(session)
                await session.execute("DROP TABLE schema_restore")
        finally:
            await database.close()
    return manifest


async def _check(reader: archive.Reader, progress: Progress) -> None:
    """Read the whole file before anything is changed."""
    total = sum(table.size for table in reader.manifest.tables)
    seen = 0

    def grown(size: int) -> None:
        nonlocal seen
        seen += size
        progress("checking the dump", seen, total)

    progress("checking the dump", 0, total)
    await reader.check(grown)


async def _make_room(
    session: Session,
    address: DatabaseAddress,
    known: list[Migration],
    path: Path,
    now_ms: int,
) -> None:
    """See that nothing would be lost, mark the database, and drop the empty tables.

    Raises:
        StorageError: it holds something, or somebody works on it.
    """
    for holder in await catalog.holders(session):
        raise StorageError(
            f"the {address} is in use: process {holder.pid} on {holder.host} holds "
            f"{holder.subject}; stop it first"
        )
    names = catalog.created_by(known)
    found = await catalog.tables(session, names)
    again = not await session.value("SELECT to_regclass('schema_restore') IS NULL")
    if not again:
        await _refuse_full(session, address, found)
    await session.execute("BEGIN")
    await session.execute(_MARKER)
    await session.execute("DELETE FROM schema_restore")
    await session.execute(
        "INSERT INTO schema_restore (archive, begun_at) VALUES ($1, $2)", str(path), now_ms
    )
    await session.execute("COMMIT")
    await catalog.drop_all(session, known)


async def _refuse_full(
    session: Session, address: DatabaseAddress, found: list[catalog.Table]
) -> None:
    full = []
    for table in found:
        if table.name not in catalog.SEEDED and await session.value(
            f"SELECT EXISTS (SELECT FROM {table.name})"
        ):
            rows = await session.value_long(f"SELECT count(*) FROM {table.name}")
            full.append(f"{table.name} ({rows:,} rows)")
    if full:
        raise StorageError(
            f"the {address} is not empty: {', '.join(full)}; nothing was changed. Restore into "
            "a database of its own: another database.directory, or createdb and database.url"
        )


async def _fill(session: Session, reader: archive.Reader, progress: Progress) -> None:
    """All rows of all tables, or none."""
    await session.execute("BEGIN")
    try:
        for table in reader.manifest.tables:
            # What the migrations put there is in the dump as well.
            await session.execute(f"DELETE FROM {table.name}")
            copied = await session.copy_text_in(
                table.name, table.columns, _told(reader, table, progress)
            )
            if copied != table.rows:
                raise StorageError(
                    f"{table.name}: the dump says {table.rows:,} rows and holds {copied:,}"
                )
        for found in await catalog.tables(
            session, [table.name for table in reader.manifest.tables]
        ):
            for column in found.numbered:
                await session.execute(
                    f"SELECT setval(pg_get_serial_sequence($1, $2), max({column})) "
                    f"FROM {found.name} HAVING max({column}) IS NOT NULL",
                    found.name,
                    column,
                )
    except BaseException as error:
        if not session.lost:
            await session.execute("ROLLBACK")
        if isinstance(error, DatabaseRefused):
            raise StorageError(f"the dump does not fit its tables: {error}") from error
        raise
    await session.execute("COMMIT")
    for table in reader.manifest.tables:
        await session.run_long(f"ANALYZE {table.name}")


async def _told(
    reader: archive.Reader, table: TableFile, progress: Progress
) -> AsyncIterator[bytes]:
    seen = 0
    progress(table.name, 0, table.size)
    async for data in reader.rows(table):
        yield data
        seen += len(data)
        progress(table.name, seen, table.size)


async def _refresh(session: Session) -> None:
    """Have TimescaleDB compute its aggregates anew: a dump holds only what they are made of."""
    if await catalog.timescaledb(session) is None:
        return
    for name in await catalog.aggregates(session):
        await session.run_long(f"CALL refresh_continuous_aggregate('{name}', NULL, NULL)")


async def _spell(session: Session) -> None:
    for name, value in _SPELLING.items():
        await session.execute("SELECT set_config($1, $2, false)", name, value)
