"""Funding payments, each kept once however often the exchange lists it."""

import asyncpg

from rusy_tui.domain.account import Income
from rusy_tui.store.pool import Database
from rusy_tui.store.rows import FundingRow
from rusy_tui.store.table import Table

_TABLE = Table("funding", Income, renamed={"time_ms": "paid_at"}, beside=("trade_id",))
_ORDER = "ORDER BY paid_at, symbol, income_id"


class Funding:
    """The table ``funding`` of one account."""

    def __init__(self, database: Database, venue: str, account: str) -> None:
        self._database = database
        self._key = (venue, account)

    async def add(self, income: Income, trade_id: str) -> bool:
        """Keep a payment; False when it is known.

        Args:
            income: the ledger's entry.
            trade_id: the trade that was open then, "" for none of ours.
        """
        added = await self._database.execute(
            _TABLE.insert_once, *self._key, *_TABLE.values(income), trade_id
        )
        return added == 1

    async def since(self, from_ms: int) -> list[FundingRow]:
        """Those at or after an instant of market time, ms; oldest first."""
        rows = await self._database.rows(
            f"{_TABLE.select} AND paid_at >= $3 {_ORDER}", *self._key, from_ms
        )
        return [_read(row) for row in rows]

    async def by_trade(self, trade_id: str) -> list[FundingRow]:
        """Those of one trade, oldest first."""
        rows = await self._database.rows(
            f"{_TABLE.select} AND trade_id = $3 {_ORDER}", *self._key, trade_id
        )
        return [_read(row) for row in rows]

    async def last_ms(self) -> int | None:
        """When the newest known payment was made, market ms; None without one."""
        newest: int | None = await self._database.value(
            "SELECT max(paid_at) FROM funding WHERE venue = $1 AND account = $2", *self._key
        )
        return newest


def _read(row: asyncpg.Record) -> FundingRow:
    return FundingRow(income=_TABLE.read(row), trade_id=row["trade_id"])
