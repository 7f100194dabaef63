"""Bars read and written as whole columns, with who said them: what an import works on."""

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.store.binary_copy import packed, timestamps, unpacked
from rusy_tui.store.errors import DatabaseRefused
from rusy_tui.store.pool import Database

Sources = NDArray[np.uint8]

# Where a bar may come from, by the number that stands for it here; 0 is any other.
SOURCES = ("stream", "rest", "archive", "file", "built")

_VALUES = ", ".join(COLUMNS)
_KEY = ("venue", "symbol", "timeframe", "open_time")
_WRITTEN = (*_KEY, *COLUMNS, "source")

_NUMBER = " ".join(f"WHEN '{name}' THEN {at}" for at, name in enumerate(SOURCES, start=1))
_READ = f"""
SELECT open_time, {_VALUES}, (CASE source {_NUMBER} ELSE 0 END)::float8
FROM market_data
WHERE venue = $1 AND symbol = $2 AND timeframe = $3 AND open_time >= $4 AND open_time < $5
ORDER BY open_time
"""

_FILL = f"""
UPDATE market_data AS kept
SET {
    ", ".join(
        f"{n} = CASE WHEN kept.{n} = 'NaN' THEN given.{n} ELSE kept.{n} END"
        for n in COLUMNS[4:]
    )
}
FROM unnest(
    $4::timestamptz[], {", ".join(f"${n}::float8[]" for n in range(5, 5 + len(COLUMNS)))}
) AS given (open_time, {_VALUES})
WHERE kept.venue = $1 AND kept.symbol = $2 AND kept.timeframe = $3
    AND kept.open_time = given.open_time
"""

# What the server says when another writer was faster with a row.
_UNIQUE_VIOLATION = "23505"


class BarColumns:
    """The table ``market_data`` of one venue, as columns.

    Args:
        database: open, with all tables.
        venue: demo, paper, testnet or live.
    """

    def __init__(self, database: Database, venue: str) -> None:
        self._database = database
        self._venue = venue

    async def read(
        self, symbol: str, interval: Interval, from_ms: int, until_ms: int
    ) -> tuple[Bars, Sources]:
        """The bars that open in [from, until), ascending, and the source of each.

        A source is a place in :data:`SOURCES` counted from 1.
        """
        async with self._database.session() as session:
            file = await session.copy_out(
                _READ, self._venue, symbol, str(interval), from_ms, until_ms
            )
        opened, (*columns, sources) = unpacked(file, len(COLUMNS) + 1)
        return Bars(interval, opened, *columns), sources.astype(np.uint8)

    async def add(self, symbol: str, bars: Bars, source: str) -> bool:
        """Write bars whose keys are not there yet.

        False: nothing was written, for somebody else has written one of them meanwhile.

        Raises:
            StorageError: not written, none of them.
        """
        if not len(bars):
            return True
        columns = (getattr(bars, name) for name in COLUMNS)
        opened = timestamps(bars.open_time_ms)
        file = packed([self._venue, symbol, str(bars.interval), opened, *columns, source])
        try:
            async with self._database.session() as session:
                await session.copy_in("market_data", _WRITTEN, file)
        except DatabaseRefused as error:
            if error.sqlstate != _UNIQUE_VIOLATION:
                raise
            return False
        return True

    async def fill(self, symbol: str, bars: Bars) -> None:
        """Give bars that are there the volumes and counts that are absent in them.

        What was not known before is no revision.

        Raises:
            StorageError: not written, none of them.
        """
        if len(bars):
            await self._database.execute(
                _FILL,
                self._venue,
                symbol,
                str(bars.interval),
                bars.open_time_ms.tolist(),
                *(getattr(bars, name).tolist() for name in COLUMNS),
            )
