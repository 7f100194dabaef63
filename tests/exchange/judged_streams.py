"""What events of the streams must be, by a second reading of their messages."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from rusy_tui.domain.account import (
    AccountChanged,
    LeverageChanged,
    MarginCalled,
    OrderChanged,
    TriggerRejected,
)
from rusy_tui.domain.market import (
    BookDepth,
    BookTop,
    CandleUpdate,
    InstrumentChanged,
    MarketTrade,
    MarkPrice,
)
from rusy_tui.domain.order import OrderBook
from rusy_tui.exchange.market_events import Reply
from rusy_tui.exchange.order_book import BookDiff
from rusy_tui.exchange.user_events import ListenKeyExpired
from rusy_tui.exchange.wire import Unknown
from tests.exchange.readings import (
    STATES,
    Expected,
    Wrong,
    at,
    compare,
    flag,
    given,
    id_or_none,
    lower,
    num,
    num_or_zero,
    number,
    whole,
    within,
    word,
)

# The market streams ------------------------------------------------------------------

_CANDLE = {
    "open": num("o"), "high": num("h"), "low": num("l"), "close": num("c"), "volume": num("v"),
    "quote_volume": num("q"), "trades": num("n"), "taker_buy_volume": num("V"),
    "open_time_ms": num("t"), "closed": flag("x"), "interval": word("i"),
}  # fmt: skip
_BOOK_TOP = {
    "symbol": word("s"),
    "bid": num("b"), "bid_quantity": num("B"), "ask": num("a"), "ask_quantity": num("A"),
    "event_ms": num("E"),
}  # fmt: skip
_MARK = {
    "symbol": word("s"),
    "price": num("p"), "funding_rate": num("r"), "next_funding_ms": num("T"),
    "event_ms": num("E"),
}  # fmt: skip
_TRADE = {
    "symbol": word("s"),
    "price": num("p"), "quantity": num("q"), "buyer_is_maker": flag("m"), "event_ms": num("T"),
    "trades": lambda data: number(data["l"]) - number(data["f"]) + 1,
}  # fmt: skip


def _summed(side: str) -> Expected:
    def expected(data: Any) -> Decimal:
        levels = [(number(row[0]), number(row[1])) for row in data[side]]
        assert all(price > 0 <= quantity for price, quantity in levels)
        return sum((quantity for _, quantity in levels), Decimal(0))

    return expected


_DEPTH = {
    "symbol": word("s"), "bids": _summed("b"), "asks": _summed("a"), "event_ms": num("E"),
}  # fmt: skip


# By the event that it is told as.
_MARKET_KINDS: dict[Any, str] = {
    CandleUpdate: "kline", BookTop: "bookTicker", MarkPrice: "markPriceUpdate",
    MarketTrade: "aggTrade", InstrumentChanged: "contractInfo", BookDiff: "depthUpdate",
    BookDepth: "depthUpdate",
}  # fmt: skip
_COIN_M = 2


def judge_market(
    found: Any, message: Any, used: Collection[str] = _MARKET_KINDS.values()
) -> None:
    """What a market stream told; of ``used`` kinds none may be passed over."""
    stream, event = found
    assert stream == message.get("stream", "")
    data = at(message, "data")
    kind = data.get("e", "")
    if isinstance(event, Unknown):
        assert event.kind == kind
        coin_m = kind == "contractInfo" and number(data.get("st", 1)) == _COIN_M
        assert kind not in used or coin_m, f"{kind} was passed over"
        return
    if event is None:
        # Nothing was told before, so that only a candle of before all time is not newer.
        assert kind == "kline"
        assert number(data["k"]["t"]) <= 0
        return
    # Where differences are read nothing else is asked for, and one may lack its kind.
    assert kind == _MARKET_KINDS[type(event)] or (
        "e" not in data and isinstance(event, BookDiff)
    )
    match event:
        case CandleUpdate(candle=candle):
            compare(candle, data, {"symbol": word("s"), **within("k", _CANDLE)})
            assert number(data["E"]) == event.event_ms
        case BookTop():
            compare(event, data, _BOOK_TOP)
        case BookDepth():
            compare(event, data, _DEPTH)
        case MarkPrice():
            compare(event, data, _MARK)
        case MarketTrade():
            compare(event, data, _TRADE)
        case InstrumentChanged():
            compare(event, data, {"symbol": word("s"), "event_ms": num("E")})
            assert number(data.get("st", 1)) != _COIN_M
        case BookDiff():
            judge_diff(event, data)
        case _:
            raise Wrong(f"nobody judges {event!r}")


def judge_book(found: Any, message: Any) -> None:
    """What a stream of differences told."""
    judge_market(found, message, ["depthUpdate"])


def judge_levels(found: Any, rows: Any) -> None:
    assert [tuple(level) for level in found] == [tuple(map(number, row[:2])) for row in rows]


def judge_diff(diff: Any, data: Any) -> None:
    assert diff.symbol == data["s"]
    ids = (diff.first_id, diff.last_id, diff.previous_id, diff.event_ms)
    assert ids == tuple(number(data[name]) for name in ("U", "u", "pu", "E"))
    judge_levels(diff.bids, data["b"])
    judge_levels(diff.asks, data["a"])


def judge_answer(found: Any, message: Any) -> None:
    stream, event = found
    if isinstance(event, Reply):
        assert stream == ""
        assert event.number == (None if message["id"] is None else number(message["id"]))
        refused = message.get("error")
        assert (event.error is None) == (refused is None)
        if event.error is not None:
            assert event.error.code == number(refused.get("code", 0))
            assert event.error.msg == refused.get("msg", "")
        return
    judge_market(found, message)


# The user stream ---------------------------------------------------------------------

_REPORT = {
    "quantity": num("q"), "filled_quantity": num("z"), "average_price": num("ap"),
    "price": num("p"), "trigger_price": num("sp"), "reduce_only": flag("R"),
    "close_position": flag("cp"), "update_ms": num("T"),
    "exchange_order_id": whole("i"), "client_order_id": word("c"), "symbol": word("s"),
    "side": lower("S"), "kind": lower("o"), "state": lambda o: STATES[o["X"]],
    "book": given(OrderBook.PLAIN), "triggered_order_id": given(""),
}  # fmt: skip
_FILL = {
    "exchange_trade_id": num("t"), "price": num("L"), "quantity": num("l"),
    "fee": num_or_zero("n"), "realised_pnl": num("rp"), "is_maker": flag("m"),
    "time_ms": num("T"), "side": lower("S"), "symbol": word("s"),
    "exchange_order_id": whole("i"), "client_order_id": word("c"),
    "fee_asset": lambda o: o.get("N") or "",
}  # fmt: skip
_ALGO_REPORT = {
    "quantity": num_or_zero("q"), "filled_quantity": num_or_zero("aq"),
    "average_price": num_or_zero("ap"), "price": num_or_zero("p"),
    "trigger_price": num("tp"), "reduce_only": flag("R"), "close_position": flag("cp"),
    "exchange_order_id": whole("aid"), "client_order_id": word("caid"), "symbol": word("s"),
    "side": lower("S"), "kind": lower("o"), "state": lambda o: STATES[o["X"]],
    "book": given(OrderBook.CONDITIONAL), "triggered_order_id": id_or_none("ai"),
}  # fmt: skip


_USER_KINDS: dict[Any, str] = {
    AccountChanged: "ACCOUNT_UPDATE", LeverageChanged: "ACCOUNT_CONFIG_UPDATE",
    MarginCalled: "MARGIN_CALL", TriggerRejected: "CONDITIONAL_ORDER_TRIGGER_REJECT",
    ListenKeyExpired: "listenKeyExpired",
}  # fmt: skip
_ORDER_KINDS = {
    OrderBook.PLAIN: "ORDER_TRADE_UPDATE",
    OrderBook.CONDITIONAL: "ALGO_UPDATE",
}


def judge_user(event: Any, message: Any) -> None:
    """What the user stream told; of a kind that is used none may be passed over."""
    kind = message.get("e", "")
    if isinstance(event, Unknown):
        assert event.kind == kind
        # The exchange tells of the multi-assets mode by the same kind, without "ac".
        other = kind == "ACCOUNT_CONFIG_UPDATE" and message.get("ac") is None
        used = {*_USER_KINDS.values(), *_ORDER_KINDS.values()}
        assert kind not in used or other, f"{kind} was passed over"
        return
    if isinstance(event, OrderChanged):
        assert kind == _ORDER_KINDS[event.report.book]
    else:
        assert kind == _USER_KINDS[type(event)]
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
                report, at(message, "o"),
                {**_ALGO_REPORT, "update_ms": given(number(at(message, "T")))},
            )  # fmt: skip
        case AccountChanged():
            account = at(message, "a")
            assert event.reason == account["m"].lower()
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
            assert event.listen_key == message.get("listenKey", "")
        case _:
            raise Wrong(f"nobody judges {event!r}")
    assert event.event_ms == number(at(message, "E"))
