"""Trades: the table the original description calls ``positions``."""

from rusy_tui.domain.trade import Trade
from rusy_tui.store.pool import Database
from rusy_tui.store.table import Table

_TABLE = Table("positions", Trade)


class Trades:
    """The table ``positions`` of one account: one row a trade."""

    def __init__(self, database: Database, venue: str, account: str) -> None:
        self._database = database
        self._key = (venue, account)

    async def add(self, trade: Trade) -> bool:
        """Keep a new trade; False when its id is there already."""
        added = await self._database.execute(
            _TABLE.insert_once, *self._key, *_TABLE.values(trade)
        )
        return added == 1

    async def update(self, trade: Trade) -> None:
        """Write a trade as it stands now, also when it was not added before."""
        await self._database.execute(
            _TABLE.upsert("trade_id"), *self._key, *_TABLE.values(trade)
        )

    async def get(self, trade_id: str) -> Trade | None:
        """One trade, None when there is none of this id."""
        row = await self._database.row(
            f"{_TABLE.select} AND trade_id = $3", *self._key, trade_id
        )
        return _TABLE.read(row) if row else None

    async def held(self, symbol: str, at_ms: int) -> Trade | None:
        """The trade that had a position in a symbol at a market time, ms; None without one."""
        row = await self._database.row(
            f"{_TABLE.select} AND symbol = $3 AND opened_at <= $4 "
            "AND (closed_at IS NULL OR closed_at >= $4) ORDER BY opened_at DESC LIMIT 1",
            *self._key,
            symbol,
            at_ms,
        )
        return _TABLE.read(row) if row else None

    async def running(self) -> list[Trade]:
        """Those that are neither closed nor failed, oldest first."""
        rows = await self._database.rows(
            f"{_TABLE.select} AND state NOT IN ('closed', 'failed') "
            "ORDER BY created_at, trade_id",
            *self._key,
        )
        return [_TABLE.read(row) for row in rows]

    async def since(self, from_ms: int) -> list[Trade]:
        """Those made at or after an instant of market time, ms; oldest first."""
        rows = await self._database.rows(
            f"{_TABLE.select} AND created_at >= $3 ORDER BY created_at, trade_id",
            *self._key,
            from_ms,
        )
        return [_TABLE.read(row) for row in rows]

    async def all(self) -> list[Trade]:
        """Every trade of the account, oldest first."""
        return await self.since(0)
