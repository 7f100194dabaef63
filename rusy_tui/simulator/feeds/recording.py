"""Recorded candles and funding rates, read from Parquet or CSV and checked.

The one module that knows pyarrow. Everything wrong with a file is a
:class:`~rusy_tui.domain.errors.UsageError` that names the file, the column or the moment,
and the remedy: what is replayed was named on a command line.
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.feeds.columns import Columns, Floats, Times

# The order of the exchange's own kline files and replies, which come without a header too.
_KLINE_ORDER = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "trades",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
_FUNDING_ORDER = ("open_time", "funding_rate")
_OTHER_NAMES = {
    "count": "trades",
    "number_of_trades": "trades",
    "taker_buy_base_asset_volume": "taker_buy_volume",
    "quote_asset_volume": "quote_volume",
    "calc_time": "open_time",
    "funding_time": "open_time",
    "last_funding_rate": "funding_rate",
}
_NEEDED = ("open", "high", "low", "close", "volume")
_OPTIONAL = ("quote_volume", "trades", "taker_buy_volume")
_NAME = re.compile(r"(?P<symbol>[A-Za-z0-9]+)-(?P<interval>\d+[smhdwM])(?:-.*)?$")
# Ms since the epoch have 13 digits until the year 2286; the exchange's newer files have 16.
_FIRST_MICROSECOND = 10**14


def utc(time_ms: int) -> str:
    """A moment as a person types it."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")


def read_recording(
    path: Path, symbol: str | None = None, interval: Interval | None = None
) -> Columns:
    """The bars of a Parquet or CSV file.

    Args:
        path: named like ``BTCUSDT-15m.parquet`` unless both of the following are given.
        symbol: in place of the name's.
        interval: in place of the name's.

    Raises:
        UsageError: the file can't be read or is not a recording of candles.
    """
    symbol, interval = _identity(path, symbol, interval)
    columns = _columns(path, _KLINE_ORDER)
    for name in ("open_time", *_NEEDED):
        if name not in columns:
            raise UsageError(
                f"{path}: no column {name!r}; it has {', '.join(columns)}. A recording needs "
                f"open_time, {', '.join(_NEEDED)}"
            )
    needed = {name: _floats(path, name, columns[name]) for name in _NEEDED}
    optional = {
        name: _floats(path, name, columns[name]) for name in _OPTIONAL if name in columns
    }
    recording = Columns(
        symbol,
        interval,
        _times(path, columns["open_time"]),
        *(needed[name] for name in _NEEDED),
        *(optional.get(name) for name in _OPTIONAL),
    )
    _check_order(path, recording)
    _check_values(path, recording)
    return recording


def read_funding(path: Path) -> dict[int, float]:
    """Funding rates by funding time (ms since the epoch, to the minute), as a fraction.

    Recorded funding times are some milliseconds late; they are rounded to the minute.

    Raises:
        UsageError: the file can't be read or has no such columns.
    """
    columns = _columns(path, _FUNDING_ORDER)
    for name in _FUNDING_ORDER:
        if name not in columns:
            raise UsageError(
                f"{path}: no column {name!r}; it has {', '.join(columns)}. A funding file "
                f"needs {' and '.join(_FUNDING_ORDER)}"
            )
    times = (_times(path, columns["open_time"]) + 30_000) // 60_000 * 60_000
    rates = _floats(path, "funding_rate", columns["funding_rate"])
    return dict(zip(times.tolist(), rates.tolist(), strict=True))


def _identity(
    path: Path, symbol: str | None, interval: Interval | None
) -> tuple[str, Interval]:
    match = _NAME.match(path.stem)
    if symbol is None:
        if match is None:
            raise UsageError(
                f"{path}: the name tells no symbol; name it like BTCUSDT-15m.parquet or give "
                "the symbol (--symbol)"
            )
        symbol = match["symbol"]
    if interval is None:
        if match is None:
            raise UsageError(
                f"{path}: the name tells no interval; name it like BTCUSDT-15m.parquet or "
                "give the interval (--interval)"
            )
        if match["interval"] not in set(Interval):
            raise UsageError(
                f"{path}: bars of {match['interval']} can't be played; record "
                f"{', '.join(Interval)} instead"
            )
        interval = Interval(match["interval"])
    return symbol.upper(), interval


