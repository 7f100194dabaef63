"""What is refused, with which number, and that a refusal changes nothing."""

import pytest

from rusy_tui.domain.order import OrderState, Side, TimeInForce
from rusy_tui.simulator.account import TAKER_RATE
from tests.simulator.support import SYMBOL, Bench, D, code_of


@pytest.mark.parametrize(
    ("price", "quantity", "code"),
    [
        ("49900.00", "0.010", 0),
        ("49900.001", "0.010", -1111),  # precision 2: judged by the digits that were sent
        ("49900.05", "0.010", -4014),
        ("49900.0", "0.0100", -1111),
        ("49900.0", "0", -4003),
        ("49900.0", "-1", -4003),
        ("49900.0", "1001", -4005),
        ("100.0", "0.010", -4013),
        ("5000000.0", "0.010", -4002),
        ("49900.0", "0.002", -4164),
        ("52600.0", "0.010", -4016),
    ],
)
def test_filters(price: str, quantity: str, code: int) -> None:
    bench = Bench()
    assert code_of(lambda: bench.limit(Side.BUY, price, quantity)) == code
    if code:
        assert not bench.exchange.books.orders
        assert not bench.told


def test_a_sell_far_below_the_mark_price_is_outside_the_band() -> None:
    assert code_of(lambda: Bench().limit(Side.SELL, "47400.0")) == -4024


def test_a_market_order_has_limits_of_its_own() -> None:
    bench = Bench(balance="100000000")
    assert code_of(lambda: bench.market_order(Side.BUY, "121")) == -4005
    assert code_of(lambda: bench.market_order(Side.BUY, "0.001")) == -4164


def test_an_order_is_only_taken_with_the_margin_for_it() -> None:
    bench = Bench(balance="1000")
    # 20×: 1000 USDT carry a notional of 20,000 less commission.
    assert code_of(lambda: bench.limit(Side.BUY, "49900.0", "0.401")) == -2019
    assert code_of(lambda: bench.limit(Side.BUY, "49900.0", "0.300")) == 0
    assert code_of(lambda: bench.limit(Side.BUY, "49900.0", "0.200")) == -2019
    # One way, the other side binds nothing more.
    assert code_of(lambda: bench.limit(Side.SELL, "50100.0", "0.300")) == 0


def test_what_only_closes_needs_no_margin() -> None:
    bench = Bench(balance="1000")
    bench.market_order(Side.BUY, "0.390")
    assert code_of(lambda: bench.market_order(Side.BUY, "0.010")) == -2019
    assert code_of(lambda: bench.market_order(Side.SELL, "0.390")) == 0
    assert bench.held == 0


def test_a_position_never_exceeds_what_its_leverage_allows() -> None:
    bench = Bench(balance="1000000000")
    bench.exchange.set_leverage(bench.account, SYMBOL, 125)
    assert code_of(lambda: bench.limit(Side.BUY, "49900.0", "1.1")) == -2027


def test_there_is_a_most_of_open_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rusy_tui.simulator.trading.MAX_OPEN_ORDERS", 3)
    bench = Bench()
    for _ in range(3):
        bench.limit(Side.BUY, "49900.0")
    assert code_of(lambda: bench.limit(Side.BUY, "49900.0")) == -2025
    # Each account has its own.
    assert code_of(lambda: bench.limit(Side.BUY, "49900.0", account=bench.other)) == 0


def test_a_client_id_is_unique_among_open_orders_and_free_again_afterwards() -> None:
    bench = Bench()
    first = bench.limit(Side.BUY, "49900.0", client_id="mine")
    assert code_of(lambda: bench.limit(Side.BUY, "49800.0", client_id="mine")) == -4116
    bench.exchange.trading.cancel(bench.account, SYMBOL, None, "mine", bench.clock.now_ms)
    second = bench.limit(Side.BUY, "49800.0", client_id="mine")
    assert bench.exchange.trading.find(bench.account, SYMBOL, None, "mine") is second
    assert bench.exchange.trading.find(bench.account, SYMBOL, first.order_id, "") is first


@pytest.mark.parametrize("client_id", ["x" * 37, "with space", "ümlaut", "mine\n"])
def test_a_client_id_has_a_form(client_id: str) -> None:
    assert code_of(lambda: Bench().limit(Side.BUY, "49900.0", client_id=client_id)) == -4015


def test_cancelling_and_asking_for_what_is_not_there() -> None:
    bench = Bench()
    now_ms, trading = bench.clock.now_ms, bench.exchange.trading
    order = bench.limit(Side.BUY, "49900.0")
    other = bench.other
    assert code_of(lambda: trading.cancel(other, SYMBOL, order.order_id, "", now_ms)) == -2011
    assert code_of(lambda: trading.find(other, SYMBOL, order.order_id, "")) == -2013
    trading.cancel(bench.account, SYMBOL, order.order_id, "", now_ms)
    assert order.state is OrderState.CANCELED
    again = code_of(lambda: trading.cancel(bench.account, SYMBOL, order.order_id, "", now_ms))
    assert again == -2011
    assert code_of(lambda: trading.find(bench.account, "NOPE", 1, "")) == -1121


def test_a_reduce_only_order_needs_something_to_reduce() -> None:
    bench = Bench()
    assert code_of(lambda: bench.market_order(Side.SELL, reduce_only=True)) == -2022
    bench.market_order(Side.BUY, "0.010")
    assert code_of(lambda: bench.market_order(Side.BUY, reduce_only=True)) == -2022
    # More than there is: it reduces what there is, and the rest expires.
    order = bench.market_order(Side.SELL, "0.030", reduce_only=True)
    assert (order.filled, order.state) == (D("0.010"), OrderState.EXPIRED)
    assert bench.held == 0


def test_a_resting_reduce_only_order_ends_with_its_position() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    target = bench.limit(Side.SELL, "50500.0", "0.010", reduce_only=True)
    bench.market_order(Side.SELL, "0.010")
    assert target.state is OrderState.EXPIRED
    bench.trade("50600.0")
    assert bench.held == 0


def test_a_resting_reduce_only_order_never_opens() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    target = bench.limit(Side.SELL, "50500.0", "0.010", reduce_only=True)
    bench.market_order(Side.SELL, "0.004")
    bench.trade("50600.0")
    assert bench.held == 0
    assert (target.filled, target.state) == (D("0.006"), OrderState.EXPIRED)


def test_small_reduce_only_orders_are_exempt_from_the_least_notional() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    order = bench.limit(Side.SELL, "50500.0", "0.001", TimeInForce.GTC, reduce_only=True)
    assert order.state is OrderState.NEW


def test_leverage_and_margin_type() -> None:
    bench = Bench()
    exchange, account = bench.exchange, bench.account

    def isolate(isolated: bool) -> int:
        return code_of(lambda: exchange.set_margin_type(account, SYMBOL, isolated=isolated))

    assert isolate(True) == -4046
    assert code_of(lambda: exchange.set_leverage(account, SYMBOL, 126)) == -4028
    bench.limit(Side.BUY, "49900.0")
    assert isolate(False) == -4047
    bench.trade("49800.0")
    assert isolate(False) == -4048
    assert code_of(lambda: exchange.set_leverage(account, SYMBOL, 10)) == -4161
    assert code_of(lambda: exchange.set_leverage(account, SYMBOL, 50)) == 0


def test_commission_is_the_takers_rate_on_notional_to_eight_digits() -> None:
    bench = Bench()
    order = bench.market_order(Side.BUY, "0.013")
    (trade,) = bench.account.trades
    assert trade.commission == (order.average_price * D("0.013") * TAKER_RATE).quantize(
        D("0.00000001")
    )
