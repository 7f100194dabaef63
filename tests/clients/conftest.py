"""One exchange for all tests of independent clients, and an account for each of them."""

import logging
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.clients import counts
from tests.clients.serving import Exchange, Keys, served_in_thread

COUNTING = "test_every_endpoint_stream_and_error_was_met"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What counts the others' doings comes after them, and only where all of them are run."""
    folder = Path(__file__).parent
    left_out = set(folder.glob("test_*.py")) - {item.path for item in items}
    counting = [item for item in items if item.name == COUNTING]
    items[:] = [item for item in items if item.name != COUNTING]
    if left_out:
        config.hook.pytest_deselected(items=counting)
    else:
        items.extend(counting)


# It ends with this folder's tests: others watch that nothing in the process reads its clocks.
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much the clients met, where it was counted."""
    for line in counts.told:
        terminalreporter.write_line(line)


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
