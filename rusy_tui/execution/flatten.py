"""Flatten (promise P6): close everything, prove it, and leave no order behind.

Entries and targets are cancelled and positions closed reduce-only while the stops keep
resting; when the exchange says flat, the stops go too. Repeated until both order books and
the positions are empty.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import structlog

from rusy_tui.domain.account import Position
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, UnreachableError
from rusy_tui.domain.order import (
    Cause,
    OrderBook,
    OrderIntent,
    OrderKind,
    OrderReport,
    Outcome,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
)
from rusy_tui.domain.trade import ExitReason
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.execution.executor import Executor
from rusy_tui.execution.ids import Ids
from rusy_tui.execution.records import durable
from rusy_tui.store.store import Store

log = structlog.get_logger("flatten")

# Rounds of look-and-act, and the wall seconds between them: 30 s in all, then it says what
# is left instead of promising any longer.
ROUNDS = 60
ROUND_S = 0.5
# Trades close themselves in their own tasks; what they leave after these rounds is closed
# here.
ROUNDS_FOR_TRADES = 20


class Flattened(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the exchange says flat, and what it still holds if not."""

    flat: bool
    positions: tuple[Position, ...]
    orders: tuple[OrderReport, ...]

    def in_words(self) -> str:
        """The result for a person."""
        if self.flat:
            return "verified flat: no position, no order in either book"
        left = [f"{p.symbol} {p.quantity}" for p in self.positions]
        left += [f"{r.symbol} order {r.client_order_id}" for r in self.orders]
        return "NOT flat, left: " + ", ".join(left)


async def flatten(
    exchange: ExchangePort,
    store: Store,
    executor: Executor,
    clock: Clock,
    ids: Ids,
    symbol: str | None,
) -> Flattened:
    """Close one symbol or all, and look until the exchange says flat.

    Entries must be barred by the caller first. Never raises for what the exchange does: it
    goes on looking, and returns what is left at the end.
    """
    for held in list(executor.lives):
        if symbol in (None, held):
            executor.ask_exit(held, ExitReason.FLATTEN)
    last = Flattened(flat=False, positions=(), orders=())
    for round_number in range(ROUNDS):
        try:
            # Before looking: what a trade closes meanwhile must not be closed twice.
            busy = [s for s in executor.lives if symbol in (None, s)]
            last = await _look(exchange, symbol)
            if last.flat and not busy:
                return last
            if not busy or round_number >= ROUNDS_FOR_TRADES:
                await _close_the_rest(exchange, store, clock, ids, executor, last)
        except (ExchangeError, UnreachableError) as error:
            log.warning("flatten goes on", why=str(error))
        await clock.sleep(ROUND_S)
    return last


async def _look(exchange: ExchangePort, symbol: str | None) -> Flattened:
    positions = tuple(p for p in await exchange.positions() if symbol in (None, p.symbol))
    orders = (
        *await exchange.open_orders(OrderBook.PLAIN, symbol),
        *await exchange.open_orders(OrderBook.CONDITIONAL, symbol),
    )
    return Flattened(flat=not positions and not orders, positions=positions, orders=orders)


async def _close_the_rest(
    exchange: ExchangePort,
    store: Store,
    clock: Clock,
    ids: Ids,
    executor: Executor,
    left: Flattened,
) -> None:
    """Close positions that no trade closes, and cancel orders where nothing is held."""
    held = {position.symbol for position in left.positions}
    for position in left.positions:
        for report in _of(left.orders, position.symbol, OrderBook.PLAIN):
            await exchange.cancel(report.symbol, report.client_order_id, report.book)
        outcome = await _close(exchange, store, clock, ids, executor, position, by_limit=False)
        if isinstance(outcome, Rejected) and outcome.cause is Cause.PRICE_BAND:
            # Too thin for a market order: what there is up to the edge of the price band.
            await _close(exchange, store, clock, ids, executor, position, by_limit=True)
    for report in left.orders:
        if report.symbol not in held:
            await exchange.cancel(report.symbol, report.client_order_id, report.book)


async def _close(
    exchange: ExchangePort,
    store: Store,
    clock: Clock,
    ids: Ids,
    executor: Executor,
    position: Position,
    *,
    by_limit: bool,
) -> Outcome | None:
    """Close a position in the parts that the exchange takes; the last part's outcome."""
    side, size = (Side.SELL if position.quantity > 0 else Side.BUY), abs(position.quantity)
    instrument = executor.instruments.get(position.symbol)
    # Of a contract that is announced no more nobody knows the rules: as it is, at the market.
    parts: tuple[Decimal, ...] = (size,)
    price = None
    if instrument is not None:
        price = instrument.worst_price(side, position.mark_price) if by_limit else None
        parts = instrument.parts(size, market=price is None)
    outcome: Outcome | None = None
    for part in parts:
        intent = OrderIntent(
            client_order_id=ids.order(Purpose.FLATTEN),
            trade_id=executor.trade_id_of(position.symbol) or "",
            purpose=Purpose.FLATTEN,
            symbol=position.symbol,
            side=side,
            kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
            quantity=part,
            price=price,
            time_in_force=TimeInForce.GTC if price is None else TimeInForce.IOC,
            reduce_only=True,
            created_ms=clock.market_ms(),
        )
        # Closing never waits long for the database (promises P1, P6).
        await durable(store, intent)
        outcome = await exchange.place(intent)
    return outcome


def _of(orders: Sequence[OrderReport], symbol: str, book: OrderBook) -> list[OrderReport]:
    return [r for r in orders if r.symbol == symbol and r.book is book]
