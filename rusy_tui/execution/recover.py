"""Start is recovery: what the database and the exchange say together becomes trades again.

A clean start, a crash and an upgrade all come through here. The exchange wins: fills that
were missed are read and counted, entries whose premise has passed are cancelled, and every
open position of ours gets its stop if none rests.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal

import msgspec
import structlog

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderReport, OrderState, Purpose
from rusy_tui.domain.trade import ExitReason, Trade, TradeState
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.execution.executor import FILLS_SLACK_MS, Executor
from rusy_tui.execution.ids import purpose_of
from rusy_tui.execution.ledger import after_fill, after_funding
from rusy_tui.execution.life import Life
from rusy_tui.execution.messages import Tick
from rusy_tui.execution.records import keep_report
from rusy_tui.execution.resolve import Resolver
from rusy_tui.execution.slots import Slot
from rusy_tui.execution.symbols import foreign_symbols
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
    exchange: ExchangePort,
    store: Store,
    executor: Executor,
    clock: Clock,
    resting: Sequence[OrderReport],
    held: Collection[str],
) -> Recovered:
    """Rebuild every trade that had not ended, and hand it to the executor.

    Args:
        exchange: asked for what each trade needs.
        store: what is known of the trades.
        executor: takes them.
        clock: for waiting.
        resting: every open order of both books, just read.
        held: symbols with a position, just read.

    Raises:
        ExchangeError: when the exchange can't be read.
        StorageError: when the database can't.
    """
    resolver = executor.resolver
    differences: list[str] = []
    lives: list[Life] = []
    for trade in await store.trades.running():
        life = await _rebuild(trade, exchange, store, resolver, clock)
        difference = await _difference(life, exchange, store)
        if difference is not None:
            differences.append(difference)
        if difference is not None and not await _held(exchange, trade):
            # Nothing is left to manage: what closed it is beyond what can be read.
            life.trade = _closed_outside(life.trade, clock.market_ms())
        await store.trades.update(life.trade)
        if not life.done:
            lives.append(life)
    created = [life.trade.created_ms for life in lives]
    await executor.know_fills(min(created, default=clock.market_ms()))
    # Before a trade goes on: an orphan stop would stand in the way of its own.
    await _sweep_orphans(exchange, resting, lives, differences)
    for life in lives:
        executor.adopt(life, Tick())
        log.info("trade adopted", symbol=life.trade.symbol, quantity=str(life.trade.quantity))
    adopted = [life.trade.symbol for life in lives]
    foreign = foreign_symbols(held, resting, adopted)
    return Recovered(adopted=tuple(adopted), foreign=foreign, differences=tuple(differences))


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
    life = Life(_blank(trade), rules=None)
    life.slots = {slot.client_order_id: slot for slot in slots}
    await _replay(life, exchange, store)
    # An order whose fills could not be told apart must not hold the trade's end up.
    for slot in slots:
        slot.reported_filled = min(slot.reported_filled, slot.filled)
    if life.trade.state is TradeState.EXITING:
        # Whoever wanted it closed still does.
        life.exit_reason = life.trade.exit_reason
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


def _blank(trade: Trade) -> Trade:
    """The trade before its first fill: what became of it is worked out from its fills anew.

    A fill may have been kept and the trade's own row not: the rows of fills are the truth.
    """
    return msgspec.structs.replace(
        trade,
        quantity=ZERO,
        cost_basis=ZERO,
        entered_quantity=ZERO,
        entered_notional=ZERO,
        exited_quantity=ZERO,
        exited_notional=ZERO,
        realised_pnl=ZERO,
        fees=ZERO,
        funding=ZERO,
        opened_ms=None,
    )


async def _replay(life: Life, exchange: ExchangePort, store: Store) -> None:
    """Count a trade's fills anew, those missed meanwhile among them, and its funding."""
    trade = life.trade = _blank(life.trade)
    kept = {
        row.fill.exchange_trade_id: row.fill
        for row in await store.fills.by_trade(trade.trade_id)
    }
    read = await exchange.fills(trade.symbol, trade.created_ms - FILLS_SLACK_MS)
    missed = [fill for fill in read if fill.exchange_trade_id not in kept]
    for slot in life.slots.values():
        slot.filled = ZERO
    everything = sorted(
        [*kept.values(), *missed], key=lambda f: (f.time_ms, f.exchange_trade_id)
    )
    for fill in everything:
        owner = life.slot_of(fill)
        entering = fill.side is trade.side
        # Somebody else's: it opens what no order of ours asked for, or closes more than ours.
        foreign = owner is None if entering else fill.quantity > life.trade.quantity
        if fill.exchange_trade_id not in kept:
            new = await store.fills.add(fill, "" if foreign else trade.trade_id)
            if foreign or not new:
                continue
        elif foreign:
            log.error("a kept fill does not fit", trade=trade.trade_id, fill=str(fill))
            continue
        life.trade = after_fill(life.trade, fill)
        if owner is not None:
            owner.add_fill(fill.quantity)
        if not entering:
            life.last_exit_by = owner.client_order_id if owner is not None else ""
    for paid in await store.funding.by_trade(trade.trade_id):
        life.trade = after_funding(life.trade, paid.income.amount)


async def _difference(life: Life, exchange: ExchangePort, store: Store) -> str | None:
    """Where our trade and the exchange's position differ, in words; None where they agree."""
    theirs = await _held(exchange, life.trade)
    if theirs != _ours(life.trade):
        # It may have moved between two reads; what moved it can be read now.
        await _replay(life, exchange, store)
        theirs = await _held(exchange, life.trade)
    ours = _ours(life.trade)
    if ours == theirs:
        return None
    text = f"{life.trade.symbol}: our trade holds {ours}, the exchange says {theirs}"
    done = "the trade goes on with its own figures" if theirs else "the trade is closed"
    return f"{text}; {done}"


def _ours(trade: Trade) -> Decimal:
    return trade.quantity * trade.side.sign


async def _held(exchange: ExchangePort, trade: Trade) -> Decimal:
    """The signed position that the exchange has in a trade's symbol."""
    positions = await exchange.positions()
    return sum((p.quantity for p in positions if p.symbol == trade.symbol), ZERO)


def _closed_outside(trade: Trade, now_ms: int) -> Trade:
    return msgspec.structs.replace(
        trade,
        state=TradeState.CLOSED,
        exit_reason=ExitReason.OUTSIDE,
        quantity=ZERO,
        cost_basis=ZERO,
        closed_ms=now_ms,
    )


async def _sweep_orphans(
    exchange: ExchangePort,
    resting: Sequence[OrderReport],
    lives: Sequence[Life],
    differences: list[str],
) -> None:
    """Cancel orders of ours that belong to no trade any more."""
    known = {name for life in lives for name in life.slots}
    for report in resting:
        if report.client_order_id in known or purpose_of(report.client_order_id) is None:
            continue
        differences.append(f"{report.symbol}: swept our orphan {report.client_order_id}")
        await exchange.cancel(report.symbol, report.client_order_id, report.book)
