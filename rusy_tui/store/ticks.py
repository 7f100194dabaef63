"""Which step of its price a contract had, and when it was seen so."""

from rusy_tui.store.pool import Database

_DAY_MS = 86_400_000

# One row a step as long as it stays; another step in between begins a new one.
_EXTEND = """
UPDATE tick_sizes SET first_seen = least(first_seen, $4), last_seen = greatest(last_seen, $4)
WHERE venue = $1 AND symbol = $2 AND tick_size = $3
    AND NOT EXISTS (
        SELECT FROM tick_sizes AS other
        WHERE other.venue = $1 AND other.symbol = $2 AND other.tick_size <> $3
            AND other.last_seen >= least(tick_sizes.last_seen, $4)
            AND other.first_seen <= greatest(tick_sizes.first_seen, $4)
            AND (other.first_seen > tick_sizes.last_seen
                OR other.last_seen < tick_sizes.first_seen)
    )
"""

_ADD = """
INSERT INTO tick_sizes (venue, symbol, tick_size, first_seen, last_seen)
VALUES ($1, $2, $3, $4, $4) ON CONFLICT DO NOTHING
"""

_FINEST = """
SELECT min(tick_size) FROM tick_sizes
WHERE venue = $1 AND symbol = $2 AND first_seen < $4 AND last_seen >= $3
"""


_SPANS = """
SELECT tick_size, first_seen, last_seen FROM tick_sizes
WHERE venue = $1 AND symbol = $2 ORDER BY first_seen
"""


class Ticks:
    """The table ``tick_sizes`` of one venue."""

    def __init__(self, database: Database, venue: str) -> None:
        self._database = database
        self._venue = venue

    async def note(self, symbol: str, tick_size: float, at_ms: int) -> None:
        """A contract's step was seen at an instant of market time, ms."""
        arguments = (self._venue, symbol, tick_size, at_ms)
        if not await self._database.execute(_EXTEND, *arguments):
            await self._database.execute(_ADD, *arguments)

    async def finest(self, symbol: str, at_ms: int) -> float | None:
        """The finest step that was seen on the UTC day of an instant; None: none is known."""
        day_ms = at_ms - at_ms % _DAY_MS
        found: float | None = await self._database.value(
            _FINEST, self._venue, symbol, day_ms, day_ms + _DAY_MS
        )
        return found

    async def spans(self, symbol: str) -> list[tuple[float, int, int]]:
        """Every step that is on record: the step, when it was first and last seen so, ms."""
        rows = await self._database.rows(_SPANS, self._venue, symbol)
        return [(row["tick_size"], row["first_seen"], row["last_seen"]) for row in rows]
