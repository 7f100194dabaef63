"""Lines at the end: what all the runs did together, and each day of trouble."""

import pytest

from tests.soak.runs import Outcome, in_one_line
from tests.soak.trouble import Day

OUTCOMES = pytest.StashKey[list[Outcome]]()
DAYS = pytest.StashKey[list[Day]]()


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> list[Outcome]:
    """Where a run leaves its outcome for the last line."""
    return request.config.stash.setdefault(OUTCOMES, [])


@pytest.fixture
def days(request: pytest.FixtureRequest) -> list[Day]:
    """Where a day of trouble leaves its figures."""
    return request.config.stash.setdefault(DAYS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The lines, where anything was run."""
    done = terminalreporter.config.stash.get(OUTCOMES, [])
    if done:
        terminalreporter.write_line(in_one_line(done))
    for day in terminalreporter.config.stash.get(DAYS, []):
        terminalreporter.write_line(day.in_one_line())
