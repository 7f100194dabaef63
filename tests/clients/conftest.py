"""One exchange for all tests of independent clients, and an account for each of them."""

import logging
from collections.abc import Generator

import pytest

from tests.clients.serving import Exchange, Keys, served_in_thread


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What counts the others' doings comes after them, in whatever order they are."""
    items.sort(key=lambda item: item.path.name == "test_counts.py")


# It ends with this folder's tests: others watch that nothing in the process reads its clocks.
@pytest.fixture(scope="package")
def exchange_here() -> Generator[Exchange]:
    """The exchange that independent clients talk to, served in a thread in real time."""
    with served_in_thread() as exchange:
        yield exchange


@pytest.fixture
def keys(exchange_here: Exchange) -> Keys:
    """The keys of a new account, this test's own."""
    return exchange_here.open_account()


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "did not match the declared types" in text or "Failed to parse" in text:
            self.heard.append(text)


@pytest.fixture(autouse=True)
def _answers_have_the_declared_types() -> Generator[None]:
    """The SDK takes a wrong type with a warning alone, and no longer looks afterwards."""
    complaints = _Complaints()
    logging.getLogger().addHandler(complaints)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(complaints)
    assert complaints.heard == []
