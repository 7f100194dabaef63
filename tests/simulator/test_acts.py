"""What the exchange is made to do on purpose, and that it ends when it is lifted."""

import pytest

from rusy_tui.domain.order import OrderState, Side
from rusy_tui.simulator.happenings import AlgoMoved, TriggerRefused
from tests.simulator.support import SYMBOL, Bench, D, code_of, state_of


def test_a_held_trigger_stays_triggering_until_it_is_released() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.stop(Side.SELL, "49500.0", client_id="mine")
    bench.exchange.hold_triggers(SYMBOL, True)
    bench.trade("49000.0", after_s=60)
    assert state_of(stop) is OrderState.TRIGGERING
    assert bench.held == D("0.010")
    # It is listed, can't be cancelled, and the price's coming back changes nothing.
    assert bench.exchange.books.open_algos_of(bench.account) == [stop]
    cancel = bench.exchange.conditionals.cancel
    assert code_of(lambda: cancel(bench.account, None, "mine", bench.clock.now_ms)) == -4117
    bench.trade("50000.0", after_s=60)
    assert state_of(stop) is OrderState.TRIGGERING
    bench.exchange.hold_triggers(SYMBOL, False)
    assert state_of(stop) is OrderState.FINISHED
    assert bench.held == 0


def test_what_is_held_ends_with_the_position_that_it_was_to_close() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.stop(Side.SELL, "49500.0")
    bench.exchange.hold_triggers(SYMBOL, True)
    bench.trade("49000.0", after_s=60)
    bench.market_order(Side.SELL, "0.010", reduce_only=True)
    assert state_of(stop) is OrderState.EXPIRED
    bench.exchange.hold_triggers(SYMBOL, False)
    assert bench.held == 0


def test_the_exchange_ends_a_conditional_order_by_itself() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.stop(Side.SELL, "49500.0")
    bench.told.clear()
    bench.exchange.expire_algo(stop.algo_id)
    assert state_of(stop) is OrderState.EXPIRED
    assert [type(told) for told in bench.told] == [AlgoMoved]
    bench.trade("49000.0", after_s=60)
    assert bench.held == D("0.010")
    with pytest.raises(LookupError):
        bench.exchange.expire_algo(stop.algo_id)


@pytest.mark.parametrize("code", [-4087, -4140, -4192, -4400, -4401])
def test_barred_openings_are_refused_and_what_reduces_passes(code: int) -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    entry = bench.stop(Side.BUY, "50500.0", quantity="0.010", reduce_only=False)
    bench.exchange.bar_openings(SYMBOL, code)
    assert code_of(lambda: bench.market_order(Side.BUY)) == code
    assert code_of(lambda: bench.limit(Side.BUY, "49900.0")) == code

    def enter() -> object:
        return bench.stop(Side.BUY, "50500.0", quantity="0.010", reduce_only=False)

    assert code_of(enter) == code
    assert code_of(lambda: bench.stop(Side.SELL, "49500.0")) == 0
    assert code_of(lambda: bench.limit(Side.SELL, "50400.0", reduce_only=True)) == 0
    # One that was placed before is refused when it triggers.
    bench.trade("50300.0", after_s=1)
    bench.trade("50600.0", after_s=60)
    assert state_of(entry) is OrderState.REJECTED
    bench.exchange.bar_openings(SYMBOL, None)
    assert code_of(lambda: bench.market_order(Side.BUY)) == 0


def test_a_code_that_the_exchange_does_not_know_bars_nothing() -> None:
    bench = Bench()
    with pytest.raises(KeyError):
        bench.exchange.bar_openings(SYMBOL, -1)
    assert code_of(lambda: bench.market_order(Side.BUY)) == 0


def test_one_fill_is_cut_and_then_no_resting_order_fills() -> None:
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0", "0.010")
    other = bench.limit(Side.BUY, "49900.0", "0.010", account=bench.other)
    bench.exchange.limit_fills(SYMBOL, D("0.35"))
    bench.trade("49800.0")
    assert (order.state, order.filled) == (OrderState.PARTIALLY_FILLED, D("0.003"))
    bench.trade("49700.0")
    assert (order.filled, other.filled) == (D("0.003"), D(0))
    # A taker passes them by as well.
    sold = bench.market_order(Side.SELL, "0.010", account=bench.other)
    assert sold.state is OrderState.FILLED
    assert order.filled == D("0.003")
    bench.exchange.limit_fills(SYMBOL, None)
    bench.trade("49700.0")
    assert order.filled == D("0.010")


def test_a_taker_meets_a_limited_maker_once_and_by_its_share() -> None:
    bench = Bench()
    bench.trade("50000.0")
    best = bench.market.book.best()
    maker = bench.limit(Side.BUY, format(best.bid, "f"), "0.010")
    bench.exchange.limit_fills(SYMBOL, D("0.5"))
    quantity = format(maker.queue_ahead + D("0.010"), "f")
    taker = bench.market_order(Side.SELL, quantity, account=bench.other)
    assert taker.state is OrderState.FILLED
    assert maker.filled == D("0.005")


def test_on_a_thin_book_market_orders_are_refused_and_limit_orders_trade() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.stop(Side.SELL, "49500.0", quantity="0.010")
    bench.exchange.thin_book(SYMBOL, True)
    assert code_of(lambda: bench.market_order(Side.SELL, reduce_only=True)) == -4131
    # A triggered market order finds no counterpart either.
    bench.trade("49000.0", after_s=60)
    assert state_of(stop) is OrderState.REJECTED
    assert any(isinstance(told, TriggerRefused) for told in bench.told)
    assert code_of(lambda: bench.limit(Side.SELL, "48900.0", reduce_only=True)) == 0
    assert bench.held == 0
    bench.exchange.thin_book(SYMBOL, False)
    assert code_of(lambda: bench.market_order(Side.BUY)) == 0


def test_only_symbols_that_are_traded_can_be_troubled() -> None:
    exchange = Bench().exchange
    assert code_of(lambda: exchange.hold_triggers("NOPE", True)) == -1121
    assert code_of(lambda: exchange.bar_openings("NOPE", -4400)) == -1121
    assert code_of(lambda: exchange.limit_fills("NOPE", D(1))) == -1121
    assert code_of(lambda: exchange.thin_book("NOPE", True)) == -1121
