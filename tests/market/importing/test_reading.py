"""Each layout as columns; what is wrong with a file, and with a line of it, is told."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from rusy_tui.market.importing import reading
from rusy_tui.market.importing.reading import Table
from rusy_tui.market.importing.report import FileRefused
from rusy_tui.market.importing.sources import Given, Kind, identify
from tests.market.importing.files import (
    HEADER,
    QUARTER_MS,
    START_MS,
    line,
    lines,
    ohlcv,
    write_csv,
    write_parquet,
    write_zip,
)


def _read(path: Path) -> Table:
    return reading.read(identify(path, Given()))


@pytest.mark.parametrize("header", [HEADER, None], ids=["header", "no-header"])
@pytest.mark.parametrize("write", [write_zip, write_csv], ids=["zip", "csv"])
def test_an_archive_is_read_with_and_without_header(
    tmp_path: Path, header: str | None, write: object
) -> None:
    name = "BTCUSDT-15m-2021-03"
    if write is write_zip:
        path = write_zip(tmp_path / f"{name}.zip", lines(5), header)
    else:
        path = write_csv(tmp_path / f"{name}.csv", lines(5), header)
    table = _read(path)
    assert table.kind is Kind.KLINES
    assert table.lines.tolist() == [number + (2 if header else 1) for number in range(5)]
    assert table.open_time_ms.tolist() == [START_MS + n * QUARTER_MS for n in range(5)]
    assert table.close_time_ms is not None
    assert table.columns["close"].tolist() == [101.2, 102.2, 103.2, 104.2, 105.2]
    assert table.columns["trades"].tolist() == [40, 41, 42, 43, 44]
    assert table.columns["taker_buy_volume"].tolist() == [4.125] * 5
    assert table.broken == {}


def test_a_checksum_beside_an_archive_is_verified(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "BTCUSDT-15m-2021-03.zip", lines(3), checksum=True)
    assert len(_read(path)) == 3
    beside = path.with_name(f"{path.name}.CHECKSUM")
    beside.write_text(f"{'0' * 64}  {path.name}\n")
    with pytest.raises(FileRefused, match="its sha256 is"):
        _read(path)
    beside.write_text("<html>not found</html>")
    with pytest.raises(FileRefused, match="holds no sha256"):
        _read(path)


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "BTCUSDT-15m-2021-03.zip", lines(200))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileRefused, match="broken zip"):
        _read(path)
    middle = len(whole) // 3
    path.write_bytes(whole[:middle] + bytes(8) + whole[middle + 8 :])
    with pytest.raises(FileRefused, match="broken zip"):
        _read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "1")
        archive.writestr("b.csv", "2")
    with pytest.raises(FileRefused, match=r"holds a\.csv, b\.csv in place of one"):
        _read(path)


def test_a_line_that_is_no_row_is_told_by_its_number(tmp_path: Path) -> None:
    rows = [
        line(0),
        line(1, volume="much"),
        "",
        line(2) + ",7",
        "<html>",
        line(3, open_time="2021-03-01 00:45"),
        line(4, count=""),
    ]
    table = _read(write_csv(tmp_path / "BTCUSDT-15m.csv", rows))
    assert table.lines.tolist() == [2, 3, 5, 6, 7, 8]
    told = {int(table.lines[row]): why for row, why in table.broken.items()}
    assert told.keys() == {3, 5, 6, 7}
    assert told[3].startswith("volume 'much' is no number")
    assert told[5].startswith("13 cells in place of 12")
    assert told[6].startswith("1 cells in place of 12")
    assert told[7].startswith("open_time '2021-03-01 00:45' is no number")
    assert np.isnan(table.columns["trades"][5])


def test_line_numbers_go_on_over_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_BLOCK", 4)
    rows = [*lines(9), line(9, high="x"), *lines(3, first=10)]
    table = _read(write_csv(tmp_path / "BTCUSDT-15m.csv", rows))
    assert table.lines.tolist() == list(range(2, 15))
    assert [int(table.lines[row]) for row in table.broken] == [11]
    assert table.open_time_ms.tolist() == [START_MS + n * QUARTER_MS for n in range(13)]


def test_times_in_microseconds_are_another_markets(tmp_path: Path) -> None:
    rows = [
        line(number, open_time=(START_MS + number * QUARTER_MS) * 1000) for number in range(3)
    ]
    path = write_zip(tmp_path / "BTCUSDT-15m-2025-03.zip", rows)
    with pytest.raises(FileRefused, match=r"microseconds.*spot"):
        _read(path)
    rows = [line(number, open_time=START_MS // 1000 + number) for number in range(3)]
    with pytest.raises(FileRefused, match="no milliseconds"):
        _read(write_csv(tmp_path / "BTCUSDT-15m.csv", rows))


def test_recordings_of_others_have_six_columns(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "BTCUSDT-15m.parquet", ohlcv(lines(4)))
    table = _read(path)
    assert table.lines.tolist() == [1, 2, 3, 4]
    assert table.columns.keys() == {"open", "high", "low", "close", "volume"}
    assert table.close_time_ms is None
    no_header = [",".join(row.split(",")[:6]) for row in lines(4)]
    same = _read(write_csv(tmp_path / "BTCUSDT-1h.csv", no_header, None))
    for name, column in table.columns.items():
        assert same.columns[name].tolist() == column.tolist()


def test_a_row_of_a_parquet_file_that_lacks_a_number_is_told(tmp_path: Path) -> None:
    columns = {name: list(values) for name, values in ohlcv(lines(4)).items()}
    columns["high"][1] = None
    columns["open_time"][2] = None
    table = _read(write_parquet(tmp_path / "BTCUSDT-15m.parquet", columns))
    assert table.broken == {1: "high has no number", 2: "open_time is empty"}


def test_funding_is_known_by_its_columns(tmp_path: Path) -> None:
    header = "calc_time,funding_interval_hours,last_funding_rate"
    rows = [f"{START_MS + n * 28_800_000 + n},8,0.000{n}" for n in range(3)]
    archive = _read(write_zip(tmp_path / "BTCUSDT-fundingRate-2021-03.zip", rows, header))
    recorded = _read(
        write_parquet(
            tmp_path / "BTCUSDT-8h.parquet",
            {"open_time": [START_MS, START_MS + 1], "funding_rate": [1e-4, -1e-4]},
        )
    )
    bare = _read(write_csv(tmp_path / "BTCUSDT-4h.csv", rows, None))
    assert archive.kind is recorded.kind is bare.kind is Kind.FUNDING
    assert archive.columns["funding_rate"].tolist() == [0, 1e-4, 2e-4]
    assert bare.columns["funding_rate"].tolist() == [0, 1e-4, 2e-4]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("BTCUSDT-15m.csv", b"", "has no rows"),
        ("BTCUSDT-15m.csv", HEADER.encode(), "has no rows"),
        ("BTCUSDT-15m.csv", b"\xff\xfe\x00", "no text"),
        ("BTCUSDT-15m.csv", b"a,b\n1,2\n", "no column open_time"),
        ("BTCUSDT-15m.csv", b"1614556800000,1,2,3,4\n", "5 columns and no header"),
        ("BTCUSDT-15m.parquet", b"PAR1 not", "as Parquet"),
    ],
)
def test_a_file_that_is_something_else_is_refused(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileRefused, match=why):
        _read(tmp_path / name)
