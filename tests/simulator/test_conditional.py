"""Stops and take-profits: triggers, states, and what becomes of them."""

import pytest

from rusy_tui.domain.order import OrderKind, OrderState, Side, TimeInForce, TriggerPrice
from rusy_tui.simulator.happenings import AlgoMoved, OrderMoved, TriggerRefused
from rusy_tui.simulator.switches import Switches
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
    # After it is over, its id is taken again: the newest has it.
    second = bench.stop(Side.SELL, "49400.0", client_id="mine")
    assert conditionals.find(bench.account, None, "mine") is second


def test_there_is_a_most_of_open_ones() -> None:
    bench = Bench()
    for number in range(10):
        bench.stop(Side.SELL, f"{49500 - number}.0", quantity="0.010")
    assert code_of(lambda: bench.stop(Side.SELL, "49000.0", quantity="0.010")) == -4045


# ── those that become a limit order ───────────────────────────────────────────────────


def test_a_stop_with_a_price_becomes_a_limit_order_and_is_finished_with_it() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.stop(
        Side.SELL,
        "49500.0",
        kind=OrderKind.STOP,
        by=TriggerPrice.LAST,
        quantity="0.010",
        price="49800.0",
    )
    bench.told.clear()
    bench.trade("49400.0", after_s=1)
    assert state_of(stop) is OrderState.TRIGGERED
    order = bench.exchange.books.orders[stop.order_id]
    assert (order.kind, order.price, order.reduce_only) == (OrderKind.LIMIT, D("49800"), True)
    assert state_of(order) is OrderState.NEW
    # TRIGGERING, TRIGGERED, then the order.
    assert _states(bench) == ["algo 1", "algo 1", "NEW"]
    bench.trade("49900.0", after_s=1)
    assert (state_of(order), state_of(stop)) == (OrderState.FILLED, OrderState.FINISHED)
    assert (stop.actual_quantity, stop.actual_price) == (D("0.010"), D("49800"))
    assert bench.held == 0


def test_a_cancelled_limit_order_finishes_the_stop_that_it_came_from() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    target = bench.stop(
        Side.SELL,
        "50200.0",
        kind=OrderKind.TAKE_PROFIT,
        by=TriggerPrice.LAST,
        quantity="0.010",
        price="50400.0",
    )
    bench.trade("50300.0", after_s=1)
    assert state_of(target) is OrderState.TRIGGERED
    bench.exchange.trading.cancel_all(bench.account, "BTCUSDT", bench.clock.now_ms)
    assert (state_of(target), target.actual_quantity) == (OrderState.FINISHED, D(0))


@pytest.mark.parametrize(
    ("time_in_force", "price", "state", "reason"),
    [
        (TimeInForce.IOC, "49900.0", OrderState.FINISHED, ""),
        (TimeInForce.FOK, "49390.0", OrderState.FINISHED, ""),
        (TimeInForce.FOK, "49900.0", OrderState.REJECTED, "FOK"),
        (TimeInForce.POST_ONLY, "49000.0", OrderState.REJECTED, "Post Only"),
    ],
)
def test_what_it_becomes_obeys_its_time_in_force(
    time_in_force: TimeInForce, price: str, state: OrderState, reason: str
) -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.stop(
        Side.SELL,
        "49500.0",
        kind=OrderKind.STOP,
        by=TriggerPrice.LAST,
        quantity="0.010",
        price=price,
        time_in_force=time_in_force,
    )
    bench.trade("49400.0", after_s=1)
    assert state_of(stop) is state
    assert reason in stop.reason


def test_the_price_of_a_stop_is_judged_by_its_trigger() -> None:
    bench = Bench()

    def stop(side: Side, trigger: str, price: str) -> int:
        return code_of(
            lambda: bench.stop(
                side, trigger, kind=OrderKind.STOP, quantity="0.010", price=price
            )
        )

    assert stop(Side.SELL, "49500.0", "46900.0") == -4184
    assert stop(Side.BUY, "50500.0", "53100.0") == -4183
    assert stop(Side.SELL, "49500.0", "49400.01") == -4014
    assert stop(Side.SELL, "49500.0", "49400.0") == 0


# ── trailing stops, protection ────────────────────────────────────────────────────────


