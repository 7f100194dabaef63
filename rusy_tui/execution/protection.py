"""Protection: the stop that rests on the exchange (promise P2).

One closing stop covers whatever the position is, so a later fill needs no second order. A
stop is protection only while the exchange says it is new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rusy_tui.domain.instrument import Broken
from rusy_tui.domain.order import (
    Cause,
    Denied,
    OrderIntent,
    OrderKind,
    Purpose,
    Rejected,
    TriggerPrice,
)
from rusy_tui.domain.trade import ExitReason
from rusy_tui.execution import exits
from rusy_tui.execution.ids import short
from rusy_tui.execution.messages import Action, Ask, Halt, Now, Say, WakeIn
from rusy_tui.execution.slots import Slot

if TYPE_CHECKING:
    from rusy_tui.execution.life import Life

# An unanswered stop is followed by a second, reduce-only, after this; wall seconds.
SECOND_STOP_S = 1.0
# Without a resting stop after this the position is closed; wall seconds.
UNPROTECTED_S = 2.0
# A stop that the overloaded exchange refused is sent again after this; wall seconds.
RETRY_S = 0.25
# The exchange must not take a stop that it receives later than this; exchange ms.
STOP_RECV_WINDOW_MS = 1000
# A stop that was set off and whose fills stay away is asked about after this; wall seconds.
ASK_AFTER_S = 1.0


def ensure(life: Life, now: Now) -> list[Action]:
    """Send a closing stop unless all that is open is covered or one is on its way."""
    closing = [slot for slot in life.live(Purpose.STOP) if slot.intent.close_position]
    if not life.open or closing or life.protected:
        return []
    if life.stop_retry_s is not None and not now.reached(life.stop_retry_s):
        return []
    return [life.send(_stop(life, now, second=False), now), WakeIn(SECOND_STOP_S)]


def moved(life: Life, slot: Slot, now: Now) -> list[Action]:
    """A stop has a new state: it rests, has triggered, or is gone."""
    if slot.protects:
        return _resting(life, slot, now)
    if slot.live or slot.fired or not life.open or life.exit_reason is not None:
        return []
    text = f"{life.trade.symbol} stop {short(slot.client_order_id)} is {slot.state}"
    return [Say(f"{text}: placing another", "down")]


def refused(life: Life, outcome: Rejected | Denied, now: Now) -> list[Action]:
    """The exchange refused a stop: retry when overloaded, else close the position."""
    cause = outcome.cause if isinstance(outcome, Rejected) else Cause.DEFECT
    if not life.open or life.protected:
        return []
    if cause is Cause.OVERLOADED:
        life.stop_retry_s = now.monotonic_s + RETRY_S
        return [WakeIn(RETRY_S)]
    if cause is Cause.WOULD_TRIGGER:
        # The market is already beyond the stop: what it would have done is done now.
        return exits.ask(life, ExitReason.STOP, now)
    text = f"{life.trade.symbol} stop refused: {outcome.message}"
    return [
        Say(f"{text}; closing the position", "down"),
        Halt("refused stop", text),
        *exits.ask(life, ExitReason.UNPROTECTED, now),
    ]


def due(life: Life, now: Now) -> list[Action]:
    """Keep a stop resting, and close the position where that does not succeed in time."""
    actions = _follow_fired(life, now)
    if not life.open or life.protected:
        life.naked_since_s = None
        return actions
    if life.naked_since_s is None:
        life.naked_since_s = now.monotonic_s
        actions.append(WakeIn(UNPROTECTED_S))
    if life.exit_reason is not None:
        return actions
    stops = [slot for slot in life.slots.values() if slot.intent.purpose is Purpose.STOP]
    fired_s = [slot.fired_s for slot in stops if slot.fired_s is not None]
    if fired_s:
        # What the stop became should fill at once; if it does not, close in its place.
        stuck = now.reached(min(fired_s) + UNPROTECTED_S)
        return [*actions, *(exits.ask(life, ExitReason.STOP, now) if stuck else [])]
    if now.reached(life.naked_since_s + UNPROTECTED_S):
        text = f"{life.trade.symbol} no stop rests after {UNPROTECTED_S} s: closing"
        return [
            *actions,
            Say(text, "down"),
            *exits.ask(life, ExitReason.UNPROTECTED, now),
        ]
    return [*actions, *_second(life, now), *ensure(life, now)]


def _follow_fired(life: Life, now: Now) -> list[Action]:
    """Ask what became of a stop that was set off while its fills or its end stay away."""
    actions: list[Action] = []
    for slot in life.slots.values():
        if not (slot.fired and slot.conditional):
            continue
        if slot.fired_s is None:
            slot.fired_s = slot.asked_s = now.monotonic_s
            actions += [WakeIn(ASK_AFTER_S), WakeIn(UNPROTECTED_S)]
        elif (life.open or slot.live) and now.reached((slot.asked_s or 0.0) + ASK_AFTER_S):
            slot.asked_s = now.monotonic_s
            actions += [Ask(slot.client_order_id, slot.intent.book), WakeIn(ASK_AFTER_S)]
    return actions


def _second(life: Life, now: Now) -> list[Action]:
    """Follow a stop that stays unanswered by a second one."""
    stops = life.live(Purpose.STOP)
    if len(stops) != 1 or stops[0].answered or not stops[0].intent.close_position:
        return []
    if not now.reached(stops[0].sent_s + SECOND_STOP_S):
        return []
    return [life.send(_stop(life, now, second=True), now)]


def _resting(life: Life, slot: Slot, now: Now) -> list[Action]:
    """A stop is proven to rest: note how long that took, and drop one that is not needed."""
    actions: list[Action] = []
    if life.trade.seconds_to_stop is None and life.first_fill_s is not None:
        took_s = round(now.monotonic_s - life.first_fill_s, 6)
        life.trade = msgspec.structs.replace(life.trade, seconds_to_stop=took_s)
        text = f"{life.trade.symbol} stop {short(slot.client_order_id)} resting at"
        actions.append(Say(f"{text} {life.trade.stop_price} after {took_s:.2f} s"))
    resting = [s for s in life.live(Purpose.STOP) if s.protects and not s.cancelling]
    # A closing one covers whatever the position becomes, so it stays rather than another.
    kept = next((s for s in resting if s.intent.close_position), None)
    for other in resting if kept is not None else []:
        if other is not kept:
            actions.extend(life.cancel(other, now))
    stays = kept or next(iter(resting), None)
    if stays is not None and life.trade.stop_order_id != stays.client_order_id:
        life.trade = msgspec.structs.replace(life.trade, stop_order_id=stays.client_order_id)
    return actions


def _stop(life: Life, now: Now, *, second: bool) -> OrderIntent:
    """The stop's intent.

    The second one is reduce-only with a quantity: of closing stops the exchange keeps one a
    side, so a second closing one would be refused if the first did arrive.
    """
    side = life.trade.side.opposite
    # By the rules of this moment: a contract's tick may have changed since the plan was made.
    fitted = now.instrument.fit_trigger(side, OrderKind.STOP_MARKET, life.trade.stop_price)
    return OrderIntent(
        client_order_id=now.new_id(Purpose.STOP),
        trade_id=life.trade.trade_id,
        purpose=Purpose.STOP,
        symbol=life.trade.symbol,
        side=side,
        kind=OrderKind.STOP_MARKET,
        quantity=life.trade.quantity if second else None,
        # None fits: sent as planned, for the exchange's refusal closes the position.
        trigger_price=life.trade.stop_price if isinstance(fitted, Broken) else fitted,
        trigger_by=TriggerPrice.MARK,
        reduce_only=second,
        close_position=not second,
        recv_window_ms=STOP_RECV_WINDOW_MS,
        created_ms=now.market_ms,
    )
