"""Closed bars: written exactly once, read as columns."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import Defect
from rusy_tui.store.pool import Database

# numpy's epoch, seen from PostgreSQL's (2000-01-01), in milliseconds.
_EPOCH_2000_MS = 946_684_800_000

_VALUES = ", ".join(COLUMNS)
_DIFFERS = (
    f"({', '.join(f'kept.{name}' for name in COLUMNS)}) "
    f"IS DISTINCT FROM ({', '.join(f'{{new}}.{name}' for name in COLUMNS)})"
)

# One row a key; a later answer that differs replaces the earlier one, which is kept beside.
# All parts of the statement see the table as it was before it.
_STORE = f"""
WITH given AS (
    SELECT * FROM unnest(
        $3::text[], $4::text[], $5::timestamptz[],
        {", ".join(f"${n}::float8[]" for n in range(6, 6 + len(COLUMNS)))}
    ) AS given (symbol, timeframe, open_time, {_VALUES})
), replaced AS (
    INSERT INTO market_data_revisions
        (venue, symbol, timeframe, open_time, revision, {_VALUES}, source)
    SELECT $1, symbol, timeframe, open_time, kept.revision,
        {", ".join(f"kept.{name}" for name in COLUMNS)}, kept.source
    FROM market_data AS kept JOIN given USING (symbol, timeframe, open_time)
    WHERE kept.venue = $1 AND {_DIFFERS.format(new="given")}
)
INSERT INTO market_data AS kept
    (venue, symbol, timeframe, open_time, {_VALUES}, source)
SELECT $1, symbol, timeframe, open_time, {_VALUES}, $2 FROM given
ON CONFLICT (venue, symbol, timeframe, open_time) DO UPDATE
SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS)},
    source = excluded.source,
    revision = kept.revision + 1
WHERE {_DIFFERS.format(new="excluded")}
RETURNING symbol, timeframe, open_time, revision
"""

# Each column travels as one run of big-endian numbers, so no row becomes a Python object.
_WINDOW = f"""
SELECT string_agg(timestamptz_send(open_time), ''::bytea),
    {", ".join(f"string_agg(float8send({name}), ''::bytea)" for name in COLUMNS)}
