"""Recorded candles from parquet files, as runs of bars without a gap."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from rusy_tui.domain.bars import Bars, Floats, Times
from rusy_tui.domain.candle import Interval

WHOLE = ("BTCUSDT", "LINKUSDT")
"""Coins recorded as 15m bars, without trade count and taker volume."""

MINUTES = ("FILUSDT", "NEARUSDT")
"""Coins recorded as 1m bars with all columns, in months that are not all there."""

SYMBOLS = (*WHOLE, *MINUTES)


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one coin without a gap: its 15m bars and the hours made of them."""

    symbol: str
    bars_15m: Bars
    bars_1h: Bars


class RecordingsMissingError(Exception):
    """The data folder lacks what training needs."""


def load_runs(data: Path) -> tuple[Run, ...]:
    """All runs of all coins, coins and times in order.

    Raises:
        RecordingsMissingError: naming the files that are not there.
    """
    runs: list[Run] = []
    for symbol in WHOLE:
        path = data / "klines" / f"{symbol}-15m.parquet"
        if not path.is_file():
            raise RecordingsMissingError(f"{path} is not there; give the folder with --data")
        runs += _runs(symbol, _read([path], Interval.M15))
    for symbol in MINUTES:
        paths = sorted((data / "klines-1m").glob(f"{symbol}-1m-*.parquet"))
        if not paths:
            raise RecordingsMissingError(
                f"{data / 'klines-1m'} has no {symbol}-1m-*.parquet; "
                "give the folder with --data"
            )
        for minutes in _split(_read(paths, Interval.M1)):
            runs += _runs(symbol, aggregate(minutes, Interval.M15))
    return tuple(runs)


def aggregate(bars: Bars, interval: Interval) -> Bars:
    """Longer bars from a gap-free run of shorter ones; parts at the ends are dropped.

    Open of the first, highest high, lowest low, close of the last, sums of the rest.
    """
    per = interval.ms // bars.interval.ms
    lead = int(-(bars.open_time_ms[0] % interval.ms) % interval.ms // bars.interval.ms)
    count = max((len(bars) - lead) // per, 0)
    used = bars[lead : lead + count * per]

    def grouped(column: Floats, reduce: Callable[[Floats], Floats]) -> Floats:
        return reduce(column.reshape(count, per))

    def summed(column: Floats) -> Floats:
        return grouped(column, lambda rows: rows.sum(axis=1))

    return Bars(
        interval,
        used.open_time_ms[::per],
        open=grouped(used.open, lambda rows: rows[:, 0]),
        high=grouped(used.high, lambda rows: rows.max(axis=1)),
        low=grouped(used.low, lambda rows: rows.min(axis=1)),
        close=grouped(used.close, lambda rows: rows[:, -1]),
        volume=summed(used.volume),
        quote_volume=summed(used.quote_volume),
        trades=summed(used.trades),
        taker_buy_volume=summed(used.taker_buy_volume),
    )


def _runs(symbol: str, bars_15m: Bars) -> list[Run]:
    return [Run(symbol, run, aggregate(run, Interval.H1)) for run in _split(bars_15m)]


def _split(bars: Bars) -> list[Bars]:
    """The stretches of a column store that no gap interrupts."""
    gaps = np.flatnonzero(np.diff(bars.open_time_ms) != bars.interval.ms) + 1
    edges = [0, *(int(gap) for gap in gaps), len(bars)]
    return [bars[a:b] for a, b in itertools.pairwise(edges)]


def _read(paths: Iterable[Path], interval: Interval) -> Bars:
    tables = [pq.read_table(path) for path in paths]
    names = set(tables[0].column_names)

    def column(name: str) -> Floats:
        parts = [table.column(name).to_numpy().astype(np.float64) for table in tables]
        return np.concatenate(parts)

    times: Times = np.concatenate(
        [table.column("open_time").to_numpy().astype(np.int64) for table in tables]
    )
    absent = np.full(len(times), np.nan)
    high, low, close, volume = (column(name) for name in ("high", "low", "close", "volume"))
    return Bars(
        interval,
        times,
        open=column("open"),
        high=high,
        low=low,
        close=close,
        volume=volume,
        quote_volume=column("quote_volume")
        if "quote_volume" in names
        else volume * (high + low + close) / 3,
        trades=column("trades") if "trades" in names else absent,
        taker_buy_volume=column("taker_buy_volume") if "taker_buy_volume" in names else absent,
    )
