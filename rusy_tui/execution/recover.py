"""Start is recovery: what the database and the exchange say together becomes trades again.

A clean start, a crash and an upgrade all come through here. The exchange wins: fills that
were missed are read and counted, entries whose premise has passed are cancelled, and every
open position of ours gets its stop if none rests.
"""

from collections.abc import Sequence

import msgspec
import structlog

from rusy_tui.domain.account import Position
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.order import OrderBook, OrderReport, OrderState, Purpose
from rusy_tui.domain.trade import Trade, TradeState
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.execution.executor import Executor, keep_report
from rusy_tui.execution.ids import purpose_of
from rusy_tui.execution.ledger import after_fill
from rusy_tui.execution.life import Life
from rusy_tui.execution.messages import Tick
from rusy_tui.execution.resolve import Resolver
from rusy_tui.execution.slots import Slot
from rusy_tui.store.store import Store

log = structlog.get_logger("exec")


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What a start found.

    ``adopted`` trades go on; ``foreign`` symbols have a position or order that is not ours;
    ``differences`` say in words where the exchange and the database disagreed.
    """

    adopted: tuple[str, ...]
    foreign: tuple[str, ...]
    differences: tuple[str, ...]


async def recover(
    exchange: ExchangePort, store: Store, executor: Executor, clock: Clock
) -> Recovered:
    """Rebuild every trade that had not ended, and hand it to the executor.

    Raises:
        ExchangeError: when the exchange can't be read.
        StorageError: when the database can't.
    """
    resolver = Resolver(exchange, clock)
    positions = {p.symbol: p for p in await exchange.positions()}
    resting: list[OrderReport] = [
        *await exchange.open_orders(OrderBook.PLAIN, None),
        *await exchange.open_orders(OrderBook.CONDITIONAL, None),
    ]
    differences: list[str] = []
    adopted: list[str] = []
    for trade in await store.trades.running():
        life = await _rebuild(trade, exchange, store, resolver, clock)
        held = positions.get(trade.symbol)
        difference = _difference(life.trade, held)
        if difference is not None:
            differences.append(difference)
        await store.trades.update(life.trade)
        executor.adopt(life, Tick())
        adopted.append(trade.symbol)
        log.info("trade adopted", symbol=trade.symbol, quantity=str(life.trade.quantity))
    await _sweep_orphans(exchange, resting, adopted, differences)
    foreign = _foreign(positions, resting, adopted)
    return Recovered(
        adopted=tuple(adopted), foreign=tuple(foreign), differences=tuple(differences)
    )


async def _rebuild(
    trade: Trade, exchange: ExchangePort, store: Store, resolver: Resolver, clock: Clock
) -> Life:
    """A life from what the database knows, brought up to date by the exchange."""
    slots: list[Slot] = []
    for row in await store.orders.by_trade(trade.trade_id):
        intent = row.intent
        slot = Slot(intent, clock.monotonic_s())
        slot.state = row.state
        slot.exchange_order_id = row.exchange_order_id
        slot.triggered_order_id = row.triggered_order_id
        if slot.live:
            report = await resolver.resolve(intent)
            slot.state = OrderState.NEW if report is not None else OrderState.REJECTED
            if report is not None:
                slot.take(report)
                await keep_report(store, intent.client_order_id, report, clock.market_ms())
            else:
                await store.orders.update(
                    intent.client_order_id, OrderState.REJECTED, clock.market_ms()
                )
        slots.append(slot)
    life = Life(trade, rules=None)
    life.slots = {slot.client_order_id: slot for slot in slots}
    for kept in await store.fills.by_trade(trade.trade_id):
        fill = kept.fill
        owner = life.slot_of(fill)
        if owner is not None:
            owner.add_fill(fill.quantity)
    for fill in await exchange.fills(trade.symbol, trade.created_ms):
        if not await store.fills.add(fill, trade.trade_id):
            continue
        life.trade = after_fill(life.trade, fill)
        owner = life.slot_of(fill)
        if owner is not None:
            owner.add_fill(fill.quantity)
        if fill.side is not trade.side and owner is not None:
            life.last_exit_by = owner.client_order_id
    # An order whose fills could not be told apart must not hold the trade's end up.
    for slot in slots:
        slot.reported_filled = min(slot.reported_filled, slot.filled)
    if life.open and life.trade.state in (TradeState.PLANNED, TradeState.ENTERING):
        life.set_state(TradeState.OPEN)
    resting = [slot for slot in life.live(Purpose.STOP) if slot.protects]
    if resting:
        life.trade = msgspec.structs.replace(
            life.trade, stop_order_id=resting[0].client_order_id
        )
    elif life.open:
        life.first_fill_s = clock.monotonic_s()
    return life


def _difference(trade: Trade, held: Position | None) -> str | None:
    ours = trade.quantity * trade.side.sign
    theirs = held.quantity if held is not None else 0
    if ours == theirs:
        return None
    return f"{trade.symbol}: our trade holds {ours}, the exchange says {theirs}"


async def _sweep_orphans(
    exchange: ExchangePort,
    resting: Sequence[OrderReport],
    adopted: Sequence[str],
    differences: list[str],
) -> None:
    """Cancel orders of ours that belong to no trade any more."""
    for report in resting:
        if report.symbol in adopted or purpose_of(report.client_order_id) is None:
            continue
        differences.append(f"{report.symbol}: swept our orphan {report.client_order_id}")
        await exchange.cancel(report.symbol, report.client_order_id, report.book)


def _foreign(
    positions: dict[str, Position], resting: Sequence[OrderReport], adopted: Sequence[str]
) -> list[str]:
    """Symbols with a position no trade of ours explains, or an order without our prefix."""
    symbols = {symbol for symbol in positions if symbol not in adopted}
    symbols |= {r.symbol for r in resting if purpose_of(r.client_order_id) is None}
    return sorted(symbols)
