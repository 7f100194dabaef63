"""Small files as the exchange's archive and others lay them out, and an import of them."""

import datetime
import hashlib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from rusy_tui.clock import SystemClock
from rusy_tui.domain.candle import Interval
from rusy_tui.market.importing import sources
from rusy_tui.market.importing.importer import Importer
from rusy_tui.market.importing.report import Progress, Report
from rusy_tui.store.market_data import MarketData

# 2021-03-01 00:00 UTC.
START_MS = int(datetime.datetime(2021, 3, 1, tzinfo=datetime.UTC).timestamp() * 1000)
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)
QUARTER_MS = Interval.M15.ms


def line(number: int, interval: Interval = Interval.M15, **changed: object) -> str:
    """A sound row of the archive's klines: the bar of that number since the start."""
    opened = START_MS + number * interval.ms
    cells: dict[str, object] = {
        "open_time": opened,
        "open": f"{100 + number % 7}.10",
        "high": f"{103 + number % 7}.50",
        "low": f"{98 + number % 7}.00",
        "close": f"{101 + number % 7}.20",
        "volume": f"{10 + number % 5}.250",
        "close_time": opened + interval.ms - 1,
        "quote_volume": f"{1000 + number}.5",
        "count": 40 + number % 9,
        "taker_buy_volume": "4.125",
        "taker_buy_quote_volume": "400.25",
        "ignore": 0,
    }
    assert changed.keys() <= cells.keys()
    return ",".join(str(value) for value in (cells | changed).values())


def lines(count: int, interval: Interval = Interval.M15, first: int = 0) -> list[str]:
    """Sound rows, one after the other."""
    return [line(number, interval) for number in range(first, first + count)]


def write_csv(path: Path, rows: Iterable[str], header: str | None = HEADER) -> Path:
    """A CSV file, with a header line unless there is to be none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*([header] if header else []), *rows]) + "\n")
    return path


def write_zip(
    path: Path, rows: Iterable[str], header: str | None = HEADER, *, checksum: bool = False
) -> Path:
    """An archive of the exchange's, with its checksum beside it where asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*([header] if header else []), *rows]) + "\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.csv", text)
    if checksum:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_name(f"{path.name}.CHECKSUM").write_text(f"{digest}  {path.name}\n")
    return path


def write_parquet(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    """A Parquet file of these columns."""
    parquet.write_table(
        pa.table({name: list(values) for name, values in columns.items()}), path
    )
    return path


def ohlcv(rows: Sequence[str]) -> dict[str, Sequence[object]]:
    """The six columns of other people's recordings, of rows of the archive."""
    names = ("open_time", "open", "high", "low", "close", "volume")
    cells = [row.split(",") for row in rows]
    return {
        name: [int(row[at]) if at == 0 else float(row[at]) for row in cells]
        for at, name in enumerate(names)
    }


async def imported(
    market: MarketData, *paths: Path, given: sources.Given | None = None
) -> Report:
    """Import files; each must account for its rows."""
    found, left_out = sources.find(paths, given)
    told: list[Progress] = []
    report = await Importer(market, SystemClock(), told.append).run(found, left_out)
    assert report.read == report.stored + report.equal + report.set_aside
    assert told[-1].done == told[-1].files == len(found)
    assert told[-1].rows == report.read
    return report


def counts(report: Report) -> tuple[int, int, int, int]:
    """Rows read, stored, equal and set aside."""
    return report.read, report.stored, report.equal, report.set_aside
