"""The orders of one trade, each with what is known of it."""

from decimal import Decimal

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import (
    OrderBook,
    OrderIntent,
    OrderReport,
    OrderState,
    Purpose,
)

# How far along its life a state is: news may arrive late and must not turn it back.
_PROGRESS = {
    OrderState.INTENDED: 0,
    OrderState.UNRESOLVED: 1,
    OrderState.NEW: 2,
    OrderState.PARTIALLY_FILLED: 3,
    OrderState.TRIGGERING: 4,
    OrderState.TRIGGERED: 5,
}
_ENDED = 9
_FIRED = frozenset({OrderState.TRIGGERING, OrderState.TRIGGERED, OrderState.FINISHED})
# What the plain order that a conditional one became says of the conditional one.
_BY_PLAIN = {
    OrderState.NEW: OrderState.TRIGGERED,
    OrderState.PARTIALLY_FILLED: OrderState.TRIGGERED,
    OrderState.FILLED: OrderState.FINISHED,
}


class Slot:
    """One order of a trade: its intent, its state, and what of it was filled."""

    def __init__(self, intent: OrderIntent, sent_s: float) -> None:
        self.intent = intent
        self.sent_s = sent_s
        self.state = OrderState.INTENDED
        self.filled = ZERO
        self.reported_filled = ZERO
        self.triggered_order_id = ""
        self.exchange_order_id = ""
        self.cancelling = False
        self.cancel_again_s: float | None = None
        self.short_since_s: float | None = None
        self.fired_s: float | None = None
        self.asked_s: float | None = None

    @property
    def client_order_id(self) -> str:
        return self.intent.client_order_id

    @property
    def live(self) -> bool:
        """Whether the order may still do something on the exchange."""
        return not self.state.is_final

    @property
    def answered(self) -> bool:
        """Whether the exchange's word on it is known; before, it may not even be sent yet."""
        return self.state not in (OrderState.INTENDED, OrderState.UNRESOLVED)

    @property
    def conditional(self) -> bool:
        """Whether it rests in the book of conditional orders."""
        return self.intent.book is OrderBook.CONDITIONAL

    @property
    def fired(self) -> bool:
        """Whether its trigger was set off: what it became should fill at once."""
        return self.state in _FIRED

    @property
    def protects(self) -> bool:
        """Whether the exchange holds it ready: only then a stop is protection."""
        return self.state is OrderState.NEW

    def covers(self, quantity: Decimal) -> bool:
        """Whether it would close this much, base asset."""
        if self.intent.close_position:
            return True
        return self.intent.quantity is not None and self.intent.quantity >= quantity

    def is_executed_as(self, exchange_order_id: str) -> bool:
        """Whether the exchange fills it under this number.

        Plain and conditional orders are numbered apart, and fills name plain ones only.
        """
        number = self.triggered_order_id if self.conditional else self.exchange_order_id
        return number != "" and number == exchange_order_id

    @property
    def whole(self) -> bool:
        """Whether every fill that the exchange reported has also been seen."""
        return self.filled >= self.reported_filled

    def take(self, report: OrderReport) -> None:
        """Take the exchange's word, unless it is older than what is known."""
        if self.conditional and report.book is OrderBook.PLAIN:
            self.triggered_order_id = report.exchange_order_id or self.triggered_order_id
            self.set(_BY_PLAIN.get(report.state, report.state))
            return
        self.exchange_order_id = report.exchange_order_id or self.exchange_order_id
        self.triggered_order_id = report.triggered_order_id or self.triggered_order_id
        if self.intent.purpose is not Purpose.STOP:
            self.reported_filled = max(self.reported_filled, report.filled_quantity)
        self.set(report.state)

    def set(self, state: OrderState) -> None:
        """Move on to a state; going back is ignored."""
        if _PROGRESS.get(state, _ENDED) >= _PROGRESS.get(self.state, _ENDED):
            self.state = state if not self.state.is_final else self.state
        self._end_by_fills()

    def add_fill(self, quantity: Decimal) -> None:
        """Count an execution of this order."""
        self.filled += quantity
        self._end_by_fills()

    def _end_by_fills(self) -> None:
        """What was filled whole rests no longer, though its report may still be under way."""
        if self.conditional:
            if self.filled and self.state is OrderState.NEW:
                self.state = OrderState.TRIGGERED
        elif self.state.is_resting and self.filled_whole:
            self.state = OrderState.FILLED

    @property
    def filled_whole(self) -> bool:
        """Whether every unit that it was for has been filled."""
        return self.intent.quantity is not None and self.filled >= self.intent.quantity
