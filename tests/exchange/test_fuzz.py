"""Every parser under broken messages: a classified error or a correct event, nothing else.

``make done-fuzz`` runs 10,000 messages a kind; the seed is printed, and ``SEED=`` repeats it.
"""

import ast
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from rusy_tui.domain.account import (
    AccountChanged,
    LeverageChanged,
    MarginCalled,
    OrderChanged,
    TriggerRejected,
)
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.market import (
    BookTop,
    CandleUpdate,
    InstrumentChanged,
    MarketTrade,
    MarkPrice,
)
from rusy_tui.domain.order import OrderBook
from rusy_tui.exchange import account_replies, answers, market_replies
from rusy_tui.exchange.market_events import Reply, book_message, market_event, market_message
from rusy_tui.exchange.newest import Newest
from rusy_tui.exchange.order_book import BookDiff
from rusy_tui.exchange.user_events import ListenKeyExpired, user_event
from rusy_tui.exchange.wire import MalformedError, Unknown
from tests.exchange import wire_samples as samples
from tests.exchange.mutations import broken
from tests.exchange.readings import (
    Wrong,
    agrees,
    at,
    at_or_none,
    compare,
    flag,
    num,
    num_or_zero,
    number,
    read,
)
from tests.exchange.readings import given as told

EXAMPLES = int(os.environ.get("RUSY_FUZZ_EXAMPLES", "100"))
SEED = int(os.environ.get("SEED") or "0")
OPEN_MS = 1_749_999_600_000


@dataclass(frozen=True)
class Fuzzed:
    """A parser under test: what it reads, and how its result is judged.

    ``reads`` are the functions of ours that decode, by the names that the test of completeness
    finds them by.
    """

    name: str
    parse: Callable[[bytes], Any]
    judge: Callable[[Any, Any], None]
    messages: list[Any]
    reads: str


# The market streams ------------------------------------------------------------------

_CANDLE = {
    "open": num("o"), "high": num("h"), "low": num("l"), "close": num("c"), "volume": num("v"),
    "quote_volume": num("q"), "trades": num("n"), "taker_buy_volume": num("V"),
    "open_time_ms": num("t"), "closed": flag("x"),
}  # fmt: skip
_BOOK_TOP = {
    "bid": num("b"), "bid_quantity": num("B"), "ask": num("a"), "ask_quantity": num("A"),
    "event_ms": num("E"),
}  # fmt: skip
_MARK = {
    "price": num("p"), "funding_rate": num("r"), "next_funding_ms": num("T"),
    "event_ms": num("E"),
}  # fmt: skip
_TRADE = {
    "price": num("p"), "quantity": num("q"), "buyer_is_maker": flag("m"), "event_ms": num("T"),
}  # fmt: skip


def judge_market(event: Any, message: Any) -> None:
    data = at(message, "data")
    match event:
        case CandleUpdate(candle=candle):
            compare(candle, at(data, "k"), _CANDLE)
            assert candle.interval.value == data["k"]["i"]
            assert number(data["E"]) == event.event_ms
            assert data["e"] == "kline"
        case BookTop():
            compare(event, data, _BOOK_TOP)
            assert data["e"] == "bookTicker"
        case MarkPrice():
            compare(event, data, _MARK)
            assert data["e"] == "markPriceUpdate"
        case MarketTrade():
            compare(event, data, _TRADE)
            assert data["e"] == "aggTrade"
        case InstrumentChanged():
            assert number(data["E"]) == event.event_ms
            assert data["e"] == "contractInfo"
        case BookDiff():
            judge_diff(event, data)
        case None:
            # Not newer than what was told before: its times say so.
            return
        case Unknown():
            assert data.get("e", "") == event.kind or data["st"] == 2
            return
        case _:
            raise Wrong(f"nobody judges {event!r}")
    symbol = event.candle.symbol if isinstance(event, CandleUpdate) else event.symbol
    assert symbol == data["s"]


