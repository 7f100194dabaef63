"""Orders: the intent durable before anything is sent, then what became of it."""

from decimal import Decimal

import asyncpg

from rusy_tui.domain.errors import Defect
from rusy_tui.domain.order import OrderIntent, OrderState
from rusy_tui.store.pool import Database
from rusy_tui.store.rows import OrderRow
from rusy_tui.store.table import Table

_TABLE = Table("orders", OrderIntent, beside=("updated_at",))
_FINAL = [state for state in OrderState if state.is_final]
_SELECT = "SELECT * FROM orders WHERE venue = $1 AND account = $2"

# What isn't told stays; a final state can't be left any more, but its figures may be mended.
_UPDATE = """
UPDATE orders
SET state = $4,
    updated_at = $5,
    exchange_order_id = coalesce($6, exchange_order_id),
    triggered_order_id = coalesce($7, triggered_order_id),
    filled_quantity = coalesce($8, filled_quantity),
    average_price = coalesce($9, average_price),
    reject_code = coalesce($10, reject_code),
    reject_message = coalesce($11, reject_message)
WHERE venue = $1 AND account = $2 AND client_order_id = $3
    AND (state = $4 OR state <> ALL ($12::text[]))
"""


class Orders:
    """The table ``orders`` of one account."""

    def __init__(self, database: Database, venue: str, account: str) -> None:
        self._database = database
        self._key = (venue, account)

    async def intend(self, intent: OrderIntent) -> bool:
        """Commit an order's intent; it may be sent once this returned.

        Returns:
            Whether it is new: False when the very same intent was committed before, as by a
            call whose answer was lost.

        Raises:
            StorageError: not known to be durable.
            Defect: another intent has this client order id.
        """
        added = await self._database.execute(
            _TABLE.insert_once, *self._key, *_TABLE.values(intent), intent.created_ms
        )
        if added == 1:
            return True
        known = await self.get(intent.client_order_id)
        if known is None or known.intent != intent:
            raise Defect(f"client order id {intent.client_order_id} was used for two orders")
        return False

    async def sent(self, client_order_id: str, at_ms: int) -> None:
        """Note that an order was handed to the exchange at a market time, ms."""
        await self._database.execute(
            "UPDATE orders SET sent_at = $4, updated_at = $4 "
            "WHERE venue = $1 AND account = $2 AND client_order_id = $3",
            *self._key,
            client_order_id,
            at_ms,
        )

    async def update(
        self,
        client_order_id: str,
        state: OrderState,
        at_ms: int,
        *,
        exchange_order_id: str | None = None,
        triggered_order_id: str | None = None,
        filled_quantity: Decimal | None = None,
        average_price: Decimal | None = None,
        reject_code: int | None = None,
        reject_message: str | None = None,
    ) -> bool:
        """Write what became of an order; False when it is unknown or in another final state.

        Args:
            client_order_id: ours.
            state: the new one.
            at_ms: market time, ms.
            exchange_order_id: this and the rest: None leaves what is known.
            triggered_order_id: the plain order that a conditional one became.
            filled_quantity: base asset, in total.
            average_price: of what was filled, quote asset.
            reject_code: the exchange's own number.
            reject_message: its words, or ours for a denied one.
        """
        changed = await self._database.execute(
            _UPDATE,
            *self._key,
            client_order_id,
            state,
            at_ms,
            exchange_order_id,
            triggered_order_id,
            filled_quantity,
            average_price,
            reject_code,
            reject_message,
            _FINAL,
        )
        return changed == 1

    async def get(self, client_order_id: str) -> OrderRow | None:
        """One order, None when there is none of this id."""
        row = await self._database.row(
            f"{_SELECT} AND client_order_id = $3", *self._key, client_order_id
        )
        return _read(row) if row else None

    async def open_or_unresolved(self) -> list[OrderRow]:
        """All orders that something can still happen to, oldest first."""
        # Spelt out, so that the index over just these orders is used.
        final = ", ".join(f"'{state}'" for state in _FINAL)
        rows = await self._database.rows(
            f"{_SELECT} AND state NOT IN ({final}) ORDER BY created_at, client_order_id",
            *self._key,
        )
        return [_read(row) for row in rows]

    async def by_trade(self, trade_id: str) -> list[OrderRow]:
        """The orders of a trade, oldest first."""
        rows = await self._database.rows(
            f"{_SELECT} AND trade_id = $3 ORDER BY created_at, client_order_id",
            *self._key,
            trade_id,
        )
        return [_read(row) for row in rows]

    async def count(self) -> int:
        """How many orders were ever intended."""
        number: int = await self._database.value(
            "SELECT count(*) FROM orders WHERE venue = $1 AND account = $2", *self._key
        )
        return number


def _read(row: asyncpg.Record) -> OrderRow:
    return OrderRow(
        intent=_TABLE.read(row),
        state=OrderState(row["state"]),
        exchange_order_id=row["exchange_order_id"],
        triggered_order_id=row["triggered_order_id"],
        filled_quantity=row["filled_quantity"],
        average_price=row["average_price"],
        sent_ms=row["sent_at"],
        updated_ms=row["updated_at"],
        reject_code=row["reject_code"],
        reject_message=row["reject_message"],
    )
