"""The life of one trade: what happened to it, and what must be done next.

No I/O and no clock: :meth:`Life.on` takes a message and answers with actions, which
:mod:`rusy_tui.execution.executor` carries out. The stages read in the modules beside this one:
:mod:`~rusy_tui.execution.entry`, :mod:`~rusy_tui.execution.protection`,
:mod:`~rusy_tui.execution.exits`.
"""

from decimal import Decimal

import msgspec

from rusy_tui.domain.errors import Defect
from rusy_tui.domain.order import (
    Confirmed,
    Denied,
    Fill,
    OrderIntent,
    OrderState,
    Purpose,
    Rejected,
    Unresolved,
)
from rusy_tui.domain.proposal import Plan
from rusy_tui.domain.trade import ExitReason, Trade, TradeState
from rusy_tui.execution import entry, exits, protection
from rusy_tui.execution.ledger import after_fill, after_funding
from rusy_tui.execution.messages import (
    Absent,
    Action,
    Answered,
    Ask,
    Begin,
    Cancel,
    CancelAnswered,
    ExitAsked,
    Filled,
    FundingPaid,
    Message,
    Now,
    Reported,
    Say,
    Send,
    Tick,
    WakeIn,
)
from rusy_tui.execution.slots import Slot

# Fills that an order's report speaks of may take this long to come; wall seconds.
FILLS_GRACE_S = 1.0
# An order that still rests after its cancel was answered is cancelled again after this.
CANCEL_AGAIN_S = 1.0


class EntryRules(msgspec.Struct, frozen=True, kw_only=True):
    """How an entry is worked: worst price, tries, how long each rests (market ms)."""

    worst_price: Decimal
    tries: int
    timeout_ms: int

    @classmethod
    def of(cls, plan: Plan, tries: int, timeout_s: float) -> "EntryRules":
        """The rules for a plan of one entry."""
        return cls(
            worst_price=plan.entries[0].worst_price,
            tries=tries,
            timeout_ms=round(timeout_s * 1000),
        )