def judge_levels(found: Any, rows: Any) -> None:
    assert [tuple(level) for level in found] == [tuple(map(number, row[:2])) for row in rows]


def judge_diff(diff: Any, data: Any) -> None:
    ids = (diff.first_id, diff.last_id, diff.previous_id, diff.event_ms)
    assert ids == tuple(number(data[name]) for name in ("U", "u", "pu", "E"))
    judge_levels(diff.bids, data["b"])
    judge_levels(diff.asks, data["a"])


def judge_snapshot(snapshot: Any, depth: Any) -> None:
    assert snapshot.last_update_id == number(depth["lastUpdateId"])
    assert snapshot.event_ms == number(depth["E"])
    judge_levels(snapshot.bids, depth["bids"])
    judge_levels(snapshot.asks, depth["asks"])


def judge_answer(event: Any, message: Any) -> None:
    if isinstance(event, Reply):
        assert event.number == (None if message["id"] is None else number(message["id"]))
        refused = message.get("error")
        assert (event.error is None) == (refused is None)
        return
    judge_market(event, message)


def stream_of(data: Any) -> Any:
    return {"stream": "btcusdt@x", "data": data}


# The user stream ---------------------------------------------------------------------

_REPORT = {
    "quantity": num("q"), "filled_quantity": num("z"), "average_price": num("ap"),
    "price": num("p"), "trigger_price": num("sp"), "reduce_only": flag("R"),
    "close_position": flag("cp"), "update_ms": num("T"),
    "exchange_order_id": lambda o: format(number(o["i"]), "f").split(".")[0],
    "client_order_id": lambda o: at(o, "c"), "side": lambda o: o["S"].lower(),
}  # fmt: skip
_FILL = {
    "exchange_trade_id": num("t"), "price": num("L"), "quantity": num("l"),
    "fee": num_or_zero("n"), "realised_pnl": num("rp"), "is_maker": flag("m"),
    "time_ms": num("T"), "side": lambda o: o["S"].lower(),
}  # fmt: skip
_ALGO_REPORT = {
    "quantity": num_or_zero("q"), "filled_quantity": num_or_zero("aq"),
    "average_price": num_or_zero("ap"), "price": num_or_zero("p"),
    "trigger_price": num("tp"), "reduce_only": flag("R"), "close_position": flag("cp"),
    "side": lambda o: o["S"].lower(),
}  # fmt: skip


def judge_user(event: Any, message: Any) -> None:
    match event:
        case OrderChanged(report=report, fill=fill) if report.book is OrderBook.PLAIN:
            order = at(message, "o")
            compare(report, order, _REPORT)
            executed = order["x"] in ("TRADE", "CALCULATED") and number(order["l"]) > 0
            assert (fill is not None) == executed
            if fill is not None:
                compare(fill, order, _FILL)
        case OrderChanged(report=report, fill=None):
            compare(
                report, at(message, "o"), {**_ALGO_REPORT, "update_ms": told(report.update_ms)}
            )
            assert report.update_ms == number(at(message, "T"))
        case AccountChanged():
            account = at(message, "a")
            wallets = {row["a"]: row for row in account.get("B") or []}
            assert event.wallets == {a: number(row["wb"]) for a, row in wallets.items()}
            rows = account.get("B") or []
            changes = {row["a"]: number(row["bc"]) for row in rows if number(row["bc"])}
            assert event.changes == changes
            held = [row for row in account.get("P") or [] if row.get("ps", "BOTH") == "BOTH"]
            assert event.positions == {
                row["s"]: (number(row["pa"]), number(row["ep"])) for row in held
            }
        case LeverageChanged():
            assert event.leverage == number(at(message, "ac")["l"])
            assert event.symbol == message["ac"]["s"]
        case MarginCalled():
            assert event.symbols == tuple(row["s"] for row in message["p"])
        case TriggerRejected():
            order = at(message, "or")
            assert (event.symbol, event.reason) == (order["s"], order["r"])
            assert event.exchange_order_id == str(int(number(order["i"])))
        case ListenKeyExpired():
            assert message["e"] == "listenKeyExpired"
        case Unknown():
            assert message.get("e", "") == event.kind
            return
        case _:
            raise Wrong(f"nobody judges {event!r}")
    assert event.event_ms == number(at(message, "E"))