def _columns(path: Path, order: tuple[str, ...]) -> dict[str, Any]:
    """The file's columns by our names, as arrow arrays."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give a .parquet or .csv file of candles")
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            table = parquet.read_table(path)
        elif suffix == ".csv":
            table = _read_csv(path, order)
        else:
            raise UsageError(f"{path}: not a .parquet or .csv file")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: can't be read as {suffix}: {error}") from error
    if table.num_rows == 0:
        raise UsageError(f"{path}: has no rows")
    names = [
        _OTHER_NAMES.get(name.strip().lower(), name.strip().lower())
        for name in table.schema.names
    ]
    return dict(zip(names, table.columns, strict=True))


def _read_csv(path: Path, order: tuple[str, ...]) -> Any:
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline().strip().split(",")
    if first[0].strip().strip('"').isdigit():
        if len(first) > len(order):
            raise UsageError(
                f"{path}: {len(first)} columns without a header; the exchange's order has "
                f"{len(order)}. Give the file a header"
            )
        return csv.read_csv(path, csv.ReadOptions(column_names=list(order[: len(first)])))
    return csv.read_csv(path)


def _times(path: Path, column: Any) -> Times:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms")).cast(pa.int64())
    if not pa.types.is_integer(column.type) or column.null_count:
        raise UsageError(
            f"{path}: open_time is {column.type} with {column.null_count} empty cells; it must "
            "be ms since the epoch in every row"
        )
    times: Times = column.to_numpy().astype(np.int64)
    times[times >= _FIRST_MICROSECOND] //= 1000
    return times


def _floats(path: Path, name: str, column: Any) -> Floats:
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise UsageError(f"{path}: column {name!r} is {column.type}; it must be numbers")
    values: Floats = column.to_numpy().astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise UsageError(
            f"{path}: column {name!r} has no number in row {bad[0] + 1} ({len(bad)} rows so)"
        )
    return values


def _check_order(path: Path, recording: Columns) -> None:
    """Ascending, without duplicates, and spaced as the interval says."""
    times = recording.open_time_ms
    steps = np.diff(times)
    bad = np.flatnonzero(steps <= 0)
    if len(bad):
        raise UsageError(
            f"{path}: the bar after {utc(int(times[bad[0]]))} opens at "
            f"{utc(int(times[bad[0] + 1]))}; sort the file and drop duplicates"
        )
    interval = recording.interval
    least = int(steps.min()) if len(steps) else interval.ms
    if least < interval.ms or bool(np.any(times % interval.ms)):
        raise UsageError(
            f"{path}: its bars are not on a grid of {interval} (some are {least // 1000} s "
            "apart); give the true interval (--interval)"
        )
    if len(steps) and least > interval.ms:
        raise UsageError(
            f"{path}: its bars are at least {least // 1000} s apart, not {interval}; give the "
            "true interval (--interval)"
        )


def _check_values(path: Path, recording: Columns) -> None:
    """Prices above zero, high and low around the rest, no negative amount."""
    low, high = recording.low, recording.high
    body_low = np.minimum(recording.open, recording.close)
    body_high = np.maximum(recording.open, recording.close)
    tests = {
        "a price of zero or less": low <= 0,
        "a low above its open or close": low > body_low,
        "a high below its open or close": high < body_high,
        "a negative volume": recording.volume < 0,
        "a move without volume": (recording.volume == 0) & (low != high),
    }
    if recording.taker_buy_volume is not None:
        tests["more bought by takers than traded"] = (
            recording.taker_buy_volume > recording.volume
        ) | (recording.taker_buy_volume < 0)
    if recording.trades is not None:
        tests["a negative count of trades"] = recording.trades < 0
    for what, rows in tests.items():
        bad = np.flatnonzero(rows)
        if len(bad):
            raise UsageError(
                f"{path}: {what} in the bar of "
                f"{utc(int(recording.open_time_ms[bad[0]]))} ({len(bad)} bars so); repair or "
                "replace the file"
            )
