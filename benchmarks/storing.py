"""Candles into the database and out of it, against the bare driver on the same server.

The server is a fresh one that need not survive a power cut (no fsync), for both sides alike.
The bars are the recorded ones of LINKUSDT where recordings are, else as many made ones.
"""

import asyncio
import datetime
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np

from benchmarks.measuring import Row, median, quantile, row_of_costs, row_of_rates
from rusy_tui.clock import SystemClock
from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.ensemble import registry
from rusy_tui.store.embedded import temporary_server
from rusy_tui.store.store import Store

# Of LINKUSDT 15m from 2023-01-01 to 2025-06-30.
BARS = 87_552
# Candles one by one: as many as fill their statements often enough.
ROWS = 20_000
WINDOWS = 1000
# As many as the cheapest call of the exchange gives.
_PAGE = 499
_RUNS = 5
_START_MS = 1_672_531_200_000
_SYMBOL = "LINKUSDT"
_STEP_MS = Interval.M15.ms
_WRITTEN = ["venue", "symbol", "timeframe", "open_time", *COLUMNS, "source"]

_SAME_ROWS = f"""
SELECT open_time, {", ".join(COLUMNS)} FROM market_data
WHERE venue = $1 AND symbol = $2 AND timeframe = $3 AND open_time < $4
ORDER BY open_time DESC LIMIT $5
"""
_ALL_ROWS = f"""
SELECT open_time, {", ".join(COLUMNS)} FROM market_data
WHERE venue = 'bench' AND symbol = '{_SYMBOL}' AND timeframe = '15m' ORDER BY open_time
"""


def measure() -> list[Row]:
    """Rows a second into the table and out of it, and milliseconds of windows."""
    return asyncio.run(_measure())


async def _measure() -> list[Row]:
    clock = SystemClock()
    async with temporary_server(clock) as address:
        store = await Store.open(address, clock, "bench", "bench")
        bare = await asyncpg.connect(**address.arguments())
        try:
            await bare.execute("CREATE TABLE bare AS SELECT * FROM market_data WITH NO DATA")
            bars = _bars()
            return [
                *await _written(store, bare, bars),
                *await _windows(store, bare, bars),
                *await _range(store, bare, bars),
            ]
        finally:
            await bare.close()
            await store.close()


async def _written(store: Store, bare: asyncpg.Connection, bars: Bars) -> list[Row]:
    records, candles = _records(bars), _candles(bars[:ROWS])
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "bare": lambda: bare.copy_records_to_table("bare", records=records, columns=_WRITTEN),
        "whole": lambda: store.candles.store_bars(_SYMBOL, bars, "bench"),
        "pages": lambda: _in_pages(store, bars),
        "candles": lambda: _one_by_one(store, candles),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_RUNS):
        for name, way in ways.items():
            await bare.execute("TRUNCATE market_data, bare")
            began_s = time.perf_counter()
            await way()
            count = ROWS if name == "candles" else len(bars)
            rates[name].append(count / (time.perf_counter() - began_s))
    bound = "one bare asyncpg COPY into a table without constraints"
    return [
        row_of_rates(what, median(rates[name]), "rows/s", bound, median(rates["bare"]))
        for what, name in (
            (f"{len(bars):,} bars stored as columns", "whole"),
            (f"bars stored as columns, {_PAGE} at a time", "pages"),
            (f"candles stored, {_PAGE} at a time", "candles"),
        )
    ]


async def _in_pages(store: Store, bars: Bars) -> None:
    for start in range(0, len(bars), _PAGE):
        await store.candles.store_bars(_SYMBOL, bars[start : start + _PAGE], "bench")


async def _one_by_one(store: Store, candles: Sequence[Candle]) -> None:
    for start in range(0, len(candles), _PAGE):
        await store.candles.store(candles[start : start + _PAGE], "bench")


