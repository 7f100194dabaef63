"""Files as columns: archives, CSV with and without header, Parquet.

The one module of the package that knows how a file is laid out. What is wrong with a cell is
kept with its row; what is wrong with a file as a whole is a :class:`FileRefused`.
"""

import csv
import hashlib
import io
import itertools
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.bars import Floats, Times
from rusy_tui.market.importing.report import FileRefused
from rusy_tui.market.importing.sources import Kind, Source

# The order of the archive's own files, which had no header line until 2022.
KLINE_ORDER = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume",
    "trades", "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
# Funding archives have always had a header; without one, this order or time and rate alone.
_FUNDING_ORDERS = {
    3: ("open_time", "funding_interval_hours", "funding_rate"),
    2: ("open_time", "funding_rate"),
}
# Names that the archive, the exchange's client libraries and other recorders give.
_OTHER_NAMES = {
    "timestamp": "open_time",
    "count": "trades",
    "number_of_trades": "trades",
    "quote_asset_volume": "quote_volume",
    "taker_buy_base_asset_volume": "taker_buy_volume",
    "calc_time": "open_time",
    "funding_time": "open_time",
    "last_funding_rate": "funding_rate",
}
PRICES = ("open", "high", "low", "close")
_NEEDED = {
    Kind.KLINES: (*PRICES, "volume"),
    Kind.MARK_PRICES: PRICES,
    Kind.FUNDING: ("funding_rate",),
}
_OPTIONAL = {
    Kind.KLINES: ("quote_volume", "trades", "taker_buy_volume"),
    Kind.MARK_PRICES: ("volume",),
    Kind.FUNDING: ("mark_price",),
}
_TIMES = ("open_time", "close_time")
# Ms since the epoch have 13 digits from 2001 to 2286.
_FIRST_MS, _LAST_MS = 10**12, 10**13
_BLOCK = 50_000
# A month of minutes unpacks to 5 MB.
_LARGEST = 4 * 1024**3


@dataclass(slots=True)
class Table:
    """The rows of a file, as they stand there.

    ``lines`` are line numbers (of a Parquet file row numbers) from 1. ``columns`` are those
    the file has, NaN where a cell has no number. ``broken`` tells by row, from 0, why it
    can't be read; its time is 0 where that is what can't be read.
    """

    kind: Kind
    lines: Times
    open_time_ms: Times
    close_time_ms: Times | None
    columns: dict[str, Floats]
    broken: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)


def read(source: Source) -> Table:
    """All rows of a file.

    Raises:
        FileRefused: it can't be read, is damaged, or holds something else.
    """
    path = source.path
    try:
        _verify(path)
        if path.suffix.lower() == ".parquet":
            table = _read_parquet(path, source.kind)
        else:
            data = _unpacked(path) if source.archive else path.read_bytes()
            table = _read_csv(path, data, source.kind)
    except OSError as error:
        raise FileRefused(f"{path}: can't be read: {error.strerror or error}") from error
    if not len(table):
        raise FileRefused(f"{path}: has no rows")
    _refuse_other_times(path, table.open_time_ms)
    return table


def _verify(path: Path) -> None:
    """Hold a file to the checksum that lies beside it, where one does."""
    beside = path.with_name(path.name + ".CHECKSUM")
    if not beside.is_file():
        return
    wanted = beside.read_text(encoding="utf-8", errors="replace").partition(" ")[0].strip()
    if len(wanted) != 64 or any(digit not in "0123456789abcdef" for digit in wanted.lower()):
        raise FileRefused(f"{path}: {beside.name} holds no sha256; fetch both again")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted.lower():
        raise FileRefused(
            f"{path}: its sha256 is {found}, {beside.name} says {wanted}; fetch both again"
        )


