"""What commands that trade nothing stand on: the database, and the exchange's public data."""

import contextlib
import dataclasses
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from rusy_tui.clock import SystemClock
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.settings import Settings, Venue
from rusy_tui.launching import parts
from rusy_tui.launching.job import Job

if TYPE_CHECKING:
    from rusy_tui.launching.parts import Market
    from rusy_tui.store.address import DatabaseAddress
    from rusy_tui.store.market_data import MarketData

# Enough for a backfill that writes a page while it asks for gaps.
_DATABASE_CALLS = 4


@contextlib.asynccontextmanager
async def server(job: Job, settings: Settings) -> "AsyncGenerator[DatabaseAddress]":
    """The configured database; an embedded server that others use as well goes on after us.

    Raises:
        StorageError: it can't be started.
    """
    async with contextlib.AsyncExitStack() as stack:
        yield await parts.database(job, settings, stack)


@contextlib.asynccontextmanager
async def market_data(
    job: Job, settings: Settings, clock: Clock | None = None, venue: Venue | None = None
) -> "AsyncGenerator[MarketData]":
    """The tables of a venue's market, brought up to date.

    Args:
        job: with the configuration.
        settings: of the job.
        clock: times the calls; the system's unless the market has its own.
        venue: another one than the configured; its embedded database goes with it.

    Raises:
        StorageError: the database can't be reached or used, or is newer than this program.
    """
    from rusy_tui.resources import sql_dir
    from rusy_tui.store.market_data import MarketData
    from rusy_tui.store.migrations import migrate
    from rusy_tui.store.pool import Database

    if venue is not None:
        exchange = dataclasses.replace(settings.exchange, venue=venue)
        settings = dataclasses.replace(settings, exchange=exchange)
    async with server(job, settings) as address:
        database = await Database.open(address, clock or SystemClock(), _DATABASE_CALLS)
        try:
            await migrate(database, sql_dir())
            yield MarketData(database, settings.exchange.venue.value)
        finally:
            await database.close()


@contextlib.asynccontextmanager
async def exchange(job: Job, settings: Settings) -> "AsyncGenerator[Market]":
    """The configured exchange, connected, for its public data: no keys are needed.

    A simulated one that does not run is started, as an engine would start it.

    Raises:
        UnreachableError: it does not answer.
    """
    async with contextlib.AsyncExitStack() as stack:
        market = await parts.public_market(job, settings, stack)
        try:
            await market.exchange.connect()
            yield market
        finally:
            await market.exchange.close()
