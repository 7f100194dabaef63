"""What ends by itself: orders with a last moment, and the countdown that cancels all."""

from typing import Any

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.order import OrderKind, OrderState, Side
from rusy_tui.simulator.orders import Order, OrderRequest
from rusy_tui.simulator.switches import Switches
from tests.simulator.serving import Served, on_exchange
from tests.simulator.support import SYMBOL, Bench, D, ScriptedFeed, code_of, state_of


def _until(bench: Bench, seconds: float) -> Order:
    return bench.exchange.place(
        bench.account,
        OrderRequest(
            symbol=SYMBOL,
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            quantity=D("0.010"),
            price=D("49900.0"),
            good_till_ms=bench.clock.now_ms + round(seconds * 1000),
        ),
    )


def test_an_order_with_a_last_moment_ends_by_itself() -> None:
    bench = Bench()
    order = _until(bench, 601)
    bench.trade("50000.0", after_s=600)
    assert state_of(order) is OrderState.NEW
    # It is over before what trades at that moment could fill it.
    bench.trade("49000.0", after_s=1)
    assert (state_of(order), order.filled) == (OrderState.EXPIRED, D(0))


@pytest.mark.parametrize(("seconds", "code"), [(600, -5040), (600.001, 0), (10**12, -5040)])
def test_the_last_moment_lies_more_than_ten_minutes_ahead(seconds: float, code: int) -> None:
    assert code_of(lambda: _until(Bench(), seconds)) == code


@pytest.mark.parametrize("touches_algos", [False, True])
def test_a_countdown_cancels_all_orders_of_its_symbol(touches_algos: bool) -> None:
    feed = ScriptedFeed(symbols=(SYMBOL, "ETHUSDT"))
    bench = Bench(feed, switches=Switches(countdown_cancels_algos=touches_algos))
    bench.market_order(Side.BUY, "0.010")
    order, stop = bench.limit(Side.BUY, "49900.0"), bench.stop(Side.SELL, "49500.0")
    other = bench.limit(Side.BUY, "49900.0", account=bench.other)
    deadlines = bench.exchange.deadlines
    deadlines.count_down(bench.account, SYMBOL, 5000)
    deadlines.count_down(bench.account, "ETHUSDT", 1000)
    bench.clock.now_ms += 4999
    deadlines.end_due(bench.clock.now_ms)
    assert state_of(order) is OrderState.NEW
    bench.clock.now_ms += 1
    deadlines.end_due(bench.clock.now_ms)
    assert state_of(order) is OrderState.CANCELED
    assert state_of(stop) is (OrderState.CANCELED if touches_algos else OrderState.NEW)
    assert state_of(other) is OrderState.NEW
    # It runs once.
    later = bench.limit(Side.BUY, "49900.0")
    bench.trade("50000.0", after_s=60)
    assert state_of(later) is OrderState.NEW


def test_a_countdown_begins_anew_with_each_call_and_is_stopped_by_zero() -> None:
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0")
    count_down = bench.exchange.deadlines.count_down
    count_down(bench.account, SYMBOL, 5000)
    bench.clock.now_ms += 4000
    count_down(bench.account, SYMBOL, 5000)
    bench.trade("50000.0", after_s=4)
    assert state_of(order) is OrderState.NEW
    count_down(bench.account, SYMBOL, 0)
    bench.trade("50000.0", after_s=60)
    assert state_of(order) is OrderState.NEW
    assert code_of(lambda: count_down(bench.account, "NOPE", 1000)) == -1121


def test_a_market_that_stands_still_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(exchange: Served) -> None:
        ends_ms = (exchange.clock.market_ms() + 700_000) // 1000 * 1000
        placed = await exchange.signed(
            "POST",
            "/fapi/v1/order",
            symbol=SYMBOL,
            side="BUY",
            type="LIMIT",
            quantity="0.010",
            price="49900.0",
            timeInForce="GTD",
            goodTillDate=ends_ms,
        )
        order = exchange.exchange.books.orders[placed.body["orderId"]]
        # As it is when a simulator starts again: nothing moves before all is ready.
        monkeypatch.setattr(LockstepClock, "speed", 0.0)
        exchange.exchange.deadlines.noticed()
        await exchange.clock.sleep(100)
        assert state_of(order) is OrderState.NEW
        monkeypatch.setattr(LockstepClock, "speed", 1.0)
        await exchange.clock.sleep(700)
        assert (state_of(order), order.updated_ms) == (OrderState.EXPIRED, ends_ms)

    on_exchange(scenario)


def test_a_served_exchange_wakes_up_for_each_moment_though_its_market_stands_still() -> None:
    async def scenario(exchange: Served) -> None:
        asked: dict[str, Any] = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT"}
        asked |= {"quantity": "0.010", "price": "49900.0"}
        ends_ms = (exchange.clock.market_ms() + 700_000) // 1000 * 1000
        placed = await exchange.signed(
            "POST", "/fapi/v1/order", timeInForce="GTD", goodTillDate=ends_ms, **asked
        )
        other = await exchange.signed("POST", "/fapi/v1/order", timeInForce="GTC", **asked)
        path = "/fapi/v1/countdownCancelAll"
        await exchange.signed("POST", path, symbol="BTCUSDT", countdownTime=900_000)
        # A shorter one takes the place of the first: the exchange wakes up for it.
        began_ms = exchange.clock.market_ms()
        reply = await exchange.signed("POST", path, symbol="BTCUSDT", countdownTime=800_000)
        assert reply.body == {"symbol": "BTCUSDT", "countdownTime": "800000"}
        orders = exchange.exchange.books.orders
        dated, counted = (orders[r.body["orderId"]] for r in (placed, other))
        await exchange.clock.sleep(1000)
        assert (dated.state, dated.updated_ms) == (OrderState.EXPIRED, ends_ms)
        assert counted.state is OrderState.CANCELED
        assert began_ms + 800_000 <= counted.updated_ms <= began_ms + 801_000
        negative = await exchange.signed("POST", path, symbol="BTCUSDT", countdownTime=-1)
        assert negative.code == -1102

    on_exchange(scenario)
