"""Tables of market data: one row an instant or bar, figures as floats, the last word counts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from rusy_tui.store.pool import Database

S = TypeVar("S", bound=msgspec.Struct)

# By the name of the field in the domain type: its column, where that is another.
_COLUMNS: Mapping[str, str] = {
    "interval": "timeframe",
    "open_time_ms": "open_time",
    "time_ms": "at",
}
_TYPES: Mapping[str, str] = {
    "symbol": "text",
    "timeframe": "text",
    "open_time": "timestamptz",
    "at": "timestamptz",
}
_KEYS = ("symbol", "timeframe", "open_time", "at")


class Series(Generic[S]):
    """One such table of one venue.

    Args:
        database: that holds it.
        venue: bound into every key.
        name: of the table.
        kind: the domain type of a row, its figures after its key.
    """

    def __init__(self, database: Database, venue: str, name: str, kind: type[S]) -> None:
        self._database = database
        self._venue = venue
        self._kind = kind
        self._fields = kind.__struct_fields__
        columns = [_COLUMNS.get(field, field) for field in self._fields]
        self._keys = [column for column in columns if column in _KEYS]
        figures = [column for column in columns if column not in _KEYS]
        self._time = self._keys[-1]
        listed = ", ".join(columns)
        given = ", ".join(
            f"${place}::{_TYPES.get(column, 'float8')}[]"
            for place, column in enumerate(columns, start=2)
        )
        self._store = (
            f"INSERT INTO {name} AS kept (venue, {listed}) "
            f"SELECT $1, {listed} FROM unnest({given}) AS given ({listed}) "
            f"ON CONFLICT (venue, {', '.join(self._keys)}) DO UPDATE "
            f"SET {', '.join(f'{column} = excluded.{column}' for column in figures)} "
            f"WHERE ({', '.join(f'kept.{column}' for column in figures)}) IS DISTINCT FROM "
            f"({', '.join(f'excluded.{column}' for column in figures)})"
        )
        # A key has an interval only where the table is about bars.
        self._of = f"FROM {name} WHERE venue = $1 AND symbol = $2" + (
            " AND timeframe = $3" if "timeframe" in self._keys else " AND $3::text IS NULL"
        )
        self._select = f"SELECT {listed} {self._of}"
        # The step before the span stands for the row before it.
        self._holes = (
            "SELECT before + step, after FROM ("
            "SELECT before, step, lead(before, 1, $5) OVER (ORDER BY before) AS after FROM ("
            "SELECT $4::timestamptz - $6::bigint * interval '1 millisecond' AS before "
            f"UNION ALL SELECT {self._time} {self._of} "
            f"AND {self._time} >= $4 AND {self._time} < $5) AS known, "
            "(SELECT $6::bigint * interval '1 millisecond' AS step) AS steps) AS pairs "
            "WHERE after > before + $7::bigint * interval '1 millisecond' ORDER BY before"
        )

    async def store(self, rows: Sequence[S]) -> int:
        """Write rows, in any order; how many were new or other than before.

        Of two for the same instant the last counts.

        Raises:
            StorageError: not written, none of them.
        """
        if not rows:
            return 0
        unique = {self._key(row): row for row in rows}
        ordered = [unique[key] for key in sorted(unique)]
        return await self._database.execute(
            self._store,
            self._venue,
            *(_column(ordered, field) for field in self._fields),
        )

    async def between(
        self, symbol: str, interval: str | None, from_ms: int, until_ms: int
    ) -> list[S]:
        """Rows in [from, until), ascending.

        Args:
            symbol: of the rows.
            interval: of the bars; None where the table is not about bars.
            from_ms: the first instant, ms.
            until_ms: the first one that is left out, ms.
        """
        rows = await self._database.rows(
            f"{self._select} AND {self._time} >= $4 AND {self._time} < $5 "
            f"ORDER BY {self._time}",
            self._venue,
            symbol,
            interval,
            from_ms,
            until_ms,
        )
        return [
            msgspec.convert(dict(zip(self._fields, row, strict=True)), self._kind)
            for row in rows
        ]

    async def holes(
        self,
        symbol: str,
        interval: str | None,
        from_ms: int,
        until_ms: int,
        *,
        step_ms: int,
        apart_ms: int,
    ) -> list[tuple[int, int]]:
        """Where rows are missing in [from, until), as spans of instants [from, until).

        Args:
            symbol: of the rows.
            interval: of the bars; None where the table is not about bars.
            from_ms: the first instant, ms.
            until_ms: the first one that is left out, ms; a row is taken to stand there.
            step_ms: the least time between two rows: so long after a row a hole begins.
            apart_ms: the most between two rows where none is missing; on a grid, its step.
        """
        if from_ms >= until_ms:
            return []
        rows = await self._database.rows(
            self._holes, self._venue, symbol, interval, from_ms, until_ms, step_ms, apart_ms
        )
        return [(row[0], row[1]) for row in rows]

    async def bounds_ms(self, symbol: str, interval: str | None) -> tuple[int, int] | None:
        """The instants of the oldest and the newest row, ms; None when there is none."""
        row = await self._database.row(
            f"SELECT min({self._time}), max({self._time}) {self._of}",
            self._venue,
            symbol,
            interval,
        )
        return None if row is None or row[0] is None else (row[0], row[1])

    def _key(self, row: S) -> tuple[Any, ...]:
        return tuple(
            getattr(row, field)
            for field in self._fields
            if _COLUMNS.get(field, field) in self._keys
        )


def _column(rows: Iterable[msgspec.Struct], field: str) -> list[object]:
    # An interval is text that knows its length.
    return [str(value) if field == "interval" else value for value in _values(rows, field)]


def _values(rows: Iterable[msgspec.Struct], field: str) -> Iterable[object]:
    return (getattr(row, field) for row in rows)
