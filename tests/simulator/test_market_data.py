"""Market data: spans that agree, mark beside last, and acts on a market that hold at once."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.order import Side
from rusy_tui.simulator.brackets import table
from rusy_tui.simulator.candles import Bar, Window, grouped
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds import Feed, Step
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from rusy_tui.simulator.happenings import ContractMoved, MarkMoved, Printed
from rusy_tui.simulator.journal import Saved, saved
from rusy_tui.simulator.markets import SyntheticMarket
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.spans import Span
from tests.simulator.serving import Served, on_exchange
from tests.simulator.support import (
    START_MS,
    SYMBOL,
    Bench,
    D,
    ScriptedFeed,
    code_of,
    lockstep,
    traded,
)

_HOUR_MS = 3_600_000
_SEED = 11


def _all(span: Span) -> Window:
    return Window(span, None, None, 100_000)


def _random_market(hours: float) -> ScriptedFeed:
    """Irregular trades with quiet minutes, on a past that ends in the middle of a day."""
    random, price, at, script = Random(_SEED), 50_000.0, 0.0, []
    while at < hours * 3600:
        price *= 1 + random.gauss(0, 0.0005)
        quantity = f"{random.randint(1, 5000) / 1000}"
        script.append((at, [traded(f"{price:.1f}", quantity, trades=random.randint(0, 9))]))
        at += random.choice((1, 7, 40, 200))
    return ScriptedFeed(script, end_s=round(hours * 3600))


def _assert_sum(bars: Sequence[Bar], finer: Sequence[Bar], span: Span) -> int:
    """Every bar of which finer ones tell the whole is their sum; how many those were."""
    whole = grouped(finer, span.ms)[1:]
    by_time = {bar.open_time_ms: bar for bar in bars}
    for bar in whole:
        assert by_time[bar.open_time_ms] == bar, span
    return len(whole)


def test_all_spans_agree_in_played_and_in_recorded_bars() -> None:
    feed = SyntheticFeed(_SEED, START_MS, (SYMBOL,), resume_ms=START_MS + 7 * _HOUR_MS)

    async def scenario(clock: LockstepClock) -> SimulatedExchange:
        exchange = SimulatedExchange(feed, clock, [], _SEED)
        for _ in range(3 * 3600):
            step = feed.next_step()
            assert step is not None
            if step.time_ms % 60_000 == 0 and step.time_ms > feed.start_ms:
                exchange.close_bars(step.time_ms)
            exchange.apply(step)
        return exchange

    market = lockstep(scenario).markets[SYMBOL]
    minutes = market.bars(_all(Span.M1))
    for span in Span:
        bars = market.bars(_all(span))
        assert [bar.open_time_ms for bar in bars] == list(
            range(bars[0].open_time_ms, bars[-1].open_time_ms + 1, span.ms)
        )
        assert _assert_sum(bars, minutes, span) >= 1
    quarters, hours = market.bars(_all(Span.M15)), market.bars(_all(Span.H1))
    assert _assert_sum(hours, quarters, Span.H1) > 300
    for span in (Span.H2, Span.H4, Span.H6, Span.H8, Span.H12, Span.D1):
        assert _assert_sum(market.bars(_all(span)), hours, span) > 20


@pytest.mark.parametrize("span", list(Span))
def test_a_stretch_of_bars_is_inclusive_and_ascending(span: Span) -> None:
    feed = _random_market(30)

    async def scenario(clock: LockstepClock) -> SimulatedExchange:
        exchange = SimulatedExchange(feed, clock, [], 1)
        await play(exchange, feed, clock)
        return exchange

    market = lockstep(scenario).markets[SYMBOL]
    bars = market.bars(_all(span))
    opens = [bar.open_time_ms for bar in bars]
    assert market.bars(Window(span, opens[0], opens[-1], 1500)) == bars[:1500]
    assert market.bars(Window(span, opens[0] + 1, opens[-1] - 1, 1500)) == bars[1:-1][:1500]
    assert market.bars(Window(span, opens[0], None, 1)) == bars[:1]
    assert market.bars(Window(span, None, opens[-1] - 1, 1)) == bars[-2:-1]
    assert market.bars(Window(span, opens[-1] + 1, None, 5)) == []


def test_the_last_bar_is_unfinished_and_grows() -> None:
    bench = Bench()
    bench.trade("50010.0", after_s=1)
    (before,) = bench.market.bars(Window(Span.D1, START_MS - 8 * _HOUR_MS, None, 9))
    bench.trade("50020.0", "2", after_s=1)
    (after,) = bench.market.bars(Window(Span.D1, START_MS - 8 * _HOUR_MS, None, 9))
    assert (before.close, after.close) == (D("50010.0"), D("50020.0"))
    assert after.volume - before.volume == 2


# ── mark, index, premium ──────────────────────────────────────────────────────────────────


def test_mark_bars_tell_every_mark_price_there_was() -> None:
    feed, marks = _random_market(3), []

    class _Ear:
        def market_moved(self, happening: object) -> None:
            if isinstance(happening, MarkMoved):
                marks.append(happening)

        def account_moved(self, *_: object) -> None: ...

    async def scenario(clock: LockstepClock) -> SimulatedExchange:
        exchange = SimulatedExchange(feed, clock, [], 1)
        exchange.listen(_Ear())
        await play(exchange, feed, clock)
        return exchange

    market = lockstep(scenario).markets[SYMBOL]
    for span in (Span.M1, Span.M15, Span.H1):
        bars = {
            b.open_time_ms: b for b in market.lines.marks(Window(span, START_MS, None, 999))
        }
        for moved in marks:
            bar = bars[span.floor(moved.time_ms)]
            assert bar.low <= moved.mark <= bar.high
    assert any(moved.mark != market.last for moved in marks)
    # The feed's rate is the interest rate: the index lies a hundredth of a percent below.
    assert {round(moved.mark / moved.index - 1, 6) for moved in marks} == {D("0.0001")}
    index = market.lines.indices(_all(Span.M1))[-1]
    assert abs(index.close - market.index) <= D("0.00000002")


def test_past_mark_bars_stay_within_the_candles_and_agree() -> None:
    market = SimulatedExchange(
        SyntheticFeed(_SEED, START_MS, (SYMBOL,)), Bench().clock, [], 1
    ).markets[SYMBOL]
    marks = market.lines.marks(_all(Span.M15))
    _assert_sum(marks, market.lines.marks(_all(Span.M1)), Span.M15)
    candles = {bar.open_time_ms: bar for bar in market.bars(_all(Span.M15))}
    assert len(marks) > 1400
    for bar in marks[:-1]:
        candle = candles[bar.open_time_ms]
        assert candle.low <= bar.low <= bar.high <= candle.high


# ── acts ──────────────────────────────────────────────────────────────────────────────────


def test_a_moved_price_jumps_over_what_lies_between_and_stays() -> None:
    bench = Bench()
    bench.trade("50000.0", after_s=1)
    bench.market_order(Side.BUY)
    stop = bench.stop(Side.SELL, "49500.0")
    bench.exchange.move_price(SYMBOL, D("0.9"))
    assert bench.market.last == D("45000.0")
    jump = next(h for h in reversed(bench.heard) if isinstance(h, Printed))
    assert (jump.traded.price, jump.traded.quantity) == (D("45000.0"), D("0.001"))
    bench.trade("50001.0", after_s=30)
    assert bench.market.last == D("45000.9")
    assert stop.state.is_final
    assert bench.held == 0
    # Sold below what it was meant to be sold at: the gap went through the stop.
    assert bench.account.trades[-1].price < D("45100")


def _changed(bench: Bench, **fields: Any) -> None:
    bench.exchange.change_instrument(SYMBOL, **fields)
    assert isinstance(
        bench.heard[-1] if bench.market.last is None else _told(bench), ContractMoved
    )


def _told(bench: Bench) -> object:
    return next(h for h in reversed(bench.heard) if isinstance(h, ContractMoved))


def test_changed_filters_hold_for_the_next_order() -> None:
    bench = Bench()
    bench.trade("50000.0", after_s=1)
    assert code_of(lambda: bench.limit(Side.BUY, "49990.1", "0.011")) == 0
    _changed(bench, tick_size=D("1.0"), step_size=D("0.01"), min_notional=D("600"))
    assert code_of(lambda: bench.limit(Side.BUY, "49900.5", "0.02")) == -4014
    assert code_of(lambda: bench.limit(Side.BUY, "49900", "0.01")) == -4164
    assert code_of(lambda: bench.limit(Side.BUY, "49900", "0.02")) == 0
    bids, asks = bench.market.book.depth(20)
    # What rests of before the change keeps its price.
    assert [level.price % 1 for level in (*bids, *asks) if level.price % 1] == [D("0.1")]


@pytest.mark.parametrize(
    ("status", "opening", "closing"),
    [("TRADING", 0, 0), ("PRE_SETTLE", -4140, 0), ("SETTLING", -4141, -4141)],
)
def test_a_changed_status_bars_orders_at_once(status: str, opening: int, closing: int) -> None:
    bench = Bench()
    bench.trade("50000.0", after_s=1)
    bench.market_order(Side.BUY)
    _changed(bench, status=status)
    assert bench.market.instrument.trading is (status == "TRADING")
    assert code_of(lambda: bench.market_order(Side.BUY)) == opening
    assert code_of(lambda: bench.market_order(Side.SELL, "0.005", reduce_only=True)) == closing


def test_a_changed_funding_interval_pays_at_its_own_times() -> None:
    bench = Bench()
    bench.trade("50000.0", after_s=1)
    bench.market_order(Side.BUY)
    assert bench.market.next_funding_ms(START_MS) == START_MS + 8 * _HOUR_MS
    _changed(bench, funding_interval_h=1)
    moved = next(h for h in reversed(bench.heard) if isinstance(h, MarkMoved))
    assert moved.next_funding_ms == START_MS + _HOUR_MS
    for hour in (1, 2, 3):
        bench.clock.now_ms = START_MS + hour * _HOUR_MS
        bench.exchange.close_bars(bench.clock.now_ms)
    paid = [entry for entry in bench.account.ledger if entry.kind == "FUNDING_FEE"]
    assert [entry.time_ms for entry in paid] == [START_MS + n * _HOUR_MS for n in (1, 2, 3)]
    assert all(entry.amount < 0 for entry in paid)


def test_changed_brackets_hold_and_are_answered_at_once() -> None:
    async def scenario(served: Served) -> None:
        lower = table([(20, "50000", "0.01"), (10, "200000", "0.02")])
        served.exchange.change_instrument(SYMBOL, brackets=lower)
        reply = await served.signed("GET", "/fapi/v1/leverageBracket", symbol=SYMBOL)
        (told,) = reply.body if isinstance(reply.body, list) else [reply.body]
        assert [row["initialLeverage"] for row in told["brackets"]] == [20, 10]
        assert [row["cum"] for row in told["brackets"]] == [0, 500]
        for leverage, code in ((21, -4028), (20, 0)):
            set_to = await served.signed(
                "POST", "/fapi/v1/leverage", symbol=SYMBOL, leverage=leverage
            )
            assert set_to.code == code

    on_exchange(scenario)


def test_funding_history_begins_with_the_contract_and_keeps_its_intervals() -> None:
    bench = Bench()
    market = bench.market
    bench.exchange.change_instrument(SYMBOL, funding_interval_h=4)
    day_ms = 24 * _HOUR_MS
    times = market.funding_times(START_MS - day_ms, START_MS + day_ms)
    assert [(time_ms - START_MS) // _HOUR_MS for time_ms in times] == [
        *(-24, -16, -8, 0),
        *(4, 8, 12, 16, 20, 24),
    ]

    async def scenario(served: Served) -> None:
        served.exchange.change_instrument(SYMBOL, onboard_ms=START_MS - day_ms)
        path = f"/fapi/v1/fundingRate?symbol={SYMBOL}"
        for query in ("", "&startTime=0"):
            rows = (await served.public(path + query)).body
            assert [row["fundingTime"] for row in rows] == times[:4]

    on_exchange(scenario)


def test_a_changed_contract_is_answered_at_once() -> None:
    async def scenario(served: Served) -> None:
        served.exchange.change_instrument(
            SYMBOL,
            status="PRE_SETTLE",
            delivery_ms=START_MS + 24 * _HOUR_MS,
            tick_size=D("0.50"),
            funding_interval_h=4,
        )
        (contract,) = (await served.public("/fapi/v1/exchangeInfo")).body["symbols"]
        assert contract["status"] == "PRE_SETTLE"
        assert contract["deliveryDate"] == START_MS + 24 * _HOUR_MS
        assert contract["filters"][0]["tickSize"] == "0.50"
        (info,) = (await served.public("/fapi/v1/fundingInfo")).body
        assert info["fundingIntervalHours"] == 4
        premium = await served.public(f"/fapi/v1/premiumIndex?symbol={SYMBOL}")
        assert premium.body["nextFundingTime"] == START_MS + 4 * _HOUR_MS

    on_exchange(scenario)


# ── addresses ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "weight"),
    [
        ("/fapi/v1/klines?symbol=BTCUSDT&interval=4h&limit=99", 1),
        ("/fapi/v1/markPriceKlines?symbol=BTCUSDT&interval=4h&limit=499", 2),
        ("/fapi/v1/indexPriceKlines?pair=BTCUSDT&interval=4h&limit=1000", 5),
        ("/fapi/v1/premiumIndexKlines?symbol=BTCUSDT&interval=4h&limit=1001", 10),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=5", 2),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=100", 5),
        ("/fapi/v1/depth?symbol=BTCUSDT", 10),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=1000", 20),
        ("/fapi/v1/aggTrades?symbol=BTCUSDT", 20),
        ("/fapi/v1/trades?symbol=BTCUSDT", 5),
        ("/fapi/v1/premiumIndex?symbol=BTCUSDT", 1),
        ("/fapi/v1/premiumIndex", 10),
        ("/fapi/v1/ticker/24hr?symbol=BTCUSDT", 1),
        ("/fapi/v1/ticker/24hr", 40),
        ("/fapi/v1/ticker/bookTicker?symbol=BTCUSDT", 2),
        ("/fapi/v1/ticker/bookTicker", 5),
        ("/fapi/v2/ticker/price?symbol=BTCUSDT", 1),
        ("/fapi/v2/ticker/price", 2),
        ("/fapi/v1/openInterest?symbol=BTCUSDT", 1),
        ("/fapi/v1/fundingInfo", 0),
        ("/futures/data/openInterestHist?symbol=BTCUSDT&period=5m", 0),
        ("/futures/data/basis?pair=BTCUSDT&period=5m&contractType=PERPETUAL", 0),
    ],
)
def test_an_answer_weighs_what_the_exchange_says(path: str, weight: int) -> None:
    async def scenario(served: Served) -> None:
        reply = await served.public(path)
        assert reply.status == 200, reply
        assert int(reply.headers["X-MBX-USED-WEIGHT-1M"]) == weight

    on_exchange(scenario)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/fapi/v1/klines?symbol=BTCUSDT&interval=7m", -1120),
        ("/fapi/v1/klines?symbol=NONEUSDT&interval=1m", -1121),
        ("/fapi/v1/klines?interval=1m", -1102),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=7", -1130),
        ("/fapi/v1/continuousKlines?pair=BTCUSDT&contractType=NEXT_QUARTER&interval=1m", -1130),
        ("/fapi/v1/aggTrades?symbol=BTCUSDT&startTime=0&endTime=3600000", -1130),
        ("/fapi/v1/historicalTrades?symbol=BTCUSDT", -2014),
        ("/futures/data/basis?pair=BTCUSDT&period=5m", -1102),
        ("/futures/data/basis?pair=BTCUSDT&period=5m&contractType=YEAR", -1130),
        (
            "/futures/data/basis?pair=BTCUSDT&period=5m&contractType=PERPETUAL&startTime=1",
            -1130,
        ),
    ],
)
def test_a_wrong_question_has_its_own_refusal(path: str, code: int) -> None:
    async def scenario(served: Served) -> None:
        assert (await served.public(path)).code == code

    on_exchange(scenario)


def test_single_trades_sum_up_to_what_was_told() -> None:
    random = Random(_SEED)
    prints = [
        traded("50000.0", f"{random.randint(1, 900) / 1000}", trades=random.randint(1, 40))
        for _ in range(50)
    ]
    feed = ScriptedFeed([(n, [each]) for n, each in enumerate(prints)], end_s=60)

    async def scenario(served: Served) -> None:
        await play(served.exchange, feed, served.clock)
        trades = (await served.public(f"/fapi/v1/trades?symbol={SYMBOL}&limit=1000")).body
        told = (await served.public(f"/fapi/v1/aggTrades?symbol={SYMBOL}&limit=1000")).body
        by_id = {trade["id"]: trade for trade in trades}
        for each in told[-20:]:
            own = [by_id[number] for number in range(each["f"], each["l"] + 1)]
            assert sum(Decimal(trade["qty"]) for trade in own) == Decimal(each["q"])
            assert all(Decimal(trade["qty"]) > 0 for trade in own)
            assert {trade["isBuyerMaker"] for trade in own} == {each["m"]}
        assert [each["a"] for each in told] == list(range(1, len(told) + 1))
        assert 50 < len(told) <= 100

    on_exchange(scenario, feed)


# ── what a restart must not lose ──────────────────────────────────────────────────────────


def _run(
    feed: Feed, former: Saved | None, until_ms: int, act: Callable[..., None]
) -> tuple[Saved, list[Bar], list[Bar]]:
    """Play a market up to a moment, on what a former run kept, then act and keep it."""

    async def scenario(clock: LockstepClock) -> tuple[Saved, list[Bar], list[Bar]]:
        exchange = SimulatedExchange(feed, clock, former.books() if former else [], _SEED)
        if former:
            former.put_back(exchange)
        resume_ms = former.market_ms if former else None
        playing = asyncio.create_task(play(exchange, feed, clock, resume_ms))
        await clock.sleep_until_market(until_ms)
        act(exchange)
        await clock.sleep(1)
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
        market = exchange.markets[SYMBOL]
        bars = [market.bars(Window(span, START_MS, None, 1500)) for span in (Span.M1, Span.H4)]
        state = msgspec.json.decode(msgspec.json.encode(saved(exchange, _MARKET)), type=Saved)
        return state, bars[0], bars[1]

    return lockstep(scenario, former.market_ms if former else feed.start_ms)


_MARKET = SyntheticMarket(_SEED, START_MS, (SYMBOL,))


def test_a_restart_goes_on_at_the_moved_price_with_the_changed_contract() -> None:
    def change(exchange: SimulatedExchange) -> None:
        exchange.change_instrument(
            SYMBOL, min_notional=D(7), status="PRE_SETTLE", funding_interval_h=4
        )
        exchange.move_price(SYMBOL, D("1.25"))

    def nothing(exchange: SimulatedExchange) -> None:
        market = exchange.markets[SYMBOL]
        assert (market.instrument.min_notional, market.status) == (D(7), "PRE_SETTLE")
        assert market.funding_interval_h == 4

    at_ms = START_MS + 20 * 60_000 + 5_000
    first, before, _ = _run(_MARKET.feed(None), None, at_ms, change)
    # Within the hour of the move, and hours after it, when it is part of the past.
    for hours in (0, 2, 3):
        feed = _MARKET.feed(first.market_ms)
        second, after, spans = _run(feed, first, at_ms + hours * _HOUR_MS + 5_000, nothing)
        after_by_time = {bar.open_time_ms: bar for bar in after}
        for bar in before[:20]:
            assert after_by_time[bar.open_time_ms].close == bar.close
        assert after[-1].close > before[0].close * D("1.15")
        assert second.markets[SYMBOL].aggregate > first.markets[SYMBOL].aggregate
        assert spans[-1].close == after[-1].close
        first = second


# ── digits ────────────────────────────────────────────────────────────────────────────────


def _digits(text: str) -> int:
    return len(text.partition(".")[2])


def test_every_price_has_the_tick_s_digits_and_every_quantity_the_step_s() -> None:
    """Whatever the feed writes, and whatever a client sends."""
    prints = [traded("50000", "1"), traded("50010.5", "0.25")]

    async def scenario(served: Served) -> None:
        await served.clock.sleep(1)
        served.exchange.apply(Step(served.clock.market_ms(), tuple(prints)))
        order: dict[str, Any] = {
            "symbol": SYMBOL,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
        }
        path, replies = "/fapi/v1/order", []
        for quantity, price in ((".01", "49900."), ("1", "50300")):
            sent = order | {"quantity": quantity, "price": price}
            replies.append((await served.signed("POST", path, **sent)).body)
        changed = order | {
            "orderId": replies[0]["orderId"],
            "quantity": "0.02",
            "price": "49910",
        }
        replies.append((await served.signed("PUT", path, **changed)).body)
        replies += (await served.signed("GET", "/fapi/v1/allOrders", symbol=SYMBOL)).body
        stop: dict[str, Any] = {
            "algoType": "CONDITIONAL",
            "type": "STOP",
            "side": "SELL",
            "symbol": SYMBOL,
        }
        algo = await served.signed(
            "POST",
            "/fapi/v1/algoOrder",
            **stop,
            quantity=".01",
            price="49400",
            triggerPrice="49500.",
        )
        assert (algo.body["triggerPrice"], algo.body["price"]) == ("49500.00", "49400.00")
        assert algo.body["quantity"] == "0.010"
        fills = (await served.signed("GET", "/fapi/v1/userTrades", symbol=SYMBOL)).body
        depth = (await served.public(f"/fapi/v1/depth?symbol={SYMBOL}&limit=100")).body
        top = (await served.public(f"/fapi/v1/ticker/bookTicker?symbol={SYMBOL}")).body
        day = (await served.public(f"/fapi/v1/ticker/24hr?symbol={SYMBOL}")).body
        bars = (await served.public(f"/fapi/v1/klines?symbol={SYMBOL}&interval=15m")).body
        aggregates = (await served.public(f"/fapi/v1/aggTrades?symbol={SYMBOL}")).body
        trades = (await served.public(f"/fapi/v1/trades?symbol={SYMBOL}")).body
        rows = [*depth["bids"], *depth["asks"]]
        prices = {
            "orders": [reply["price"] for reply in replies],
            "fills": [fill["price"] for fill in fills],
            "depth": [price for price, _ in rows],
            "top": [top["bidPrice"], top["askPrice"]],
            "day": [day[name] for name in ("lastPrice", "openPrice", "highPrice", "lowPrice")],
            "bars": [price for bar in bars for price in bar[1:5]],
            "aggregates": [each["p"] for each in aggregates],
            "trades": [each["price"] for each in trades],
        }
        quantities = {
            "orders": [reply["origQty"] for reply in replies],
            "fills": [fill["qty"] for fill in fills],
            "depth": [held for _, held in rows],
            "top": [top["bidQty"], top["askQty"]],
            "day": [day["volume"], day["lastQty"]],
            "bars": [volume for bar in bars for volume in (bar[5], bar[9])],
            "aggregates": [each["q"] for each in aggregates],
            "trades": [each["qty"] for each in trades],
        }
        for name, shown in prices.items():
            assert set(map(_digits, shown)) == {2}, name
        for name, shown in quantities.items():
            assert set(map(_digits, shown)) == {3}, name
        amounts = [amount for bar in bars for amount in (bar[7], bar[10])]
        assert set(map(_digits, amounts)) == {5}

    on_exchange(scenario)
