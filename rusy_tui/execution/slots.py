"""The orders of one trade, each with what is known of it."""

from decimal import Decimal

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderIntent, OrderReport, OrderState, Purpose

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
        self.triggered_s: float | None = None
        self.cancelling = False
        self.short_since_s: float | None = None

    @property
    def client_order_id(self) -> str:
        return self.intent.client_order_id

    @property
    def live(self) -> bool:
        """Whether the order may still do something on the exchange."""
        return not self.state.is_final

    @property
    def protects(self) -> bool:
        """Whether the exchange holds it ready: only then a stop is protection."""
        return self.state is OrderState.NEW

    @property
    def whole(self) -> bool:
        """Whether every fill that the exchange reported has also been seen."""
        return self.filled >= self.reported_filled

    def take(self, report: OrderReport) -> None:
        """Take the exchange's word, unless it is older than what is known."""
        self.exchange_order_id = report.exchange_order_id or self.exchange_order_id
        self.triggered_order_id = report.triggered_order_id or self.triggered_order_id
        if self.intent.purpose is not Purpose.STOP:
            self.reported_filled = max(self.reported_filled, report.filled_quantity)
        self.set(report.state)

    def set(self, state: OrderState) -> None:
        """Move on to a state; going back is ignored."""
        if _PROGRESS.get(state, _ENDED) >= _PROGRESS.get(self.state, _ENDED):
            self.state = state if not self.state.is_final else self.state

    def add_fill(self, quantity: Decimal) -> None:
        """Count an execution of this order."""
        self.filled += quantity
