"""Every repository on TimescaleDB: the very tests of :mod:`tests.store` over its tables."""

import inspect
from types import ModuleType

import pytest

from tests.store import test_bulk, test_candles, test_ledger, test_market_data, test_retention

pytestmark = [pytest.mark.verify, pytest.mark.needs("timescaledb")]

# They need a second connection, and this server has one.
_SECOND_CONNECTION = {
    "test_another_writer_may_be_faster",
    "test_of_two_who_revise_at_once_none_is_lost",
}


def _borrowed(module: ModuleType) -> dict[str, object]:
    """A module's tests and the fixtures they ask for."""
    found: dict[str, object] = {}
    for name, value in vars(module).items():
        if name.startswith("test_") and name not in _SECOND_CONNECTION:
            if "database_address" not in inspect.signature(value).parameters:
                found[f"{name}__{module.__name__.rpartition('_')[2]}"] = value
        elif isinstance(value, type(test_candles.candles)):
            found[name] = value
    return found


for _module in (test_candles, test_bulk, test_market_data, test_ledger, test_retention):
    globals().update(_borrowed(_module))