# Replies about the market ------------------------------------------------------------

_ROW = {
    "open_time_ms": num(0), "open": num(1), "high": num(2), "low": num(3), "close": num(4),
    "volume": num(5), "quote_volume": num(7), "trades": num(8), "taker_buy_volume": num(9),
}  # fmt: skip


def judge_candles(candles: Any, rows: Any) -> None:
    assert len(candles) == len(rows)
    for index, (candle, row) in enumerate(zip(candles, rows, strict=True)):
        over = number(row[0]) + Interval.M15.ms <= OPEN_MS or index < len(rows) - 1
        compare(candle, row, {**_ROW, "closed": told(over)})


def _filter(kind: str, name: str) -> Callable[[Any], Decimal]:
    def expected(symbol: Any) -> Decimal:
        named = [one for one in symbol["filters"] if one["filterType"] == kind]
        return number(named[-1][name])

    return expected


def _market_step(symbol: Any) -> Decimal:
    own = _filter("MARKET_LOT_SIZE", "stepSize")(symbol)
    return own or _filter("LOT_SIZE", "stepSize")(symbol)


def _delivery(symbol: Any) -> Decimal | None:
    # The exchange's date for a contract without an end is in the year 2100.
    date = number(symbol.get("deliveryDate", 0))
    return date if 0 < date < 4_133_404_800_000 else None


_INSTRUMENT = {
    "trading": lambda s: s["status"] == "TRADING",
    "tick_size": _filter("PRICE_FILTER", "tickSize"),
    "min_price": _filter("PRICE_FILTER", "minPrice"),
    "max_price": _filter("PRICE_FILTER", "maxPrice"),
    "step_size": _filter("LOT_SIZE", "stepSize"),
    "min_quantity": _filter("LOT_SIZE", "minQty"),
    "max_quantity": _filter("LOT_SIZE", "maxQty"),
    "market_step_size": _market_step,
    "market_min_quantity": _filter("MARKET_LOT_SIZE", "minQty"),
    "market_max_quantity": _filter("MARKET_LOT_SIZE", "maxQty"),
    "min_notional": _filter("MIN_NOTIONAL", "notional"),
    "price_factor_up": _filter("PERCENT_PRICE", "multiplierUp"),
    "price_factor_down": _filter("PERCENT_PRICE", "multiplierDown"),
    "onboard_ms": lambda s: number(s.get("onboardDate", 0)),
    "delivery_ms": _delivery,
}
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}
_KINDS = {"REQUEST_WEIGHT": "weight", "ORDERS": "orders"}


def judge_instruments(found: Any, info: Any) -> None:
    instruments, limits = found
    for name, instrument in instruments.items():
        # Of one that is told twice, the last that is whole.
        named = [one for one in info["symbols"] if one["symbol"] == name]
        assert any(agrees(instrument, one, _INSTRUMENT) for one in named), instrument
    expected = [
        (_KINDS[one["rateLimitType"]],
         int(number(one["intervalNum"])) * _SECONDS[one["interval"]],
         int(number(one["limit"])))
        for one in info.get("rateLimits") or []
        if one["rateLimitType"] in _KINDS and one["interval"] in _SECONDS
    ]  # fmt: skip
    assert [tuple(limit) for limit in limits] == expected


def judge_depth(top: Any, depth: Any) -> None:
    places = {
        "bid": num("bids", 0, 0), "bid_quantity": num("bids", 0, 1), "ask": num("asks", 0, 0),
        "ask_quantity": num("asks", 0, 1), "event_ms": num("E"),
    }  # fmt: skip
    compare(top, depth, places)


