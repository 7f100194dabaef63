"""What the readers of replies must give, by a second reading of the same bodies."""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.order import OrderBook
from tests.exchange.judged_streams import judge_levels
from tests.exchange.readings import (
    STATES,
    Expected,
    Wrong,
    at,
    at_or_none,
    compare,
    flag,
    given,
    id_or_none,
    lower,
    num,
    num_or_zero,
    number,
    read,
    whole,
    word,
)

OPEN_MS = 1_749_999_600_000

# Replies about the market ------------------------------------------------------------

_ROW = {
    "open_time_ms": num(0), "open": num(1), "high": num(2), "low": num(3), "close": num(4),
    "volume": num(5), "quote_volume": num(7), "trades": num(8), "taker_buy_volume": num(9),
}  # fmt: skip


def judge_snapshot(snapshot: Any, depth: Any) -> None:
    assert snapshot.last_update_id == number(depth["lastUpdateId"])
    assert snapshot.event_ms == number(depth["E"])
    judge_levels(snapshot.bids, depth["bids"])
    judge_levels(snapshot.asks, depth["asks"])


def judge_candles(candles: Any, rows: Any) -> None:
    asked = {"symbol": given("BTCUSDT"), "interval": given(Interval.M15)}
    assert len(candles) == len(rows)
    for index, (candle, row) in enumerate(zip(candles, rows, strict=True)):
        over = number(row[0]) + Interval.M15.ms <= OPEN_MS or index < len(rows) - 1
        compare(candle, row, {**_ROW, "closed": given(over), **asked})


def judge_bars(bars: Any, rows: Any) -> None:
    """The same candles as columns; those that still form are left out."""
    closed = [
        row
        for index, row in enumerate(rows)
        if number(row[0]) + Interval.M15.ms <= OPEN_MS or index < len(rows) - 1
    ]
    columns = {name: getattr(bars, name).tolist() for name in _ROW}
    assert {len(column) for column in columns.values()} == {len(closed)}
    for index, row in enumerate(closed):
        compare({name: column[index] for name, column in columns.items()}, row, _ROW)


def judge_mark_candles(candles: Any, rows: Any) -> None:
    asked = {"symbol": given("BTCUSDT"), "interval": given(Interval.M15)}
    places = {name: _ROW[name] for name in ("open_time_ms", "open", "high", "low", "close")}
    closed = [
        row
        for index, row in enumerate(rows)
        if number(row[0]) + Interval.M15.ms <= OPEN_MS or index < len(rows) - 1
    ]
    for candle, row in zip(candles, closed, strict=True):
        compare(candle, row, {**places, **asked})


def judge_funding_rates(rates: Any, rows: Any) -> None:
    regular = [row for row in rows if row.get("rateType", "Regular") == "Regular"]
    table = {
        "symbol": word("symbol"),
        "time_ms": num("fundingTime"),
        "rate": num("fundingRate"),
    }
    for rate, row in zip(rates, regular, strict=True):
        if row.get("markPrice") in (None, ""):
            assert math.isnan(rate.mark_price)
            told = {"symbol": rate.symbol, "time_ms": rate.time_ms, "rate": rate.rate}
            compare(told, row, table)
        else:
            compare(rate, row, {**table, "mark_price": num("markPrice")})


OPEN_INTEREST = {
    "symbol": word("symbol"), "time_ms": num("timestamp"),
    "quantity": num("sumOpenInterest"), "value_usd": num("sumOpenInterestValue"),
}  # fmt: skip


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


def _kept(symbol: Any) -> bool:
    """Whether a contract is told whole; one that is not can't be traded, and is left out."""
    try:
        found = [expected(symbol) for expected in _INSTRUMENT.values()]
    except (Wrong, KeyError, IndexError, TypeError):
        return False
    # No more digits than arithmetic keeps.
    return all(
        len("".join(map(str, one.as_tuple().digits)).rstrip("0")) <= 28
        for one in found
        if isinstance(one, Decimal)
    )


_INSTRUMENT: dict[str, Expected] = {
    "symbol": word("symbol"), "contract_type": word("contractType"),
    "base_asset": word("baseAsset"), "quote_asset": word("quoteAsset"),
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
}  # fmt: skip
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}
_KINDS = {"REQUEST_WEIGHT": "weight", "ORDERS": "orders"}


def judge_instruments(found: Any, info: Any) -> None:
    instruments, limits = found
    # Of one that is told twice, the last that is whole.
    named = {one["symbol"]: one for one in info["symbols"] if _kept(one)}
    assert instruments.keys() == named.keys()
    for name, instrument in instruments.items():
        compare(instrument, named[name], _INSTRUMENT)
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
        "ask_quantity": num("asks", 0, 1), "event_ms": num("E"), "symbol": given("BTCUSDT"),
    }  # fmt: skip
    compare(top, depth, places)


