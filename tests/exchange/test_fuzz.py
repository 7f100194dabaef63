"""Every parser under broken messages: a classified error or a correct event, nothing else.

``make done-fuzz`` runs 10,000 messages a kind; the seed is printed, and ``SEED=`` repeats it.
"""

import ast
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
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
from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.market import (
    BookDepth,
    BookTop,
    CandleUpdate,
    InstrumentChanged,
    MarketTrade,
    MarkPrice,
)
from rusy_tui.domain.order import OrderBook
from rusy_tui.exchange import account_replies, answers, columns, market_replies
from rusy_tui.exchange.market_events import Reply, book_message, market_message
from rusy_tui.exchange.newest import Newest
from rusy_tui.exchange.order_book import BookDiff
from rusy_tui.exchange.user_events import ListenKeyExpired, user_event
from rusy_tui.exchange.wire import MalformedError, Unknown
from tests.exchange import judged_replies as replies
from tests.exchange import wire_samples as samples
from tests.exchange.judged_replies import OPEN_MS, judge_number, judge_row, judge_rows
from tests.exchange.judged_streams import judge_answer, judge_book, judge_market, judge_user
from tests.exchange.mutations import broken
from tests.exchange.readings import STATES, read

EXAMPLES = int(os.environ.get("RUSY_FUZZ_EXAMPLES", "100"))
SEED = int(os.environ.get("SEED") or "0")


@dataclass(frozen=True)
class Fuzzed:
    """A parser under test: what it reads, and how its result is judged.

    ``reads`` are the functions of ours that decode, by the names that the test of completeness
    finds them by. ``gives`` is what an unbroken message of a stream is told as.
    """

    name: str
    parse: Callable[[bytes], Any]
    judge: Callable[[Any, Any], None]
    messages: list[Any]
    reads: str
    gives: type = object


def stream_of(data: Any) -> Any:
    return {"stream": "btcusdt@x", "data": data}


def told(event: Any, key: str, **changed: Any) -> Any:
    """An event with something else inside."""
    return {**event, key: {**event[key], **changed}}


