"""Entering: post-only, at the near side of the book, a few tries, never beyond the worst."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from rusy_tui.domain.instrument import Fit
from rusy_tui.domain.order import (
    Cause,
    Denied,
    Fill,
    OrderIntent,
    OrderKind,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
)
from rusy_tui.domain.trade import ExitReason, TradeState
from rusy_tui.execution import protection
from rusy_tui.execution.messages import Action, Bar, Halt, Now, Say, WakeAt, WakeIn
from rusy_tui.execution.slots import Slot

if TYPE_CHECKING:
    from rusy_tui.execution.life import Life

# A post-only order that would have taken is quoted again after this, wall seconds.
REQUOTE_S = 0.5
# Refusals after which nobody should enter before a person has looked.
_HALTING = frozenset({Cause.KEY, Cause.CLOSED, Cause.MODE, Cause.DEFECT, Cause.DUPLICATE})


def quote(life: Life, now: Now) -> list[Action]:
    """Place the next try, or give the entry up."""
    rules = life.rules
    if rules is None or life.entry_done or life.exit_reason is not None:
        return []
    left = life.trade.planned_quantity - life.trade.entered_quantity
    price = _price(life, now, rules.worst_price)
    fitted = _fitted(life, now, left, price)
    if now.halted or (now.gate and life.tries):
        # What was approved may be tried; a further try is an entry that no gate let through.
        actions = _give_up(life, ExitReason.NOT_FILLED, now)
        return [*actions, Say(f"{life.trade.symbol} entry given up: {now.gate}", "ask")]
    if life.tries >= rules.tries or fitted is None:
        return _give_up(life, ExitReason.NOT_FILLED, now)
    life.tries += 1
    life.requote_s = None
    life.entry_due_ms = now.market_ms + rules.timeout_ms
    life.set_state(TradeState.ENTERING)
    intent = OrderIntent(
        client_order_id=now.new_id(Purpose.ENTRY),
        trade_id=life.trade.trade_id,
        purpose=Purpose.ENTRY,
        symbol=life.trade.symbol,
        side=life.trade.side,
        kind=OrderKind.LIMIT,
        quantity=fitted.quantity,
        price=fitted.price,
        time_in_force=TimeInForce.POST_ONLY,
        created_ms=now.market_ms,
    )
    return [life.send(intent, now), WakeAt(life.entry_due_ms)]


def refused(life: Life, outcome: Rejected | Denied, now: Now) -> list[Action]:
    """The exchange, or our own check, refused an entry."""
    if isinstance(outcome, Rejected) and outcome.cause is Cause.WOULD_TAKE:
        life.requote_s = now.monotonic_s + REQUOTE_S
        return [WakeIn(REQUOTE_S)]
    actions = _give_up(life, ExitReason.ENTRY_REJECTED, now)
    actions.append(Say(f"{life.trade.symbol} entry refused: {outcome.message}", "down"))
    if isinstance(outcome, Rejected) and outcome.cause is Cause.BARRED:
        actions.append(Bar(outcome.message))
    if isinstance(outcome, Rejected) and outcome.cause in _HALTING:
        actions.append(Halt("entry refused", outcome.message))
    return actions


def filled(life: Life, slot: Slot, fill: Fill, now: Now) -> list[Action]:
    """A part of the entry was filled: protect it at once."""
    if life.first_fill_s is None:
        life.first_fill_s = now.monotonic_s
    if life.exit_reason is None:
        life.set_state(TradeState.OPEN)
    how = "maker" if fill.is_maker else "taker"
    text = (
        f"{fill.symbol} filled {slot.filled} of {slot.intent.quantity} at {fill.price} as {how}"
    )
    if life.trade.entered_quantity >= life.trade.planned_quantity:
        life.entry_done = True
    # The stop first: nothing, not even a word about it, comes before it.
    return [*protection.ensure(life, now), Say(text, "up")]


def due(life: Life, now: Now) -> list[Action]:
    """End a try that has rested long enough; when none rests, make the next or be done."""
    if life.entry_done:
        return life.cancel_all(Purpose.ENTRY, now)
    if not life.tries:
        return []
    if life.live(Purpose.ENTRY):
        if now.halted:
            life.entry_done = True
            if life.trade.entered_quantity == 0 and life.exit_reason is None:
                life.exit_reason = ExitReason.NOT_FILLED
            return [
                *life.cancel_all(Purpose.ENTRY, now),
                Say(f"{life.trade.symbol} entry cancelled: halted ({now.gate})", "ask"),
            ]
        if life.entry_due_ms is None or now.market_ms < life.entry_due_ms:
            return []
        return life.cancel_all(Purpose.ENTRY, now)
    if not life.whole(Purpose.ENTRY):
        return []
    if life.trade.entered_quantity > 0:
        # What was filled is protected already; chasing the rest would move the average.
        life.entry_done = True
        return []
    if life.requote_s is not None and not now.reached(life.requote_s):
        return []
    return quote(life, now)


def _price(life: Life, now: Now, worst: Decimal) -> Decimal | None:
    """The near price of the book, but never beyond the worst; None without a book."""
    if now.book is None:
        return None
    if life.trade.side is Side.BUY:
        return min(now.book.bid, worst)
    return max(now.book.ask, worst)


def _fitted(life: Life, now: Now, left: Decimal, price: Decimal | None) -> Fit | None:
    """What the contract's rules of this moment make of a try; None when it can't be sent."""
    if price is None:
        return None
    fitted = now.instrument.fit(
        life.trade.side, left, price, mark_price=now.mark, reduce_only=False
    )
    return fitted if isinstance(fitted, Fit) else None


def _give_up(life: Life, reason: ExitReason, now: Now) -> list[Action]:
    life.entry_done = True
    if life.trade.entered_quantity == 0 and life.exit_reason is None:
        life.exit_reason = reason
    return life.cancel_all(Purpose.ENTRY, now)