def judge_premium(mark: Any, one: Any) -> None:
    places = {
        "price": num("markPrice"), "funding_rate": num("lastFundingRate"),
        "next_funding_ms": num("nextFundingTime"), "event_ms": num("time"),
    }  # fmt: skip
    compare(mark, one, places)


_BRACKET = {
    "floor": num("notionalFloor"), "cap": num("notionalCap"),
    "max_leverage": num("initialLeverage"), "maintenance_rate": num("maintMarginRatio"),
    "cumulative": num("cum"),
}  # fmt: skip


def judge_brackets(brackets: Any, reply: Any) -> None:
    tables = reply if isinstance(reply, list) else [reply]
    for table in {one["symbol"]: one for one in tables}.values():
        rows = sorted(table["brackets"], key=lambda row: number(row["notionalFloor"]))
        for bracket, row in zip(brackets[table["symbol"]], rows, strict=True):
            compare(bracket, row, _BRACKET)


# Replies about the account -----------------------------------------------------------


def _average(order: Any) -> Decimal:
    executed = number(order["executedQty"])
    if not executed:
        return Decimal(0)
    average = at_or_none(order, "avgPrice")
    if average is not None and number(average) > 0:
        return number(average)
    return number(order["cumQuote"]) / executed


_ORDER = {
    "quantity": num("origQty"), "filled_quantity": num("executedQty"), "price": num("price"),
    "trigger_price": lambda o: number(o.get("stopPrice", 0)), "average_price": _average,
    "reduce_only": flag("reduceOnly"), "close_position": flag("closePosition"),
    "update_ms": num("updateTime"), "side": lambda o: o["side"].lower(),
    "exchange_order_id": lambda o: format(number(o["orderId"]), "f").split(".")[0],
}  # fmt: skip
_ALGO = {
    "quantity": num_or_zero("quantity"), "filled_quantity": num_or_zero("actualQty"),
    "price": num_or_zero("price"), "trigger_price": num("triggerPrice"),
    "average_price": num_or_zero("actualPrice"), "reduce_only": flag("reduceOnly"),
    "close_position": flag("closePosition"), "update_ms": num("updateTime"),
    "side": lambda o: o["side"].lower(),
    "exchange_order_id": lambda o: format(number(o["algoId"]), "f").split(".")[0],
}  # fmt: skip


def judge_row(table: Any) -> Callable[[Any, Any], None]:
    return lambda event, node: compare(event, node, table)


def judge_rows(table: Any) -> Callable[[Any, Any], None]:
    def judge(events: Any, nodes: Any) -> None:
        for event, node in zip(events, nodes, strict=True):
            compare(event, node, table)

    return judge


def judge_commanded(table: Any) -> Callable[[Any, Any], None]:
    def judge(report: Any, order: Any) -> None:
        if report is not None:
            compare(report, order, table)
            return
        assert number(order["executedQty"])
        prices = [order.get(name) for name in ("avgPrice", "cumQuote")]
        assert not any(price is not None and number(price) > 0 for price in prices)

    return judge


def judge_positions(positions: Any, rows: Any) -> None:
    def leverage(row: Any) -> Decimal:
        margin = number(row["positionInitialMargin"])
        return (
            Decimal(round(abs(number(row["notional"])) / margin)) if margin > 0 else Decimal(0)
        )

    table = {
        "quantity": num("positionAmt"), "entry_price": num("entryPrice"),
        "mark_price": num("markPrice"), "unrealised_pnl": num("unRealizedProfit"),
        "liquidation_price": num("liquidationPrice"), "leverage": leverage,
        "isolated": lambda row: number(row["isolatedWallet"]) != 0,
        "update_ms": num("updateTime"),
    }  # fmt: skip
    judge_rows(table)(positions, [row for row in rows if number(row["positionAmt"])])


