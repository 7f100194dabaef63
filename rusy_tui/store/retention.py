"""What is done once a day: market data older than asked for goes, on the market's own clock.

Orders, trades, the journal and predictions are never removed.
"""

import structlog

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError
from rusy_tui.store import timescale
from rusy_tui.store.pool import Database

log = structlog.get_logger("store")

DAY_MS = 86_400_000
# After midnight UTC, ms: the hour of the day's change is the busiest one.
AFTER_MIDNIGHT_MS = 2 * 3_600_000
# Rows a statement: a few milliseconds each, so that nobody waits for one.
BATCH = 10_000

# By table, its time and whether its rows are of a timeframe.
_TABLES = {
    "market_data": ("open_time", True),
    "market_data_revisions": ("open_time", True),
    "mark_prices": ("open_time", True),
    "microstructure": ("open_time", True),
    "funding_rates": ("at", False),
    "open_interest": ("at", False),
}

# Each symbol and timeframe by a step in the index, however many rows there are of it.
_KEYS = """
WITH RECURSIVE keys AS (
    (SELECT {columns} FROM {table} WHERE venue = $1 ORDER BY {columns} LIMIT 1)
    UNION ALL
    SELECT following.* FROM keys, LATERAL (
        SELECT {columns} FROM {table}
        WHERE venue = $1 AND ({columns}) > ({known}) ORDER BY {columns} LIMIT 1
    ) AS following
)
SELECT {columns} FROM keys
"""
_OLD = "venue = $1 AND symbol = $2 {of} AND {time} < $4"
_REMOVE = """
DELETE FROM {table} WHERE {old} AND {time} <= (
    SELECT max({time}) FROM (
        SELECT {time} FROM {table} WHERE {old} ORDER BY {time} LIMIT $5
    ) AS oldest
)
"""


class Upkeep:
    """The daily task of one venue's market data.

    Args:
        database: that holds it.
        venue: of the rows.
        clock: whose market time counts.
        keep_days: how many days are kept; None: all.
        on_servers_clock: the market's time is the database server's, so that TimescaleDB's
            policies may do their part.
    """

    def __init__(
        self,
        database: Database,
        venue: str,
        clock: Clock,
        keep_days: int | None,
        *,
        on_servers_clock: bool = False,
    ) -> None:
        self._database = database
        self._venue = venue
        self._clock = clock
        self._keep_days = keep_days
        self._on_servers_clock = on_servers_clock

    async def run(self) -> None:
        """Do it now and then two hours after each midnight (UTC, market time), for ever."""
        while True:
            now_ms = self._clock.market_ms()
            try:
                await self.once(now_ms)
            except StorageError as error:
                log.warning("the daily task failed, again tomorrow", why=str(error))
            due_ms = now_ms - now_ms % DAY_MS + AFTER_MIDNIGHT_MS
            await self._clock.sleep_until_market(due_ms + (DAY_MS if due_ms <= now_ms else 0))

    async def once(self, now_ms: int) -> dict[str, int]:
        """Remove what is too old at an instant, ms; how many rows by table.

        Whole days go, so that no day's sum is of a part of it. TimescaleDB's policies are set,
        or what they would compress is compressed here.

        Raises:
            StorageError: the database is lost; what was removed until then stays so.
        """
        hypertables = await timescale.present(self._database)
        removed: dict[str, int] = {}
        if self._keep_days is not None:
            before_ms = now_ms - now_ms % DAY_MS - self._keep_days * DAY_MS
            for table, (time, timeframes) in _TABLES.items():
                count = await self._remove(table, time, timeframes, before_ms, hypertables)
                removed[table] = count
            removed["findings"] = await self._database.execute(
                "DELETE FROM findings WHERE venue = $1 AND until_time <= $2",
                self._venue,
                before_ms,
            )
            if hypertables:
                await timescale.forget_days(self._database, before_ms)
            log.info("old market data removed", before_ms=before_ms, **removed)
        if hypertables and self._on_servers_clock:
            await timescale.arrange(self._database, self._venue, self._keep_days)
        elif hypertables:
            old_ms = now_ms - timescale.COMPRESS_AFTER_DAYS * DAY_MS
            await timescale.compress(self._database, old_ms)
        return removed

    async def _remove(
        self, table: str, time: str, timeframes: bool, before_ms: int, hypertables: bool
    ) -> int:
        columns = ["symbol", "timeframe"] if timeframes else ["symbol"]
        known = ", ".join(f"keys.{column}" for column in columns)
        keys = await self._database.rows(
            _KEYS.format(table=table, columns=", ".join(columns), known=known), self._venue
        )
        # The third argument is of no use where there is no timeframe, and must have a type.
        of = "AND timeframe = $3" if timeframes else "AND $3::text IS NULL"
        old = _OLD.format(of=of, time=time)
        counted = 0
        if hypertables and table in timescale.REMOVABLE:
            # Whole chunks first: no row of theirs is looked at to be removed.
            count = f"SELECT count(*) FROM {table} WHERE venue = $1 AND {time} < $2"
            there = await self._database.value(count, self._venue, before_ms)
            await timescale.drop_before(self._database, table, self._venue, before_ms)
            counted = there - await self._database.value(count, self._venue, before_ms)
        remove = _REMOVE.format(table=table, time=time, old=old)
        for key in keys:
            values = (self._venue, key[0], key[1] if timeframes else None, before_ms, BATCH)
            while gone := await self._database.execute(remove, *values):
                counted += gone
        return counted