def _unpacked(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            if len(members) != 1 or not members[0].filename.lower().endswith(".csv"):
                names = ", ".join(each.filename for each in members[:3]) or "nothing"
                raise FileRefused(f"{path}: holds {names} in place of one .csv file")
            if members[0].file_size > _LARGEST:
                raise FileRefused(f"{path}: unpacks to {members[0].file_size} bytes")
            return archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise FileRefused(f"{path}: a broken zip file: {error}; fetch it again") from error
    except RuntimeError as error:  # zipfile's own word for a password
        raise FileRefused(f"{path}: {error}") from error


# --- text ---------------------------------------------------------------------------------


def _read_csv(path: Path, data: bytes, kind: Kind | None) -> Table:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused(f"{path}: no text: {error}") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    rows = ((reader.line_num, cells) for cells in reader if cells)
    try:
        first = next(rows, None)
        if first is None:
            raise FileRefused(f"{path}: has no rows")
        names, headed = _names(path, first[1], kind)
        kind = _decided(path, kind, names)
        rest = rows if headed else itertools.chain([first], rows)
        return _joined(kind, list(_blocks(kind, names, rest)))
    except csv.Error as error:
        raise FileRefused(f"{path}: line {reader.line_num}: {error}") from error


def _names(path: Path, cells: Sequence[str], kind: Kind | None) -> tuple[list[str], bool]:
    """Our names for the columns, and whether the line is a header."""
    if not _is_whole(cells[0]):
        return [_ours(cell) for cell in cells], True
    if kind is Kind.FUNDING or len(cells) in _FUNDING_ORDERS:
        order = _FUNDING_ORDERS.get(len(cells))
    else:
        order = KLINE_ORDER[: len(cells)] if 6 <= len(cells) <= len(KLINE_ORDER) else None
    if order is None:
        raise FileRefused(
            f"{path}: {len(cells)} columns and no header line, which is no order of the "
            "exchange's; give it a header"
        )
    return list(order), False


def _blocks(
    kind: Kind, names: Sequence[str], rows: Iterator[tuple[int, list[str]]]
) -> Iterator[Table]:
    while block := list(itertools.islice(rows, _BLOCK)):
        yield _block(kind, names, block)


def _block(kind: Kind, names: Sequence[str], rows: list[tuple[int, list[str]]]) -> Table:
    width = len(names)
    broken: dict[int, str] = {}
    for row, (_, cells) in enumerate(rows):
        if len(cells) != width:
            broken[row] = f"{len(cells)} cells in place of {width}: {_shown(cells)}"
            cells[:] = [*cells[:width], *[""] * (width - len(cells))]
    times = {
        name: _converted(rows, names.index(name), int, np.dtype(np.int64), name, broken)
        for name in _TIMES
        if name in names
    }
    columns = {
        name: _converted(
            rows,
            names.index(name),
            _number if name in _NEEDED[kind] else _number_or_absent,
            np.dtype(np.float64),
            name,
            broken,
        )
        for name in (*_NEEDED[kind], *_OPTIONAL[kind])
        if name in names
    }
    lines = np.fromiter((line for line, _ in rows), np.int64, len(rows))
    return Table(kind, lines, times["open_time"], times.get("close_time"), columns, broken)


def _converted(
    rows: list[tuple[int, list[str]]],
    place: int,
    convert: Callable[[str], Any],
    kind: "np.dtype[Any]",
    name: str,
    broken: dict[int, str],
) -> NDArray[Any]:
    """A column of cells as numbers; a cell that is none is noted for its row."""
    try:
        return np.fromiter((convert(cells[place]) for _, cells in rows), kind, len(rows))
    except (ValueError, OverflowError):
        pass  # one cell or more; which ones is looked up below
    nothing = 0 if kind.kind == "i" else math.nan
    column = np.full(len(rows), nothing, kind)
    for row, (_, cells) in enumerate(rows):
        try:
            column[row] = convert(cells[place])
        except (ValueError, OverflowError):
            broken.setdefault(row, f"{name} {cells[place]!r} is no number: {_shown(cells)}")
    return column


def _number(cell: str) -> float:
    return float(cell)


def _number_or_absent(cell: str) -> float:
    return float(cell) if cell else math.nan


def _shown(cells: Sequence[str]) -> str:
    text = ",".join(cells)
    return text if len(text) <= 160 else text[:160] + "…"


def _is_whole(cell: str) -> bool:
    return cell.strip().lstrip("-").isdecimal()


# --- Parquet ------------------------------------------------------------------------------


def _read_parquet(path: Path, kind: Kind | None) -> Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            theirs = {_ours(name): name for name in file.schema_arrow.names}
            kind = _decided(path, kind, list(theirs))
            wanted = [
                name for name in (*_TIMES, *_NEEDED[kind], *_OPTIONAL[kind]) if name in theirs
            ]
            table = file.read([theirs[name] for name in wanted])
        broken: dict[int, str] = {}
        times = {
            name: _parquet_times(table[theirs[name]], name, broken)
            for name in _TIMES
            if name in wanted
        }
        columns = {
            name: table[theirs[name]].cast(pa.float64()).to_numpy().astype(np.float64)
            for name in wanted
            if name not in _TIMES
        }
    except (pa.ArrowException, OSError) as error:
        raise FileRefused(f"{path}: can't be read as Parquet: {error}") from error
    for name in _NEEDED[kind]:
        for row in np.flatnonzero(np.isnan(columns[name])).tolist():
            broken.setdefault(row, f"{name} has no number")
    lines = np.arange(1, table.num_rows + 1, dtype=np.int64)
    return Table(kind, lines, times["open_time"], times.get("close_time"), columns, broken)


def _parquet_times(column: Any, name: str, broken: dict[int, str]) -> Times:
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms"), safe=False)
    for row in np.flatnonzero(compute.is_null(column).to_numpy()).tolist():
        broken.setdefault(row, f"{name} is empty")
    times: Times = compute.fill_null(column.cast(pa.int64()), 0).to_numpy().astype(np.int64)
    return times


# --- both ---------------------------------------------------------------------------------


def _ours(name: str) -> str:
    plain = name.strip().lower()
    return _OTHER_NAMES.get(plain, plain)


def _decided(path: Path, kind: Kind | None, names: Sequence[str]) -> Kind:
    """What the columns are of; the file must have all that are needed for it."""
    if kind is None:
        kind = Kind.FUNDING if "funding_rate" in names else Kind.KLINES
    missing = [name for name in ("open_time", *_NEEDED[kind]) if name not in names]
    if missing:
        raise FileRefused(
            f"{path}: no column {', '.join(missing)} for {kind}; it has {', '.join(names)}"
        )
    return kind


def _joined(kind: Kind, blocks: list[Table]) -> Table:
    starts = itertools.accumulate((len(block) for block in blocks), initial=0)
    broken = {
        start + row: why
        for start, block in zip(starts, blocks, strict=False)
        for row, why in block.broken.items()
    }
    if not blocks:
        empty = np.empty(0, np.int64)
        return Table(kind, empty, empty, None, {})
    closes = [block.close_time_ms for block in blocks if block.close_time_ms is not None]
    return Table(
        kind,
        np.concatenate([block.lines for block in blocks]),
        np.concatenate([block.open_time_ms for block in blocks]),
        np.concatenate(closes) if closes else None,
        {
            name: np.concatenate([block.columns[name] for block in blocks])
            for name in blocks[0].columns
        },
        broken,
    )


def plausible(times: Times) -> NDArray[np.bool_]:
    """Which times can be milliseconds of this exchange's life."""
    return (times >= _FIRST_MS) & (times < _LAST_MS)


def _refuse_other_times(path: Path, times: Times) -> None:
    """Refuse a file whose times are in another unit; single rows are judged with the rest.

    The exchange's USD-M archives are in milliseconds to this day; those of its spot market
    have been in microseconds since 2025-01-01. The two have the same names, and the bars of
    one are wrong for the other.
    """
    known = times[times != 0]
    if not len(known) or plausible(known).any():
        return
    if bool((known >= 10**15).all()):
        raise FileRefused(
            f"{path}: its times are in microseconds or finer, as in the archive of the spot "
            "market since 2025; those of USD-M futures are in milliseconds"
        )
    raise FileRefused(f"{path}: its times ({known[0]}, …) are no milliseconds since 1970")
