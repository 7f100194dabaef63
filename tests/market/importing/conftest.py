"""A server a session, a fresh venue a test, and a clock that stands at a recorded time."""

import pytest

from rusy_tui.store.market_data import MarketData
from rusy_tui.store.pool import Database
from tests.store_fixtures import database, database_address, database_server

__all__ = ["database", "database_address", "database_server"]


@pytest.fixture
def market(database: Database) -> MarketData:
    """The empty tables of one venue."""
    return MarketData(database, "live")
