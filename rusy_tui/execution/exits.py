"""Leaving: the resting target, the exit at the market, and the end of the trade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rusy_tui.domain.order import (
    Cause,
    Denied,
    Fill,
    OrderIntent,
    OrderKind,
    OrderState,
    Purpose,
    Rejected,
    TimeInForce,
)
from rusy_tui.domain.trade import ExitReason, TradeState
from rusy_tui.execution.messages import Action, Ask, Now, Say, WakeAt, WakeIn
from rusy_tui.execution.slots import Slot

if TYPE_CHECKING:
    from rusy_tui.execution.life import Life

# A refused exit is tried again after this; exits never give up. Wall seconds.
RETRY_S = 0.5
# An exit whose fills stay away this long is asked about. Wall seconds.
ASK_AFTER_S = 3.0


def ask(life: Life, reason: ExitReason, now: Now) -> list[Action]:
    """Close the trade now; a second ask changes nothing."""
    if life.exit_reason is not None:
        return []
    life.exit_reason = reason
    life.entry_done = True
    life.set_state(TradeState.EXITING)
    actions: list[Action] = [Say(f"{life.trade.symbol} exit: {reason}")]
    for purpose in (Purpose.ENTRY, Purpose.TARGET):
        for slot in life.live(purpose):
            actions.extend(life.cancel(slot))
    return [*actions, *_sell_out(life, now)]


def filled(life: Life, slot: Slot | None, fill: Fill) -> list[Action]:
    """A part of the position was closed, by an order of ours or by somebody else."""
    by = slot.intent.purpose.value if slot is not None else "an order that is not ours"
    tone = "up" if life.trade.realised_pnl >= 0 else "down"
    text = f"{fill.symbol} closed {fill.quantity} at {fill.price} by {by}"
    return [Say(text, tone)]


def refused(life: Life, outcome: Rejected | Denied, now: Now) -> list[Action]:
    """An exit was refused: try again, in another way where that helps."""
    life.exit_retry_s = now.monotonic_s + RETRY_S
    actions: list[Action] = [
        Say(f"{life.trade.symbol} exit refused: {outcome.message}; trying again", "down"),
        WakeIn(RETRY_S),
    ]
    if isinstance(outcome, Rejected) and outcome.cause is Cause.NOTHING_TO_REDUCE:
        # The position went another way: the fills that closed it have not arrived yet.
        actions.extend(
            Ask(stop.client_order_id, stop.intent.book) for stop in life.live(Purpose.STOP)
        )
    return actions


def due(life: Life, now: Now) -> list[Action]:
    """Rest the target, end the trade by time, and press an exit that has not filled."""
    if not life.open:
        return []
    if life.exit_reason is None:
        if now.market_ms >= life.trade.time_exit_ms:
            return ask(life, ExitReason.TIME, now)
        return _target(life, now)
    working = [
        slot for purpose in (Purpose.EXIT, Purpose.FLATTEN) for slot in life.live(purpose)
    ]
    if not working:
        if not (life.whole(Purpose.EXIT) and life.whole(Purpose.FLATTEN)):
            # Filled, says the reply; the fills themselves are on their way.
            return []
        if life.exit_retry_s is not None and now.monotonic_s < life.exit_retry_s:
            return []
        return _sell_out(life, now)
    late = [slot for slot in working if now.monotonic_s - slot.sent_s >= ASK_AFTER_S]
    return [Ask(slot.client_order_id, slot.intent.book) for slot in late]


def finish(life: Life, now: Now) -> list[Action]:
    """When flat: sweep what still rests, and when nothing does, end the trade."""
    if life.open or not life.entry_done:
        return []
    actions: list[Action] = []
    for slot in life.slots.values():
        # The outcome of an order still being sent, or asked about, comes first.
        if slot.state not in (OrderState.INTENDED, OrderState.UNRESOLVED):
            actions.extend(life.cancel(slot))
    if any(slot.live or not slot.whole for slot in life.slots.values()):
        return actions
    entered = life.trade.entered_quantity > 0
    life.trade = msgspec.structs.replace(
        life.trade,
        state=TradeState.CLOSED if entered else TradeState.FAILED,
        exit_reason=_reason(life),
        closed_ms=now.market_ms,
    )
    net = life.trade.net_pnl
    text = f"{life.trade.symbol} trade {life.trade.state}: {life.trade.exit_reason}"
    tone = "text" if not entered else "up" if net >= 0 else "down"
    return [Say(f"{text}, net {net:+.2f} USDT" if entered else text, tone)]


def _reason(life: Life) -> ExitReason:
    """Why the trade ended: by what its last exit order was for."""
    slot = life.slots.get(life.last_exit_by)
    if slot is not None and slot.intent.purpose is Purpose.STOP:
        return ExitReason.STOP
    if slot is not None and slot.intent.purpose is Purpose.TARGET:
        return ExitReason.TARGET
    if life.exit_reason is not None:
        return life.exit_reason
    finished = (OrderState.TRIGGERED, OrderState.FINISHED)
    if any(s.state in finished for s in life.slots.values()):
        return ExitReason.STOP
    return ExitReason.OUTSIDE if life.trade.entered_quantity else ExitReason.NOT_FILLED


def _target(life: Life, now: Now) -> list[Action]:
    """Rest the take-profit once the entry is over and the position is protected."""
    placed = any(slot.intent.purpose is Purpose.TARGET for slot in life.slots.values())
    if placed or not life.entry_done or not life.protected or life.live(Purpose.ENTRY):
        return []
    intent = OrderIntent(
        client_order_id=now.new_id(Purpose.TARGET),
        trade_id=life.trade.trade_id,
        purpose=Purpose.TARGET,
        symbol=life.trade.symbol,
        side=life.trade.side.opposite,
        kind=OrderKind.LIMIT,
        quantity=life.trade.quantity,
        price=life.trade.target_price,
        time_in_force=TimeInForce.GTC,
        reduce_only=True,
        created_ms=now.market_ms,
    )
    life.trade = msgspec.structs.replace(life.trade, target_order_id=intent.client_order_id)
    return [life.send(intent, now), WakeAt(life.trade.time_exit_ms)]


def _sell_out(life: Life, now: Now) -> list[Action]:
    """Close at the market, reduce-only, in parts where the exchange allows no more."""
    if not life.open:
        return []
    quantity = now.instrument.quantity_down(life.trade.quantity, market=True)
    if not quantity:
        text = f"{life.trade.quantity} {life.trade.symbol} is less than the exchange takes"
        return [Say(f"{text}; the stop stays", "down")]
    life.exit_retry_s = None
    flatten = life.exit_reason is ExitReason.FLATTEN
    purpose = Purpose.FLATTEN if flatten else Purpose.EXIT
    intent = OrderIntent(
        client_order_id=now.new_id(purpose),
        trade_id=life.trade.trade_id,
        purpose=purpose,
        symbol=life.trade.symbol,
        side=life.trade.side.opposite,
        kind=OrderKind.MARKET,
        quantity=quantity,
        reduce_only=True,
        created_ms=now.market_ms,
    )
    return [life.send(intent, now), WakeIn(ASK_AFTER_S)]
