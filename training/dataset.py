"""All coins' features and labels in one pool, and which rows may be learnt from."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.bars import Floats
from rusy_tui.domain.candle import Interval
from rusy_tui.features import catalogue
from rusy_tui.features.windows import FeatureTable, Rows, complete_rows, feature_table
from training.labels import labels
from training.recordings import SYMBOLS, load_runs

TRAIN_UNTIL = "2024-10-01"
VALIDATION_UNTIL = "2025-01-01"
TEST_UNTIL = "2025-07-01"

EMBARGO_MS = 86_400_000
"""Rows this close before the end of a span belong to none: their outcome, and the look-back
of the first rows of the next span, would reach across. Far above the horizon of an hour."""

SETTLE_BARS = 192
"""Rows of a run left out until the exponential averages are near enough for learning.
Shorter than the live warm-up, which is exact: months that stand alone are precious."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Every 15m bar of every run, runs one after the other.

    ``table`` holds ``float32`` features; ``usable (bars,)`` marks rows with whole windows
    inside their own run and a known outcome.
    """

    table: FeatureTable
    symbol: NDArray[np.int64]
    log_return: Floats
    pattern: NDArray[np.int64]
    usable: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Splits:
    """Rows of the pool by span, in the pool's order."""

    train: Rows
    validation: Rows
    test: Rows


def build_pool(data: Path) -> Pool:
    """Read the recordings and compute features and labels of every run on its own."""
    tables: list[FeatureTable] = []
    parts: dict[str, list[NDArray[np.generic]]] = {
        "symbol": [],
        "log_return": [],
        "pattern": [],
        "usable": [],
    }
    hours = 0
    atr_column = catalogue.BAR_COLUMNS.index("atr_log")
    for run in load_runs(data):
        table = feature_table(run.bars_15m, run.bars_1h)
        label = labels(run.bars_15m, table.bar[:, atr_column])
        settled = np.arange(len(run.bars_15m)) >= SETTLE_BARS
        parts["symbol"].append(np.full(len(run.bars_15m), SYMBOLS.index(run.symbol)))
        parts["log_return"].append(label.log_return)
        parts["pattern"].append(label.pattern)
        parts["usable"].append(
            # A return of exactly nothing has no sign to learn.
            complete_rows(table)
            & settled
            & np.isfinite(label.log_return)
            & (label.log_return != 0)
        )
        tables.append(_shifted(table, hours))
        hours += len(run.bars_1h)
    return Pool(
        _joined(tables), **{name: np.concatenate(arrays) for name, arrays in parts.items()}
    )


def split(pool: Pool, every: int = 1) -> Splits:
    """Chronological spans with an embargo before each border.

    Args:
        pool: all rows.
        every: 1, or more to keep only every such row of each span, for a trial run.
    """
    times = pool.table.open_time_ms
    edges = [ms(day) for day in (TRAIN_UNTIL, VALIDATION_UNTIL, TEST_UNTIL)]

    def rows(since: int, until: int) -> Rows:
        inside = (times >= since) & (times < until - EMBARGO_MS)
        return np.flatnonzero(pool.usable & inside)[::every]

    return Splits(rows(0, edges[0]), rows(edges[0], edges[1]), rows(edges[1], edges[2]))


def ms(day: str) -> int:
    """Midnight UTC of an ISO date, ms since the epoch."""
    moment = datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC)
    return int(moment.timestamp() * 1000)


def day_of(open_time_ms: Rows) -> Rows:
    """The UTC day in which a bar closes, days since the epoch."""
    return (open_time_ms + Interval.M15.ms) // 86_400_000


def _shifted(table: FeatureTable, hours: int) -> FeatureTable:
    """The table in ``float32``, its hours counted from the pool's first."""
    seen = table.hour_row >= 0
    return FeatureTable(
        open_time_ms=table.open_time_ms,
        sequence=table.sequence.astype(np.float32),
        image=table.image.astype(np.float32),
        hour_image=table.hour_image.astype(np.float32),
        hour_row=np.where(seen, table.hour_row + hours, -1),
        bar=table.bar.astype(np.float32),
        flow=table.flow.astype(np.float32),
    )


def _joined(tables: list[FeatureTable]) -> FeatureTable:
    return FeatureTable(
        **{
            name: np.concatenate([getattr(table, name) for table in tables])
            for name in FeatureTable.__slots__
        }
    )
