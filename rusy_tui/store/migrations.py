"""Brings a database to the layout this program knows, one numbered file at a time.

Each file of ``sql/`` runs once, in a transaction of its own that also records it, under a
lock that keeps two programs from doing so at once. What PostgreSQL refuses to do inside a
transaction has a file of its own whose first line is one of :data:`MARKS`: one statement that
may be repeated, run first and recorded after. Killed in between, it is run again, which
changes nothing.
"""

import hashlib
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from rusy_tui.domain.errors import StorageError
from rusy_tui.store.errors import DatabaseRefused
from rusy_tui.store.pool import Database, Session

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
# Any number will do, as long as every version of Rusy uses the same one.
LOCK = 0x72757379
OUTSIDE = "-- rusy: outside a transaction"
# The same, and recorded without being run where there is no TimescaleDB.
OUTSIDE_ON_TIMESCALE = f"{OUTSIDE}, on TimescaleDB"
MARKS = (OUTSIDE, OUTSIDE_ON_TIMESCALE)
# Asked for again and again, never waited for: a statement outside a transaction, such as CREATE
# INDEX CONCURRENTLY, waits for whoever waits, and would then wait for ever.
_BETWEEN_TRIES_S = 0.2
_WAIT_S = 600.0

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL
)
"""


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One file: ``0001_market_data.sql`` is number 1, name ``market_data``."""

    number: int
    name: str
    script: str

    @property
    def checksum(self) -> str:
        """SHA-256 of its text, line ends aside."""
        return hashlib.sha256(self.script.encode()).hexdigest()

    @property
    def mark(self) -> str:
        """The mark on its first line; empty: it runs inside a transaction, as most do."""
        first = self.script.partition("\n")[0].strip()
        return first if first.startswith("-- rusy:") else ""


def migrations_in(folder: Path) -> list[Migration]:
    """The migrations of a folder in their order.

    Raises:
        StorageError: a name that is none, a number missing or used twice, no file at all; one
            to be run outside a transaction that could not be run twice.
    """
    found = []
    try:
        for path in sorted(folder.glob("*.sql")):
            name = _NAME.fullmatch(path.name)
            if name is None:
                raise StorageError(f"{path} is no migration: it must be named 0001_words.sql")
            script = path.read_text(encoding="utf-8")  # \r\n is read as \n
            migration = Migration(number=int(name[1]), name=name[2], script=script)
            if migration.mark and migration.mark not in MARKS:
                raise StorageError(f"{path} begins with a mark nobody knows: {migration.mark}")
            if migration.mark and (why := why_not_outside(script)):
                raise StorageError(f"{path} is to run outside a transaction and {why}")
            found.append(migration)
    except OSError as error:
        raise StorageError(f"the migrations in {folder} can't be read: {error}") from error
    numbers = [migration.number for migration in found]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise StorageError(
            f"the migrations in {folder} are not numbered 1, 2, 3 …: {numbers}; "
            "install Rusy again"
        )
    return found


async def migrate(
    database: Database, folder: Path, *, until: int | None = None
) -> list[Migration]:
    """Run what a database lacks; what was run now.

    Args:
        database: to bring up to date.
        folder: of the numbered files.
        until: the last one to run; None for all there are.

    Raises:
        StorageError: it is newer than this program, a file was changed after it had run, one
            fails (nothing of that one is then kept), or another program is at it for long.
    """
    known = migrations_in(folder)
    async with database.session() as session:
        await refuse_half_restored(session, database)
        async with alone(session, database):
            await refuse_half_restored(session, database)
            return await bring_up(session, database, known, until=until)


async def bring_up(
    session: Session, database: Database, known: list[Migration], *, until: int | None = None
) -> list[Migration]:
    """As :func:`migrate`, for a session that is :func:`alone` already."""
    await session.execute(_TABLE)
    done = await applied(session)
    check(known, done, database.address)
    pending = [
        migration
        for migration in known
        if migration.number not in done and (until is None or migration.number <= until)
    ]
    for migration in pending:
        await _apply(session, migration, database)
    return pending


async def half_restored(session: Session) -> tuple[str, int] | None:
    """The dump whose restore has not come to its end, and when it began (wall ms)."""
    if await session.value("SELECT to_regclass('schema_restore') IS NULL"):
        return None
    row = await session.row("SELECT archive, begun_at FROM schema_restore")
    return (row["archive"], row["begun_at"]) if row is not None else None