def judge_fills(fills: Any, rows: Any) -> None:
    table = {
        "exchange_trade_id": num("id"), "price": num("price"), "quantity": num("qty"),
        "fee": num("commission"), "realised_pnl": num("realizedPnl"), "is_maker": flag("maker"),
        "time_ms": num("time"),
    }  # fmt: skip
    judge_rows(table)(fills, sorted(rows, key=lambda row: number(row["id"])))


def judge_balance(balance: Any, rows: Any) -> None:
    row = next(row for row in rows if row["asset"] == "USDT")
    compare(balance, row, {"wallet": num("balance"), "available": num("availableBalance")})


def judge_symbol_settings(found: Any, rows: Any) -> None:
    for row in {row["symbol"]: row for row in rows}.values():
        isolated = told(row["marginType"] == "ISOLATED")
        compare(found[row["symbol"]], row, {"leverage": num("leverage"), "isolated": isolated})


def judge_number(*path: str) -> Callable[[Any, Any], None]:
    def judge(found: Any, node: Any) -> None:
        assert found == number(at(node, *path))

    return judge


def judge_listen_key(found: Any, node: Any) -> None:
    assert found == node["listenKey"]


def judge_extended_key(found: Any, node: Any) -> None:
    assert found == node.get("listenKey", "")


def judge_error(found: Any, body: Any) -> None:
    code, text = found
    text.encode()
    try:
        message = read(body)
        exact = (number(message["code"]), message["msg"])
    except (ValueError, RecursionError, TypeError, LookupError, Wrong):
        exact = None
    # A number is that of the message, or there is none.
    assert code == 0 or (exact is not None and (code, text) == exact)


_ACCOUNT_CONFIG = {
    "dualSidePosition": False, "multiAssetsMargin": False, "canTrade": True, "feeTier": 0,
}  # fmt: skip
_CONFIG = {
    "hedge_mode": flag("dualSidePosition"), "multi_assets": flag("multiAssetsMargin"),
    "can_trade": flag("canTrade"),
}  # fmt: skip
_PERMISSIONS = {
    "may_withdraw": flag("enableWithdrawals"), "may_trade_futures": flag("enableFutures"),
    "bound_to_addresses": flag("ipRestrict"),
}  # fmt: skip
_FEES = {"maker": num("makerCommissionRate"), "taker": num("takerCommissionRate")}

HEADERS = [
    "0", "30", "259200", "259201", "9" * 400, "²", "\uff11\uff12", "-1", "1.5", "1e3", "+5",
    " 7", "",
    "Wed, 21 Oct 2026 07:28:00 GMT", "inf", "nan", "0x10", "1_0", "7\n",
]  # fmt: skip
FILLED = {
    **samples.ORDER,
    "executedQty": "0.004",
    "avgPrice": "30000.10",
    "cumQuote": "120.0004",
}
DEPTH = {
    "lastUpdateId": 1, "E": 5, "T": 4,
    "bids": [["30000.10", "1.5"], ["30000.00", "2"]], "asks": [["30000.20", "0.3"]],
}  # fmt: skip
PREMIUM = {
    "symbol": "BTCUSDT", "markPrice": "30009.87654321", "indexPrice": "30008.1",
    "estimatedSettlePrice": "30007.2", "lastFundingRate": "0.00010000",
    "interestRate": "0.0001", "nextFundingTime": 1750003200000, "time": 1750000001000,
}  # fmt: skip
BRACKETS = {
    "symbol": "BTCUSDT", "notionalCoef": 1.5, "brackets": [
        {"bracket": 1, "initialLeverage": 125, "notionalCap": 50000, "notionalFloor": 0,
         "maintMarginRatio": 0.004, "cum": 0.0},
        {"bracket": 2, "initialLeverage": 100, "notionalCap": 250000, "notionalFloor": 50000,
         "maintMarginRatio": 0.005, "cum": 50.0},
    ],
}  # fmt: skip
BALANCE = {
    "accountAlias": "SgsR", "asset": "USDT", "balance": "122607.35137903",
    "crossWalletBalance": "23.72469206", "availableBalance": "23.72469206",
    "updateTime": 1617939110373,
}  # fmt: skip


