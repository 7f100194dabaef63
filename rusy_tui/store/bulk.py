"""Bars as whole columns, into the table ``market_data`` and out of it: no Python object a row.

Ways in, all with the same outcome as :meth:`rusy_tui.store.candles.Candles.store`:

- what is there with the same figures is left alone;
- where nothing is to be replaced, what is left is copied straight into the table;
- else it is copied into a temporary table, and one statement takes it over in order of keys, so
  that two writers at once can't wait for each other.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.store.binary_copy import milliseconds, packed, timestamps, unpacked
from rusy_tui.store.errors import DatabaseRefused
from rusy_tui.store.pool import Database, Session

# Each is a call of its own, and a call has a time limit; it also bounds the memory.
BLOCK = 50_000

_KEY = ("venue", "symbol", "timeframe", "open_time")
_WRITTEN = (*_KEY, *COLUMNS, "source")
_VALUES = ", ".join(COLUMNS)

# Where whoever takes bars from the database listens: keys only, the table tells the rest.
NOTICES = "rusy_bars"
NOTIFY = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"

# What the server says when another writer was faster with a row.
_UNIQUE_VIOLATION = "23505"

_DIFFERS = (
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
WHERE {_DIFFERS}
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

# Each column as one run of big-endian numbers, of rows in order. For few rows that is faster
# than a COPY, whose query takes no arguments: asyncpg asks the server to quote them.
RUNS = ", ".join(
    f"string_agg({send}, ''::bytea)"
    for send in ("timestamptz_send(open_time)", *(f"float8send({name})" for name in COLUMNS))
)
_KEPT = f"""
SELECT {RUNS} FROM (
    SELECT open_time, {_VALUES} FROM market_data
    WHERE venue = $1 AND symbol = $2 AND timeframe = $3 AND open_time BETWEEN $4 AND $5
    ORDER BY open_time
) AS ascending
"""

RANGE = f"""
SELECT open_time, {_VALUES} FROM market_data
WHERE venue = $1 AND symbol = $2 AND timeframe = $3 AND open_time >= $4 AND open_time < $5
ORDER BY open_time
"""


async def read(
    session: Session, venue: str, symbol: str, interval: Interval, from_ms: int, until_ms: int
) -> Bars:
    """The bars that open in [from, until), ms, ascending."""
    file = await session.copy_out(RANGE, venue, symbol, str(interval), from_ms, until_ms)
    opened, columns = unpacked(file, len(COLUMNS))
    return Bars(interval, opened, *columns)


async def write(
    database: Database,
    venue: str,
    symbol: str,
    bars: Bars,
    source: str,
    told: Sequence[str] = (),
) -> tuple[int, list[int]]:
    """Write bars: all of them or none.

    Args:
        database: that holds the table.
        venue: bound into each key.
        symbol: of all bars.
        bars: ascending, each once (:func:`ordered`).
        source: where they came from.
        told: to whoever listens, in the same transaction.

    Returns:
        How many were new, and the open times of those that were replaced, ms.
    """
    one = _Writer(venue, symbol, bars.interval, source)
    if not told and len(bars) <= BLOCK:
        # As a rule one copy is all, and one statement needs no transaction around it.
        async with database.session() as session:
            left, replaces = await one.left(session, bars)
            if not replaces:
                try:
                    return await one.copy(session, left)
                except DatabaseRefused as error:
                    _unless_overtaken(error)
    try:
        return await one.write(database, bars, told, careful=False)
    except DatabaseRefused as error:
        _unless_overtaken(error)
    return await one.write(database, bars, told, careful=True)


def _unless_overtaken(error: DatabaseRefused) -> None:
    """Raise it again, unless it says that another writer was faster with one of the rows."""
    if error.sqlstate != _UNIQUE_VIOLATION:
        raise error


class _Writer:
    """Writes bars of one venue, symbol and interval."""

    def __init__(self, venue: str, symbol: str, interval: Interval, source: str) -> None:
        self._key = (venue, symbol, str(interval))
        self._interval = interval
        self._source = source

    async def write(
        self, database: Database, bars: Bars, told: Sequence[str], *, careful: bool
    ) -> tuple[int, list[int]]:
        """In one transaction; ``careful`` copies nothing straight into the table."""
        new, revised = 0, list[int]()
        async with database.transaction() as session:
            for start in range(0, len(bars), BLOCK):
                left, replaces = await self.left(session, bars[start : start + BLOCK])
                how = self._take_over if careful or replaces else self.copy
                of_these = await how(session, left)
                new += of_these[0]
                revised += of_these[1]
            if told:
                await session.execute(NOTIFY, NOTICES, told)
        return new, revised

    async def left(self, session: Session, bars: Bars) -> tuple[Bars, bool]:
        """Those that are not there as they are, and whether any of them is there otherwise."""
        first_ms, last_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1])
        (runs,) = await session.rows(_KEPT, *self._key, first_ms, last_ms)
        there, same = _compared(bars, from_runs(self._interval, tuple(runs)))
        return bars[~same], not (there == same).all()

    async def copy(self, session: Session, bars: Bars) -> tuple[int, list[int]]:
        """Straight into the table; refused when one is there."""
        if len(bars):
            await session.copy_in("market_data", _WRITTEN, self._rows(bars))
        return len(bars), []

    async def _take_over(self, session: Session, bars: Bars) -> tuple[int, list[int]]:
        await session.execute(_STAGE)
        await session.execute(f"TRUNCATE {_GIVEN}")
        await session.copy_in(_GIVEN, _WRITTEN, self._rows(bars))
        rows = await session.rows(_TAKE_OVER)
        revised = [row["open_time"] for row in rows if row["revision"]]
        return len(rows) - len(revised), revised

    def _rows(self, bars: Bars) -> Iterator[bytes]:
        columns = (getattr(bars, name) for name in COLUMNS)
        return packed([*self._key, timestamps(bars.open_time_ms), *columns, self._source])


def ordered(bars: Bars) -> Bars:
    """The same bars ascending, each once: of two for the same instant the last counts."""
    times = bars.open_time_ms
    if (times[1:] > times[:-1]).all():
        return bars
    _, from_the_end = np.unique(times[::-1], return_index=True)
    return bars[len(times) - 1 - from_the_end]


def from_runs(
    interval: Interval, runs: Sequence[bytes | None], *, turned: bool = False
) -> Bars:
    """Bars from the one row of a query for :data:`RUNS`.

    Args:
        interval: of the bars.
        runs: each None where there is no bar.
        turned: the newest bar is the first.
    """
    step = -1 if turned else 1
    times, *columns = [run or b"" for run in runs]
    return Bars(
        interval,
        milliseconds(np.frombuffer(times, dtype=">i8")[::step].astype(np.int64)),
        *(np.frombuffer(column, dtype=">f8")[::step].astype(np.float64) for column in columns),
    )


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
