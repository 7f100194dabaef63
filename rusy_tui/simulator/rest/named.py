"""How requests name an order, and how long the exchange remembers one."""

from rusy_tui.domain.order import OrderState
from rusy_tui.simulator.orders import AlgoOrder, Order
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.rest.endpoints import Call
from rusy_tui.simulator.rest.parameters import Parameters

_DAY_MS = 86_400_000
_UNFILLED_KEPT_MS = 3 * _DAY_MS
_KEPT_MS = 90 * _DAY_MS
_WINDOW_MS = 7 * _DAY_MS


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


def window(call: Call) -> tuple[int, int]:
    """The span asked about, at most 7 days: the last ones where none is named."""
    start_ms = call.parameters.integer("startTime")
    end_ms = call.parameters.integer("endTime")
    if start_ms is None:
        end_ms = call.now_ms if end_ms is None else end_ms
        return end_ms - _WINDOW_MS, end_ms
    if end_ms is None:
        return start_ms, start_ms + _WINDOW_MS
    if end_ms - start_ms > _WINDOW_MS:
        raise refusal(-1130, "endTime")
    return start_ms, end_ms
