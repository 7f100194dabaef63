"""The exchange's words and number texts, for what the simulator calls otherwise."""

from decimal import Decimal

from rusy_tui.domain.money import to_ledger
from rusy_tui.domain.order import OrderKind, Side, TimeInForce, TriggerPrice
from rusy_tui.simulator.orders import Order

SIDES = {Side.BUY: "BUY", Side.SELL: "SELL"}
SIDE_OF = {word: side for side, word in SIDES.items()}

TIMES_IN_FORCE = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "GTX",
}
TIME_IN_FORCE_OF = {word: time for time, word in TIMES_IN_FORCE.items()}

TRIGGERS = {TriggerPrice.MARK: "MARK_PRICE", TriggerPrice.LAST: "CONTRACT_PRICE"}
TRIGGER_OF = {word: trigger for trigger, word in TRIGGERS.items()}

KINDS = {kind: kind.name for kind in OrderKind}
KIND_OF = {word: kind for kind, word in KINDS.items()}

STP_MODE = "EXPIRE_MAKER"
"""Self-trade prevention, the exchange's default."""


def text(number: Decimal) -> str:
    """A number as the wire carries it: never with an exponent."""
    return format(number, "f")


def quote(price: Decimal) -> Decimal:
    """A computed price, cut to eight digits without trailing zeros."""
    rounded = to_ledger(price)
    whole = rounded == rounded.to_integral()
    return rounded.quantize(Decimal(1)) if whole else rounded.normalize()


def status(order: Order) -> str:
    """An order's state in the exchange's words."""
    return "EXPIRED_IN_MATCH" if order.self_matched else order.state.name
