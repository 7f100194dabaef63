"""From the exchange's words to ours: exact numbers, no guesses."""

import json
import math
from decimal import Decimal
from typing import Any

import pytest

from rusy_tui.domain.account import (
    AccountChanged,
    Income,
    LeverageChanged,
    MarginCalled,
    OrderChanged,
    TriggerRejected,
)
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.market import (
    BookDepth,
    BookTop,
    CandleUpdate,
    MarketTrade,
    MarkPrice,
)
from rusy_tui.domain.order import OrderBook, OrderState, Side
from rusy_tui.exchange import account_replies, market_replies
from rusy_tui.exchange.market_events import market_message
from rusy_tui.exchange.newest import Newest
from rusy_tui.exchange.user_events import ListenKeyExpired, user_event
from rusy_tui.exchange.weights import Counted
from rusy_tui.exchange.wire import MalformedError, Unknown
from tests.exchange import wire_samples as samples

OPEN_MS = 1_749_999_600_000


def raw(body: Any) -> bytes:
    return json.dumps(body).encode()


def stream(data: Any) -> str:
    return json.dumps({"stream": "btcusdt@x", "data": data})


def test_an_order() -> None:
    body = {**samples.ORDER, "executedQty": "0.004", "status": "PARTIALLY_FILLED"}
    report = account_replies.order_report(
        raw({**body, "avgPrice": "30000.10"}), OrderBook.PLAIN
    )
    assert report.client_order_id == "rusy-1"
    assert report.side is Side.BUY
    assert report.kind == "limit"
    assert report.state is OrderState.PARTIALLY_FILLED
    assert (report.quantity, report.filled_quantity) == (Decimal("0.010"), Decimal("0.004"))
    assert report.average_price == Decimal("30000.10")
    assert report.update_ms == 1750000000123


def test_an_average_price_that_is_left_out_is_computed_or_missed() -> None:
    body = {**samples.ORDER, "executedQty": "0.004"}
    del body["avgPrice"]
    report = account_replies.order_report(
        raw({**body, "cumQuote": "120.0004"}), OrderBook.PLAIN
    )
    assert report.average_price == Decimal("30000.1")
    # Neither: better unresolved than a fill at a price of nothing.
    del body["cumQuote"]
    with pytest.raises(MalformedError):
        account_replies.order_report(raw(body), OrderBook.PLAIN)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("NEW", OrderState.NEW),
        ("TRIGGERING", OrderState.TRIGGERING),
        ("TRIGGERED", OrderState.TRIGGERED),
        ("FINISHED", OrderState.FINISHED),
        ("CANCELED", OrderState.CANCELED),
        ("EXPIRED", OrderState.EXPIRED),
        ("EXPIRED_IN_MATCH", OrderState.EXPIRED),
        ("REJECTED", OrderState.REJECTED),
    ],
)
def test_a_conditional_order_in_each_state(word: str, state: OrderState) -> None:
    body = {**samples.ALGO_ORDER, "algoStatus": word, "actualOrderId": 8886790}
    (report,) = account_replies.order_reports(raw([body]), OrderBook.CONDITIONAL)
    assert report.state is state
    assert report.book is OrderBook.CONDITIONAL
    assert report.trigger_price == Decimal("29500.00")
    assert report.triggered_order_id == "8886790"
    assert report.kind == "stop_market"
    assert report.reduce_only


def test_a_conditional_order_that_closes_all_has_no_quantity() -> None:
    body = {**samples.ALGO_ORDER, "closePosition": True, "quantity": ""}
    del body["actualOrderId"]
    report = account_replies.order_report(raw(body), OrderBook.CONDITIONAL)
    assert report.close_position
    assert report.quantity == 0
    assert report.triggered_order_id == ""


