"""Changing orders that rest: what an amendment does, costs, and is refused for."""

import pytest

from rusy_tui.domain.order import OrderState, Side, TimeInForce
from rusy_tui.simulator.happenings import OrderMoved
from tests.simulator.support import SYMBOL, Bench, D, code_of, state_of


def _executions(bench: Bench) -> list[str]:
    return [h.execution for h in bench.told if isinstance(h, OrderMoved)]


def test_an_amended_order_goes_to_the_end_of_its_queue() -> None:
    bench = Bench()
    first = bench.limit(Side.BUY, "49900.0", "0.010")
    second = bench.limit(Side.BUY, "49900.0", "0.010")
    bench.amend(first, quantity="0.009")
    assert first.queue_ahead > 0
    bench.trade("49900.0", quantity=format(second.queue_ahead + D("0.012"), "f"))
    assert second.filled == D("0.010")
    assert first.filled == D("0.002")
    assert _executions(bench)[:3] == ["NEW", "NEW", "AMENDMENT"]


def test_an_amended_order_that_reaches_the_other_side_trades_there() -> None:
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0")
    bench.amend(order, price="50010.0")
    assert order.state is OrderState.FILLED
    assert order.average_price == bench.account.trades[-1].price <= D("50010.0")
    assert not bench.account.trades[-1].is_maker
    assert bench.exchange.books.open_orders == {}


def test_a_post_only_order_amended_through_the_book_is_cancelled() -> None:
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0", time_in_force=TimeInForce.POST_ONLY)
    bench.amend(order, price="50010.0")
    assert (order.state, order.filled) == (OrderState.CANCELED, D(0))
    assert bench.market.book.resting() == []


def test_a_partly_filled_order_cut_to_what_is_filled_is_cancelled() -> None:
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0", "0.010")
    bench.trade("49900.0", quantity=format(order.queue_ahead + D("0.004"), "f"))
    assert order.filled == D("0.004")
    bench.amend(order, quantity="0.004")
    assert state_of(order) is OrderState.CANCELED
    assert bench.market.book.resting() == []


@pytest.mark.parametrize(
    ("price", "quantity", "code"),
    [
        ("49900.0", "0.010", -5027),
        ("49900.001", "0.010", -1111),
        ("49900.05", "0.010", -4014),
        ("49900.0", "0.0100", -1111),
        ("52600.0", "0.010", -4016),
        ("49900.0", "0.002", -5029),
        ("49900.0", "9.000", -2019),
        ("49800.0", "0.020", 0),
    ],
)
def test_a_refused_amendment_leaves_the_order_as_it_is(
    price: str, quantity: str, code: int
) -> None:
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0", "0.010")
    bench.told.clear()
    assert code_of(lambda: bench.amend(order, price, quantity)) == code
    if code:
        assert (order.price, order.quantity) == (D("49900.0"), D("0.010"))
        assert bench.told == []
        assert bench.market.book.resting() == [order]


def test_reduce_only_in_an_amendment_only_states_what_the_order_is() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    plain = bench.limit(Side.SELL, "50500.0", "0.010")
    reducer = bench.limit(Side.SELL, "50500.0", "0.010", reduce_only=True)
    code = code_of(lambda: bench.amend(plain, quantity="0.009", reduce_only=True))
    assert code == -5047
    # Only with it a reduce-only order is exempt from the least notional.
    assert code_of(lambda: bench.amend(reducer, quantity="0.001")) == -5029
    assert code_of(lambda: bench.amend(reducer, quantity="0.001", reduce_only=True)) == 0


def test_an_amended_reduce_only_order_closes_no_more_than_there_is() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    reducer = bench.limit(Side.SELL, "50500.0", "0.010", reduce_only=True)
    bench.amend(reducer, price="49900.0", quantity="0.030")
    assert bench.held == 0
    assert (reducer.filled, reducer.state) == (D("0.010"), OrderState.EXPIRED)


def test_what_can_not_be_amended() -> None:
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0")
    bench.exchange.trading.cancel_all(bench.account, SYMBOL, bench.clock.now_ms)
    assert code_of(lambda: bench.amend(order, "49800.0")) == -2013


def test_the_history_of_an_order_is_kept() -> None:
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0", "0.010")
    bench.amend(order, price="49800.0", modify_id=7)
    bench.amend(order, quantity="0.020")
    first, second = bench.exchange.amending.history(bench.account, SYMBOL, order.order_id, "")
    assert (first.former_price, first.price, first.modify_id) == (D("49900"), D("49800"), 7)
    assert (second.former_quantity, second.quantity, second.count) == (D("0.01"), D("0.02"), 2)
    assert second.modify_id is None


def test_an_order_can_only_be_amended_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rusy_tui.simulator.amending.MAX_AMENDMENTS", 1)
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0")
    bench.amend(order, "49800.0")
    assert code_of(lambda: bench.amend(order, "49700.0")) == -5026
