"""TimescaleDB's own housekeeping, where a database has it.

Its policies run inside the server, count from the server's clock and know tables, not venues.
So they are set by the program, not by a migration, and only for a venue whose market time is
the server's; for a simulated market :class:`rusy_tui.store.retention.Upkeep` does the same on
the market's own clock.
"""

from rusy_tui.store.pool import Database, Session

# By hypertable, its time.
HYPERTABLES = {
    "market_data": "open_time",
    "mark_prices": "open_time",
    "microstructure": "open_time",
    "model_predictions": "bar_open_time",
    "journal": "at",
}
# Market data alone is ever removed.
REMOVABLE = ("market_data", "mark_prices", "microstructure")
# A chunk is compressed when all of it is older: by then its bars are reviewed and its
# predictions have their outcome. Later changes still work, and cost more.
COMPRESS_AFTER_DAYS = 30
DAILY = "market_data_daily"


async def present(database: Database) -> bool:
    """Whether the tables of this database are hypertables that can be compressed.

    TimescaleDB's edition of the Apache licence has none of what this module uses: with it,
    all is done as on plain PostgreSQL.
    """
    there: bool = await database.value(
        "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') "
        "AND coalesce(current_setting('timescaledb.license', true), '') <> 'apache'"
    )
    return there


async def arrange(database: Database, venue: str, keep_days: int | None) -> None:
    """Set the policies for a venue whose market time is the server's. Does nothing elsewhere.

    A table is emptied by a policy only where all of it is of this venue.

    Args:
        database: up to date.
        venue: that is collected into it.
        keep_days: after how many days chunks are dropped; None: never.

    Raises:
        StorageError: not all of it could be set; none of it then is.
    """
    if not await present(database):
        return
    async with database.transaction() as session:
        for table in HYPERTABLES:
            await session.execute(
                "SELECT add_compression_policy($1::regclass, "
                "compress_after => make_interval(days => $2), if_not_exists => true)",
                table,
                COMPRESS_AFTER_DAYS,
            )
        await session.execute(
            "SELECT add_continuous_aggregate_policy($1::regclass, start_offset => NULL, "
            "end_offset => INTERVAL '1 day', schedule_interval => INTERVAL '1 hour', "
            "if_not_exists => true)",
            DAILY,
        )
        for table in REMOVABLE:
            await session.execute(
                "SELECT remove_retention_policy($1::regclass, if_exists => true)", table
            )
            if keep_days is not None and await _alone(session, table, venue):
                await session.execute(
                    "SELECT add_retention_policy($1::regclass, "
                    "drop_after => make_interval(days => $2))",
                    table,
                    keep_days,
                )


async def compress(database: Database, before_ms: int) -> int:
    """Compress chunks that end before an instant, as a policy would; how many."""
    done = 0
    for table in HYPERTABLES:
        chunks = await database.rows(
            "SELECT format('%I.%I', chunk_schema, chunk_name) AS chunk "
            "FROM timescaledb_information.chunks "
            "WHERE hypertable_name = $1 AND NOT is_compressed AND range_end <= $2",
            table,
            before_ms,
        )
        for row in chunks:
            await database.execute("SELECT compress_chunk($1::text::regclass)", row["chunk"])
        done += len(chunks)
    return done


async def drop_before(database: Database, table: str, venue: str, before_ms: int) -> None:
    """Drop a table's chunks that end before an instant, if no other venue is in the table."""
    async with database.transaction() as session:
        if await _alone(session, table, venue):
            await session.execute(
                "SELECT drop_chunks($1::regclass, older_than => $2::timestamptz)",
                table,
                before_ms,
            )


async def forget_days(database: Database, before_ms: int) -> None:
    """Bring the daily sums up to date with what was removed before an instant."""
    await database.execute(
        f"CALL refresh_continuous_aggregate('{DAILY}', NULL, $1::timestamptz)", before_ms
    )


async def _alone(session: Session, table: str, venue: str) -> bool:
    """Whether a table holds no other venue's rows. The index answers, or the segments."""
    others: bool = await session.value(
        f"SELECT EXISTS (SELECT FROM {table} WHERE venue < $1) "
        f"OR EXISTS (SELECT FROM {table} WHERE venue > $1)",
        venue,
    )
    return not others
