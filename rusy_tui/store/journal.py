"""The journal: each decision with all that it was made from."""

import msgspec

from rusy_tui.store.pool import Database
from rusy_tui.store.rows import JournalEntry


class Journal:
    """The table ``journal`` of one account; only ever added to."""

    def __init__(self, database: Database, venue: str, account: str) -> None:
        self._database = database
        self._key = (venue, account)

    async def append(self, kind: str, subject: str, payload: object, at_ms: int) -> int:
        """Add an entry; its number.

        Args:
            kind: what happened: decision, order, gate, …
            subject: what it is about: the id of a trade or proposal, a symbol, …
            payload: anything that JSON can say; a Decimal becomes a string, NaN null.
            at_ms: market time, ms.
        """
        number: int = await self._database.value(
            "INSERT INTO journal (venue, account, at, kind, subject, payload) "
            "VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
            *self._key,
            at_ms,
            kind,
            subject,
            msgspec.json.encode(payload),
        )
        return number

    async def about(self, subject: str) -> list[JournalEntry]:
        """All entries about one thing, in the order written."""
        return await self._entries("subject = $3", subject)

    async def since(self, from_ms: int) -> list[JournalEntry]:
        """All entries at or after an instant of market time, ms, in the order written."""
        return await self._entries("at >= $3", from_ms)

    async def _entries(self, condition: str, argument: object) -> list[JournalEntry]:
        rows = await self._database.rows(
            "SELECT id, at, kind, subject, payload FROM journal "
            f"WHERE venue = $1 AND account = $2 AND {condition} ORDER BY id",
            *self._key,
            argument,
        )
        return [
            JournalEntry(
                entry_id=row["id"],
                at_ms=row["at"],
                kind=row["kind"],
                subject=row["subject"],
                payload=msgspec.json.decode(row["payload"]),
            )
            for row in rows
        ]
