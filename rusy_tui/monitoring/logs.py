"""One JSON line an event, for headless engines and for the engine's own log file.

Times come from the engine's clock: ``market`` is the time of the market the engine trades,
``wall`` the machine's.
"""

import datetime
import io
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, TextIO

import msgspec
import structlog

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.events import (
    BarClosed,
    ChartLoaded,
    ConnectionChanged,
    Event,
    GatesChanged,
    PaceChanged,
    PhaseChanged,
    Predicted,
    ProposalChanged,
    TradeChanged,
    conflation_key,
)

# What JSON has no form for is still worth a word in a log.
_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonLines:
    """Writes records as JSON lines on a stream, at once.

    Args:
        stream: where the lines go.
        clock: stamps them.
    """

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self.lost = 0

    def use(self, clock: Clock) -> None:
        """Stamp with another clock from now on: a simulated market's is known late."""
        self._clock = clock

    def write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """One line: when, how bad, what, and the figures.

        A log that can't be written (its reader has gone, the disk is full) must never stop
        what it tells of: the line is counted as lost, and the rest goes on.
        """
        record: dict[str, Any] = {
            "wall": iso(self._clock.wall_ms()),
            "market": iso(self._clock.market_ms()),
            "level": level,
            "event": event,
            **fields,
        }
        line = _encoder.encode(record).decode() + "\n"
        try:
            self._stream.write(line)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self.lost += 1


class JsonHandler(logging.Handler):
    """Sends what libraries and our own parts log to JSON lines."""

    def __init__(self, lines: JsonLines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info:
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._lines.write(record.levelname.lower(), record.getMessage(), fields)


class _Sink:
    """Where structlog's loggers end: a line each, under the name they were asked for by."""

    def __init__(self, lines: JsonLines, name: str = "rusy") -> None:
        self._lines = lines
        self._name = name

    def debug(self, event: str, **fields: Any) -> None:
        self._lines.write("debug", event, {"logger": self._name, **fields})

    def info(self, event: str, **fields: Any) -> None:
        self._lines.write("info", event, {"logger": self._name, **fields})

    def warning(self, event: str, **fields: Any) -> None:
        self._lines.write("warning", event, {"logger": self._name, **fields})

    def error(self, event: str, **fields: Any) -> None:
        self._lines.write("error", event, {"logger": self._name, **fields})

    critical = error
    exception = error


def set_up(stream: TextIO, level: str, clock: Clock) -> JsonLines:
    """Send everything that is logged to a stream, one JSON line each.

    Args:
        stream: standard output of a headless engine, or its standard error.
        level: the least severe that is kept: debug, info, warning or error.
        clock: stamps the lines.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    lines = JsonLines(stream, clock)
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(JsonHandler(lines))
    root.setLevel(level.upper())
    structlog.configure(
        processors=[structlog.processors.format_exc_info],
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        logger_factory=lambda *names: _Sink(lines, *names),
        cache_logger_on_first_use=False,
    )
    # Libraries are heard when something is wrong; our own parts say what they do.
    for chatty in ("aiohttp", "asyncio", "binance", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return lines


async def log_events(events: AsyncIterator[Event], lines: JsonLines) -> None:
    """Write every event that a person might look for later; quotes and candles are not."""
    connected: tuple[bool, ...] = ()
    async for event in events:
        if isinstance(event, ConnectionChanged):
            # Ages and weights change all the time; being connected or not is the news.
            link = event.connection
            now = (link.market_stream, link.user_stream, link.database)
            if now == connected:
                continue
            connected = now
        if (fields := fields_of(event)) is not None:
            lines.write("info", _name(event), fields)


def fields_of(event: Event) -> dict[str, Any] | None:
    """What the log tells of an event; None for those that are no news."""
    if conflation_key(event) is not None:
        return None
    match event:
        case BarClosed(symbol=symbol, interval=interval, bar=bar):
            opened = iso(bar.open_time_ms)
            return {"symbol": symbol, "interval": interval, "open": opened, "close": bar.close}
        case ChartLoaded(chart=chart):
            return {
                "symbol": chart.symbol,
                "interval": chart.interval,
                "bars": len(chart.bars),
            }
        case (
            PhaseChanged()
            | Predicted()
            | ProposalChanged()
            | TradeChanged()
            | GatesChanged()
            | ConnectionChanged()
            | PaceChanged()
        ):
            fields = msgspec.to_builtins(event)
            fields.pop("type", None)
            return dict(fields)
        case _:
            # A snapshot tells nothing that was not an event before, and what the engine
            # says to watchers it logs itself.
            return None


def iso(ms: int) -> str:
    """A moment in ISO 8601, UTC, to the millisecond."""
    moment = datetime.datetime.fromtimestamp(ms / 1000, tz=datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _name(event: Event) -> str:
    """bar_closed for BarClosed."""
    name = type(event).__name__
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")
