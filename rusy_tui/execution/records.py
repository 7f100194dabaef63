"""What is kept of trades and orders, written in order and never in the way of a stop."""

import asyncio

import structlog

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.order import (
    Confirmed,
    OrderIntent,
    OrderReport,
    OrderState,
    Purpose,
    Rejected,
)
from rusy_tui.domain.trade import Trade
from rusy_tui.execution.life import Life
from rusy_tui.execution.messages import Absent, Answered, CancelAnswered, Message, Reported
from rusy_tui.store.store import Store

log = structlog.get_logger("exec")

# How long a protective, closing or cancelling order waits for its intent to be durable, and a
# trade for its row, wall seconds: what is left of the 2 s of promise P2 is for the exchange.
PROTECTION_WAIT_S = 0.3
# An entry waits longer, and is not sent without.
ENTRY_WAIT_S = 1.0


class Records:
    """Queues what the executor learns for the database; each call returns at once.

    A returned future tells, when awaited, whether the row is durable.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def put_news(self, life: Life, message: Message) -> "asyncio.Future[bool] | None":
        """Have what a message said of an order written; None when it said nothing."""
        match message:
            case Answered(intent=intent, outcome=Rejected(code=code, message=text)):
                return self._put_state(
                    intent.client_order_id, OrderState.REJECTED, code=code, text=text
                )
            case Answered(intent=intent, outcome=Confirmed(report=report)):
                return self.put_report(intent.client_order_id, report)
            case Answered(intent=intent):
                state = life.slots[intent.client_order_id].state
                return self._put_state(intent.client_order_id, state)
            case Absent(client_order_id=client_order_id):
                state = life.slots[client_order_id].state
                return self._put_state(client_order_id, state) if state.is_final else None
            case Reported(report=report) | CancelAnswered(outcome=Confirmed(report=report)):
                if report.client_order_id in life.slots:
                    return self.put_report(report.client_order_id, report)
                return None
            case _:
                return None

    def _put_state(
        self,
        client_order_id: str,
        state: OrderState,
        *,
        code: int | None = None,
        text: str | None = None,
    ) -> "asyncio.Future[bool]":
        now_ms = self._clock.market_ms()
        return self._store.writes.put(
            lambda: self._store.orders.update(
                client_order_id, state, now_ms, reject_code=code, reject_message=text
            ),
            f"order {client_order_id} {state}",
        )

    def put_report(self, client_order_id: str, report: OrderReport) -> "asyncio.Future[bool]":
        """Have the exchange's word on an order written."""
        now_ms = self._clock.market_ms()
        return self._store.writes.put(
            lambda: keep_report(self._store, client_order_id, report, now_ms),
            f"order {client_order_id} {report.state}",
        )

    def put_trade(self, trade: Trade) -> "asyncio.Future[bool]":
        """Have a trade's row written."""
        return self._store.writes.put(
            lambda: self._store.trades.update(trade), f"trade {trade.trade_id} {trade.state}"
        )


async def keep_report(
    store: Store, client_order_id: str, report: OrderReport, at_ms: int
) -> None:
    """Write the exchange's word on an order into its row."""
    await store.orders.update(
        client_order_id,
        report.state,
        at_ms,
        exchange_order_id=report.exchange_order_id or None,
        triggered_order_id=report.triggered_order_id or None,
        filled_quantity=report.filled_quantity,
        average_price=report.average_price,
    )


async def durable(store: Store, intent: OrderIntent) -> bool:
    """Have an order's intent committed, and wait for it: not long, but for an entry.

    Returns:
        Whether it is durable now. An entry must not be sent when it is not; all others are
        sent all the same, their ids in the log (promise P1).
    """
    name = intent.client_order_id
    is_entry = intent.purpose is Purpose.ENTRY
    wait_s = ENTRY_WAIT_S if is_entry else PROTECTION_WAIT_S
    is_kept = await store.writes.keep(
        lambda: store.orders.intend(intent), f"order {name}", wait_s
    )
    if not is_kept and not is_entry:
        log.error("sent though not durable", order=name, symbol=intent.symbol)
    return is_kept
