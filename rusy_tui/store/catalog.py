"""What a database holds of ours, told by its own catalogue.

A hypertable is here the one table that its owner sees; TimescaleDB's chunks are never named.
"""

import re
from collections.abc import Sequence

import msgspec

from rusy_tui.store.migrations import Migration
from rusy_tui.store.pool import Session

_CREATED = re.compile(r"^\s*CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.I | re.M)
_BESIDE = re.compile(r"^\s*CREATE (?:OR REPLACE )?(FUNCTION|PROCEDURE|TYPE) (\w+)", re.I | re.M)
# Filled by the migrations, or by who is at work: rows in them are nobody's history.
SEEDED = ("timeframes", "lock_owners")

_COLUMNS = """
SELECT a.attname AS name, a.attidentity <> '' AS numbered
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attgenerated = ''
ORDER BY a.attnum
"""
_HOLDERS = """
SELECT o.subject, o.host, o.pid, o.started_at
FROM pg_locks AS l
JOIN lock_owners AS o ON (l.classid::bigint << 32) | l.objid::bigint = o.key
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY o.subject
"""


class Table(msgspec.Struct, frozen=True):
    """A table of ours that exists: its columns but for generated ones, which fill themselves.

    ``numbered``: the columns that take their values from a sequence.
    """

    name: str
    columns: tuple[str, ...]
    numbered: tuple[str, ...]


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock now; ``since_ms`` is wall time."""

    subject: str
    host: str
    pid: int
    since_ms: int


def created_by(migrations: Sequence[Migration]) -> tuple[str, ...]:
    """The names of all tables that these make, in their order."""
    found = (name for each in migrations for name in _CREATED.findall(each.script))
    return tuple(dict.fromkeys(found))


async def drop_all(session: Session, migrations: Sequence[Migration]) -> None:
    """Drop all that these made, as if none had ever run; other things stay."""
    if await timescaledb(session) is not None:
        for name in await aggregates(session):
            await session.run_long(f"DROP MATERIALIZED VIEW {name} CASCADE")
    # One by one: TimescaleDB drops no list of hypertables. Views go with their tables.
    for table in created_by(migrations):
        await session.run_long(f"DROP TABLE IF EXISTS {table} CASCADE")
    for each in migrations:
        for kind, name in _BESIDE.findall(each.script):
            await session.execute(f"DROP {kind} IF EXISTS {name} CASCADE")
    await session.execute("DROP TABLE IF EXISTS schema_migrations")


async def aggregates(session: Session) -> list[str]:
    """TimescaleDB's continuous aggregates, as they are written in SQL."""
    rows = await session.rows(
        "SELECT format('%I.%I', view_schema, view_name) AS name "
        "FROM timescaledb_information.continuous_aggregates "
        "WHERE view_schema = current_schema()"
    )
    return [row["name"] for row in rows]


async def tables(session: Session, names: Sequence[str]) -> list[Table]:
    """Those of these tables that exist."""
    found = []
    for name in names:
        rows = await session.rows(_COLUMNS, name)
        if rows:
            columns = tuple(row["name"] for row in rows)
            numbered = tuple(row["name"] for row in rows if row["numbered"])
            found.append(Table(name, columns, numbered))
    return found


async def holders(session: Session) -> list[Holder]:
    """Who holds an account or a symbol now."""
    if await session.value("SELECT to_regclass('lock_owners') IS NULL"):
        return []
    rows = await session.rows(_HOLDERS)
    return [Holder(*row) for row in rows]


async def timescaledb(session: Session) -> str | None:
    """The version of TimescaleDB in this database; None: it is plain PostgreSQL."""
    version: str | None = await session.value(
        "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
    )
    return version


async def venues(session: Session, found: Sequence[Table]) -> tuple[str, ...]:
    """Every venue that any of these tables has rows of, by steps through their indexes."""
    seen: set[str] = set()
    for table in found:
        if "venue" not in table.columns:
            continue
        rows = await session.rows_long(
            f"WITH RECURSIVE step AS ((SELECT min(venue) AS venue FROM {table.name}) UNION ALL "
            f"SELECT (SELECT min(venue) FROM {table.name} WHERE venue > step.venue) "
            "FROM step WHERE step.venue IS NOT NULL) SELECT venue FROM step "
            "WHERE venue IS NOT NULL"
        )
        seen.update(row["venue"] for row in rows)
    return tuple(sorted(seen))
