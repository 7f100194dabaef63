"""Market data and the exchange's own facts: no key needed."""

from typing import Any

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.market import FUNDING_MS, INTERVALS, next_funding_ms
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.rest.endpoints import Call, Endpoint, by_symbol, costs
from rusy_tui.simulator.rest.parameters import Parameters
from rusy_tui.simulator.wire.market_events import kline_row, levels
from rusy_tui.simulator.wire.rules import exchange_info
from rusy_tui.simulator.wire.words import text

_INTERVAL_OF: dict[str, Interval] = {interval.value: interval for interval in INTERVALS}
_DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)


def _ping(_: Call) -> object:
    return {}


def _time(call: Call) -> object:
    return {"serverTime": call.now_ms}


def _exchange_info(call: Call) -> object:
    instruments = [market.instrument for market in call.exchange.markets.values()]
    return exchange_info(instruments, call.exchange.rate_limits, call.now_ms)


def _klines(call: Call) -> object:
    asked = call.parameters
    market = call.exchange.markets[call.symbol()]
    interval = asked.word("interval", _INTERVAL_OF, -1120)
    bars = market.series[interval].between(
        asked.integer("startTime"), asked.integer("endTime"), asked.limit(500, 1500)
    )
    return [kline_row(bar, interval) for bar in bars]


def _klines_weight(asked: Parameters) -> int:
    limit = asked.limit(500, 1500)
    if limit < 100:
        return 1
    if limit < 500:
        return 2
    return 5 if limit <= 1000 else 10


def _depth(call: Call) -> object:
    market = call.exchange.markets[call.symbol()]
    limit = call.parameters.limit(500, 1000)
    if limit not in _DEPTH_LIMITS:
        raise refusal(-1130, "limit")
    bids, asks = market.book.depth(limit)
    return {
        "lastUpdateId": market.update_id,
        "E": call.now_ms,
        "T": market.book.time_ms,
        "bids": levels(bids),
        "asks": levels(asks),
    }


def _depth_weight(asked: Parameters) -> int:
    limit = asked.limit(500, 1000)
    if limit <= 50:
        return 2
    return {100: 5, 500: 10}.get(limit, 20)


def _premium_index(call: Call) -> object:
    symbol = call.optional_symbol()
    rows = [_premium(call, each) for each in ([symbol] if symbol else call.exchange.markets)]
    return rows[0] if symbol else rows


def _premium(call: Call, symbol: str) -> dict[str, Any]:
    market = call.exchange.markets[symbol]
    mark = text(market.mark)
    return {
        "symbol": symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": text(market.funding_rate(call.now_ms)),
        "interestRate": "0.00010000",
        "nextFundingTime": next_funding_ms(call.now_ms),
        "time": call.now_ms,
    }


def _funding_rate(call: Call) -> object:
    """Past funding, ascending: the first rows from a start, else the latest."""
    asked = call.parameters
    symbol = call.optional_symbol()
    limit = asked.limit(100, 1000)
    end_ms = min(asked.integer("endTime") or call.now_ms, call.now_ms)
    last_ms = end_ms // FUNDING_MS * FUNDING_MS
    start_ms = asked.integer("startTime")
    first_ms = last_ms - (limit - 1) * FUNDING_MS
    if start_ms is not None:
        first_ms = -(-start_ms // FUNDING_MS) * FUNDING_MS
    times = range(first_ms, last_ms + 1, FUNDING_MS)[:limit]
    return [
        {
            "symbol": each,
            "fundingRate": text(call.exchange.feed.funding_rate(each, time_ms)),
            "fundingTime": time_ms,
            "markPrice": text(call.exchange.markets[each].mark),
        }
        for time_ms in times
        for each in ([symbol] if symbol else call.exchange.markets)
    ]


def _book_ticker(call: Call) -> object:
    symbol = call.optional_symbol()
    rows = []
    for each in [symbol] if symbol else call.exchange.markets:
        market = call.exchange.markets[each]
        if market.last is not None:
            best = market.book.best()
            rows.append(
                {
                    "symbol": each,
                    "bidPrice": text(best.bid),
                    "bidQty": text(best.bid_quantity),
                    "askPrice": text(best.ask),
                    "askQty": text(best.ask_quantity),
                    "time": market.book.time_ms,
                    "lastUpdateId": market.update_id,
                }
            )
    if symbol is None:
        return rows
    if not rows:
        raise refusal(-1121)
    return rows[0]


def _price(call: Call) -> object:
    symbol = call.optional_symbol()
    rows = []
    for each in [symbol] if symbol else call.exchange.markets:
        market = call.exchange.markets[each]
        if market.last is not None:
            rows.append(
                {"symbol": each, "price": text(market.last), "time": market.book.time_ms}
            )
    return rows[0] if symbol and rows else rows


ENDPOINTS = (
    Endpoint("GET", "/fapi/v1/ping", _ping, costs(1)),
    Endpoint("GET", "/fapi/v1/time", _time, costs(1)),
    Endpoint("GET", "/fapi/v1/exchangeInfo", _exchange_info, costs(1)),
    Endpoint("GET", "/fapi/v1/klines", _klines, _klines_weight),
    Endpoint("GET", "/fapi/v1/depth", _depth, _depth_weight),
    Endpoint("GET", "/fapi/v1/premiumIndex", _premium_index, by_symbol(1, 10)),
    Endpoint("GET", "/fapi/v1/fundingRate", _funding_rate, costs(0)),
    Endpoint("GET", "/fapi/v1/ticker/bookTicker", _book_ticker, by_symbol(2, 5)),
    Endpoint("GET", "/fapi/v1/ticker/price", _price, by_symbol(1, 2)),
    Endpoint("GET", "/fapi/v2/ticker/price", _price, by_symbol(1, 2)),
)
