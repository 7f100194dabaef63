"""What a database is and holds, for whoever looks after it: nothing is changed by looking."""

import msgspec

from rusy_tui.domain.clock import Clock
from rusy_tui.store import catalog
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.catalog import Holder
from rusy_tui.store.migrations import Migration, applied, half_restored
from rusy_tui.store.pool import Database, Session

# A hypertable's bytes are in its chunks.
_BYTES = "SELECT pg_total_relation_size($1::regclass)"
_HYPERTABLE_BYTES = """
SELECT coalesce(hypertable_size($1::regclass), pg_total_relation_size($1::regclass))
"""
_BARS = """
SELECT venue, symbol, timeframe, count(*), min(open_time), max(open_time)
FROM market_data GROUP BY venue, symbol, timeframe ORDER BY venue, symbol, timeframe
"""


class TableSize(msgspec.Struct, frozen=True):
    """A table with its rows, and its bytes on disk with indexes."""

    name: str
    rows: int
    bytes: int


class Row(msgspec.Struct, frozen=True):
    """Stored bars of one timeframe, and the open times of the first and the last, ms."""

    venue: str
    symbol: str
    timeframe: str
    bars: int
    oldest_ms: int
    newest_ms: int


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. ``schema`` is the last migration that ran, ``program`` the last one that
    this program knows; ``changed`` are those that ran from other files than ours.

    ``restoring`` is the dump whose restore has not come to its end.
    """

    address: str
    server: str
    timescaledb: str | None
    schema: int
    program: int
    changed: tuple[int, ...]
    restoring: str | None
    tables: tuple[TableSize, ...]
    rows: tuple[Row, ...]
    locks: tuple[Holder, ...]

    @property
    def verdict(self) -> str:
        """Whether this program may work on it, in words."""
        if self.restoring is not None:
            return f"not whole: run `rusy db restore {self.restoring}` again"
        if self.changed:
            numbers = ", ".join(map(str, self.changed))
            return f"made by other files than this program's: migrations {numbers}"
        if self.schema > self.program:
            return f"newer than this program, which knows {self.program}: use a newer Rusy"
        if self.schema < self.program:
            return f"this program knows {self.program}: `rusy db migrate`, or its next start"
        return "up to date"


async def look(address: DatabaseAddress, clock: Clock, known: list[Migration]) -> Inventory:
    """Count and measure; takes as long as a reading of every table.

    Raises:
        StorageError: the database can't be reached or read.
    """
    database = await Database.open(address, clock)
    try:
        async with database.session() as session:
            return await _look(session, address, known)
    finally:
        await database.close()


async def _look(
    session: Session, address: DatabaseAddress, known: list[Migration]
) -> Inventory:
    done = await applied(session)
    version = await catalog.timescaledb(session)
    found = await catalog.tables(session, catalog.created_by(known))
    measured = _BYTES if version is None else _HYPERTABLE_BYTES
    sizes = [
        TableSize(
            table.name,
            await session.value_long(f"SELECT count(*) FROM {table.name}"),
            await session.value_long(measured, table.name),
        )
        for table in found
    ]
    bars = []
    if any(table.name == "market_data" for table in found):
        bars = [Row(*row) for row in await session.rows_long(_BARS)]
    half = await half_restored(session)
    return Inventory(
        address=str(address),
        server=await session.value("SHOW server_version"),
        timescaledb=version,
        schema=max(done, default=0),
        program=len(known),
        changed=tuple(
            each.number
            for each in known
            if each.number in done and done[each.number][1] != each.checksum
        ),
        restoring=half[0] if half is not None else None,
        tables=tuple(sizes),
        rows=tuple(bars),
        locks=tuple(await catalog.holders(session)),
    )
