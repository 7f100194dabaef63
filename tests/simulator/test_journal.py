"""What a simulator keeps goes on after it was put down and taken up again."""

from pathlib import Path

import msgspec

from rusy_tui.domain.order import OrderKind, OrderState, Side
from rusy_tui.simulator.archive import MOVED_AT
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds import Step
from rusy_tui.simulator.journal import Keeper, Saved, read, saved
from rusy_tui.simulator.markets import SyntheticMarket
from rusy_tui.simulator.orders import OrderRequest
from tests.simulator.support import (
    START_MS,
    SYMBOL,
    Bench,
    D,
    HandClock,
    ScriptedFeed,
    state_of,
    traded,
)

MARKET = SyntheticMarket(7, START_MS, (SYMBOL,))


def _taken_up(bench: Bench) -> tuple[SimulatedExchange, HandClock]:
    """An exchange made of what another one keeps."""
    content = msgspec.json.encode(saved(bench.exchange, MARKET))
    former = msgspec.json.decode(content, type=Saved)
    clock = HandClock(bench.clock.now_ms)
    exchange = SimulatedExchange(ScriptedFeed(), clock, former.books(), 1)
    former.put_back(exchange)
    return exchange, clock


def _trade(exchange: SimulatedExchange, clock: HandClock, price: str, after_s: float) -> None:
    clock.now_ms += round(after_s * 1000)
    exchange.apply(Step(clock.now_ms, (traded(price),)))


def test_moments_and_trails_go_on() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    stop = bench.trailing(Side.SELL, "1")
    bench.trade("51000.0", after_s=1)
    dated = bench.exchange.place(
        bench.account,
        OrderRequest(
            symbol=SYMBOL,
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            quantity=D("0.010"),
            price=D("49900.0"),
            good_till_ms=bench.clock.now_ms + 700_000,
        ),
    )
    counted = bench.limit(Side.BUY, "49800.0")
    bench.exchange.deadlines.count_down(bench.account, SYMBOL, 60_000)
    exchange, clock = _taken_up(bench)
    books = exchange.books
    _trade(exchange, clock, "50490.0", 1)
    assert state_of(books.algos[stop.algo_id]) is OrderState.FINISHED
    _trade(exchange, clock, "50490.0", 59)
    assert state_of(books.orders[counted.order_id]) is OrderState.CANCELED
    assert state_of(books.orders[dated.order_id]) is OrderState.CANCELED
    assert books.countdowns == []


def test_a_last_moment_goes_on() -> None:
    bench = Bench()
    order = bench.limit(Side.BUY, "49900.0")
    order.good_till_ms = bench.clock.now_ms + 700_000
    exchange, clock = _taken_up(bench)
    _trade(exchange, clock, "50000.0", 700)
    assert state_of(exchange.books.orders[order.order_id]) is OrderState.EXPIRED


def test_amendments_and_places_in_the_queue_go_on() -> None:
    bench = Bench()
    first = bench.limit(Side.BUY, "49900.0")
    second = bench.limit(Side.BUY, "49900.0")
    bench.amend(first, quantity="0.020")
    exchange, _ = _taken_up(bench)
    resting = exchange.markets[SYMBOL].book.resting()
    assert [order.order_id for order in resting] == [second.order_id, first.order_id]
    assert [change.count for change in exchange.books.amendments] == [1]
    assert exchange.books.next_amendment_id() > exchange.books.amendments[0].amendment_id


def test_what_was_made_to_go_wrong_ends_with_the_run() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.020")
    order = bench.limit(Side.BUY, "49900.0", "0.010")
    stop = bench.stop(Side.SELL, "49500.0", quantity="0.010")
    bench.exchange.hold_triggers(SYMBOL, True)
    bench.exchange.limit_fills(SYMBOL, D("0.5"))
    bench.exchange.bar_openings(SYMBOL, -4400)
    bench.trade("49400.0", after_s=60)
    assert (order.filled, state_of(stop)) == (D("0.005"), OrderState.TRIGGERING)
    exchange, clock = _taken_up(bench)
    books = exchange.books
    _trade(exchange, clock, "49600.0", 60)
    assert state_of(books.orders[order.order_id]) is OrderState.FILLED
    # It had been triggered: the price needs not be there again.
    assert state_of(books.algos[stop.algo_id]) is OrderState.FINISHED
    account = books.accounts[0]
    buy = OrderRequest(symbol=SYMBOL, side=Side.BUY, kind=OrderKind.MARKET, quantity=D("0.010"))
    assert state_of(exchange.place(account, buy)) is OrderState.FILLED


def test_what_is_over_is_moved_out_of_the_journal_and_taken_back(tmp_path: Path) -> None:
    bench = Bench()
    journal = tmp_path / "journal.json"
    exchange: SimulatedExchange = bench.exchange
    former: Saved | None = None
    resting = bench.limit(Side.BUY, "49000.0")
    stop = bench.stop(Side.SELL, "40000.0", quantity="0.010")
    buy = OrderRequest(symbol=SYMBOL, side=Side.BUY, kind=OrderKind.LIMIT, quantity=D("0.010"))
    for _ in range(3):
        keeper = Keeper(
            exchange, MARKET, journal, bench.clock, at_wall_time=False, former=former
        )
        account = exchange.books.accounts[0]
        passing = exchange.place(account, msgspec.structs.replace(buy, price=D("48000.0")))
        sizes = []
        for number in range(2 * MOVED_AT // 3):
            side = (Side.BUY, Side.SELL)[number % 2]
            exchange.place(
                account,
                OrderRequest(
                    symbol=SYMBOL, side=side, kind=OrderKind.MARKET, quantity=D("0.010")
                ),
            )
            keeper.write()
            sizes.append(journal.stat().st_size)
        # Long after others of its time were moved, it ends.
        exchange.trading.cancel(
            account, SYMBOL, passing.order_id, "", exchange.clock.market_ms()
        )
        keeper.write()
        # It does not grow with what it holds; a run before's file is gone.
        assert max(sizes) < 300 * MOVED_AT
        assert len(list(tmp_path.iterdir())) == 2
        # As a kill leaves it: half a line that no journal tells of.
        (history,) = tmp_path.glob("*.jsonl")
        with history.open("ab") as file:
            file.write(b'{"orders":[{"order_i')
        books = exchange.books
        former = read(journal, MARKET)
        assert former is not None
        again = former.books()
        assert msgspec.json.encode(again) == msgspec.json.encode(books)
        assert list(again.open_orders) == [resting.order_id]
        assert list(again.open_algos) == [stop.algo_id]
        exchange = SimulatedExchange(ScriptedFeed(), bench.clock, again, 1)
        former.put_back(exchange)


def test_a_fill_by_the_market_is_kept_before_anybody_is_told(tmp_path: Path) -> None:
    """Done again after a kill it would have another number, and count twice."""
    bench = Bench()
    journal = tmp_path / "journal.json"
    Keeper(bench.exchange, MARKET, journal, bench.clock, at_wall_time=False).write()
    order = bench.limit(Side.BUY, "49900.0")
    bench.trade("49800.0", after_s=1)
    assert state_of(order) is OrderState.FILLED
    kept = read(journal, MARKET)
    assert kept is not None
    (fill,) = kept.accounts[0].trades
    assert fill.order_id == order.order_id
    assert kept.market_ms == bench.exchange.played_ms