async def refuse_half_restored(session: Session, database: Database) -> None:
    """Keep everybody but a restore from a database that is not whole.

    Raises:
        StorageError: a restore has not come to its end.
    """
    found = await half_restored(session)
    if found is not None:
        archive, begun_ms = found
        since = datetime.fromtimestamp(begun_ms // 1000, UTC)
        raise StorageError(
            f"the {database.address} is not whole: a restore of {archive} began "
            f"{since:%Y-%m-%d %H:%M:%S} UTC and has not ended; wait for it or, when it was "
            f"interrupted, run `rusy db restore {archive}` again"
        )


@asynccontextmanager
async def alone(session: Session, database: Database) -> AsyncGenerator[None]:
    """Be the only program that changes the tables of a database.

    Raises:
        StorageError: another one does, and does not come to an end.
    """
    clock = database.clock
    await session.end_with_us()
    give_up_s = clock.monotonic_s() + _WAIT_S
    while not await session.value("SELECT pg_try_advisory_lock($1::bigint)", LOCK):
        if clock.monotonic_s() >= give_up_s:
            raise StorageError(
                f"another program changes the tables of the {database.address} and has not "
                f"ended within {_WAIT_S:g} s ({await _who_is_at_it(session)}); end it, or wait"
            )
        await clock.sleep(_BETWEEN_TRIES_S)
    try:
        yield
    finally:
        if not session.lost:
            await session.execute("SELECT pg_advisory_unlock($1::bigint)", LOCK)


async def applied(session: Session) -> dict[int, tuple[str, str]]:
    """Number to name and checksum of what a database had; empty where nothing ever ran."""
    if await session.value("SELECT to_regclass('schema_migrations') IS NULL"):
        return {}
    rows = await session.rows("SELECT number, name, checksum FROM schema_migrations")
    return {row["number"]: (row["name"], row["checksum"]) for row in rows}


async def _who_is_at_it(session: Session) -> str:
    row = await session.row(
        "SELECT a.pid, a.client_addr::text AS host, a.backend_start FROM pg_locks AS l "
        "JOIN pg_stat_activity AS a USING (pid) WHERE l.locktype = 'advisory' AND l.granted "
        "AND l.classid = 0 AND l.objid = $1::bigint::oid AND l.database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())",
        LOCK,
    )
    if row is None:
        return "it has just ended"
    since = datetime.fromtimestamp(row["backend_start"] // 1000, UTC)
    return (
        f"the server's process {row['pid']}, for {row['host'] or 'this machine'}, since "
        f"{since:%Y-%m-%d %H:%M:%S} UTC"
    )


def check(known: list[Migration], done: dict[int, tuple[str, str]], whose: object) -> None:
    """Judge whether this program may go on with tables that were made by these.

    Args:
        known: to this program.
        done: as :func:`applied` tells.
        whose: the tables are, in words.

    Raises:
        StorageError: they are newer, or made by other files.
    """
    if done and max(done) > len(known):
        name = done[max(done)][0]
        raise StorageError(
            f"the {whose} is newer than this program: it has migration "
            f"{max(done)} ({name}), this Rusy knows {len(known)}; use a newer Rusy"
        )
    for migration in known:
        recorded = done.get(migration.number)
        if recorded is not None and recorded[1] != migration.checksum:
            raise StorageError(
                f"migration {migration.number} ({migration.name}) is not the one that made "
                f"the {whose}: migrations are never edited once they ran; restore "
                "the file and add a new one"
            )


async def _apply(session: Session, migration: Migration, database: Database) -> None:
    try:
        if migration.mark:
            await _run_outside(session, migration)
            await _record(session, migration, database)
            return
        await session.execute("BEGIN")
        try:
            await session.run_long(migration.script)
            await _record(session, migration, database)
            await session.execute("COMMIT")
        except DatabaseRefused:
            await session.execute("ROLLBACK")
            raise
    except DatabaseRefused as error:
        raise StorageError(
            f"migration {migration.number} ({migration.name}) failed: {error}"
        ) from error


async def _run_outside(session: Session, migration: Migration) -> None:
    if migration.mark == OUTSIDE_ON_TIMESCALE and not await session.value(
        "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"
    ):
        return
    index = _INDEX.search(migration.script)
    # Given up half-way it is there, of no use, and IF NOT EXISTS would leave it so.
    if index is not None and await session.value(
        "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", index[1]
    ):
        await session.run_long(f"DROP INDEX {index[1]}")
    await session.run_long(migration.script)


async def _record(session: Session, migration: Migration, database: Database) -> None:
    await session.execute(
        "INSERT INTO schema_migrations (number, name, checksum, applied_at) "
        "VALUES ($1, $2, $3, $4)",
        migration.number,
        migration.name,
        migration.checksum,
        database.clock.market_ms(),
    )


# What may run outside a transaction -----------------------------------------------------

# Literals, dollar-quoted bodies and comments: a semicolon inside them ends nothing.
_OPAQUE = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL
)
_INDEX = re.compile(
    r"^CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+IF\s+NOT\s+EXISTS\s+(\w+)",
    re.IGNORECASE | re.MULTILINE,
)
# Forms that do nothing, or the same again, when they are run a second time.
_REPEATABLE = re.compile(
    r"CREATE\s+(UNIQUE\s+)?INDEX\s+(CONCURRENTLY\s+)?IF\s+NOT\s+EXISTS\b"
    r"|CREATE\s+MATERIALIZED\s+VIEW\s+IF\s+NOT\s+EXISTS\b"
    r"|DROP\s+INDEX\s+(CONCURRENTLY\s+)?IF\s+EXISTS\b"
    r"|ALTER\s+TYPE\s+\S+\s+ADD\s+VALUE\s+IF\s+NOT\s+EXISTS\b"
    r"|(CREATE|DROP)\s+(EXTENSION|SCHEMA)\s+IF\s+(NOT\s+)?EXISTS\b"
    r"|CALL\s+refresh_continuous_aggregate\b"
    r"|(REINDEX|VACUUM|ANALYZE|REFRESH\s+MATERIALIZED\s+VIEW)\b",
    re.IGNORECASE,
)


def why_not_outside(script: str) -> str | None:
    """Why a script must not run outside a transaction; None when it may."""
    bare = _OPAQUE.sub(lambda found: "" if found[0][:2] in ("--", "/*") else "x", script)
    statements = [each.strip() for each in bare.split(";") if each.strip()]
    if len(statements) != 1:
        return (
            f"holds {len(statements)} statements: killed between two, nobody could tell which "
            "were run; give each a file of its own"
        )
    if _REPEATABLE.match(statements[0]) is None:
        return (
            "its statement has no form that may be run twice, as it is when killed before it "
            "was recorded: write IF NOT EXISTS or IF EXISTS"
        )
    return None
