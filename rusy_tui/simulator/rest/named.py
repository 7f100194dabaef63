"""How requests name an order, and how long the exchange remembers one."""

from rusy_tui.domain.order import OrderState
from rusy_tui.simulator.orders import AlgoOrder, Order
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.rest.parameters import Parameters

_DAY_MS = 86_400_000
_UNFILLED_KEPT_MS = 3 * _DAY_MS
_KEPT_MS = 90 * _DAY_MS


def check_position_side(asked: Parameters) -> None:
    """One-way accounts know BOTH alone: −4061 for another."""
    if asked.text("positionSide", "BOTH") != "BOTH":
        raise refusal(-4061)


def named_order(asked: Parameters) -> tuple[int | None, str]:
    """Which order is meant: its number, or the client's id; −1102 without either."""
    order_id = asked.integer("orderId")
    client_id = asked.text("origClientOrderId")
    if order_id is None and not client_id:
        raise refusal(-1102, "orderId")
    return order_id, client_id


def named_algo(asked: Parameters) -> tuple[int | None, str]:
    """Which conditional order is meant; −1102 without a number or a client's id."""
    algo_id = asked.integer("algoId")
    client_id = asked.text("clientAlgoId")
    if algo_id is None and not client_id:
        raise refusal(-1102, "algoId")
    return algo_id, client_id


def is_remembered(order: Order | AlgoOrder, filled: bool, now_ms: int) -> bool:
    """Unfilled cancelled and expired orders are forgotten after 3 days, all after 90."""
    age_ms = now_ms - order.created_ms
    gone = order.state in (OrderState.CANCELED, OrderState.EXPIRED)
    return age_ms <= (_UNFILLED_KEPT_MS if gone and not filled else _KEPT_MS)