def market(name: str, data: Any) -> Fuzzed:
    return Fuzzed(
        f"stream {name}", market_event, judge_market, [stream_of(data)],
        "market_events.market_event",
    )  # fmt: skip


def user(name: str, data: list[Any]) -> Fuzzed:
    return Fuzzed(f"user {name}", user_event, judge_user, data, "user_events.user_event")


def reply(
    parse: Callable[..., Any],
    judge: Callable[[Any, Any], None],
    messages: list[Any],
    *args: Any,
) -> Fuzzed:
    module = parse.__module__.rpartition(".")[2]
    name = f"{module}.{parse.__name__}"
    shown = " ".join([name, *(a for a in args if isinstance(a, OrderBook))])
    return Fuzzed(shown, lambda body: parse(body, *args), judge, messages, name)


FUZZED = [
    reply(answers.error_body, judge_error, [{"code": -2013, "msg": "Order does not exist."}]),
    reply(answers.server_time_ms, judge_number("serverTime"), [{"serverTime": OPEN_MS}]),
    market("kline", samples.KLINE_EVENT),
    market("aggTrade", samples.AGG_TRADE),
    market("bookTicker", samples.BOOK_TICKER),
    market("markPriceUpdate", samples.MARK_PRICE),
    user("ORDER_TRADE_UPDATE", [samples.ORDER_EVENT]),
    user("ALGO_UPDATE", [samples.ALGO_EVENT]),
    user("ACCOUNT_UPDATE", [samples.ACCOUNT_EVENT]),
    Fuzzed(
        "stream contractInfo", lambda body: market_message(body, Newest())[1], judge_market,
        [{"stream": "!contractInfo", "data": samples.CONTRACT_INFO}],
        "market_events.market_message",
    ),
    Fuzzed(
        "stream reply", market_event, judge_answer,
        [{"result": None, "id": 1}, {"error": {"code": 2, "msg": "no"}, "id": 2}],
        "market_events._not_an_event",
    ),
    Fuzzed(
        "stream depthUpdate", lambda body: book_message(body)[1], judge_market,
        [stream_of(samples.DEPTH_UPDATE)], "market_events.book_message",
    ),
    reply(market_replies.book_snapshot, judge_snapshot, [DEPTH]),
    user("ACCOUNT_CONFIG_UPDATE", [samples.LEVERAGE_EVENT]),
    user("MARGIN_CALL", [samples.MARGIN_CALL]),
    user("CONDITIONAL_ORDER_TRIGGER_REJECT", [samples.TRIGGER_REJECT]),
    user("listenKeyExpired", [{"e": "listenKeyExpired", "E": 1, "listenKey": "abc"}]),
    reply(
        market_replies.candles, judge_candles,
        [[samples.kline(OPEN_MS - 900_000), samples.kline(OPEN_MS)], []],
        "BTCUSDT", Interval.M15, OPEN_MS,
    ),
    reply(market_replies.instruments, judge_instruments, [samples.EXCHANGE_INFO]),
    reply(market_replies.book_top, judge_depth, [DEPTH], "BTCUSDT"),
    reply(market_replies.mark_price, judge_premium, [PREMIUM]),
    reply(market_replies.all_brackets, judge_brackets, [BRACKETS, [BRACKETS]]),
    *(
        reply(parse, judge, messages, book)
        for book, table, order in (
            (OrderBook.PLAIN, _ORDER, FILLED),
            (OrderBook.CONDITIONAL, _ALGO, samples.ALGO_ORDER),
        )
        for parse, judge, messages in (
            (account_replies.order_report, judge_row(table), [order]),
            (account_replies.order_reports, judge_rows(table), [[order], [order, order]]),
            (account_replies.commanded, judge_commanded(table), [order]),
        )
    ),
    reply(account_replies.account_settings, judge_row(_CONFIG), [_ACCOUNT_CONFIG]),
    reply(account_replies.balance, judge_balance, [[BALANCE]], "USDT"),
    reply(account_replies.positions, judge_positions, [[samples.POSITION]]),
    reply(
        account_replies.fills, judge_fills,
        [[samples.user_trade(8, OPEN_MS), samples.user_trade(7, OPEN_MS)]],
    ),
    reply(
        account_replies.incomes,
        judge_rows({"amount": num("income"), "time_ms": num("time")}),
        [[samples.income(1, OPEN_MS)]],
    ),
    reply(account_replies.listen_key, judge_listen_key, [{"listenKey": "abc"}]),
    reply(account_replies.extended_key, judge_extended_key, [{"listenKey": "abc"}, {}]),
    reply(account_replies.leverage, judge_number("leverage"), [{"leverage": 21}]),
    reply(
        account_replies.fee_rates, judge_row(_FEES),
        [{"symbol": "B", "makerCommissionRate": "0.0002", "takerCommissionRate": "0.0004"}],
    ),
    reply(
        account_replies.all_symbol_settings, judge_symbol_settings,
        [[{"symbol": "BTCUSDT", "marginType": "ISOLATED", "leverage": 5}]],
    ),
    reply(
        account_replies.key_permissions, judge_row(_PERMISSIONS),
        [{"enableWithdrawals": False, "enableFutures": True, "ipRestrict": True}],
    ),
]  # fmt: skip


