"""`rusy import` of the recordings, by the real command: every row, gap and hour accounted for.

The expectations are worked out here from the files themselves, with nothing of ours.
"""

import asyncio
import datetime
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest
from pyarrow import compute, parquet

from rusy_tui.clock import SystemClock
from rusy_tui.store.embedded import EmbeddedServer
from tests.system.driving import Home

pytestmark = [pytest.mark.verify, pytest.mark.needs("recordings"), pytest.mark.timeout(900)]

_FOLDERS = ("klines", "klines-1m", "funding")
_WITHIN_S = 600.0
_COLUMNS = ("open", "high", "low", "close", "volume")


@pytest.fixture
def files(recordings: Path) -> list[Path]:
    """What is imported."""
    return sorted(path for name in _FOLDERS for path in (recordings / name).glob("*.parquet"))


def _imported(home: Home, *paths: Path) -> dict[str, Any]:
    done = home.rusy("import", *map(str, paths), "--json", within_s=_WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "importing into the market data of live" in done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _tables(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """All that an import writes, read by a bare client: whole tables, or sums of large ones."""

    async def read() -> dict[str, list[tuple[Any, ...]]]:
        (folder,) = home.folder.glob("engine/live/database")
        server = EmbeddedServer(folder, SystemClock())
        address = await server.start()
        try:
            connection = await asyncpg.connect(**address.arguments())
            try:
                return {
                    name: [tuple(row) for row in await connection.fetch(query)]
                    for name, query in _QUERIES.items()
                }
            finally:
                await connection.close()
        finally:
            await server.release()

    return asyncio.run(read())


_MS = "(extract(epoch FROM open_time) * 1000)::bigint"
_QUERIES = {
    "rows": "SELECT symbol, timeframe, source, count(*) FROM market_data GROUP BY 1, 2, 3"
            " ORDER BY 1, 2, 3",
    "bars": "SELECT symbol, timeframe, md5(string_agg(md5(b::text), '' ORDER BY open_time))"
            " FROM market_data AS b GROUP BY 1, 2 ORDER BY 1, 2",
    "built": f"SELECT symbol, timeframe, {_MS}, open, high, low, close, volume, quote_volume,"
             " trades, taker_buy_volume FROM market_data WHERE source = 'built'"
             " ORDER BY 1, 2, 3",
    "recorded": f"SELECT symbol, timeframe, {_MS}, open, high, low, close, volume"
                " FROM market_data WHERE source = 'file' AND timeframe <> '1m'"
                " ORDER BY 1, 2, 3",
    "revisions": "SELECT * FROM market_data_revisions",
    "findings": "SELECT symbol, timeframe, open_time, until_time, kind, cure, detail, found_at"
                " FROM findings ORDER BY 1, 2, 3, 5",
    "funding": "SELECT rate FROM funding_rates WHERE symbol = 'BTCUSDT' ORDER BY at",
}  # fmt: skip


def _months_between(files: list[Path]) -> list[tuple[str, int, int]]:
    """The spans, by symbol, between the monthly files of minutes: what must be told."""
    have: dict[str, set[tuple[int, int]]] = {}
    for path in files:
        if "-1m-" in path.name:
            symbol, _, year, month = path.stem.split("-")
            have.setdefault(symbol, set()).add((int(year), int(month)))
    gaps = []
    for symbol, months in sorted(have.items()):
        begin: int | None = None
        each = min(months)
        while each <= max(months):
            first = datetime.datetime(*each, 1, tzinfo=datetime.UTC)
            first_ms = int(first.timestamp() * 1000)
            if each in months and begin is not None:
                gaps.append((symbol, begin, first_ms))
                begin = None
            elif each not in months and begin is None:
                begin = first_ms
            each = (each[0] + each[1] // 12, each[1] % 12 + 1)
    return gaps


def _hours_that_differ(klines: Path) -> tuple[int, list[int]]:
    """Of BTCUSDT: how many hours have four quarters, and which are not what those make."""
    quarters = parquet.read_table(klines / "BTCUSDT-15m.parquet").sort_by("open_time")
    hour = compute.multiply(compute.divide(quarters["open_time"], 3_600_000), 3_600_000)
    made = (
        quarters.append_column("hour", hour)
        .group_by("hour", use_threads=False)
        .aggregate(
            [("open", "first"), ("high", "max"), ("low", "min"), ("close", "last"),
             ("volume", "sum"), ("open_time", "count")]
        )
    )  # fmt: skip
    made = made.filter(compute.equal(made["open_time_count"], 4))
    whole = parquet.read_table(klines / "BTCUSDT-1h.parquet")
    both = whole.join(made, "open_time", "hour", join_type="inner").sort_by("open_time")
    wrong = np.zeros(len(both), bool)
    for name, how in zip(_COLUMNS, ("first", "max", "min", "last", "sum"), strict=True):
        one, other = both[name].to_numpy(), both[f"{name}_{how}"].to_numpy()
        wrong |= ~np.isclose(one, other, rtol=1e-6 if name == "volume" else 0, atol=0)
    return len(both), both["open_time"].to_numpy()[wrong].tolist()


def _built_apart(files: list[Path]) -> Iterator[tuple[str, str, np.ndarray[Any, Any]]]:
    """Quarters and hours of the minutes by symbol, made by Arrow's own grouping."""
    symbols = sorted({path.name.partition("-")[0] for path in files if "-1m-" in path.name})
    names = (
        "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume",
    )  # fmt: skip
    how = ("first", "max", "min", "last", "sum", "sum", "sum", "sum")
    for symbol in symbols:
        minutes = parquet.read_table(
            [path for path in files if path.name.startswith(f"{symbol}-1m-")]
        ).sort_by("open_time")
        for timeframe, span_ms in (("15m", 900_000), ("1h", 3_600_000)):
            key = compute.multiply(compute.divide(minutes["open_time"], span_ms), span_ms)
            made = (
                minutes.append_column("key", key)
                .group_by("key", use_threads=False)
                .aggregate([*zip(names, how, strict=True), ("open_time", "count")])
            )
            whole = compute.equal(made["open_time_count"], span_ms // 60_000)
            made = made.filter(whole).sort_by("key")
            columns = ["key", *(f"{n}_{h}" for n, h in zip(names, how, strict=True))]
            yield (
                symbol,
                timeframe,
                np.stack([made[name].to_numpy().astype(float) for name in columns], axis=1),
            )


def test_the_recordings_are_imported_whole_and_twice_the_same(
    home: Home, recordings: Path, files: list[Path]
) -> None:
    first = _imported(home, *(recordings / name for name in _FOLDERS))
    rows = {path: parquet.ParquetFile(path).metadata.num_rows for path in files}

    # Every row of every file is stored; the recordings have none that breaks a rule.
    assert first["files"] == len(files)
    assert first["failed"] == []
    assert {Path(each["path"]): each["read"] for each in first["by_file"]} == rows
    for each in (first, *first["by_file"]):
        assert each["read"] == each["stored"] + each["equal"] + each["set_aside"]
    assert (first["read"], first["stored"]) == (sum(rows.values()), sum(rows.values()))

    # The gaps are the months between the files of minutes, and no others.
    gaps = [
        (gap["symbol"], gap["interval"], gap["from_ms"], gap["until_ms"])
        for gap in first["gaps"]
    ]
    assert gaps == [(symbol, "1m", *span) for symbol, *span in _months_between(files)]
    assert len(gaps) > 10

    # Ten of BTCUSDT's hours are not their quarters.
    overlap, wrong = _hours_that_differ(recordings / "klines")
    assert (overlap, len(wrong)) == (13_848, 10)
    assert first["compared"]["BTCUSDT"] == overlap
    assert [
        (each["symbol"], each["interval"], each["open_time_ms"]) for each in first["differing"]
    ] == [("BTCUSDT", "1h", time_ms) for time_ms in wrong]

    tables = _tables(home)
    assert sum(count for *_, source, count in tables["rows"] if source == "file") == sum(
        count for path, count in rows.items() if path.parent.name != "funding"
    )
    _hold_built(tables["built"], files)
    assert tables["revisions"] == []
    differing = [row for row in tables["findings"] if row[4] == "hour differs"]
    assert [int(row[2].timestamp() * 1000) for row in differing] == wrong
    _hold_recorded(tables["recorded"], files)
    paid = parquet.read_table(recordings / "funding" / "BTCUSDT-8h.parquet")
    rates = paid.sort_by("open_time")["funding_rate"].to_pylist()
    assert len(rates) == 1731
    assert tables["funding"] == [(rate,) for rate in rates]

    # Once more: all of it is known, nothing is changed.
    second = _imported(home, *(recordings / name for name in _FOLDERS))
    assert (second["read"], second["equal"]) == (first["read"], first["read"])
    assert {each["stored"] for each in second["built"]} == {0}
    assert second["gaps"] == first["gaps"]
    assert second["differing"] == first["differing"]
    assert _tables(home) == tables
    print(  # noqa: T201  # the acceptance shows its figures
        f"{first['read']:,} rows of {first['files']} files, twice: {len(gaps)} gaps, "
        f"{len(wrong)} of {overlap:,} hours differ, {len(tables['built']):,} bars built"
    )


def _hold_recorded(stored: list[tuple[Any, ...]], files: list[Path]) -> None:
    """The bars that were stored against those in the files; of the minutes, what is built."""
    wanted = [path for path in files if path.parent.name == "klines"]
    recorded = list[tuple[Any, ...]]()
    for path in wanted:
        table = parquet.read_table(path).sort_by("open_time")
        columns = (table[name].to_pylist() for name in ("open_time", *_COLUMNS))
        key = tuple(path.stem.split("-"))
        recorded += [(*key, *row) for row in zip(*columns, strict=True)]
    assert stored == recorded


def _hold_built(built: list[tuple[Any, ...]], files: list[Path]) -> None:
    """The bars that were built against those that Arrow makes of the same minutes."""
    found: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for symbol, timeframe, *figures in built:
        found.setdefault((symbol, timeframe), []).append(tuple(figures))
    judged = 0
    for symbol, timeframe, apart in _built_apart(files):
        if (symbol, timeframe) == ("LINKUSDT", "15m"):
            continue  # a recording has these quarters, and built ones don't replace them
        ours = np.array(found.pop((symbol, timeframe)), dtype=float)
        assert ours.shape == apart.shape, (symbol, timeframe)
        assert (ours[:, :5] == apart[:, :5]).all(), (symbol, timeframe)
        np.testing.assert_allclose(ours[:, 5:], apart[:, 5:], rtol=1e-9)
        judged += len(ours)
    assert found == {}
    assert judged == len(built) > 100_000


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_an_interrupted_import_goes_on_by_the_same_command(
    home: Home, recordings: Path, told: signal.Signals
) -> None:
    paths = sorted((recordings / "klines-1m").glob("NEARUSDT-*.parquet"))
    process = subprocess.Popen(
        [*home.program, "import", *map(str, paths)],
        env=home.environ,
        cwd=home.work,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = [process.stderr.readline()]
    said.append(process.stderr.readline())  # the first figures: rows are in the table
    process.send_signal(told)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, [*said, rest]
    assert "the same command goes on" in rest
    assert home.processes() == []
    before = sum(count for *_, count in _tables(home)["rows"])
    assert before > 0
    result = _imported(home, *paths)
    assert result["equal"] >= before
    assert result["read"] == result["stored"] + result["equal"]
