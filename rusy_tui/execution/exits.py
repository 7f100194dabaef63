"""Leaving: the resting target, the exit at the market, and the end of the trade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rusy_tui.domain.instrument import Broken
from rusy_tui.domain.order import (
    Cause,
    Denied,
    Fill,
    OrderIntent,
    OrderKind,
    Purpose,
    Rejected,
    TimeInForce,
)
from rusy_tui.domain.trade import ExitReason, TradeState
from rusy_tui.execution.messages import Action, Ask, Now, Say, WakeAt, WakeIn
from rusy_tui.execution.slots import Slot

if TYPE_CHECKING:
    from rusy_tui.execution.life import Life

# An exit that was refused, or that filled nothing, is followed by another after this; exits
# never give up. Wall seconds.
RETRY_S = 0.5
# An exit whose fills stay away this long is asked about. Wall seconds.
ASK_AFTER_S = 3.0
# A target that the exchange refused or dropped is placed again, this often in all.
TARGET_TRIES = 3


def ask(life: Life, reason: ExitReason, now: Now) -> list[Action]:
    """Close the trade now; a second ask changes nothing."""
    if life.exit_reason is not None:
        return []
    life.exit_reason = reason
    life.entry_done = True
    life.trade = msgspec.structs.replace(
        life.trade, state=TradeState.EXITING, exit_reason=reason
    )
    return [
        Say(f"{life.trade.symbol} exit: {reason}"),
        *life.cancel_all(Purpose.ENTRY, now),
        *life.cancel_all(Purpose.TARGET, now),
        *_sell_out(life, now),
    ]


def filled(life: Life, slot: Slot | None, fill: Fill, now: Now) -> list[Action]:
    """A part of the position was closed, by an order of ours or by somebody else."""
    by = slot.intent.purpose.value if slot is not None else "an order that is not ours"
    tone = "up" if life.trade.realised_pnl >= 0 else "down"
    text = f"{fill.symbol} closed {fill.quantity} at {fill.price} by {by}"
    # Leaving has begun: what is left of the entry must not open anything again.
    life.entry_done = True
    # It does fill: what it leaves open is closed at once.
    life.exit_retry_s = None
    return [Say(text, tone), *life.cancel_all(Purpose.ENTRY, now)]


def refused(life: Life, outcome: Rejected | Denied, now: Now) -> list[Action]:
    """An exit was refused: try again, in another way where that helps.

    A book too thin for a market order may still take a limit order at the edge of the price
    band; a band that has moved since may take a market order again: they take turns.
    """
    life.exit_retry_s = now.monotonic_s + RETRY_S
    if isinstance(outcome, Rejected) and outcome.cause is Cause.PRICE_BAND:
        life.exit_by_limit = not life.exit_by_limit
    actions: list[Action] = [
        Say(f"{life.trade.symbol} exit refused: {outcome.message}; trying again", "down"),
        WakeIn(RETRY_S),
    ]
    if isinstance(outcome, Rejected) and outcome.cause is Cause.NOTHING_TO_REDUCE:
        # The position went another way, and the fills that closed it have not arrived.
        # Asking for the trade's first order brings all that came after it.
        first = next(iter(life.slots.values()))
        actions.append(Ask(first.client_order_id, first.intent.book))
    return actions


def due(life: Life, now: Now) -> list[Action]:
    """Rest the target, end the trade by time, and press an exit that has not filled."""
    if not life.open:
        return []
    actions: list[Action] = []
    if not life.time_exit_set:
        life.time_exit_set = True
        actions.append(WakeAt(life.trade.time_exit_ms))
    if life.exit_reason is None:
        if now.market_ms >= life.trade.time_exit_ms:
            return [*actions, *ask(life, ExitReason.TIME, now)]
        return [*actions, *_target(life, now)]
    actions += life.cancel_all(Purpose.TARGET, now)
    if not (life.whole(Purpose.EXIT) and life.whole(Purpose.FLATTEN)):
        # Its fills are still under way, and what they leave open is not known before.
        return actions
    working = [*life.live(Purpose.EXIT), *life.live(Purpose.FLATTEN)]
    if not working:
        wait = life.exit_retry_s is not None and not now.reached(life.exit_retry_s)
        return actions if wait else [*actions, *_sell_out(life, now)]
    for slot in working:
        since_s = slot.sent_s if slot.asked_s is None else slot.asked_s
        if slot.answered and now.reached(since_s + ASK_AFTER_S):
            slot.asked_s = now.monotonic_s
            actions += [Ask(slot.client_order_id, slot.intent.book), WakeIn(ASK_AFTER_S)]
    return actions


def finish(life: Life, now: Now) -> list[Action]:
    """When flat: sweep what still rests, stops last, and when nothing does, end the trade."""
    if life.open or not life.entry_done:
        return []
    live = [slot for slot in life.slots.values() if slot.live]
    others = [slot for slot in live if slot.intent.purpose is not Purpose.STOP]
    actions = [action for slot in others or live for action in life.cancel(slot, now)]
    if live or not all(slot.whole for slot in life.slots.values()):
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
    if any(other.fired for other in life.slots.values()):
        return ExitReason.STOP
    return ExitReason.OUTSIDE if life.trade.entered_quantity else ExitReason.NOT_FILLED


def _target(life: Life, now: Now) -> list[Action]:
    """Rest the take-profit once the entry is over and the position is protected."""
    tries = sum(slot.intent.purpose is Purpose.TARGET for slot in life.slots.values())
    if life.live(Purpose.TARGET) or not life.whole(Purpose.TARGET) or tries >= TARGET_TRIES:
        return []
    if not life.entry_done or not life.protected or life.live(Purpose.ENTRY):
        return []
    # By the rules of this moment: a contract's tick may have changed since the plan was made.
    fitted = now.instrument.fit(
        life.trade.side.opposite,
        life.trade.quantity,
        life.trade.target_price,
        mark_price=now.mark,
        reduce_only=True,
    )
    if isinstance(fitted, Broken):
        if life.target_barred == fitted.figures:
            return []
        life.target_barred = fitted.figures
        return [Say(f"{life.trade.symbol} rests no target: {fitted.figures}", "ask")]
    intent = OrderIntent(
        client_order_id=now.new_id(Purpose.TARGET),
        trade_id=life.trade.trade_id,
        purpose=Purpose.TARGET,
        symbol=life.trade.symbol,
        side=life.trade.side.opposite,
        kind=OrderKind.LIMIT,
        quantity=fitted.quantity,
        price=fitted.price,
        time_in_force=TimeInForce.GTC,
        reduce_only=True,
        created_ms=now.market_ms,
    )
    life.trade = msgspec.structs.replace(life.trade, target_order_id=intent.client_order_id)
    return [life.send(intent, now)]


def _sell_out(life: Life, now: Now) -> list[Action]:
    """Close at the market, reduce-only, in parts where the exchange allows no more.

    One part at a time: the next is made of what its fills leave open. Where a market order is
    refused: by a limit order at the edge of the price band that takes what it finds and does
    not rest.
    """
    if not life.open:
        return []
    side, price = life.trade.side.opposite, None
    if life.exit_by_limit and now.mark is not None:
        price = now.instrument.worst_price(side, now.mark)
    parts = now.instrument.parts(life.trade.quantity, market=price is None)
    if not parts:
        text = f"{life.trade.quantity} {life.trade.symbol} is less than the exchange takes"
        return [Say(f"{text}; the stop stays", "down")]
    life.exit_retry_s = now.monotonic_s + RETRY_S
    flatten = life.exit_reason is ExitReason.FLATTEN
    purpose = Purpose.FLATTEN if flatten else Purpose.EXIT
    intent = OrderIntent(
        client_order_id=now.new_id(purpose),
        trade_id=life.trade.trade_id,
        purpose=purpose,
        symbol=life.trade.symbol,
        side=side,
        kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
        quantity=parts[0],
        price=price,
        time_in_force=TimeInForce.GTC if price is None else TimeInForce.IOC,
        reduce_only=True,
        created_ms=now.market_ms,
    )
    return [life.send(intent, now), WakeIn(RETRY_S), WakeIn(ASK_AFTER_S)]