FROM (
    SELECT * FROM (
        SELECT open_time, {_VALUES} FROM market_data
        WHERE venue = $1 AND symbol = $2 AND timeframe = $3 AND open_time < $4
        ORDER BY open_time DESC LIMIT $5
    ) AS latest
    ORDER BY open_time
) AS ascending
"""

# The bar before the span stands at its start, the span's end behind the last known bar.
_MISSING = """
SELECT open_time + step AS gap_from, following AS gap_until
FROM (
    SELECT open_time, step, lead(open_time, 1, $5) OVER (ORDER BY open_time) AS following
    FROM (
        SELECT $4::timestamptz - $6::bigint * interval '1 millisecond' AS open_time
        UNION ALL
        SELECT open_time FROM market_data
        WHERE venue = $1 AND symbol = $2 AND timeframe = $3
            AND open_time >= $4 AND open_time < $5
    ) AS known, (SELECT $6::bigint * interval '1 millisecond' AS step) AS steps
) AS pairs
WHERE following > open_time + step
ORDER BY open_time
"""

# Where whoever takes bars from the database listens: keys only, the table tells the rest.
NOTICES = "rusy_bars"
_NOTIFY = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"

_BARS_OF = "FROM market_data WHERE venue = $1 AND symbol = $2 AND timeframe = $3"


class Stored(NamedTuple):
    """What became of candles that were given: bars by (symbol, interval, open time in ms).

    ``equal`` counts those that were there with the same figures, and those given twice.
    """

    new: int
    revised: tuple[tuple[str, Interval, int], ...]
    equal: int


class Candles:
    """The table ``market_data`` of one venue."""

    def __init__(self, database: Database, venue: str) -> None:
        self._database = database
        self._venue = venue

    async def store(
        self, candles: Sequence[Candle], source: str, *, notify: bool = False
    ) -> Stored:
        """Write closed candles.

        One that is there with other figures is replaced, its revision counted up and the former
        one kept in ``market_data_revisions``; one that is there with the same figures is left
        alone. Of two for the same bar the last counts.

        Args:
            candles: closed ones, of any symbol and interval, in any order.
            source: where they came from: stream, rest, …
            notify: tell whoever listens on :data:`NOTICES` which spans were written, in
                the same transaction: ``VENUE SYMBOL TIMEFRAME FROM_MS UNTIL_MS``.

        Raises:
            StorageError: not written, none of them.
            Defect: one of them is still forming.
        """
        if any(not candle.closed for candle in candles):
            raise Defect("a forming candle was given to be stored")
        # Ordered by key, so that two writers at once can't wait for each other.
        unique = {(each.symbol, each.interval, each.open_time_ms): each for each in candles}
        ordered = [unique[key] for key in sorted(unique)]
        if not ordered:
            return Stored(0, (), len(candles))
        given = (
            self._venue,
            source,
            [candle.symbol for candle in ordered],
            [str(candle.interval) for candle in ordered],
            [candle.open_time_ms for candle in ordered],
            *([getattr(candle, name) for candle in ordered] for name in COLUMNS),
        )
        if notify:
            async with self._database.transaction() as session:
                rows = await session.rows(_STORE, *given)
                await session.execute(_NOTIFY, NOTICES, self._notices(ordered))
        else:
            rows = await self._database.rows(_STORE, *given)
        revised = tuple(
            (row["symbol"], Interval(row["timeframe"]), row["open_time"])
            for row in rows
            if row["revision"]
        )
        return Stored(len(rows) - len(revised), revised, len(candles) - len(rows))

    def _notices(self, ordered: Sequence[Candle]) -> list[str]:
        """One notice a symbol and interval: a notice holds 8,000 bytes at most."""
        groups = groupby(ordered, key=lambda candle: (candle.symbol, candle.interval))
        notices = []
        for (symbol, interval), group in groups:
            bars = list(group)
            from_ms, until_ms = bars[0].open_time_ms, bars[-1].close_time_ms
            notices.append(f"{self._venue} {symbol} {interval} {from_ms} {until_ms}")
        return notices

    async def window(self, symbol: str, interval: Interval, until_ms: int, bars: int) -> Bars:
        """The last closed bars that open before an instant, ascending; fewer if fewer exist.

        Args:
            symbol: of the bars.
            interval: of the bars.
            until_ms: the first open time that is left out, ms.
            bars: how many at most.
        """
        row = await self._database.row(
            _WINDOW, self._venue, symbol, str(interval), until_ms, bars
        )
        times, *columns = [part or b"" for part in (row or ())]
        opened_us = np.frombuffer(times, dtype=">i8")
        return Bars(
            interval,
            (opened_us // 1000 + _EPOCH_2000_MS).astype(np.int64),
            *(np.frombuffer(column, dtype=">f8").astype(np.float64) for column in columns),
        )

    async def last_open_ms(self, symbol: str, interval: Interval) -> int | None:
        """The open time of the newest bar, ms; None when there is none."""
        newest: int | None = await self._database.value(
            f"SELECT max(open_time) {_BARS_OF}", self._venue, symbol, str(interval)
        )
        return newest

    async def count(self, symbol: str, interval: Interval, from_ms: int, until_ms: int) -> int:
        """How many bars open in [from, until), ms."""
        number: int = await self._database.value(
            f"SELECT count(*) {_BARS_OF} AND open_time >= $4 AND open_time < $5",
            self._venue,
            symbol,
            str(interval),
            from_ms,
            until_ms,
        )
        return number

    async def missing(
        self, symbol: str, interval: Interval, from_ms: int, until_ms: int
    ) -> list[tuple[int, int]]:
        """The gaps among bars that open in [from, until), as spans of open times [from, until).

        Both bounds are first moved up to the grid of the interval.
        """
        first, end = (-(-bound // interval.ms) * interval.ms for bound in (from_ms, until_ms))
        if first >= end:
            return []
        rows = await self._database.rows(
            _MISSING, self._venue, symbol, str(interval), first, end, interval.ms
        )
        return [(row["gap_from"], row["gap_until"]) for row in rows]

    async def revised(self, symbol: str, interval: Interval) -> int:
        """How many bars were replaced by a later answer that differed."""
        number: int = await self._database.value(
            f"SELECT count(*) {_BARS_OF} AND revision > 0",
            self._venue,
            symbol,
            str(interval),
        )
        return number

    async def enable(self, intervals: Iterable[Interval]) -> None:
        """Say in the table ``timeframes`` which intervals are collected."""
        await self._database.execute(
            "UPDATE timeframes SET enabled = interval = ANY($1::text[])",
            [str(interval) for interval in intervals],
        )
