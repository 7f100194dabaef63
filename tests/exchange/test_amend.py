"""Amending: what is sent, and that what became of the order is read, not believed."""

from decimal import Decimal

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.order import (
    Cause,
    Confirmed,
    Denied,
    OrderState,
    Outcome,
    Rejected,
    Side,
    Unresolved,
)
from rusy_tui.exchange.binance import BinanceExchange
from tests.exchange.scripted import Answer, ScriptedExchange, in_lockstep, refusal
from tests.exchange.wire_samples import ORDER

PUT, GET = "PUT v1/order", "GET v1/order"


async def amended(exchange: BinanceExchange, quantity: str = "0.020") -> Outcome:
    return await exchange.amend(
        "BTCUSDT", "rusy-1", Side.BUY, Decimal(quantity), Decimal("30001.50")
    )


def test_an_amendment_is_sent_once_and_read_after() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script(PUT, Answer(ORDER))
        scripted.script(GET, Answer({**ORDER, "price": "30001.50", "origQty": "0.020"}))
        outcome = await amended(exchange)
        assert isinstance(outcome, Confirmed)
        assert outcome.report.price == Decimal("30001.50")
        (request,) = scripted.requests(PUT)
        sent = {name: request.params[name] for name in ("side", "quantity", "price")}
        assert sent == {"side": "BUY", "quantity": "0.02", "price": "30001.5"}
        assert request.params["origClientOrderId"] == "rusy-1"

    in_lockstep(scenario)


def test_an_order_that_its_amendment_cancelled_is_told_as_cancelled() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        # What the reply says is not believed: the exchange cancels after it, if it does.
        scripted.script(PUT, Answer(ORDER))
        scripted.script(GET, Answer({**ORDER, "status": "CANCELED"}))
        outcome = await amended(exchange)
        assert isinstance(outcome, Confirmed)
        assert outcome.report.state is OrderState.CANCELED

    in_lockstep(scenario)


def test_no_need_to_amend_is_done() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script(PUT, refusal(-5027, "No need to modify the order."))
        scripted.script(GET, Answer(ORDER))
        assert isinstance(await amended(exchange), Confirmed)

    in_lockstep(scenario)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (refusal(-5047, "The original order is not a reduce-only order"), Cause.NOT_AMENDED),
        (refusal(-2013, "Order does not exist."), Cause.UNKNOWN_ORDER),
    ],
)
def test_a_refused_amendment(answer: Answer, cause: Cause) -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script(PUT, answer)
        outcome = await amended(exchange)
        assert isinstance(outcome, Rejected)
        assert outcome.cause is cause
        assert scripted.requests(GET) == []

    in_lockstep(scenario)


def test_a_lost_amendment_is_unresolved_and_one_without_a_quantity_denied() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script(PUT, Answer(ORDER, after_s=60))
        assert isinstance(await amended(exchange), Unresolved)
        scripted.script(PUT, Answer(ORDER))
        scripted.script(GET, Answer("<html>", 502))
        assert isinstance(await amended(exchange), Unresolved)
        before = len(scripted.seen)
        assert isinstance(await amended(exchange, "0"), Denied)
        assert len(scripted.seen) == before

    in_lockstep(scenario)
