"""One line at the end: what all the runs did together."""

import pytest

from tests.soak.runs import Outcome, in_one_line

OUTCOMES = pytest.StashKey[list[Outcome]]()


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> list[Outcome]:
    """Where a run leaves its outcome for the last line."""
    return request.config.stash.setdefault(OUTCOMES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The line, where anything was run."""
    done = terminalreporter.config.stash.get(OUTCOMES, [])
    if done:
        terminalreporter.write_line(in_one_line(done))
