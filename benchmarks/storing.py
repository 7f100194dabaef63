"""Candles into the database and out of it, against the bare driver on the same server.

The server is a fresh one that need not survive a power cut (no fsync), for both sides alike.
"""

import asyncio
import datetime
import time
from collections.abc import Sequence
from typing import Any

import asyncpg
import numpy as np

from benchmarks.measuring import Row, median, quantile, row_of_costs, row_of_rates
from rusy_tui.clock import SystemClock
from rusy_tui.domain.bars import COLUMNS
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.store.embedded import temporary_server
from rusy_tui.store.store import Store

ROWS = 20_000
WINDOWS = 300
WINDOW_BARS = 512
# As many as the market service writes at once while it fetches history.
_BATCH = 499
_RUNS = 3
_START_MS = 1_709_539_200_000
_SYMBOL = "BTCUSDT"

_SAME_ROWS = f"""
SELECT open_time, {", ".join(COLUMNS)} FROM market_data
WHERE venue = $1 AND symbol = $2 AND timeframe = $3 AND open_time < $4
ORDER BY open_time DESC LIMIT $5
"""


def measure() -> list[Row]:
    """Rows a second into the table, and milliseconds of a window's reading."""
    return asyncio.run(_measure())


async def _measure() -> list[Row]:
    clock = SystemClock()
    async with temporary_server(clock) as address:
        store = await Store.open(address, clock, "bench", "bench")
        bare = await asyncpg.connect(**address.arguments())
        try:
            written = await _written(store, bare)
            return [*written, *await _read(store, bare)]
        finally:
            await bare.close()
            await store.close()


async def _written(store: Store, bare: asyncpg.Connection) -> list[Row]:
    candles = _candles()
    records = [_record(candle) for candle in candles]
    stored, copied = [], []
    for _ in range(_RUNS):
        await bare.execute("TRUNCATE market_data")
        began_s = time.perf_counter()
        for start in range(0, ROWS, _BATCH):
            await store.candles.store(candles[start : start + _BATCH], "bench")
        stored.append(ROWS / (time.perf_counter() - began_s))
        await bare.execute("TRUNCATE market_data")
        copied.append(ROWS / await _copied(bare, records))
    return [
        row_of_rates(
            f"candles stored, {_BATCH} at a time, each once",
            median(stored),
            "rows/s",
            "one bare asyncpg COPY into the same table",
            median(copied),
        )
    ]


async def _copied(bare: asyncpg.Connection, records: Sequence[tuple[Any, ...]]) -> float:
    began_s = time.perf_counter()
    await bare.copy_records_to_table(
        "market_data",
        records=records,
        columns=["venue", "symbol", "timeframe", "open_time", *COLUMNS, "source"],
    )
    return time.perf_counter() - began_s


async def _read(store: Store, bare: asyncpg.Connection) -> list[Row]:
    """The table is full now, and its pages are warm."""
    end_ms = _START_MS + ROWS * Interval.M15.ms
    ours, theirs = [], []
    for _ in range(WINDOWS):
        began_s = time.perf_counter()
        window = await store.candles.window(_SYMBOL, Interval.M15, end_ms, WINDOW_BARS)
        ours.append(time.perf_counter() - began_s)
        if len(window) != WINDOW_BARS:
            raise RuntimeError(f"{len(window)} bars were read, {WINDOW_BARS} asked for")
        began_s = time.perf_counter()
        rows = await bare.fetch(
            _SAME_ROWS, "bench", _SYMBOL, Interval.M15.value, _time(end_ms), WINDOW_BARS
        )
        np.array([tuple(row)[1:] for row in rows], dtype=np.float64)
        theirs.append(time.perf_counter() - began_s)
    return [
        row_of_costs(
            f"window of {WINDOW_BARS} bars as columns, {name}",
            quantile(ours, share) * 1000,
            "ms",
            f"bare asyncpg fetch into an array, {name}",
            quantile(theirs, share) * 1000,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


def _candles() -> list[Candle]:
    chance = np.random.default_rng(1)
    closes = 65_000 * np.exp(np.cumsum(chance.normal(0, 0.001, ROWS + 1)))
    volumes = chance.gamma(2.0, 400.0, ROWS)
    return [
        Candle(
            symbol=_SYMBOL,
            interval=Interval.M15,
            open_time_ms=_START_MS + number * Interval.M15.ms,
            open=float(closes[number]),
            high=float(max(closes[number : number + 2])) * 1.001,
            low=float(min(closes[number : number + 2])) * 0.999,
            close=float(closes[number + 1]),
            volume=float(volumes[number]),
            quote_volume=float(volumes[number] * closes[number]),
            trades=float(number % 5000),
            taker_buy_volume=float(volumes[number]) / 2,
            closed=True,
        )
        for number in range(ROWS)
    ]


def _record(candle: Candle) -> tuple[Any, ...]:
    values = (getattr(candle, name) for name in COLUMNS)
    opened = _time(candle.open_time_ms)
    return ("bench", candle.symbol, candle.interval.value, opened, *values, "bench")


def _time(time_ms: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time_ms / 1000, tz=datetime.UTC)
