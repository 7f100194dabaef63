"""Stops and take-profits: triggers, states, and what becomes of them."""

import pytest

from rusy_tui.domain.order import OrderKind, OrderState, Side, TriggerPrice
from rusy_tui.simulator.happenings import AlgoMoved, OrderMoved, TriggerRefused
from tests.simulator.support import Bench, D, code_of, state_of


def _states(bench: Bench) -> list[str]:
    """What the account was told of states, in order, of both kinds of order."""
    names = []
    for happening in bench.told:
        if isinstance(happening, AlgoMoved):
            names.append(f"algo {happening.algo.algo_id % 10}")
        elif isinstance(happening, OrderMoved):
            names.append(happening.execution)
    return names


def test_a_stop_waits_for_the_mark_price_then_closes_the_position() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.stop(Side.SELL, "49500.0")
    assert (stop.state, stop.quantity) == (OrderState.NEW, D(0))
    # The last price alone goes below: the mark price has hardly moved yet.
    bench.trade("49400.0", after_s=1)
    assert bench.market.mark > D("49500")
    assert state_of(stop) is OrderState.NEW
    bench.told.clear()
    bench.trade("49400.0", after_s=60)
    assert bench.market.mark < D("49500")
    assert state_of(stop) is OrderState.FINISHED
    assert stop.triggered_ms == bench.clock.now_ms
    assert bench.held == 0
    closing = bench.exchange.books.orders[stop.order_id]
    assert closing.algo_id == stop.algo_id
    assert closing.client_id != stop.client_id
    assert (stop.actual_quantity, stop.actual_price) == (D("0.010"), closing.average_price)
    # TRIGGERING, TRIGGERED, the order and its trade, FINISHED.
    assert _states(bench) == ["algo 1", "algo 1", "NEW", "TRADE", "algo 1"]


def test_a_stop_on_the_last_price_does_not_wait_for_the_mark_price() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.stop(Side.SELL, "49500.0", by=TriggerPrice.LAST)
    bench.trade("49500.0", after_s=1)
    assert state_of(stop) is OrderState.FINISHED
    assert bench.held == 0


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "taken"),
    [
        (Side.SELL, OrderKind.STOP_MARKET, "49500.0", True),
        (Side.SELL, OrderKind.STOP_MARKET, "50000.0", False),
        (Side.BUY, OrderKind.STOP_MARKET, "50500.0", True),
        (Side.BUY, OrderKind.STOP_MARKET, "49500.0", False),
        (Side.SELL, OrderKind.TAKE_PROFIT_MARKET, "50500.0", True),
        (Side.SELL, OrderKind.TAKE_PROFIT_MARKET, "49500.0", False),
        (Side.BUY, OrderKind.TAKE_PROFIT_MARKET, "49500.0", True),
        (Side.BUY, OrderKind.TAKE_PROFIT_MARKET, "50500.0", False),
    ],
)
def test_one_that_would_trigger_at_once_is_refused(
    side: Side, kind: OrderKind, trigger: str, taken: bool
) -> None:
    code = code_of(lambda: Bench().stop(side, trigger, kind=kind))
    assert code == (0 if taken else -2021)


def test_one_closing_order_for_each_side_and_type() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    bench.stop(Side.SELL, "49500.0")
    assert code_of(lambda: bench.stop(Side.SELL, "49400.0")) == -4130
    profit = OrderKind.TAKE_PROFIT_MARKET
    assert code_of(lambda: bench.stop(Side.SELL, "50500.0", kind=profit)) == 0
    assert code_of(lambda: bench.stop(Side.SELL, "49400.0", quantity="0.010")) == 0


def test_when_the_position_is_closed_the_closing_orders_expire() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.stop(Side.SELL, "49500.0")
    target = bench.stop(Side.SELL, "50500.0", kind=OrderKind.TAKE_PROFIT_MARKET)
    second = bench.stop(Side.SELL, "49400.0", quantity="0.010")
    bench.trade("50600.0", after_s=60)
    assert state_of(target) is OrderState.FINISHED
    assert state_of(stop) is OrderState.EXPIRED
    # Reduce-only with a quantity: it stays until somebody cancels it, or its trigger fails.
    assert state_of(second) is OrderState.NEW
    bench.trade("49000.0", after_s=120)
    assert state_of(second) is OrderState.REJECTED
    assert any(isinstance(happening, TriggerRefused) for happening in bench.told)
    assert bench.held == 0


def test_a_reduce_only_stop_closes_at_most_what_is_open() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.stop(Side.SELL, "49500.0", quantity="0.025")
    bench.trade("49000.0", after_s=60)
    assert (stop.state, stop.actual_quantity) == (OrderState.FINISHED, D("0.010"))
    assert bench.held == 0


def test_a_stop_that_opens_is_checked_for_margin_when_it_triggers() -> None:
    bench = Bench(balance="100")
    stop = bench.stop(Side.BUY, "50500.0", quantity="0.100", reduce_only=False)
    bench.trade("50600.0", after_s=60)
    assert (stop.state, stop.reason) == (OrderState.REJECTED, "Margin is insufficient.")
    assert bench.held == 0


def test_cancelling_and_asking() -> None:
    bench = Bench()
    conditionals, now_ms = bench.exchange.conditionals, bench.clock.now_ms
    stop = bench.stop(Side.SELL, "49500.0", client_id="mine")
    assert code_of(lambda: bench.stop(Side.BUY, "50500.0", client_id="mine")) == -4116
    # The two books do not know each other's orders.
    trading = bench.exchange.trading
    assert code_of(lambda: trading.find(bench.account, "BTCUSDT", None, "mine")) == -2013
    trading.cancel_all(bench.account, "BTCUSDT", now_ms)
    assert state_of(stop) is OrderState.NEW
    conditionals.cancel(bench.account, None, "mine", now_ms)
    assert state_of(stop) is OrderState.CANCELED
    assert code_of(lambda: conditionals.cancel(bench.account, None, "mine", now_ms)) == -2011
    assert conditionals.find(bench.account, None, "mine") is stop


def test_there_is_a_most_of_open_ones() -> None:
    bench = Bench()
    for number in range(10):
        bench.stop(Side.SELL, f"{49500 - number}.0", quantity="0.010")
    assert code_of(lambda: bench.stop(Side.SELL, "49000.0", quantity="0.010")) == -4045
