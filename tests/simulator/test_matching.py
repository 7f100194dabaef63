"""When orders fill: through, never on touch; the queue first; takers walk the levels."""

from hypothesis import given
from hypothesis import strategies as st

from rusy_tui.domain.order import OrderState, Side, TimeInForce
from rusy_tui.simulator.happenings import OrderMoved
from rusy_tui.simulator.liquidity import SyntheticLiquidity
from tests.simulator.support import START_MS, SYMBOL, Bench, D, code_of, instrument


def test_a_touch_fills_nothing() -> None:
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0", time_in_force=TimeInForce.POST_ONLY)
    ahead = order.queue_ahead
    assert ahead > 0
    bench.trade("49900.0", quantity=format(ahead, "f"))
    assert order.state is OrderState.NEW
    assert order.filled == 0


def test_a_trade_beyond_its_price_fills_a_resting_order_wholly_at_its_own_price() -> None:
    bench = Bench()
    buy = bench.limit(Side.BUY, "49900.0")
    sell = bench.limit(Side.SELL, "50100.0")
    bench.trade("49899.9", quantity="0.001")
    assert (buy.state, buy.average_price) == (OrderState.FILLED, D("49900.0"))
    bench.trade("50100.1", quantity="0.001")
    assert (sell.state, sell.average_price) == (OrderState.FILLED, D("50100.0"))
    assert all(trade.is_maker for trade in bench.account.trades)


def test_volume_at_its_price_first_consumes_the_queue_then_fills_in_parts() -> None:
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0", "0.010")
    ahead = order.queue_ahead
    bench.trade("49900.0", quantity=format(ahead - D("0.002"), "f"))
    assert order.filled == 0
    bench.trade("49900.0", quantity="0.006")
    assert (order.state, order.filled) == (OrderState.PARTIALLY_FILLED, D("0.004"))
    bench.trade("49900.0", quantity="5")
    assert (order.state, order.filled) == (OrderState.FILLED, D("0.010"))


def test_orders_at_one_price_fill_in_the_order_they_came() -> None:
    bench = Bench()
    first = bench.limit(Side.BUY, "49900.0", "0.010")
    second = bench.limit(Side.BUY, "49900.0", "0.010")
    bench.trade("49900.0", quantity=format(first.queue_ahead + D("0.012"), "f"))
    assert first.filled == D("0.010")
    assert second.filled == D("0.002")


def test_who_came_later_never_stands_nearer_though_others_have_left_meanwhile() -> None:
    bench = Bench()
    first = bench.limit(Side.BUY, "49900.0", "0.010")
    first.queue_ahead = D(1_000_000)
    second = bench.limit(Side.BUY, "49900.0", "0.010", account=bench.other)
    bench.trade("49900.0", quantity="999999")
    assert (first.filled, second.filled) == (D(0), D(0))
    bench.trade("49900.0", quantity="1.015")
    assert (first.filled, second.filled) == (D("0.010"), D("0.005"))


def test_the_better_price_fills_first() -> None:
    bench = Bench()
    low = bench.limit(Side.BUY, "49800.0")
    high = bench.limit(Side.BUY, "49900.0")
    bench.trade("49700.0")
    fills = [h.order for h in bench.told if isinstance(h, OrderMoved) and h.trade]
    assert fills == [high, low]


def test_a_taker_walks_the_levels() -> None:
    bench = Bench(balance="10000000")
    _, asks = bench.market.book.depth(20)
    quantity = (asks[0].quantity + asks[1].quantity / 2).quantize(D("0.001"))
    order = bench.market_order(Side.BUY, format(quantity, "f"))
    assert order.state is OrderState.FILLED
    assert [trade.price for trade in bench.account.trades] == [asks[0].price, asks[1].price]
    assert not any(trade.is_maker for trade in bench.account.trades)
    # What was taken is gone until the market trades again.
    assert bench.market.book.best().ask == asks[1].price
    bench.trade("50000.0")
    assert bench.market.book.best().ask < asks[1].price


def test_post_only_is_refused_where_it_would_take() -> None:
    bench = Bench()
    best = bench.market.book.best()
    at_ask, at_bid = format(best.ask, "f"), format(best.bid, "f")
    post_only = TimeInForce.POST_ONLY
    assert code_of(lambda: bench.limit(Side.BUY, at_ask, time_in_force=post_only)) == -5022
    assert code_of(lambda: bench.limit(Side.SELL, at_bid, time_in_force=post_only)) == -5022
    assert code_of(lambda: bench.limit(Side.BUY, at_bid, time_in_force=post_only)) == 0
    assert bench.exchange.books.orders_of(bench.account)[-1].state is OrderState.NEW