@pytest.mark.parametrize("fuzzed", FUZZED, ids=lambda fuzzed: fuzzed.name)
@pytest.mark.timeout(0)
def test_a_broken_message_is_malformed_or_right(fuzzed: Fuzzed) -> None:
    judged = {"events": 0, "malformed": 0}

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(broken(fuzzed.messages))
    def hold(body: bytes) -> None:
        note(f"message: {body[:2000]!r}")
        try:
            event = fuzzed.parse(body)
        except MalformedError:
            judged["malformed"] += 1
            return
        judged["events"] += 1
        if fuzzed.reads == "answers.error_body":
            # The one reader that has something to say of every body.
            fuzzed.judge(event, body)
            return
        try:
            message = read(body)
        except RecursionError:
            return
        fuzzed.judge(event, message)

    hold()
    sys.stdout.write(f"{fuzzed.name}: seed {SEED}, {judged}\n")
    # Were all of them refused, nothing would have been compared.
    assert judged["events"] > EXAMPLES / 50
    assert judged["malformed"] > EXAMPLES / 50 or fuzzed.reads == "answers.error_body"


@seed(SEED)
@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(st.one_of(st.text(), st.integers().map(str), st.sampled_from(HEADERS)))
def test_a_header_is_a_number_or_nothing(text: str) -> None:
    count, wait_s = answers.count(text), answers.retry_after_s(text)
    if not re.fullmatch("[0-9]{1,12}", text):
        assert (count, wait_s) == (None, None)
        return
    assert count == int(text)
    assert wait_s == min(int(text), 259_200)


def test_an_absent_header_is_nothing() -> None:
    assert (answers.count(None), answers.retry_after_s(None)) == (None, None)


def decoding_functions() -> Iterable[str]:
    """Every function of the adapter that decodes what the exchange sent."""
    for file in sorted((Path(__file__).parents[2] / "rusy_tui" / "exchange").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
            if any(ast.unparse(call) in ("decode", "msgspec.json.decode") for call in calls):
                yield f"{file.stem}.{node.name}"


# What a ban was written down as is our own file.
OUR_OWN = {"bans._read"}


def test_no_parser_is_left_out() -> None:
    assert set(decoding_functions()) - OUR_OWN == {fuzzed.reads for fuzzed in FUZZED}
