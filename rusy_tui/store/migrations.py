"""Brings a database to the layout this program knows, one numbered file at a time.

Each file of ``sql/`` runs once, in a transaction of its own that also records it, under a
lock that keeps two programs from doing so at once.
"""

import hashlib
import re
from pathlib import Path

import msgspec

from rusy_tui.domain.errors import StorageError
from rusy_tui.store.errors import DatabaseRefused
from rusy_tui.store.pool import Database, Session

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
# Any number will do, as long as every version of Rusy uses the same one.
_LOCK = 0x72757379

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


def migrations_in(folder: Path) -> list[Migration]:
    """The migrations of a folder in their order.

    Raises:
        StorageError: a name that is none, a number missing or used twice, no file at all.
    """
    found = []
    try:
        for path in sorted(folder.glob("*.sql")):
            name = _NAME.fullmatch(path.name)
            if name is None:
                raise StorageError(f"{path} is no migration: it must be named 0001_words.sql")
            script = path.read_text(encoding="utf-8")  # \r\n is read as \n
            found.append(Migration(number=int(name[1]), name=name[2], script=script))
    except OSError as error:
        raise StorageError(f"the migrations in {folder} can't be read: {error}") from error
    numbers = [migration.number for migration in found]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise StorageError(
            f"the migrations in {folder} are not numbered 1, 2, 3 …: {numbers}; "
            "install Rusy again"
        )
    return found


async def migrate(database: Database, folder: Path) -> list[Migration]:
    """Run what a database lacks; what was run now.

    Args:
        database: to bring up to date.
        folder: of the numbered files.

    Raises:
        StorageError: it is newer than this program, a file was changed after it had run, or
            one fails (nothing of that one is then kept).
    """
    known = migrations_in(folder)
    async with database.session() as session:
        await session.execute("SELECT pg_advisory_lock($1::bigint)", _LOCK)
        try:
            await session.execute(_TABLE)
            rows = await session.rows("SELECT number, name, checksum FROM schema_migrations")
            done = {row["number"]: (row["name"], row["checksum"]) for row in rows}
            _check(known, done, database)
            pending = [migration for migration in known if migration.number not in done]
            for migration in pending:
                await _apply(session, migration, database)
            return pending
        finally:
            if not session.lost:
                await session.execute("SELECT pg_advisory_unlock($1::bigint)", _LOCK)


def _check(
    known: list[Migration], done: dict[int, tuple[str, str]], database: Database
) -> None:
    if done and max(done) > len(known):
        name = done[max(done)][0]
        raise StorageError(
            f"the {database.address} is newer than this program: it has migration "
            f"{max(done)} ({name}), this Rusy knows {len(known)}; use a newer Rusy"
        )
    for migration in known:
        recorded = done.get(migration.number)
        if recorded is not None and recorded[1] != migration.checksum:
            raise StorageError(
                f"migration {migration.number} ({migration.name}) is not the one that made "
                f"the {database.address}: migrations are never edited once they ran; restore "
                "the file and add a new one"
            )


async def _apply(session: Session, migration: Migration, database: Database) -> None:
    await session.execute("BEGIN")
    try:
        await session.execute(migration.script)
        await session.execute(
            "INSERT INTO schema_migrations (number, name, checksum, applied_at) "
            "VALUES ($1, $2, $3, $4)",
            migration.number,
            migration.name,
            migration.checksum,
            database.clock.market_ms(),
        )
        await session.execute("COMMIT")
    except DatabaseRefused as error:
        await session.execute("ROLLBACK")
        raise StorageError(
            f"migration {migration.number} ({migration.name}) failed: {error}"
        ) from error
