"""Protection: the stop that rests on the exchange (promise P2).

One closing stop covers whatever the position is, so a later fill needs no second order. A
stop is protection only while the exchange says it is new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rusy_tui.domain.order import (
    Cause,
    Denied,
    OrderIntent,
    OrderKind,
    OrderState,
    Purpose,
    Rejected,
    TriggerPrice,
)
from rusy_tui.domain.trade import ExitReason
from rusy_tui.execution import exits
from rusy_tui.execution.ids import short
from rusy_tui.execution.messages import Action, Halt, Now, Say, WakeIn
from rusy_tui.execution.slots import Slot

if TYPE_CHECKING:
    from rusy_tui.execution.life import Life

# An unanswered stop is followed by a second, reduce-only, after this; wall seconds.
SECOND_STOP_S = 1.0
# Without a resting stop after this the position is closed; wall seconds.
UNPROTECTED_S = 2.0
# A stop that the overloaded exchange refused is sent again after this; wall seconds.
RETRY_S = 0.25
_TRIGGERED = frozenset({OrderState.TRIGGERING, OrderState.TRIGGERED, OrderState.FINISHED})
# The exchange must not take a stop that it receives later than this; exchange ms.
STOP_RECV_WINDOW_MS = 1000


def ensure(life: Life, now: Now) -> list[Action]:
    """Send a stop unless one rests or is on its way."""
    if not life.open or life.live(Purpose.STOP):
        return []
    stop = _stop(life, now, second=False)
    return [life.send(stop, now), WakeIn(SECOND_STOP_S), WakeIn(UNPROTECTED_S)]


def moved(life: Life, slot: Slot, now: Now) -> list[Action]:
    """A stop has a new state: it rests, has triggered, or is gone."""
    if slot.protects:
        return _resting(life, slot, now)
    if slot.state in _TRIGGERED:
        if slot.triggered_s is None:
            # The market order it became should fill at once; the tick looks whether it did.
            slot.triggered_s = now.monotonic_s
            return [WakeIn(UNPROTECTED_S)]
        return []
    if life.open and not slot.live and life.exit_reason is None:
        text = f"{life.trade.symbol} stop {short(slot.client_order_id)} is {slot.state}"
        life.first_fill_s = now.monotonic_s
        return [Say(f"{text}: placing another", "down"), *ensure(life, now)]
    return []


def refused(life: Life, outcome: Rejected | Denied, now: Now) -> list[Action]:
    """The exchange refused a stop: retry when overloaded, else close the position."""
    if not life.open:
        return []
    cause = outcome.cause if isinstance(outcome, Rejected) else Cause.DEFECT
    if cause is Cause.OVERLOADED:
        return [WakeIn(RETRY_S)]
    if cause is Cause.WOULD_TRIGGER:
        # The market is already beyond the stop: what it would have done is done now.
        return exits.ask(life, ExitReason.STOP, now)
    if life.protected:
        return []
    text = f"{life.trade.symbol} stop refused: {outcome.message}"
    return [
        Say(f"{text}; closing the position", "down"),
        Halt("refused stop", text),
        *exits.ask(life, ExitReason.UNPROTECTED, now),
    ]


def due(life: Life, now: Now) -> list[Action]:
    """Send the second stop, or close the position, when the first stays unanswered."""
    if not life.open or life.exit_reason is not None or life.protected:
        return []
    triggered_s = [s.triggered_s for s in life.slots.values() if s.triggered_s is not None]
    if triggered_s:
        # A triggered stop can fail, or never finish: then the position is closed by us.
        stuck = now.monotonic_s - min(triggered_s) >= UNPROTECTED_S
        return exits.ask(life, ExitReason.STOP, now) if stuck else []
    stops = life.live(Purpose.STOP)
    if not stops:
        return ensure(life, now)
    since_s = life.first_fill_s if life.first_fill_s is not None else stops[0].sent_s
    if now.monotonic_s - since_s >= UNPROTECTED_S:
        return [
            Say(f"{life.trade.symbol} no stop rests after {UNPROTECTED_S} s: closing", "down"),
            *exits.ask(life, ExitReason.UNPROTECTED, now),
        ]
    if len(stops) == 1 and now.monotonic_s - stops[0].sent_s >= SECOND_STOP_S:
        return [life.send(_stop(life, now, second=True), now)]
    return []


def _resting(life: Life, slot: Slot, now: Now) -> list[Action]:
    """A stop is proven to rest: note how long that took, and drop a second one."""
    if life.trade.stop_order_id == slot.client_order_id:
        return []
    actions: list[Action] = []
    if life.trade.seconds_to_stop is None and life.first_fill_s is not None:
        took_s = round(now.monotonic_s - life.first_fill_s, 6)
        life.trade = msgspec.structs.replace(life.trade, seconds_to_stop=took_s)
        text = f"{life.trade.symbol} stop {short(slot.client_order_id)} resting at"
        actions.append(Say(f"{text} {life.trade.stop_price} after {took_s:.2f} s"))
    life.trade = msgspec.structs.replace(life.trade, stop_order_id=slot.client_order_id)
    others = [other for other in life.live(Purpose.STOP) if other is not slot]
    return [*actions, *(action for other in others for action in life.cancel(other))]


def _stop(life: Life, now: Now, *, second: bool) -> OrderIntent:
    """The stop's intent.

    The second one is reduce-only with a quantity: of closing stops the exchange keeps one a
    side, so a second closing one would be refused if the first did arrive.
    """
    return OrderIntent(
        client_order_id=now.new_id(Purpose.STOP),
        trade_id=life.trade.trade_id,
        purpose=Purpose.STOP,
        symbol=life.trade.symbol,
        side=life.trade.side.opposite,
        kind=OrderKind.STOP_MARKET,
        quantity=life.trade.quantity if second else None,
        trigger_price=life.trade.stop_price,
        trigger_by=TriggerPrice.MARK,
        reduce_only=second,
        close_position=not second,
        recv_window_ms=STOP_RECV_WINDOW_MS,
        created_ms=now.market_ms,
    )