def test_immediate_or_cancel_expires_what_it_does_not_meet() -> None:
    bench = Bench()
    best = bench.market.book.best()
    order = bench.limit(Side.BUY, format(best.ask, "f"), "0.011", time_in_force=TimeInForce.IOC)
    assert order.state is OrderState.FILLED
    nothing = bench.limit(Side.BUY, "49000.0", time_in_force=TimeInForce.IOC)
    assert (nothing.state, nothing.filled) == (OrderState.EXPIRED, D(0))


def test_fill_or_kill_is_refused_where_it_can_not_fill_wholly() -> None:
    bench = Bench(balance="10000000")
    best = bench.market.book.best()
    too_much = format(best.ask_quantity + D("0.001"), "f")
    price = format(best.ask, "f")
    fok = TimeInForce.FOK
    assert code_of(lambda: bench.limit(Side.BUY, price, too_much, fok)) == -5021
    assert code_of(lambda: bench.limit(Side.BUY, price, "0.010", fok)) == 0
    assert bench.held == D("0.010")


def test_a_marketable_limit_order_takes_and_rests_with_what_is_left() -> None:
    bench = Bench(balance="10000000")
    best = bench.market.book.best()
    quantity = best.ask_quantity + D("0.005")
    order = bench.limit(Side.BUY, format(best.ask, "f"), format(quantity, "f"))
    assert order.state is OrderState.PARTIALLY_FILLED
    assert order.remaining == D("0.005")
    now = bench.market.book.best()
    assert (now.bid, now.bid_quantity) == (order.price, D("0.005"))
    assert now.ask > now.bid
    assert order.queue_ahead == 0


def test_an_order_inside_the_spread_is_the_best_and_nothing_stands_ahead() -> None:
    bench = Bench()
    bench.limit(Side.BUY, "49950.0")
    bench.trade("49950.0", quantity="0.001")
    best = bench.market.book.best()
    assert best.bid == D("49950.0")
    assert best.ask > D("49950.0")


def test_two_accounts_meet_and_the_one_that_rested_is_the_maker() -> None:
    bench = Bench(balance="10000000")
    best = bench.market.book.best()
    resting = bench.limit(Side.SELL, format(best.ask, "f"), account=bench.other)
    taker = bench.market_order(Side.BUY, format(best.ask_quantity + D("0.010"), "f"))
    assert (taker.state, resting.state) == (OrderState.FILLED, OrderState.FILLED)
    assert [trade.is_maker for trade in bench.other.trades] == [True]
    assert bench.other.position(SYMBOL).quantity == D("-0.010")


def test_an_account_never_trades_with_itself() -> None:
    bench = Bench(balance="10000000")
    best = bench.market.book.best()
    resting = bench.limit(Side.SELL, format(best.ask, "f"), "0.010")
    taker = bench.limit(
        Side.BUY, format(best.ask + D("0.1"), "f"), format(best.ask_quantity + 1, "f")
    )
    assert taker.filled > 0
    assert (resting.state, resting.self_matched) == (OrderState.EXPIRED, True)
    assert resting.filled == 0


@given(
    seed=st.integers(0, 2**63), time_ms=st.integers(0, 2**42), ticks=st.integers(10_000, 10**7)
)
def test_the_book_never_crosses_and_is_the_same_each_time(
    seed: int, time_ms: int, ticks: int
) -> None:
    last = ticks * D("0.10")
    liquidity = SyntheticLiquidity(seed, instrument())
    bid, ask = liquidity.best(time_ms, last)
    assert bid < ask
    assert last in (bid, ask)
    assert (bid, ask) == SyntheticLiquidity(seed, instrument()).best(time_ms, last)
    levels = liquidity.ladder(ask, 1, START_MS)
    assert all(level.quantity >= D("0.001") for level in levels)
    assert levels == liquidity.ladder(ask, 1, START_MS)


def test_a_book_that_was_taken_whole_shows_nothing_until_the_market_trades() -> None:
    bench = Bench(balance="100000000")
    _, asks = bench.market.book.depth(1000)
    everything = sum((level.quantity for level in asks), D(0))
    order = bench.limit(Side.BUY, "51000.0", format(everything + 1, "f"), TimeInForce.IOC)
    assert order.filled == everything
    best = bench.market.book.best()
    assert best.ask_quantity == 0
    assert best.bid_quantity > 0
    bench.trade("50000.0")
    assert bench.market.book.best().ask_quantity > 0
