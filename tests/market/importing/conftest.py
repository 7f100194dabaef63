"""A fresh venue a test."""

import pytest

from rusy_tui.store.market_data import MarketData
from rusy_tui.store.pool import Database


@pytest.fixture
def market(database: Database) -> MarketData:
    """The empty tables of one venue."""
    return MarketData(database, "live")
