"""Closed bars: written exactly once, read as columns."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import Defect
from rusy_tui.store import bulk
from rusy_tui.store.pool import Database

_VALUES = ", ".join(COLUMNS)

_STORE = f"""
INSERT INTO market_data AS kept
    (venue, symbol, timeframe, open_time, {_VALUES}, source)
SELECT $1, symbol, timeframe, open_time, {_VALUES}, $2
FROM unnest(
    $3::text[], $4::text[], $5::timestamptz[],
    {", ".join(f"${n}::float8[]" for n in range(6, 6 + len(COLUMNS)))}
) AS given (symbol, timeframe, open_time, {_VALUES})
{bulk.REPLACE}
"""

# The newest first, as the index is read; turning columns round costs less than sorting rows.
WINDOWS = f"""
SELECT wanted.timeframe, read.*
FROM unnest($4::text[], $5::bigint[]) AS wanted (timeframe, bars),
LATERAL (
    SELECT {bulk.RUNS} FROM (
        SELECT open_time, {_VALUES} FROM market_data
        WHERE venue = $1 AND symbol = $2 AND market_data.timeframe = wanted.timeframe
            AND open_time < $3
        ORDER BY open_time DESC LIMIT wanted.bars
    ) AS latest
) AS read
"""

# The bar before the span stands at its start, the span's end behind the last known bar.
MISSING = """
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

_REVISIONS = """
SELECT symbol, open_time, revision FROM market_data
WHERE venue = $1 AND symbol = ANY($2::text[]) AND timeframe = $3 AND open_time >= $4
    AND revision > 0
ORDER BY symbol, open_time
"""

# Where whoever takes bars from the database listens.
NOTICES = bulk.NOTICES

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
                await session.execute(bulk.NOTIFY, NOTICES, self._notices(ordered))
        else:
            rows = await self._database.rows(_STORE, *given)
        revised = tuple(
            (row["symbol"], Interval(row["timeframe"]), row["open_time"])
            for row in rows
            if row["revision"]
        )
        return Stored(len(rows) - len(revised), revised, len(candles) - len(rows))

    async def store_bars(
        self, symbol: str, bars: Bars, source: str, *, notify: bool = False
    ) -> Stored:
        """Write closed bars as whole columns; the outcome is that of :meth:`store`.

        Args:
            symbol: of all bars.
            bars: closed ones, as a rule ascending.
            source: where they came from: stream, rest, …
            notify: as for :meth:`store`.

        Raises:
            StorageError: not written, none of them.
        """
        unique = bulk.ordered(bars)
        if not len(unique):
            return Stored(0, (), 0)
        first_ms, last_ms = int(unique.open_time_ms[0]), int(unique.open_time_ms[-1])
        told = [self._notice(symbol, bars.interval, first_ms, last_ms)] if notify else []
        new, revised = await bulk.write(
            self._database, self._venue, symbol, unique, source, told
        )
        keys = tuple((symbol, bars.interval, time_ms) for time_ms in revised)
        return Stored(new, keys, len(bars) - new - len(keys))

    def _notices(self, ordered: Sequence[Candle]) -> list[str]:
        """One notice a symbol and interval: a notice holds 8,000 bytes at most."""
        groups = groupby(ordered, key=lambda candle: (candle.symbol, candle.interval))
        notices = []
        for (symbol, interval), group in groups:
            opened = [candle.open_time_ms for candle in group]
            notices.append(self._notice(symbol, interval, opened[0], opened[-1]))
        return notices

    def _notice(self, symbol: str, interval: Interval, first_ms: int, last_ms: int) -> str:
        return f"{self._venue} {symbol} {interval} {first_ms} {last_ms + interval.ms}"

    async def window(self, symbol: str, interval: Interval, until_ms: int, bars: int) -> Bars:
        """The last closed bars that open before an instant, ascending; fewer if fewer exist.

        Args:
            symbol: of the bars.
            interval: of the bars.
            until_ms: the first open time that is left out, ms.
            bars: how many at most.
        """
        return (await self.windows(symbol, {interval: bars}, until_ms))[interval]

    async def windows(
        self, symbol: str, wanted: Mapping[Interval, int], until_ms: int
    ) -> dict[Interval, Bars]:
        """Such windows of several intervals that end at the same instant, in one question.

        Args:
            symbol: of the bars.
            wanted: how many bars of each interval, at most.
            until_ms: the first open time that is left out, ms.
        """
        rows = await self._database.rows(
            WINDOWS,
            self._venue,
            symbol,
            until_ms,
            [str(interval) for interval in wanted],
            list(wanted.values()),
        )
        return {
            Interval(name): bulk.from_runs(Interval(name), runs, turned=True)
            for name, *runs in rows
        }

    async def range(self, symbol: str, interval: Interval, from_ms: int, until_ms: int) -> Bars:
        """All bars that open in [from, until), ms, ascending: any number of them."""
        async with self._database.session() as session:
            return await bulk.read(session, self._venue, symbol, interval, from_ms, until_ms)

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
            MISSING, self._venue, symbol, str(interval), first, end, interval.ms
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

    async def revisions(
        self, symbols: Sequence[str], interval: Interval, since_ms: int
    ) -> dict[tuple[str, Interval, int], int]:
        """How often each bar was replaced that was, and opens at an instant or later.

        By (symbol, interval, open time in ms).
        """
        rows = await self._database.rows(
            _REVISIONS, self._venue, list(symbols), str(interval), since_ms
        )
        return {(row["symbol"], interval, row["open_time"]): row["revision"] for row in rows}

    async def enable(self, intervals: Iterable[Interval]) -> None:
        """Say in the table ``timeframes`` which intervals are collected."""
        await self._database.execute(
            "UPDATE timeframes SET enabled = interval = ANY($1::text[])",
            [str(interval) for interval in intervals],
        )