@pytest.mark.parametrize(
    "change",
    [
        {"status": "PONDERING"},
        {"side": "UP"},
        {"origQty": "NaN"},
        {"origQty": "Infinity"},
        {"origQty": ""},
        {"orderId": None},
    ],
)
def test_a_reply_with_one_wrong_field_is_malformed(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        account_replies.order_report(raw({**samples.ORDER, **change}), OrderBook.PLAIN)


def test_candles_are_closed_only_when_that_is_certain() -> None:
    body = raw([samples.kline(OPEN_MS), samples.kline(OPEN_MS + 900_000)])
    end_ms = OPEN_MS + 1_800_000

    def closed(sure_ms: int) -> list[bool]:
        candles = market_replies.candles(body, "BTCUSDT", Interval.M15, sure_ms)
        return [candle.closed for candle in candles]

    assert closed(end_ms - 1) == [True, False]
    assert closed(end_ms) == [True, True]
    # One that another follows is over, whatever our clock says.
    assert closed(0) == [True, False]
    candle = market_replies.candles(body, "BTCUSDT", Interval.M15, 0)[0]
    assert (candle.open, candle.high, candle.low, candle.close) == (
        30000.0, 30020.0, 29990.1, 30010.5,
    )  # fmt: skip
    assert (candle.volume, candle.quote_volume, candle.trades, candle.taker_buy_volume) == (
        123.456, 3703680.5, 4321.0, 60.1,
    )  # fmt: skip


def test_the_mark_price_is_told_of_closed_bars_alone() -> None:
    body = raw([samples.kline(OPEN_MS), samples.kline(OPEN_MS + 900_000)])
    end_ms = OPEN_MS + 1_800_000

    def opens(sure_ms: int) -> list[int]:
        candles = market_replies.mark_price_candles(body, "BTCUSDT", Interval.M15, sure_ms)
        return [candle.open_time_ms for candle in candles]

    assert opens(end_ms - 1) == [OPEN_MS]
    assert opens(end_ms) == [OPEN_MS, OPEN_MS + 900_000]
    (candle,) = market_replies.mark_price_candles(body, "BTCUSDT", Interval.M15, 0)
    assert (candle.open, candle.high, candle.low, candle.close) == (
        30000.0, 30020.0, 29990.1, 30010.5,
    )  # fmt: skip


def test_funding_without_a_mark_price_has_none_and_what_is_special_is_no_rate() -> None:
    rows = [
        samples.funding_rate(OPEN_MS),
        samples.funding_rate(OPEN_MS + 1, markPrice=""),
        samples.funding_rate(OPEN_MS + 1, rateType="Special", fundingRate="0.02"),
    ]
    first, second = market_replies.funding_rates(raw(rows))
    assert (first.symbol, first.time_ms, first.rate) == ("BTCUSDT", OPEN_MS, -0.0375)
    assert first.mark_price == 34287.54619963
    assert (second.time_ms, second.rate) == (OPEN_MS + 1, -0.0375)
    assert math.isnan(second.mark_price)


def test_open_interest() -> None:
    (one,) = market_replies.open_interest(raw([samples.open_interest(OPEN_MS)]))
    assert (one.symbol, one.time_ms) == ("BTCUSDT", OPEN_MS)
    assert (one.quantity, one.value_usd) == (20403.637, 150570784.07809979)


def test_instruments_and_limits() -> None:
    found, limits = market_replies.instruments(raw(samples.EXCHANGE_INFO))
    # A contract without filters is left out; the others stay.
    assert list(found) == ["BTCUSDT"]
    one = found["BTCUSDT"]
    assert one.trading
    assert one.tick_size == Decimal("0.10")
    assert one.max_quantity == Decimal(1000)
    assert one.market_max_quantity == Decimal(120)
    assert one.min_notional == Decimal(100)
    assert (one.price_factor_up, one.price_factor_down) == (Decimal("1.05"), Decimal("0.95"))
    assert one.onboard_ms == 1569398400000
    assert limits == [
        (Counted.WEIGHT, 60, 2400),
        (Counted.ORDERS, 60, 1200),
        (Counted.ORDERS, 10, 300),
    ]


def test_book_top_and_mark_price() -> None:
    depth = {
        "lastUpdateId": 1, "E": 5, "T": 4,
        "bids": [["30000.10", "1.5"], ["30000.00", "2"]], "asks": [["30000.20", "0.3"]],
    }  # fmt: skip
    assert market_replies.book_top(raw(depth), "BTCUSDT") == BookTop(
        "BTCUSDT", Decimal("30000.10"), Decimal("1.5"), Decimal("30000.20"), Decimal("0.3"), 5
    )
    with pytest.raises(MalformedError):
        market_replies.book_top(raw({**depth, "asks": []}), "BTCUSDT")
    premium = {
        "symbol": "BTCUSDT", "markPrice": "30009.87654321", "indexPrice": "30008.1",
        "estimatedSettlePrice": "30007.2", "lastFundingRate": "0.00010000",
        "interestRate": "0.0001", "nextFundingTime": 1750003200000, "time": 1750000001000,
    }  # fmt: skip
    assert market_replies.mark_price(raw(premium)) == MarkPrice(
        "BTCUSDT", Decimal("30009.87654321"), Decimal("0.0001"), 1750003200000, 1750000001000
    )


def test_positions_keep_sign_and_flat_ones_are_left_out() -> None:
    flat = {**samples.POSITION, "symbol": "ETHUSDT", "positionAmt": "0.000"}
    (position,) = account_replies.positions(raw([flat, samples.POSITION]))
    assert position.quantity == Decimal("-0.010")
    assert position.unrealised_pnl == Decimal("0.501")
    # 299.5 of notional on 59.9 of margin.
    assert position.leverage == 5
    assert position.isolated
    bare = {**samples.POSITION, "positionInitialMargin": "0"}
    assert account_replies.positions(raw([bare]))[0].leverage == 0


def test_the_account() -> None:
    config = {
        "feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True,
        "dualSidePosition": False, "updateTime": 0, "multiAssetsMargin": True,
        "tradeGroupId": -1,
    }  # fmt: skip
    settings = account_replies.account_settings(raw(config))
    assert (settings.hedge_mode, settings.multi_assets, settings.can_trade) == (
        False, True, True,
    )  # fmt: skip
    balances = [
        {"asset": "BNB", "balance": "1", "availableBalance": "1"},
        {"asset": "USDT", "balance": "122607.35137903", "availableBalance": "23.72469206"},
    ]
    balance = account_replies.balance(raw(balances), "USDT")
    assert balance.wallet == Decimal("122607.35137903")
    assert balance.available == Decimal("23.72469206")
    with pytest.raises(MalformedError):
        account_replies.balance(raw(balances), "EUR")


def test_fills_and_income() -> None:
    first, second = account_replies.fills(
        raw([samples.user_trade(8, 11), samples.user_trade(7, 10)])
    )
    assert (first.exchange_trade_id, second.exchange_trade_id) == (7, 8)
    assert first.fee == Decimal("0.06000020")
    assert first.realised_pnl == Decimal("-0.91539999")
    assert first.client_order_id == ""
    (entry,) = account_replies.incomes(raw([samples.income(9, 10, "FUNDING_FEE")]))
    assert entry == Income(
        income_id="funding_fee:9",
        symbol="BTCUSDT",
        kind="funding_fee",
        amount=Decimal("-0.375"),
        asset="USDT",
        time_ms=10,
    )


def told(message: str) -> object:
    return market_message(message, Newest())[1]


def test_market_events() -> None:
    candle = told(stream(samples.KLINE_EVENT))
    assert isinstance(candle, CandleUpdate)
    assert candle.candle.interval is Interval.M15
    assert candle.candle.open_time_ms == OPEN_MS
    assert not candle.candle.closed
    assert candle.candle.taker_buy_volume == 60.1
    assert told(stream(samples.AGG_TRADE)) == MarketTrade(
        "BTCUSDT", Decimal("30010.10"), Decimal("0.100"), True, 1750000000499, 6
    )
    assert told(stream(samples.BOOK_TICKER)) == BookTop(
        "BTCUSDT", Decimal("30010.00"), Decimal("1.210"), Decimal("30010.10"),
        Decimal("4.066"), 1750000000502,
    )  # fmt: skip
    assert told(stream(samples.MARK_PRICE)) == MarkPrice(
        "BTCUSDT", Decimal("30009.87654321"), Decimal("0.0001"), 1750003200000, 1750000001000
    )
    assert told(stream(samples.PARTIAL_DEPTH)) == BookDepth(
        "BTCUSDT", 1.75, 4.71, 1750000006501
    )
    assert told(stream({"e": "forceOrder"})) == Unknown("forceOrder")
    for damaged in (
        {"e": "depthUpdate"},
        {**samples.PARTIAL_DEPTH, "b": [["30010.00", "-1"]]},
        {**samples.AGG_TRADE, "l": 99},
        {**samples.BOOK_TICKER, "b": "1e"},
        {"e": "kline"},
        {**samples.MARK_PRICE, "p": "Infinity"},
    ):
        with pytest.raises(MalformedError):
            told(stream(damaged))


def test_an_execution() -> None:
    changed = user_event(json.dumps(samples.ORDER_EVENT))
    assert isinstance(changed, OrderChanged)
    assert changed.report.state is OrderState.PARTIALLY_FILLED
    assert changed.report.filled_quantity == Decimal("0.006")
    fill = changed.fill
    assert fill is not None
    assert (fill.exchange_trade_id, fill.client_order_id) == (77, "rusy-1")
    assert (fill.price, fill.quantity) == (Decimal("30000.10"), Decimal("0.004"))
    assert (fill.fee, fill.fee_asset) == (Decimal("0.02400008"), "USDT")
    assert fill.is_maker


def test_a_liquidation_is_an_execution_and_a_cancel_is_none() -> None:
    order = {**samples.ORDER_EVENT["o"], "c": "autoclose-1", "x": "CALCULATED", "X": "FILLED"}
    del order["N"], order["n"]
    liquidated = user_event(json.dumps({**samples.ORDER_EVENT, "o": order}))
    assert isinstance(liquidated, OrderChanged)
    assert liquidated.fill is not None
    assert (liquidated.fill.fee, liquidated.fill.fee_asset) == (Decimal(0), "")
    order |= {"x": "CANCELED", "X": "CANCELED", "l": "0"}
    cancelled = user_event(json.dumps({**samples.ORDER_EVENT, "o": order}))
    assert isinstance(cancelled, OrderChanged)
    assert cancelled.fill is None


def test_a_conditional_order_moves() -> None:
    changed = user_event(json.dumps(samples.ALGO_EVENT))
    assert isinstance(changed, OrderChanged)
    assert changed.fill is None
    assert changed.report.book is OrderBook.CONDITIONAL
    assert changed.report.client_order_id == "rusy-s"
    assert changed.report.state is OrderState.TRIGGERED
    assert changed.report.triggered_order_id == "8886790"
    bare = {name: samples.ALGO_EVENT["o"][name] for name in
            ("caid", "aid", "o", "s", "S", "X", "tp", "cp", "R")}  # fmt: skip
    again = user_event(json.dumps({**samples.ALGO_EVENT, "o": {**bare, "ai": ""}}))
    assert isinstance(again, OrderChanged)
    assert again.report.triggered_order_id == ""


def test_the_account_changes() -> None:
    changed = user_event(json.dumps(samples.ACCOUNT_EVENT))
    assert changed == AccountChanged(
        "funding_fee",
        {"BTCUSDT": (Decimal("-0.010"), Decimal("30000.1"))},
        {"USDT": Decimal("122624.12345678"), "BNB": Decimal(1)},
        {"USDT": Decimal("-1.25")},
        1750000004001,
    )
    expired = user_event('{"e":"listenKeyExpired","E":5,"listenKey":"k"}')
    assert isinstance(expired, ListenKeyExpired)
    assert expired.listen_key == "k"
    assert user_event('{"e":"TRADE_LITE","E":5}') == Unknown("TRADE_LITE")


def test_leverage_margin_calls_and_triggers_that_failed() -> None:
    leverage = {"e": "ACCOUNT_CONFIG_UPDATE", "E": 5, "T": 4, "ac": {"s": "BTCUSDT", "l": 25}}
    assert user_event(json.dumps(leverage)) == LeverageChanged("BTCUSDT", 25, 5)
    modes = {"e": "ACCOUNT_CONFIG_UPDATE", "E": 5, "T": 4, "ai": {"j": True}}
    assert user_event(json.dumps(modes)) == Unknown("ACCOUNT_CONFIG_UPDATE")
    called = user_event(json.dumps(samples.MARGIN_CALL))
    assert called == MarginCalled(("ETHUSDT",), 1750000008001)
    found = user_event(json.dumps(samples.TRIGGER_REJECT))
    assert found == TriggerRejected(
        "ETHUSDT", "155618472834", "Due to the order could not be filled", 1750000009001
    )
    with pytest.raises(MalformedError):
        user_event('{"e":"MARGIN_CALL","E":5}')
