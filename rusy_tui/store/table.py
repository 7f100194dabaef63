"""Domain types as rows: which field stands in which column."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import asyncpg
import msgspec

S = TypeVar("S", bound=msgspec.Struct)

# A field that ends in `_ms` is an instant, and its column ends in `_at`; these are spans.
_SPANS = frozenset({"recv_window_ms"})


class Table(Generic[S]):
    """One table, whose rows are one domain type plus a key of venue and account.

    Args:
        name: of the table.
        kind: the domain type.
        renamed: field to column where the name is not the obvious one.
        as_json: fields that are kept as JSON, with their types.
        beside: columns that rows have besides; given after the domain type's.
    """

    def __init__(
        self,
        name: str,
        kind: type[S],
        *,
        renamed: Mapping[str, str] | None = None,
        as_json: Mapping[str, type] | None = None,
        beside: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self._kind = kind
        self._columns = {
            field: (renamed or {}).get(field) or _column(field)
            for field in kind.__struct_fields__
        }
        self._as_json = as_json or {}
        columns = ("venue", "account", *self._columns.values(), *beside)
        places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        self._insert = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({places})"
        self.select = (
            f"SELECT {', '.join(columns)} FROM {name} WHERE venue = $1 AND account = $2"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that hold the domain type's fields."""
        return tuple(self._columns.values())

    @property
    def insert_once(self) -> str:
        """Adds a row unless its key is there; the count of rows tells which."""
        return f"{self._insert} ON CONFLICT DO NOTHING"

    def upsert(self, *key: str) -> str:
        """Adds a row, or brings the one with this key up to date.

        Args:
            key: columns of the key after venue and account.
        """
        changed = (column for column in self._columns.values() if column not in key)
        changes = ", ".join(f"{column} = excluded.{column}" for column in changed)
        return (
            f"{self._insert} ON CONFLICT (venue, account, {', '.join(key)}) "
            f"DO UPDATE SET {changes}"
        )

    def values(self, row: S) -> list[object]:
        """A domain value's fields in the order of the columns."""
        return [
            msgspec.json.encode(value) if field in self._as_json else value
            for field, value in ((field, getattr(row, field)) for field in self._columns)
        ]

    def read(self, record: asyncpg.Record) -> S:
        """The domain value in a row.

        Raises:
            msgspec.ValidationError: what is stored isn't one.
        """
        found: dict[str, Any] = {}
        for field, column in self._columns.items():
            value = record[column]
            if field in self._as_json:
                value = msgspec.json.decode(value, type=self._as_json[field])
            found[field] = value
        return msgspec.convert(found, self._kind)


def _column(field: str) -> str:
    if field.endswith("_ms") and field not in _SPANS:
        return f"{field.removesuffix('_ms')}_at"
    return field
