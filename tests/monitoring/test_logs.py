"""One JSON line an event: what a headless engine tells."""

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
import structlog

from rusy_tui.clock import SystemClock
from rusy_tui.domain.events import (
    CandleMoved,
    ConnectionChanged,
    Event,
    GatesChanged,
    Logged,
    PhaseChanged,
)
from rusy_tui.domain.modes import Gate, Mode
from rusy_tui.domain.state import ChartBar, Connection, LogLine
from rusy_tui.monitoring import logs


class _At(SystemClock):
    def market_ms(self) -> int:
        return 1_746_057_600_000

    def wall_ms(self) -> int:
        return 1_762_000_000_123


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where lines go; the logging of the test run is put back afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_way_of_logging_ends_in_one_line_with_both_times(stream: io.StringIO) -> None:
    logs.set_up(stream, "info", _At())
    logging.getLogger("rusy_tui.exchange").warning("slow: %s", "2 s")
    structlog.get_logger("engine").info("filled", price=Decimal("1.10"), side=Mode.AUTO)
    structlog.get_logger("engine").debug("not told")
    first, second = _lines(stream)
    assert first == {
        "wall": "2025-11-01T12:26:40.123Z",
        "market": "2025-05-01T00:00:00.000Z",
        "level": "warning",
        "event": "slow: 2 s",
        "logger": "rusy_tui.exchange",
    }
    assert second["event"] == "filled"
    assert second["price"] == "1.10"
    assert second["side"] == "auto"


class _Gone(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    lines = logs.set_up(_Gone(), "info", _At())
    structlog.get_logger("exec").info("filled")
    logging.getLogger("rusy_tui").warning("slow")
    assert lines.lost == 2
    closed = io.StringIO()
    lines = logs.set_up(closed, "info", _At())
    closed.close()
    structlog.get_logger("exec").info("filled")
    assert lines.lost == 1


def test_an_exception_keeps_its_traceback(stream: io.StringIO) -> None:
    logs.set_up(stream, "info", _At())
    try:
        raise ValueError("no such thing")
    except ValueError:
        logging.getLogger("rusy_tui").exception("broke")
        structlog.get_logger("engine").exception("broke too")
    first, second = _lines(stream)
    assert "ValueError: no such thing" in first["traceback"]
    assert "ValueError: no such thing" in second["exception"]


async def test_news_is_told_and_the_flow_of_the_market_is_not(stream: io.StringIO) -> None:
    gate = Gate(name="stale", why="no data", opens="data", halted=False, since_ms=1)
    bar = ChartBar(0, 1.0, 2.0, 0.5, 1.5, 10.0)
    up = Connection(market_stream=True)
    up_still = Connection(market_stream=True, offset_ms=3, weight_used=9)

    async def events() -> AsyncIterator[Event]:
        yield PhaseChanged(phase="running", progress="")
        yield CandleMoved(symbol="BTCUSDT", interval="15m", bar=bar)
        yield ConnectionChanged(connection=up, symbols=(), model_version="m")
        yield ConnectionChanged(connection=up_still, symbols=(), model_version="m")
        yield GatesChanged(mode=Mode.AUTO, gates=(gate,))
        yield Logged(line=LogLine(at_ms=1, topic="risk", text="limit reached", tone="down"))

    await logs.log_events(events(), logs.set_up(stream, "info", _At()))
    told = _lines(stream)
    assert [line["event"] for line in told] == [
        "phase_changed",
        "connection_changed",
        "gates_changed",
    ]
    assert told[2]["gates"][0]["why"] == "no data"
