"""A TimescaleDB server a test session, its tables emptied for each test."""

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.resources import sql_dir
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.migrations import migrate
from rusy_tui.store.pool import Database
from tests import store_fixtures
from tests.timescale import installed

# The plain kind, to be compared with.
database_server = store_fixtures.database_server
database_address = store_fixtures.database_address
plain = pytest.fixture(name="plain")(store_fixtures.opened)

_FILLED = """
SELECT tablename FROM pg_tables
WHERE schemaname = 'public' AND tablename NOT IN ('schema_migrations', 'timeframes')
"""


@pytest.fixture(scope="session")
def timescale_server() -> Generator[DatabaseAddress]:
    """The session's server, with the extension and all tables."""
    # A socket's path has 108 bytes at most.
    with tempfile.TemporaryDirectory(prefix="rusy-timescale-") as folder:
        server = subprocess.Popen(
            ["node", "server.mjs", str(Path(folder) / ".s.PGSQL.5432")],
            cwd=installed.FOLDER,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            assert server.stdout.readline().strip() == "ready"
            address = DatabaseAddress(host=folder, user="postgres", database="postgres")
            asyncio.run(_prepare(address))
            yield address
        finally:
            server.terminate()
            server.wait()


async def _prepare(address: DatabaseAddress) -> None:
    database = await Database.open(address, SystemClock())
    # A server that loads the library at its start has this done by the first migration.
    await database.execute("CREATE EXTENSION timescaledb")
    await migrate(database, sql_dir())
    await database.close()


@pytest.fixture
async def database(timescale_server: DatabaseAddress) -> AsyncGenerator[Database]:
    """Its database, without rows and policies. There is one connection, and this is it."""
    opened = await Database.open(timescale_server, SystemClock())
    tables = await opened.rows(_FILLED)
    await opened.execute(f"TRUNCATE {', '.join(row[0] for row in tables)}")
    await opened.execute("UPDATE timeframes SET enabled = interval <> '1m'")
    await opened.execute("TRUNCATE market_data_daily")
    await opened.execute(
        "SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE job_id >= 1000"
    )
    yield opened
    await opened.close()
