"""Reads and settings against a scripted exchange: paging, limits, errors."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import ExchangeError, ExchangeRefusal
from rusy_tui.domain.order import OrderBook
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.exchange.fields import plain
from rusy_tui.exchange.weights import Counted
from tests.exchange.scripted import START_MS, Answer, ScriptedExchange, in_lockstep, refusal
from tests.exchange.wire_samples import (
    EXCHANGE_INFO,
    POSITION,
    funding_rate,
    income,
    kline,
    open_interest,
    user_trade,
)

DAY_MS = 24 * 3600 * 1000


def test_candles_ask_for_what_they_weigh() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        open_ms = START_MS - START_MS % 900_000
        scripted.script(
            "GET v1/klines",
            Answer(
                [kline(open_ms - 900_000), kline(open_ms)],
                headers={"X-MBX-USED-WEIGHT-1M": "77"},
            ),
        )
        candles = await exchange.candles("BTCUSDT", Interval.M15, 1, START_MS, 499)
        assert [candle.closed for candle in candles] == [True, False]
        (request,) = scripted.requests("GET v1/klines")
        assert request.raw == (
            f"symbol=BTCUSDT&interval=15m&startTime=1&endTime={START_MS}&limit=499"
        )
        weight = next(one for one in exchange.budget.limits if one.counted is Counted.WEIGHT)
        assert (weight.used_at(clock.monotonic_s()), weight.pending) == (77, 0)
        # The bar's end has passed, but by less than the exchange's time is known to.
        end_ms = open_ms + 900_000
        await clock.sleep((end_ms - clock.market_ms()) / 1000 + 0.001)
        assert not (await exchange.candles("BTCUSDT", Interval.M15, 1, end_ms, 2))[-1].closed
        await clock.sleep(0.1)
        assert (await exchange.candles("BTCUSDT", Interval.M15, 1, end_ms, 2))[-1].closed

    in_lockstep(scenario)


def test_candles_as_columns_are_the_closed_ones_at_the_same_weight() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        open_ms = START_MS - START_MS % 900_000
        scripted.script("GET v1/klines", Answer([kline(open_ms - 900_000), kline(open_ms)]))
        weight = exchange.budget.weight
        before = weight.used_at(clock.monotonic_s())
        bars = await exchange.bars("BTCUSDT", Interval.M15, 1, START_MS, 499, backfill=True)
        assert bars.open_time_ms.tolist() == [open_ms - 900_000]
        (request,) = scripted.requests("GET v1/klines")
        assert request.raw == (
            f"symbol=BTCUSDT&interval=15m&startTime=1&endTime={START_MS}&limit=499"
        )
        assert weight.used_at(clock.monotonic_s()) - before == 2

    in_lockstep(scenario)


def test_what_is_beside_candles_is_asked_for_and_counted_where_it_counts() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()

        def used(counted: Counted) -> int:
            limits = [one for one in exchange.budget.limits if one.counted is counted]
            assert all(one.pending == 0 for one in limits)
            return limits[0].used_at(clock.monotonic_s())

        before = used(Counted.WEIGHT)
        open_ms = START_MS - START_MS % 900_000
        scripted.script(
            "GET v1/markPriceKlines", Answer([kline(open_ms - 900_000), kline(open_ms)])
        )
        scripted.script("GET v1/fundingRate", Answer([funding_rate(open_ms)]))
        scripted.script("GET futures/data/openInterestHist", Answer([open_interest(open_ms)]))
        span = ("BTCUSDT", 1, START_MS)
        marks = await exchange.mark_price_candles("BTCUSDT", Interval.M15, 1, START_MS, 499)
        assert [candle.open_time_ms for candle in marks] == [open_ms - 900_000]
        assert used(Counted.WEIGHT) == before + 2
        (rate,) = await exchange.funding_rates(*span, 1000)
        (interest,) = await exchange.open_interest(*span, 500)
        assert (rate.time_ms, interest.time_ms) == (open_ms, open_ms)
        # Neither weighs anything: each has a limit of its own.
        assert used(Counted.WEIGHT) == before + 2
        assert (used(Counted.FUNDING), used(Counted.STATISTICS)) == (1, 1)
        times = f"startTime=1&endTime={START_MS}"
        asked = {
            "GET v1/markPriceKlines": f"symbol=BTCUSDT&interval=15m&{times}&limit=499",
            "GET v1/fundingRate": f"symbol=BTCUSDT&{times}&limit=1000",
            "GET futures/data/openInterestHist":
                f"symbol=BTCUSDT&period=15m&{times}&limit=500",
        }  # fmt: skip
        for request, raw in asked.items():
            assert [one.raw for one in scripted.requests(request)] == [raw]

    in_lockstep(scenario)


def test_fills_go_on_by_id_when_a_page_is_full() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        full = [user_trade(n, START_MS) for n in range(1, 1001)]
        scripted.script("GET v1/userTrades", Answer(full), Answer([user_trade(1001, START_MS)]))
        fills = await exchange.fills("BTCUSDT", START_MS - 20 * DAY_MS)
        assert [fill.exchange_trade_id for fill in fills] == list(range(1, 1002))
        first, second = scripted.requests("GET v1/userTrades")
        assert int(first.params["endTime"]) - int(first.params["startTime"]) < 7 * DAY_MS
        assert second.params["fromId"] == "1001"
        assert "startTime" not in second.params

    in_lockstep(scenario)


def test_fills_from_an_id_go_on_when_a_page_is_full() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        full = [user_trade(n, START_MS) for n in range(78, 1078)]
        scripted.script("GET v1/userTrades", Answer(full), Answer([user_trade(1078, START_MS)]))
        fills = await exchange.fills_from("BTCUSDT", 78)
        assert [fill.exchange_trade_id for fill in fills] == list(range(78, 1079))
        asked = [one.params["fromId"] for one in scripted.requests("GET v1/userTrades")]
        assert asked == ["78", "1078"]

    in_lockstep(scenario)


def test_fills_of_weeks_are_asked_week_by_week() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script("GET v1/userTrades", Answer([]))
        assert await exchange.fills("BTCUSDT", START_MS - 20 * DAY_MS) == []
        spans = [
            (int(one.params["startTime"]), int(one.params["endTime"]))
            for one in scripted.requests("GET v1/userTrades")
        ]
        assert len(spans) == 3
        assert spans[0][0] == START_MS - 20 * DAY_MS
        assert spans[-1][1] >= START_MS
        assert [start for start, _ in spans[1:]] == [end + 1 for _, end in spans[:-1]]

    in_lockstep(scenario)


def test_income_pages_lose_nothing_at_their_edges() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        # The last millisecond of the first page goes on in the second.
        first = [income(n, START_MS + n // 2) for n in range(1000)]
        second = [income(n, START_MS + n // 2) for n in range(998, 1003)]
        scripted.script("GET v1/income", Answer(first), Answer(second))
        entries = await exchange.income(START_MS, START_MS + DAY_MS)
        assert len(entries) == 1003
        assert [entry.time_ms for entry in entries] == sorted(e.time_ms for e in entries)

    in_lockstep(scenario)


def test_settings() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script(
            "POST v1/marginType",
            refusal(-4046, "No need to change margin type."),
            refusal(-4047, "Margin type cannot be changed if there exists open orders."),
        )
        await exchange.set_isolated("BTCUSDT")
        with pytest.raises(ExchangeError) as caught:
            await exchange.set_isolated("BTCUSDT")
        assert caught.value.code == -4047
        done = {"leverage": 5, "maxNotionalValue": "1000000", "symbol": "BTCUSDT"}
        scripted.script("POST v1/leverage", Answer(done))
        await exchange.set_leverage("BTCUSDT", 5)
        with pytest.raises(ExchangeError, match="asked for 3, the exchange says 5"):
            await exchange.set_leverage("BTCUSDT", 3)

    in_lockstep(scenario)


@pytest.mark.parametrize(
    "failure",
    [
        Answer("<html>", 502),
        Answer("Service Unavailable", 503),
        Answer(cut=True),
        refusal(-1001, "Internal error", 500),
        refusal(-1008, "Server is overloaded", 503),
    ],
)
def test_a_read_that_failed_by_chance_is_tried_again_and_not_for_ever(failure: Answer) -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script("GET v3/positionRisk", failure, failure, Answer([POSITION]))
        began_s = clock.monotonic_s()
        assert len(await exchange.positions()) == 1
        # aiohttp itself asks once more, at once, where a kept connection was cut.
        assert 0.25 < clock.monotonic_s() - began_s < 1.5
        before = len(scripted.requests("GET v3/positionRisk"))
        scripted.script("GET v3/positionRisk", failure)
        with pytest.raises(ExchangeError):
            await exchange.positions()
        assert len(scripted.requests("GET v3/positionRisk")) - before in (3, 6)

    in_lockstep(scenario)


def test_a_read_that_timed_out_or_is_wrong_is_not_tried_again() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        answers = [
            Answer([POSITION], after_s=30),
            Answer("no json"),
            refusal(-1102, "A mandatory parameter was not sent."),
        ]
        for number, answer in enumerate(answers, 1):
            scripted.script("GET v3/positionRisk", answer)
            with pytest.raises(ExchangeError):
                await exchange.positions()
            assert len(scripted.requests("GET v3/positionRisk")) == number

    in_lockstep(scenario)


def test_reads_fail_with_what_is_to_be_done() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script(
            "GET v3/positionRisk",
            refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401),
            Answer("<html>", 502),
            Answer([{**POSITION, "positionAmt": "many"}]),
            Answer([POSITION], after_s=30),
        )
        with pytest.raises(ExchangeRefusal, match="check the API key"):
            await exchange.positions()
        for _ in range(3):
            with pytest.raises(ExchangeError):
                await exchange.positions()

    in_lockstep(scenario)


def test_a_read_is_tried_again_when_the_limit_has_passed() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        limited = refusal(-1003, "Too many requests.", 429, Retry_After="5")
        scripted.script("GET v1/openOrders", limited, Answer([]))
        began_s = clock.monotonic_s()
        assert await exchange.open_orders(OrderBook.PLAIN, None) == []
        assert 5 < clock.monotonic_s() - began_s < 6
        assert "symbol" not in scripted.requests("GET v1/openOrders")[0].params

    in_lockstep(scenario)


def test_the_exchanges_time_is_measured_again_and_again() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        assert len(scripted.requests("GET v1/time")) == 3
        scripted.time_offset_ms = 500
        await clock.sleep(590)
        assert exchange.exchange_ms() == clock.market_ms()
        await clock.sleep(20)
        assert len(scripted.requests("GET v1/time")) == 6
        assert exchange.exchange_ms() - clock.market_ms() == 500
        status = exchange.status()
        assert (status.offset_ms, status.offset_error_ms) == (500, 20)
        assert status.offset_age_s < 15

    in_lockstep(scenario)


def test_announced_limits_reach_the_budget() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        limits = [{**EXCHANGE_INFO["rateLimits"][0], "limit": 6000}]
        scripted.script("GET v1/exchangeInfo", Answer({**EXCHANGE_INFO, "rateLimits": limits}))
        assert list(await exchange.instruments()) == ["BTCUSDT"]
        assert exchange.budget.limits[0].most == 6000

    in_lockstep(scenario)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_numbers_are_sent_without_exponents_and_exactly(number: Decimal) -> None:
    text = plain(number)
    assert "e" not in text.lower()
    assert Decimal(text) == number
    assert Decimal(text).is_signed() == number.is_signed()


def test_zeros_that_would_count_as_digits_are_not_sent() -> None:
    assert plain(Decimal("123.4500")) == "123.45"
    assert plain(Decimal("1500")) == "1500"
    assert plain(Decimal("10.0")) == "10"


def test_no_secret_shows_in_errors(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script(
            "GET v3/balance", Answer(cut=True), Answer("no json"), refusal(-1, "no")
        )
        texts: list[str] = []
        for _ in range(3):
            with pytest.raises(ExchangeError) as caught:
                await exchange.balance("USDT")
            texts += [f"{caught.value!r} {caught.value.__cause__!r}"]
        texts += [repr(exchange)]
        for text in (*texts, caplog.text):
            assert "a-secret" not in text
            assert "signature" not in text

    in_lockstep(scenario)