def judge_premium(mark: Any, one: Any) -> None:
    places = {
        "price": num("markPrice"), "funding_rate": num("lastFundingRate"),
        "next_funding_ms": num("nextFundingTime"), "event_ms": num("time"),
        "symbol": word("symbol"),
    }  # fmt: skip
    compare(mark, one, places)


_BRACKET = {
    "floor": num("notionalFloor"), "cap": num("notionalCap"),
    "max_leverage": num("initialLeverage"), "maintenance_rate": num("maintMarginRatio"),
    "cumulative": num("cum"),
}  # fmt: skip


def judge_brackets(brackets: Any, reply: Any) -> None:
    tables = reply if isinstance(reply, list) else [reply]
    named = {one["symbol"]: one for one in tables}
    assert brackets.keys() == named.keys()
    for table in named.values():
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


ORDER = {
    "quantity": num("origQty"), "filled_quantity": num("executedQty"), "price": num("price"),
    "trigger_price": lambda o: number(o.get("stopPrice", 0)), "average_price": _average,
    "reduce_only": flag("reduceOnly"), "close_position": flag("closePosition"),
    "update_ms": num("updateTime"), "side": lower("side"), "kind": lower("type"),
    "exchange_order_id": whole("orderId"), "client_order_id": word("clientOrderId"),
    "symbol": word("symbol"), "state": lambda o: STATES[o["status"]],
    "book": given(OrderBook.PLAIN), "triggered_order_id": given(""),
}  # fmt: skip
ALGO = {
    "quantity": num_or_zero("quantity"), "filled_quantity": num_or_zero("actualQty"),
    "price": num_or_zero("price"), "trigger_price": num("triggerPrice"),
    "average_price": num_or_zero("actualPrice"), "reduce_only": flag("reduceOnly"),
    "close_position": flag("closePosition"), "update_ms": num("updateTime"),
    "side": lower("side"), "kind": lower("orderType"),
    "exchange_order_id": whole("algoId"), "client_order_id": word("clientAlgoId"),
    "symbol": word("symbol"), "state": lambda o: STATES[o["algoStatus"]],
    "book": given(OrderBook.CONDITIONAL), "triggered_order_id": id_or_none("actualOrderId"),
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
        "update_ms": num("updateTime"), "symbol": word("symbol"),
    }  # fmt: skip
    judge_rows(table)(positions, [row for row in rows if number(row["positionAmt"])])


def judge_fills(fills: Any, rows: Any) -> None:
    table = {
        "exchange_trade_id": num("id"), "price": num("price"), "quantity": num("qty"),
        "fee": num("commission"), "realised_pnl": num("realizedPnl"), "is_maker": flag("maker"),
        "time_ms": num("time"), "side": lower("side"), "symbol": word("symbol"),
        "exchange_order_id": whole("orderId"), "client_order_id": given(""),
        "fee_asset": word("commissionAsset"),
    }  # fmt: skip
    judge_rows(table)(fills, sorted(rows, key=lambda row: number(row["id"])))


def judge_balance(balance: Any, rows: Any) -> None:
    row = next(row for row in rows if row["asset"] == "USDT")
    table = {
        "wallet": num("balance"), "available": num("availableBalance"), "asset": word("asset"),
    }  # fmt: skip
    compare(balance, row, table)


def judge_symbol_settings(found: Any, rows: Any) -> None:
    named = {row["symbol"]: row for row in rows}
    assert found.keys() == named.keys()
    margin = {"ISOLATED": True, "CROSSED": False}
    for row in named.values():
        table = {
            "leverage": num("leverage"), "isolated": given(margin[row["marginType"]]),
            "symbol": word("symbol"),
        }  # fmt: skip
        compare(found[row["symbol"]], row, table)


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


INCOME = {
    "amount": num("income"), "time_ms": num("time"), "asset": word("asset"),
    "symbol": lambda row: row.get("symbol", ""), "kind": lower("incomeType"),
    "income_id": lambda row: f"{row['incomeType'].lower()}:{row['tranId']}",
}  # fmt: skip
CONFIG = {
    "hedge_mode": flag("dualSidePosition"), "multi_assets": flag("multiAssetsMargin"),
    "can_trade": flag("canTrade"),
}  # fmt: skip
PERMISSIONS = {
    "may_withdraw": flag("enableWithdrawals"), "may_trade_futures": flag("enableFutures"),
    "bound_to_addresses": flag("ipRestrict"),
}  # fmt: skip
FEES = {"maker": num("makerCommissionRate"), "taker": num("takerCommissionRate")}