async def _windows(store: Store, bare: asyncpg.Connection, bars: Bars) -> list[Row]:
    """What models read at a close; the table's pages are warm."""
    await bare.execute("TRUNCATE market_data")
    await store.candles.store_bars(_SYMBOL, bars, "bench")
    await store.candles.store_bars(_SYMBOL, _hours(bars), "bench")
    await bare.execute("VACUUM ANALYZE market_data")
    wanted = registry.verify(registry.shipped())[0].warmup
    end_ms = int(bars.open_time_ms[-1]) + _STEP_MS
    ours, theirs = [], []
    for _ in range(WINDOWS):
        began_s = time.perf_counter()
        read = await store.candles.windows(_SYMBOL, wanted, end_ms)
        ours.append(time.perf_counter() - began_s)
        if {interval: len(each) for interval, each in read.items()} != wanted:
            raise RuntimeError(f"{wanted} bars were asked for, others were read")
        began_s = time.perf_counter()
        for interval, count in wanted.items():
            rows = await bare.fetch(
                _SAME_ROWS, "bench", _SYMBOL, interval.value, _time(end_ms), count
            )
            np.array([tuple(row)[1:] for row in rows], dtype=np.float64)
        theirs.append(time.perf_counter() - began_s)
    counts = " and ".join(f"{count} × {interval}" for interval, count in wanted.items())
    return [
        row_of_costs(
            f"windows of {counts} as columns, {name}",
            quantile(ours, share) * 1000,
            "ms",
            f"bare asyncpg fetches into arrays, {name}",
            quantile(theirs, share) * 1000,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


async def _range(store: Store, bare: asyncpg.Connection, bars: Bars) -> list[Row]:
    end_ms = int(bars.open_time_ms[-1]) + 1
    ours, theirs = [], []
    pieces: list[bytes] = []

    async def keep(piece: bytes) -> None:
        pieces.append(piece)

    for _ in range(2 * _RUNS):
        began_s = time.perf_counter()
        read = await store.candles.range(_SYMBOL, Interval.M15, _START_MS, end_ms)
        ours.append(len(bars) / (time.perf_counter() - began_s))
        if not np.array_equal(read.close, bars.close):
            raise RuntimeError("what was read is not what was stored")
        pieces.clear()
        began_s = time.perf_counter()
        await bare.copy_from_query(_ALL_ROWS, output=keep, format="binary")
        theirs.append(len(bars) / (time.perf_counter() - began_s))
    return [
        row_of_rates(
            f"{len(bars):,} bars read as columns",
            median(ours),
            "rows/s",
            "a bare binary COPY OUT, its bytes not looked at",
            median(theirs),
        )
    ]


def _bars() -> Bars:
    """The recorded bars, with what recordings lack made up; or all of it made up."""
    chance = np.random.default_rng(1)
    recorded = Path(os.environ.get("RUSY_RECORDINGS", "")) / "klines/LINKUSDT-15m.parquet"
    if os.environ.get("RUSY_RECORDINGS") and recorded.is_file():
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(recorded)
        times = table["open_time"].to_numpy().astype(np.int64)
        opens, highs, lows, closes, volumes = (
            table[name].to_numpy().astype(np.float64)
            for name in ("open", "high", "low", "close", "volume")
        )
    else:
        times = _START_MS + np.arange(BARS, dtype=np.int64) * _STEP_MS
        walk = 14 * np.exp(np.cumsum(chance.normal(0, 0.001, BARS + 1)))
        opens, closes = walk[:-1], walk[1:]
        highs, lows = np.maximum(opens, closes) * 1.001, np.minimum(opens, closes) * 0.999
        volumes = chance.gamma(2.0, 40_000.0, BARS)
    return Bars(
        Interval.M15,
        times,
        opens,
        highs,
        lows,
        closes,
        volumes,
        volumes * (opens + closes) / 2,
        np.floor(chance.uniform(100, 5000, len(times))),
        volumes * chance.uniform(0.3, 0.7, len(times)),
    )


def _hours(bars: Bars) -> Bars:
    """Every fourth bar, an hour long: their figures don't matter here."""
    chosen = bars[::4]
    return Bars(Interval.H1, chosen.open_time_ms, *(getattr(chosen, name) for name in COLUMNS))


def _records(bars: Bars) -> list[tuple[Any, ...]]:
    columns = (getattr(bars, name).tolist() for name in COLUMNS)
    rows = zip(*columns, strict=True)
    return [
        ("bench", _SYMBOL, "15m", _time(time_ms), *row, "bench")
        for time_ms, row in zip(bars.open_time_ms.tolist(), rows, strict=True)
    ]


def _candles(bars: Bars) -> list[Candle]:
    return [
        Candle(
            symbol=_SYMBOL,
            interval=Interval.M15,
            open_time_ms=int(time_ms),
            closed=True,
            **{name: float(getattr(bars, name)[place]) for name in COLUMNS},
        )
        for place, time_ms in enumerate(bars.open_time_ms)
    ]


def _time(time_ms: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time_ms / 1000, tz=datetime.UTC)
