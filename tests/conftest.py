"""Shared by all tests: what the machine must have, and one printed line for what it lacks."""

import logging
import re
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
import structlog

from tests import machine

_ROOT = Path(__file__).parent.parent
_lacking: Counter[tuple[str, str]] = Counter()


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout's folder."""
    return _ROOT


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded candles; a test that asks for it is skipped where it is absent."""
    folder = machine.recordings()
    if folder is None:
        reason = machine.missing("recordings") or ""
        _lacking["recordings", reason] += 1
        pytest.skip(f"recordings: {reason}")
    return folder


@pytest.fixture(autouse=True)
def _logging_left_as_found() -> Generator[None]:
    """Where logs go is global: what a test sets up must not reach into the next."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def pytest_configure(config: pytest.Config) -> None:
    """With REQUIRE=all, tests that can't even be collected stop the run."""
    if machine.everything_required() and _training_is_left_out(config):
        raise pytest.UsageError(f"REQUIRE=all, and torch: {machine.missing('torch')}")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Tests of training can't even be imported without the train extra."""
    if collection_path == _ROOT / "tests" / "training" and machine.missing("torch"):
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What lies under tests/training is marked so, and a need nobody knows is a mistake."""
    for item in items:
        if item.path.is_relative_to(_ROOT / "tests" / "training"):
            item.add_marker("training")
        for marker in item.iter_markers("needs"):
            if unknown := set(marker.args) - set(machine.known()):
                raise pytest.UsageError(
                    f"{item.nodeid} needs {', '.join(sorted(unknown))}; "
                    f"known are {', '.join(machine.known())} (tests/machine.py)"
                )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs are not met."""
    for marker in item.iter_markers("needs"):
        for need in marker.args:
            if (reason := machine.missing(need)) is not None:
                _lacking[need, reason] += 1
                pytest.skip(f"{need}: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE=all a skipped test has failed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and machine.everything_required():
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.longrepr = f"REQUIRE=all, and this was to be skipped: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a missing tool."""
    for (need, why), tests in sorted(_lacking.items()):
        count = "1 test" if tests == 1 else f"{tests} tests"
        terminalreporter.write_line(f"SKIPPED {need}: {why} ({count})")
    told = {f"Skipped: {need}: {why}" for need, why in _lacking}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if reason not in told:
            terminalreporter.write_line(f"SKIPPED {report.nodeid}: {reason}")
    if _training_is_left_out(terminalreporter.config):
        terminalreporter.write_line(f"SKIPPED torch: {machine.missing('torch')}")


def _training_is_left_out(config: pytest.Config) -> bool:
    """Whether tests of training were asked for and can't be collected."""
    asked = not re.search(r"\bnot\b.*\btraining\b", config.getoption("markexpr"))
    return asked and machine.missing("torch") is not None