def test_a_trailing_stop_follows_the_best_price_and_goes_off_when_it_comes_back() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.trailing(Side.SELL, "1")
    bench.trade("51000.0", after_s=1)
    assert stop.best_price == D("51000")
    bench.trade("50490.1", after_s=1)
    assert state_of(stop) is OrderState.NEW
    bench.trade("50490.0", after_s=1)  # 1 % below the highest
    assert state_of(stop) is OrderState.FINISHED
    assert bench.held == 0


def test_a_short_s_trailing_stop_follows_the_lowest_price() -> None:
    bench = Bench()
    bench.market_order(Side.SELL, "0.010")
    stop = bench.trailing(Side.BUY, "0.5")
    bench.trade("49000.0", after_s=1)
    bench.trade("49244.9", after_s=1)
    assert state_of(stop) is OrderState.NEW
    bench.trade("49245.0", after_s=1)
    assert state_of(stop) is OrderState.FINISHED


def test_a_trailing_stop_waits_for_its_activation_price() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.trailing(Side.SELL, "1", activate="50600.0")
    bench.trade("50500.0", after_s=1)
    bench.trade("49000.0", after_s=1)
    assert state_of(stop) is OrderState.NEW
    bench.trade("50600.0", after_s=1)
    assert state_of(stop) is OrderState.NEW
    bench.trade("50094.0", after_s=1)
    assert state_of(stop) is OrderState.FINISHED


@pytest.mark.parametrize(
    ("side", "percent", "activate", "code"),
    [
        (Side.SELL, "1", "50000.0", -2021),
        (Side.SELL, "1", "49900.0", -2021),
        (Side.SELL, "1", "50000.1", 0),
        (Side.BUY, "1", "50000.0", -2021),
        (Side.BUY, "1", "49999.9", 0),
        (Side.SELL, "0.09", None, -2007),
        (Side.SELL, "10.1", None, -2007),
        (Side.SELL, "10", None, 0),
        (Side.SELL, "1", "50600.05", -4014),
    ],
)
def test_what_a_trailing_stop_is_refused_for(
    side: Side, percent: str, activate: str | None, code: int
) -> None:
    bench = Bench()
    assert code_of(lambda: bench.trailing(side, percent, activate=activate)) == code


def test_a_protected_stop_waits_while_last_and_mark_price_are_far_apart() -> None:
    bench = Bench()
    bench.exchange.set_leverage(bench.account, "BTCUSDT", 5)
    bench.market_order(Side.BUY, "0.010")
    kind, last = OrderKind.STOP_MARKET, TriggerPrice.LAST
    guarded = bench.stop(
        Side.SELL, "49500.0", by=last, kind=kind, quantity="0.005", protected=True
    )
    bare = bench.stop(Side.SELL, "49400.0", by=last, kind=kind, quantity="0.005")
    bench.trade("47000.0", after_s=0.001)  # 6 % below the mark price
    assert state_of(guarded) is OrderState.NEW
    assert state_of(bare) is OrderState.FINISHED
    bench.trade("47000.0", after_s=60)  # the mark price has followed
    bench.trade("47000.0", after_s=1)
    assert state_of(guarded) is OrderState.FINISHED


# ── what the documents leave open ─────────────────────────────────────────────────────


@pytest.mark.parametrize("needed", [False, True])
def test_a_reduce_only_stop_without_a_position(needed: bool) -> None:
    bench = Bench(switches=Switches(stops_need_position=needed))
    code = -2022 if needed else 0
    assert code_of(lambda: bench.stop(Side.SELL, "49500.0", quantity="0.010")) == code
    assert code_of(lambda: bench.stop(Side.SELL, "49500.0")) == code
    bench.market_order(Side.BUY, "0.010")
    # There is something to reduce for a sell, and nothing for a buy.
    assert code_of(lambda: bench.stop(Side.SELL, "49400.0", quantity="0.010")) == 0
    assert code_of(lambda: bench.stop(Side.BUY, "50500.0", quantity="0.010")) == code


def test_a_stop_of_a_quantity_has_a_market_order_s_bounds() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.100")
    assert code_of(lambda: bench.stop(Side.SELL, "49000.0", quantity="120.000")) == 0
    assert code_of(lambda: bench.stop(Side.SELL, "48900.0", quantity="120.001")) == -4005
    # One with a price becomes a limit order, which may be larger.
    with_price = {"kind": OrderKind.STOP, "price": "48700.0", "quantity": "120.001"}
    assert code_of(lambda: bench.stop(Side.SELL, "48800.0", **with_price)) == 0  # type: ignore[arg-type]