class Life:
    """One trade from its approval to its end.

    Args:
        trade: as planned, or as recovered.
        rules: how its entry is worked; None when it must not enter any more.
    """

    def __init__(self, trade: Trade, rules: EntryRules | None) -> None:
        self.trade = trade
        self.rules = rules
        self.slots: dict[str, Slot] = {}
        self.unclaimed: list[Fill] = []
        self.tries = 0
        self.entry_done = rules is None
        self.entry_due_ms: int | None = None
        self.requote_s: float | None = None
        self.first_fill_s: float | None = None
        self.naked_since_s: float | None = None
        self.stop_retry_s: float | None = None
        self.time_exit_set = False
        # Why no target can rest, as said last; "" while one can.
        self.target_barred = ""
        self.exit_reason: ExitReason | None = None
        self.exit_retry_s: float | None = None
        self.exit_by_limit = False
        self.last_exit_by: str = ""

    # What is known ------------------------------------------------------------------

    @property
    def sign(self) -> int:
        return self.trade.side.sign

    @property
    def open(self) -> bool:
        """Whether there is a position."""
        return self.trade.quantity > 0

    @property
    def done(self) -> bool:
        """Whether the trade has ended and no order of it is left."""
        return self.trade.state.is_final

    def live(self, purpose: Purpose) -> list[Slot]:
        """The orders of a purpose that may still do something."""
        return [
            slot for slot in self.slots.values() if slot.intent.purpose is purpose and slot.live
        ]

    def whole(self, purpose: Purpose) -> bool:
        """Whether all fills that the exchange reported for a purpose's orders were seen."""
        return all(slot.whole for slot in self.slots.values() if slot.intent.purpose is purpose)

    @property
    def protected(self) -> bool:
        """Whether a stop rests on the exchange that covers all that is open."""
        stops = self.live(Purpose.STOP)
        return any(slot.protects and slot.covers(self.trade.quantity) for slot in stops)

    def slot_of(self, fill: Fill) -> Slot | None:
        """The order that a fill belongs to; None when it is none of ours.

        A triggered stop becomes a plain order; the exchange may give that one another
        client order id, so its own id, which the stop's report names, is looked at too.
        """
        known = self.slots.get(fill.client_order_id)
        if known is not None:
            return known
        for slot in self.slots.values():
            if slot.is_executed_as(fill.exchange_order_id):
                return slot
        return self._unnumbered_entry(fill)

    def _unnumbered_entry(self, fill: Fill) -> Slot | None:
        """The entry whose number is not known yet, for a fill that carries nothing else.

        One entry works at a time, so there is no other that it could belong to.
        """
        if fill.client_order_id or fill.side is not self.trade.side:
            return None
        for slot in self.live(Purpose.ENTRY):
            if not slot.answered and not slot.exchange_order_id:
                slot.exchange_order_id = fill.exchange_order_id
                return slot
        return None

    def claim_fills(self) -> None:
        """Give fills to the orders that have become known by their numbers meanwhile."""
        for fill in list(self.unclaimed):
            slot = self.slot_of(fill)
            if slot is not None:
                self.unclaimed.remove(fill)
                slot.add_fill(fill.quantity)
                if not self.last_exit_by:
                    self.last_exit_by = slot.client_order_id

    # What happens -------------------------------------------------------------------

    def on(self, message: Message, now: Now) -> list[Action]:
        """Take a message and say what must be done.

        Raises:
            Defect: when a fill does not fit what is open.
        """
        if self.done:
            return []
        match message:
            case Begin():
                actions = entry.quote(self, now)
            case Answered(intent=intent, outcome=outcome):
                slot = self.slots[intent.client_order_id]
                actions = self._answered(slot, outcome, now)
            case CancelAnswered(client_order_id=client_order_id, outcome=outcome):
                slot = self.slots[client_order_id]
                actions = self._cancel_answered(slot, outcome, now)
            case Reported(report=report):
                slot_reported = self.slots.get(report.client_order_id)
                if slot_reported is None:
                    return []
                slot_reported.take(report)
                actions = self._moved(slot_reported, now)
            case Absent(client_order_id=client_order_id, held=held):
                gone = self.slots[client_order_id]
                if held is not None and held != self.trade.quantity * self.sign:
                    # Behind the fills that were read with it: somebody has filled it further.
                    actions = [Ask(client_order_id, gone.intent.book)]
                else:
                    gone.set(OrderState.REJECTED)
                    actions = self._moved(gone, now)
            case Filled(fill=fill):
                actions = self._filled(fill, now)
            case ExitAsked(reason=reason):
                actions = exits.ask(self, reason, now)
            case FundingPaid(amount=amount):
                self.trade = after_funding(self.trade, amount)
                actions = []
            case Tick():
                actions = []
        return [*actions, *self._look_around(now)]

    def send(self, intent: OrderIntent, now: Now) -> Send:
        """Remember an order and have it sent."""
        self.slots[intent.client_order_id] = Slot(intent, now.monotonic_s)
        return Send(intent)

    def cancel(self, slot: Slot, now: Now) -> list[Action]:
        """Have an order cancelled, unless that is under way or would prove nothing.

        An order without an answer may not have reached the exchange yet: that it is unknown
        there would be no proof, so its answer is waited for.
        """
        if slot.cancelling or slot.fired or not (slot.live and slot.answered):
            return []
        if slot.cancel_again_s is not None and not now.reached(slot.cancel_again_s):
            return []
        slot.cancelling = True
        return [Cancel(slot.client_order_id, slot.intent.book)]

    def cancel_all(self, purpose: Purpose, now: Now) -> list[Action]:
        """Have all orders of a purpose cancelled."""
        return [action for slot in self.live(purpose) for action in self.cancel(slot, now)]

    def _answered(
        self, slot: Slot, outcome: Confirmed | Rejected | Denied | Unresolved, now: Now
    ) -> list[Action]:
        match outcome:
            case Confirmed(report=report):
                slot.take(report)
                return self._moved(slot, now)
            case Unresolved(message=message):
                slot.set(OrderState.UNRESOLVED)
                what = f"{self.trade.symbol} {slot.intent.purpose} unresolved: {message}"
                return [Say(what, "ask"), Ask(slot.client_order_id, slot.intent.book)]
            case Rejected() | Denied():
                denied = isinstance(outcome, Denied)
                slot.set(OrderState.DENIED if denied else OrderState.REJECTED)
                match slot.intent.purpose:
                    case Purpose.ENTRY:
                        return entry.refused(self, outcome, now)
                    case Purpose.STOP:
                        return protection.refused(self, outcome, now)
                    case Purpose.TARGET:
                        why = f"{self.trade.symbol} target refused: {outcome.message}"
                        return [Say(why, "ask")]
                    case Purpose.EXIT | Purpose.FLATTEN:
                        return exits.refused(self, outcome, now)

    def _cancel_answered(
        self, slot: Slot, outcome: Confirmed | Rejected | Denied | Unresolved, now: Now
    ) -> list[Action]:
        slot.cancelling = False
        actions: list[Action] = []
        if isinstance(outcome, Confirmed):
            slot.take(outcome.report)
            actions = self._moved(slot, now)
        else:
            # Refused or lost: the order may have filled, triggered or gone. Its book knows.
            actions = [Ask(slot.client_order_id, slot.intent.book)]
        if slot.live:
            slot.cancel_again_s = now.monotonic_s + CANCEL_AGAIN_S
            actions.append(WakeIn(CANCEL_AGAIN_S))
        return actions

    def _moved(self, slot: Slot, now: Now) -> list[Action]:
        """An order has a new state; what the stage it belongs to makes of that."""
        if not slot.whole and slot.short_since_s is None:
            slot.short_since_s = now.monotonic_s
            return [WakeIn(FILLS_GRACE_S)]
        if slot.intent.purpose is Purpose.STOP:
            return protection.moved(self, slot, now)
        return []

    def _missing_fills(self, now: Now) -> list[Action]:
        """Ask for fills that a report spoke of and that did not come by themselves."""
        actions: list[Action] = []
        for slot in self.slots.values():
            if slot.whole:
                slot.short_since_s = None
            elif slot.short_since_s is None:
                slot.short_since_s = now.monotonic_s
                actions.append(WakeIn(FILLS_GRACE_S))
            elif now.reached(slot.short_since_s + FILLS_GRACE_S):
                slot.short_since_s = now.monotonic_s
                actions.append(Ask(slot.client_order_id, slot.intent.book))
                actions.append(WakeIn(FILLS_GRACE_S))
        return actions

    def _filled(self, fill: Fill, now: Now) -> list[Action]:
        slot = self.slot_of(fill)
        entering = fill.side is self.trade.side
        if entering and slot is None:
            raise Defect(
                f"trade {self.trade.trade_id}: a fill of order {fill.exchange_order_id} "
                "enters, but no entry of ours is known by it"
            )
        self.trade = after_fill(self.trade, fill)
        if slot is None:
            # The trade is smaller either way; whose it was may turn out later.
            self.unclaimed.append(fill)
            self.last_exit_by = ""
            return exits.filled(self, slot, fill, now)
        slot.add_fill(fill.quantity)
        if entering:
            return entry.filled(self, slot, fill, now)
        self.last_exit_by = slot.client_order_id
        return exits.filled(self, slot, fill, now)

    def _look_around(self, now: Now) -> list[Action]:
        """What time alone brings: deadlines, missing protection, the end."""
        self.claim_fills()
        return [
            *self._missing_fills(now),
            *entry.due(self, now),
            *protection.due(self, now),
            *exits.due(self, now),
            *exits.finish(self, now),
        ]

    def set_state(self, state: TradeState) -> None:
        """Move the trade on in its life."""
        self.trade = msgspec.structs.replace(self.trade, state=state)
