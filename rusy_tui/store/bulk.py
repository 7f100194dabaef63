"""Bars as whole columns, into the table ``market_data`` and out of it: no Python object a row.

Ways in, all inside the caller's transaction, all with the same outcome as
:meth:`rusy_tui.store.candles.Candles.store`:

- what is there with the same figures is left alone;
- where nothing is to be replaced, what is left is copied straight into the table;
- else it is copied into a temporary table, and one statement takes it over in order of keys, so
  that two writers at once can't wait for each other.
"""

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.store.binary_copy import packed, timestamps, unpacked
from rusy_tui.store.pool import Session

# Each is a call of its own, and a call has a time limit; it also bounds the memory.
BLOCK = 50_000

_KEY = ("venue", "symbol", "timeframe", "open_time")
_WRITTEN = (*_KEY, *COLUMNS, "source")
_VALUES = ", ".join(COLUMNS)

# What makes a row of ours another one than what is kept.
DIFFERS = (
    f"({', '.join(f'kept.{name}' for name in COLUMNS)}) "
    f"IS DISTINCT FROM ({', '.join(f'excluded.{name}' for name in COLUMNS)})"
)
# One row a key; a later answer that differs replaces the earlier one, which a trigger of the
# table puts into market_data_revisions. Used behind INSERT INTO market_data AS kept.
REPLACE = f"""
ON CONFLICT ({", ".join(_KEY)}) DO UPDATE
SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS)},
    source = excluded.source,
    revision = kept.revision + 1
WHERE {DIFFERS}
RETURNING symbol, timeframe, open_time, revision
"""

_GIVEN = "given_bars"
_STAGE = f"""
CREATE TEMPORARY TABLE IF NOT EXISTS {_GIVEN} (LIKE market_data INCLUDING DEFAULTS)
ON COMMIT DELETE ROWS
"""
_TAKE_OVER = f"""
INSERT INTO market_data AS kept ({", ".join(_WRITTEN)})
SELECT {", ".join(_WRITTEN)} FROM {_GIVEN} ORDER BY {", ".join(_KEY)}
{REPLACE}
"""

_RANGE = f"""
SELECT open_time, {_VALUES} FROM market_data
WHERE venue = $1 AND symbol = $2 AND timeframe = $3 AND open_time >= $4 AND open_time < $5
ORDER BY open_time
"""


async def read(
    session: Session, venue: str, symbol: str, interval: Interval, from_ms: int, until_ms: int
) -> Bars:
    """The bars that open in [from, until), ms, ascending."""
    file = await session.copy_out(_RANGE, venue, symbol, str(interval), from_ms, until_ms)
    opened, columns = unpacked(file, len(COLUMNS))
    return Bars(interval, opened, *columns)


async def write(
    session: Session, venue: str, symbol: str, bars: Bars, source: str, *, careful: bool
) -> tuple[int, list[int]]:
    """Write bars; how many were new, and the open times of those that were replaced, ms.

    Args:
        session: inside a transaction.
        venue: bound into each key.
        symbol: of all bars.
        bars: ascending, each once (:func:`ordered`).
        source: where they came from.
        careful: copy nothing straight into the table. Needed when another writer was faster
            with one of them, which is seen as a unique violation.
    """
    new, revised = 0, list[int]()
    for start in range(0, len(bars), BLOCK):
        block = bars[start : start + BLOCK]
        first_ms, last_ms = int(block.open_time_ms[0]), int(block.open_time_ms[-1])
        kept = await read(session, venue, symbol, bars.interval, first_ms, last_ms + 1)
        there, same = _compared(block, kept)
        left = block[~same]
        if not len(left):
            continue
        if careful or not (there == same).all():
            await session.execute(_STAGE)
            await session.execute(f"TRUNCATE {_GIVEN}")
            await session.copy_in(_GIVEN, _WRITTEN, _file(venue, symbol, left, source))
            rows = await session.rows(_TAKE_OVER)
            revised += [row["open_time"] for row in rows if row["revision"]]
            new += sum(not row["revision"] for row in rows)
        else:
            file = _file(venue, symbol, left, source)
            await session.copy_in("market_data", _WRITTEN, file)
            new += len(left)
    return new, revised


def ordered(bars: Bars) -> Bars:
    """The same bars ascending, each once: of two for the same instant the last counts."""
    times = bars.open_time_ms
    if (times[1:] > times[:-1]).all():
        return bars
    _, from_the_end = np.unique(times[::-1], return_index=True)
    return bars[len(times) - 1 - from_the_end]


def _file(venue: str, symbol: str, bars: Bars, source: str) -> bytes:
    columns = (getattr(bars, name) for name in COLUMNS)
    opened = timestamps(bars.open_time_ms)
    return packed([venue, symbol, str(bars.interval), opened, *columns, source])


def _compared(bars: Bars, kept: Bars) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each bar, whether it is among those that are kept, and whether with equal figures.

    Two NaN are equal, as for PostgreSQL.
    """
    if not len(kept):
        none = np.zeros(len(bars), dtype=np.bool_)
        return none, none
    places = np.searchsorted(kept.open_time_ms, bars.open_time_ms)
    places = np.minimum(places, len(kept) - 1)
    there = kept.open_time_ms[places] == bars.open_time_ms
    same = there.copy()
    for name in COLUMNS:
        ours, theirs = getattr(bars, name), getattr(kept, name)[places]
        same &= (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    return there, same
