"""What parameters ask for: the orders they describe."""

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, TimeInForce, TriggerPrice
from rusy_tui.simulator.amending import AmendRequest
from rusy_tui.simulator.orders import AlgoRequest, OrderRequest
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.rest.named import check_position_side, named_order
from rusy_tui.simulator.rest.parameters import Parameters
from rusy_tui.simulator.wire.words import (
    KIND_OF,
    SIDE_OF,
    STP_MODE,
    TIME_IN_FORCE_OF,
    TRIGGER_OF,
)

_PLAIN = (OrderKind.LIMIT, OrderKind.MARKET)
_LIMITED = (OrderKind.STOP, OrderKind.TAKE_PROFIT)
_GOOD_TILL_DATE = "GTD"
_RESPONSES = ("ACK", "RESULT")


def order_request(asked: Parameters) -> OrderRequest:
    """A plain order; −4120 for a type that has gone to the algo endpoint."""
    check_position_side(asked)
    side = asked.word("side", SIDE_OF, -1117)
    kind = order_kind(asked)
    if kind not in _PLAIN:
        raise refusal(-4120)
    if kind is OrderKind.MARKET:
        asked.forbid("price", "timeInForce", "goodTillDate")
    asked.forbid("stopPrice", "closePosition")
    _check_modes(asked)
    if asked.text("newOrderRespType", "ACK") not in _RESPONSES:
        raise refusal(-1136)
    limited = kind is OrderKind.LIMIT
    if limited:
        asked.required("timeInForce")
    time_in_force, good_till_ms = _life(asked)
    return OrderRequest(
        symbol=asked.required("symbol"),
        side=side,
        kind=kind,
        quantity=asked.decimal("quantity"),
        price=asked.decimal("price") if limited else None,
        time_in_force=time_in_force,
        reduce_only=asked.flag("reduceOnly"),
        client_id=asked.text("newClientOrderId"),
        good_till_ms=good_till_ms,
    )


def algo_request(asked: Parameters) -> AlgoRequest:
    """A conditional order, as the algo endpoint takes it."""
    if asked.required("algoType") != "CONDITIONAL":
        raise refusal(-1130, "algoType")
    return _stop(
        asked, trigger="triggerPrice", activate="activatePrice", client_id="clientAlgoId"
    )


def tested_stop(asked: Parameters) -> AlgoRequest:
    """A conditional order under the former names, which the endpoint for tests still takes."""
    return _stop(
        asked, trigger="stopPrice", activate="activationPrice", client_id="newClientOrderId"
    )


def _stop(asked: Parameters, *, trigger: str, activate: str, client_id: str) -> AlgoRequest:
    check_position_side(asked)
    side = asked.word("side", SIDE_OF, -1117)
    kind = order_kind(asked)
    if kind in _PLAIN:
        raise refusal(-1116)
    _check_modes(asked)
    trails = kind is OrderKind.TRAILING_STOP_MARKET
    asked.forbid(*((trigger,) if trails else (activate, "callbackRate")))
    closes = asked.flag("closePosition")
    if closes:
        if asked.has("quantity") and asked.decimal("quantity") != ZERO:
            raise refusal(-4137)
        asked.forbid("reduceOnly")
    limited = kind in _LIMITED
    if not limited:
        asked.forbid("price")
    time_in_force, good_till_ms = _life(asked)
    return AlgoRequest(
        symbol=asked.required("symbol"),
        side=side,
        kind=kind,
        trigger_price=ZERO if trails else asked.decimal(trigger),
        trigger_by=_watched(asked),
        quantity=ZERO if closes else asked.decimal("quantity"),
        reduce_only=asked.flag("reduceOnly"),
        close_position=closes,
        price_protect=asked.flag("priceProtect"),
        client_id=asked.text(client_id),
        price=asked.decimal("price") if limited else None,
        time_in_force=time_in_force if limited else TimeInForce.GTC,
        good_till_ms=good_till_ms if limited else 0,
        activate_price=asked.decimal(activate) if asked.has(activate) else None,
        callback_percent=asked.decimal("callbackRate") if trails else ZERO,
    )


def amend_request(asked: Parameters) -> AmendRequest:
    """An amendment; price and quantity must both be sent."""
    _check_price_match(asked)
    order_id, client_id = named_order(asked)
    return AmendRequest(
        symbol=asked.required("symbol"),
        order_id=order_id,
        client_id=client_id,
        side=asked.word("side", SIDE_OF, -1117),
        quantity=asked.decimal("quantity"),
        price=asked.decimal("price"),
        reduce_only=asked.flag("reduceOnly"),
        modify_id=asked.integer("modifyId"),
    )


def order_kind(asked: Parameters) -> OrderKind:
    """The type asked for; −1116 for one that there is not."""
    return asked.word("type", KIND_OF, -1116)


def _watched(asked: Parameters) -> TriggerPrice:
    if not asked.has("workingType"):
        return TriggerPrice.LAST
    return asked.word("workingType", TRIGGER_OF, -1116)


def _life(asked: Parameters) -> tuple[TimeInForce, int]:
    """How long a limit order lives; GTD is one that also ends by itself, market ms."""
    if not asked.has("timeInForce"):
        return TimeInForce.GTC, 0
    if asked.text("timeInForce") != _GOOD_TILL_DATE:
        return asked.word("timeInForce", TIME_IN_FORCE_OF, -1115), 0
    # Documented: only whole seconds count.
    good_till_ms = asked.required_integer("goodTillDate") // 1000 * 1000
    if good_till_ms <= 0:
        raise refusal(-5040)
    return TimeInForce.GTC, good_till_ms


def _check_modes(asked: Parameters) -> None:
    """What is served alone: no price taken from the book, the maker expires in a self-trade."""
    _check_price_match(asked)
    if asked.text("selfTradePreventionMode", STP_MODE) != STP_MODE:
        raise refusal(-5039)


def _check_price_match(asked: Parameters) -> None:
    if asked.text("priceMatch", "NONE") != "NONE":
        raise refusal(-5037)


def countdown_ms(asked: Parameters) -> int:
    """How long a countdown is, ms; −1102 for what is no such span."""
    span_ms = asked.required_integer("countdownTime")
    if span_ms < 0:
        raise refusal(-1102, "countdownTime")
    return span_ms