_ACCOUNT_CONFIG = {
    "dualSidePosition": False, "multiAssetsMargin": False, "canTrade": True, "feeTier": 0,
}  # fmt: skip
HEADERS = [
    "0", "30", "259200", "259201", "9" * 400, "²", "\uff11\uff12", "-1", "1.5", "1e3", "+5",
    " 7", "",
    "Wed, 21 Oct 2026 07:28:00 GMT", "inf", "nan", "0x10", "1_0", "7\n",
]  # fmt: skip
SHIB = "1000SHIBUSDT"
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
BRACKETS: dict[str, Any] = {
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


# Orders in each state, of both sides, with ids of any length; one whose fills were told.
ORDERS = [
    {
        **samples.ORDER,
        "status": state,
        "side": side,
        "symbol": SHIB,
        "orderId": 10**18 + 7,
        "origQty": "9000000000",
    }
    for state, side in zip(STATES, ["BUY", "SELL"] * 5, strict=True)
]
IDS = ["8886790", "1" * 18, 10**17 + 7, 0, "0", "", None, 12, "13", "12345678901234567"]
ALGO_ORDERS = [
    {**samples.ALGO_ORDER, "algoStatus": state, "actualOrderId": order_id, "symbol": SHIB}
    for state, order_id in zip(
        STATES, ["8886790", "1" * 18, 10**17 + 7, 0, "0"] * 2, strict=True
    )
]
POSITIONS = [
    samples.POSITION,
    {**samples.POSITION, "symbol": "FLATUSDT", "positionAmt": "0.000"},
    {**samples.POSITION, "symbol": SHIB, "positionAmt": "7e9", "isolatedWallet": "0"},
]
INFO = {
    **samples.EXCHANGE_INFO,
    "symbols": [
        *samples.EXCHANGE_INFO["symbols"],
        # A copy: of what two have in common both would be broken at once.
        {**deepcopy(samples.EXCHANGE_INFO["symbols"][0]), "symbol": SHIB, "baseAsset": "SHIB"},
    ],
}
ORDER_EVENTS = [
    samples.ORDER_EVENT,
    # The execution of a liquidation is a fill as well.
    told(samples.ORDER_EVENT, "o", x="CALCULATED", X="FILLED", N="BNB", S="SELL", s=SHIB),
    # Nothing is too large, or too small.
    told(samples.ORDER_EVENT, "o", q="9000000000", z="8000000000", l="7000000000", L="1e-8"),
    told(samples.ORDER_EVENT, "o", q="0.00000003", z="0.00000002", l="0.00000001", L="9e9"),
    *(
        told(samples.ORDER_EVENT, "o", X=state, x="NEW", l="0", i=10**18 + 7)
        for state in STATES
    ),
]
ALGO_EVENTS = [
    told(samples.ALGO_EVENT, "o", X=state, ai=order_id, S="BUY")
    for state, order_id in zip(
        STATES, ["8886790", "1" * 18, 10**17 + 7, 0, ""] * 2, strict=True
    )
]
ACCOUNT_EVENTS = [
    samples.ACCOUNT_EVENT,
    told(
        samples.ACCOUNT_EVENT, "a", m="ORDER",
        P=[*samples.ACCOUNT_EVENT["a"]["P"], {"s": SHIB, "pa": "7", "ep": "0.01", "ps": "BOTH"},
           {"s": "HEDGEUSDT", "pa": "8", "ep": "1", "ps": "LONG"}],
    ),
]  # fmt: skip


def market(name: str, data: Any, gives: type) -> Fuzzed:
    return Fuzzed(
        f"stream {name}", lambda body: market_message(body, Newest()), judge_market,
        [stream_of(data)], "market_events.market_message", gives,
    )  # fmt: skip


def user(name: str, data: list[Any], gives: type) -> Fuzzed:
    return Fuzzed(f"user {name}", user_event, judge_user, data, "user_events.user_event", gives)


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


def bars_of(between: bytes, body: bytes) -> Bars:
    """A reply's candles as columns: without blanks, as the exchange sends it, or with them."""
    text = body.replace(b'", "', b'","').replace(b'","', between)
    return columns.bars(text, "BTCUSDT", Interval.M15, OPEN_MS)


FUZZED = [
    reply(
        answers.error_body, replies.judge_error,
        [{"code": -2013, "msg": "Order does not exist."}],
    ),
    reply(answers.server_time_ms, judge_number("serverTime"), [{"serverTime": OPEN_MS}]),
    market("kline", samples.KLINE_EVENT, CandleUpdate),
    market("aggTrade", samples.AGG_TRADE, MarketTrade),
    market("bookTicker", samples.BOOK_TICKER, BookTop),
    market("partial depth", samples.PARTIAL_DEPTH, BookDepth),
    market("markPriceUpdate", samples.MARK_PRICE, MarkPrice),
    market("contractInfo", samples.CONTRACT_INFO, InstrumentChanged),
    Fuzzed(
        "stream reply", lambda body: market_message(body, Newest()), judge_answer,
        [{"result": None, "id": 1}, {"error": {"code": 2, "msg": "no"}, "id": 2}],
        "market_events._not_an_event", Reply,
    ),
    Fuzzed(
        "stream depthUpdate", book_message, judge_book, [stream_of(samples.DEPTH_UPDATE)],
        "market_events.book_message", BookDiff,
    ),
    user("ORDER_TRADE_UPDATE", ORDER_EVENTS, OrderChanged),
    user("ALGO_UPDATE", ALGO_EVENTS, OrderChanged),
    user("ACCOUNT_UPDATE", ACCOUNT_EVENTS, AccountChanged),
    user("ACCOUNT_CONFIG_UPDATE", [samples.LEVERAGE_EVENT], LeverageChanged),
    user("MARGIN_CALL", [samples.MARGIN_CALL], MarginCalled),
    user("CONDITIONAL_ORDER_TRIGGER_REJECT", [samples.TRIGGER_REJECT], TriggerRejected),
    user(
        "listenKeyExpired", [{"e": "listenKeyExpired", "E": 1, "listenKey": "abc"}],
        ListenKeyExpired,
    ),
    reply(
        market_replies.candles, replies.judge_candles,
        [[samples.kline(OPEN_MS - 900_000, "30011.25"), samples.kline(OPEN_MS)], []],
        "BTCUSDT", Interval.M15, OPEN_MS,
    ),
    *(
        Fuzzed(
            name, partial(bars_of, between), replies.judge_bars,
            [[samples.kline(OPEN_MS - 900_000, "30011.25"), samples.kline(OPEN_MS)], []],
            "columns.bars", Bars,
        )
        for name, between in (("columns.bars", b'","'), ("columns.bars spaced", b'", "'))
    ),
    reply(
        market_replies.mark_price_candles, replies.judge_mark_candles,
        [[samples.kline(OPEN_MS - 900_000, "30011.25"), samples.kline(OPEN_MS)], []],
        "BTCUSDT", Interval.M15, OPEN_MS,
    ),
    reply(
        market_replies.funding_rates, replies.judge_funding_rates,
        [[samples.funding_rate(OPEN_MS), samples.funding_rate(OPEN_MS + 1, markPrice=""),
          samples.funding_rate(OPEN_MS + 2, rateType="Special", symbol=SHIB)]],
    ),
    reply(
        market_replies.open_interest, judge_rows(replies.OPEN_INTEREST),
        [[samples.open_interest(OPEN_MS), samples.open_interest(OPEN_MS + 900_000)]],
    ),
    reply(market_replies.instruments, replies.judge_instruments, [INFO]),
    reply(market_replies.book_snapshot, replies.judge_snapshot, [DEPTH]),
    reply(market_replies.book_top, replies.judge_depth, [DEPTH], "BTCUSDT"),
    reply(market_replies.mark_price, replies.judge_premium, [PREMIUM]),
    reply(
        market_replies.all_brackets, replies.judge_brackets,
        [BRACKETS, [BRACKETS, {**deepcopy(BRACKETS), "symbol": SHIB}]],
    ),
    *(
        reply(parse, judge, messages, book)
        for book, table, orders in (
            (OrderBook.PLAIN, replies.ORDER, [FILLED, *ORDERS]),
            (OrderBook.CONDITIONAL, replies.ALGO, [samples.ALGO_ORDER, *ALGO_ORDERS]),
        )
        for parse, judge, messages in (
            (account_replies.order_report, judge_row(table), orders),
            (account_replies.order_reports, judge_rows(table), [orders[:1], orders[:3]]),
            (account_replies.commanded, replies.judge_commanded(table), orders),
        )
    ),
    reply(account_replies.account_settings, judge_row(replies.CONFIG), [_ACCOUNT_CONFIG]),
    reply(
        account_replies.balance, replies.judge_balance,
        [[{**BALANCE, "asset": "BNB", "balance": "1.5"}, BALANCE]], "USDT",
    ),
    reply(account_replies.positions, replies.judge_positions, [POSITIONS]),
    reply(
        account_replies.fills, replies.judge_fills,
        [[{**samples.user_trade(8, OPEN_MS), "side": "BUY", "commissionAsset": "BNB"},
          {**samples.user_trade(7, OPEN_MS), "orderId": 10**18 + 7, "symbol": SHIB}]],
    ),
    reply(
        account_replies.incomes, judge_rows(replies.INCOME),
        [[samples.income(1, OPEN_MS), samples.income(2, OPEN_MS, "FUNDING_FEE")]],
    ),
    reply(account_replies.listen_key, replies.judge_listen_key, [{"listenKey": "abc"}]),
    reply(account_replies.extended_key, replies.judge_extended_key, [{"listenKey": "abc"}, {}]),
    reply(account_replies.leverage, judge_number("leverage"), [{"leverage": 21}]),
    reply(
        account_replies.fee_rates, judge_row(replies.FEES),
        [{"symbol": "B", "makerCommissionRate": "0.0002", "takerCommissionRate": "0.0004"}],
    ),
    reply(
        account_replies.all_symbol_settings, replies.judge_symbol_settings,
        [[{"symbol": "BTCUSDT", "marginType": "ISOLATED", "leverage": 5},
          {"symbol": SHIB, "marginType": "CROSSED", "leverage": 20}]],
    ),
    reply(
        account_replies.key_permissions, judge_row(replies.PERMISSIONS),
        [{"enableWithdrawals": False, "enableFutures": True, "ipRestrict": True}],
    ),
]  # fmt: skip


@pytest.mark.parametrize("fuzzed", FUZZED, ids=lambda fuzzed: fuzzed.name)
def test_an_unbroken_message_is_told_as_what_it_is(fuzzed: Fuzzed) -> None:
    for message in fuzzed.messages:
        body = json.dumps(message).encode()
        found = fuzzed.parse(body)
        if fuzzed.reads == "answers.error_body":
            assert found == (message["code"], message["msg"])
            continue
        event = found[1] if fuzzed.reads.startswith("market_events.") else found
        assert isinstance(event, fuzzed.gives), event
        fuzzed.judge(found, read(body))


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
        judged["events"] += not isinstance(event, Unknown)
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


_DECODERS = re.compile(r"(?:.*\.)?(?:decode|convert|loads|json)")


def decoding_functions(source: str) -> Iterable[str]:
    """Every function of a module that may decode, by whatever decodes."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
        if any(_DECODERS.fullmatch(ast.unparse(call)) for call in calls):
            yield node.name


@pytest.mark.parametrize(
    "how",
    [
        "decode(_ORDER, body)", "wire.decode(_ORDER, body)", "_ORDER.decode(body)",
        "msgspec.json.decode(body, type=_Order)", "json.loads(body)", "loads(body)",
        "msgspec.convert(body, _Order)", "await reply.json()", "_orders[0].decode(body)",
    ],
)  # fmt: skip
def test_a_function_that_decodes_is_found(how: str) -> None:
    kept = "def encoded(text):\n    return json.dumps(text).encode()\n"
    source = f"{kept}class A:\n    async def read(self, body):\n        return {how}\n"
    assert list(decoding_functions(source)) == ["read"]


# What a ban was written down as is our own file; what all decode by is tried with each.
OUR_OWN = {"bans._read", "wire.decode", "wire._without_odd_number"}


def test_no_parser_is_left_out() -> None:
    folder = Path(__file__).parents[2] / "rusy_tui" / "exchange"
    found = {
        f"{file.stem}.{name}"
        for file in sorted(folder.rglob("*.py"))
        for name in decoding_functions(file.read_text())
    }
    assert found - OUR_OWN == {fuzzed.reads for fuzzed in FUZZED}
