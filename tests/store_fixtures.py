"""A PostgreSQL server a test session, a fresh migrated database a test.

Other test packages use them with ``pytest_plugins = ["tests.store_fixtures"]`` or by importing
the fixtures into their ``conftest.py``.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Generator

import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.resources import sql_dir
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.embedded import temporary_server
from rusy_tui.store.migrations import migrate
from rusy_tui.store.pool import Database, connect

_TEMPLATE = "rusy"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def database_server() -> Generator[DatabaseAddress]:
    """The session's server; its own database is migrated and serves as template only."""
    clock = SystemClock()
    server = temporary_server(clock)

    async def start() -> DatabaseAddress:
        address = await server.start()
        database = await Database.open(address, clock)
        await migrate(database, sql_dir())
        await database.close()
        return address

    yield asyncio.run(start())
    asyncio.run(server.stop())


@pytest.fixture
def database_address(database_server: DatabaseAddress) -> Generator[DatabaseAddress]:
    """A fresh database with all tables, for tests that open it themselves, in any loop."""
    name = f"test_{next(_numbers)}"

    async def run(statement: str) -> None:
        session = await connect(database_server.with_database("postgres"), SystemClock())
        await session.execute(statement)
        await session.close()

    asyncio.run(run(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy"))
    yield database_server.with_database(name)
    asyncio.run(run(f"DROP DATABASE {name} WITH (FORCE)"))


async def opened(database_address: DatabaseAddress) -> AsyncGenerator[Database]:
    """A fresh database with all tables, opened on the system clock."""
    database = await Database.open(database_address, SystemClock(), size=4)
    yield database
    await database.close()


database = pytest.fixture(name="database")(opened)
