"""Executions, each kept once however often it is told."""

import asyncpg

from rusy_tui.domain.order import Fill
from rusy_tui.store.pool import Database
from rusy_tui.store.rows import FillRow
from rusy_tui.store.table import Table

_TABLE = Table("fills", Fill, renamed={"time_ms": "filled_at"}, beside=("trade_id",))
_ORDER = "ORDER BY filled_at, symbol, exchange_trade_id"


class Fills:
    """The table ``fills`` of one account."""

    def __init__(self, database: Database, venue: str, account: str) -> None:
        self._database = database
        self._key = (venue, account)

    async def add(self, fill: Fill, trade_id: str) -> bool:
        """Keep an execution; False when it is known.

        Args:
            fill: the execution.
            trade_id: the trade it belongs to, "" for none of ours.
        """
        added = await self._database.execute(
            _TABLE.insert_once, *self._key, *_TABLE.values(fill), trade_id
        )
        return added == 1

    async def since(self, from_ms: int) -> list[FillRow]:
        """Those at or after an instant of market time, ms; oldest first."""
        rows = await self._database.rows(
            f"{_TABLE.select} AND filled_at >= $3 {_ORDER}", *self._key, from_ms
        )
        return [_read(row) for row in rows]

    async def by_trade(self, trade_id: str) -> list[FillRow]:
        """Those of one trade, oldest first."""
        rows = await self._database.rows(
            f"{_TABLE.select} AND trade_id = $3 {_ORDER}", *self._key, trade_id
        )
        return [_read(row) for row in rows]

    async def last_exchange_trade_id(self, symbol: str) -> int | None:
        """The exchange's highest number of a known execution of a symbol; None without one."""
        newest: int | None = await self._database.value(
            "SELECT max(exchange_trade_id) FROM fills "
            "WHERE venue = $1 AND account = $2 AND symbol = $3",
            *self._key,
            symbol,
        )
        return newest


def _read(row: asyncpg.Record) -> FillRow:
    return FillRow(fill=_TABLE.read(row), trade_id=row["trade_id"])
