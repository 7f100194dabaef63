"""Market data and the exchange's own facts: no key needed but for old trades.

Paths, weights and bounds are those of the exchange's own SDK (its docstrings), which leaves
open what each ``limit`` may be; these bounds are those of the exchange's reference pages.
"""

from collections.abc import Callable
from typing import Any

from rusy_tui.simulator.candles import Window
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.rest.endpoints import Call, Endpoint, Security, by_symbol, costs
from rusy_tui.simulator.rest.parameters import Parameters
from rusy_tui.simulator.spans import Span
from rusy_tui.simulator.wire import market_replies as replies
from rusy_tui.simulator.wire.columns import kline_page, price_page
from rusy_tui.simulator.wire.market_events import levels
from rusy_tui.simulator.wire.rules import exchange_info
from rusy_tui.simulator.wire.words import text

_SPAN_OF: dict[str, Span] = {span.value: span for span in Span}
_PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
_PERIOD_OF = {word: Span(word) for word in _PERIODS}
_CONTRACT_TYPES = ("PERPETUAL", "CURRENT_QUARTER", "NEXT_QUARTER")
_DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
_HOUR_MS = 3_600_000
_AGGREGATES_APART_MS = _HOUR_MS
_MONTH_MS = 30 * 24 * _HOUR_MS
_OLD_TRADES_WEIGHT = 200


def _ping(_: Call) -> object:
    return {}


def _time(call: Call) -> object:
    return {"serverTime": call.now_ms}


def _exchange_info(call: Call) -> object:
    exchange = call.exchange
    return exchange_info(exchange.markets.values(), exchange.rate_limits, call.now_ms)


# ── candles ───────────────────────────────────────────────────────────────────────────────


def _klines(call: Call) -> object:
    return _candles(call, call.market())


def _continuous_klines(call: Call) -> object:
    market = call.market("pair")
    if call.parameters.required("contractType") != market.instrument.contract_type:
        raise refusal(-1130, "contractType")
    return _candles(call, market)


def _candles(call: Call, market: SymbolMarket) -> object:
    window = _window(call)
    figures, bars = market.page(window)
    return kline_page(figures, bars, window.span)


def _mark_klines(call: Call) -> object:
    market = call.market()
    window = _window(call)
    return price_page(*market.lines.page("mark", window), window.span)


def _index_klines(call: Call) -> object:
    market = call.market("pair")
    window = _window(call)
    return price_page(*market.lines.page("index", window), window.span)


def _premium_klines(call: Call) -> object:
    market = call.market()
    window = _window(call)
    return price_page(*market.lines.page("premium", window), window.span)


def _window(call: Call) -> Window:
    asked = call.parameters
    return Window(
        asked.word("interval", _SPAN_OF, -1120),
        asked.integer("startTime"),
        asked.integer("endTime"),
        asked.limit(500, 1500),
    )


def _klines_weight(asked: Parameters) -> int:
    limit = asked.limit(500, 1500)
    if limit < 100:
        return 1
    if limit < 500:
        return 2
    return 5 if limit <= 1000 else 10


# ── book and trades ───────────────────────────────────────────────────────────────────────


def _depth(call: Call) -> object:
    market = call.market()
    limit = call.parameters.limit(500, 1000)
    if limit not in _DEPTH_LIMITS:
        raise refusal(-1130, "limit")
    call.exchange.tell_books()
    bids, asks = market.book.depth(limit)
    return {
        "lastUpdateId": market.snapshot_id,
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


def _agg_trades(call: Call) -> object:
    market, asked = call.market(), call.parameters
    start_ms, end_ms = asked.integer("startTime"), asked.integer("endTime")
    # "time between startTime and endTime must be less than 1 hour": the SDK's note.
    apart_ms = 0 if start_ms is None or end_ms is None else end_ms - start_ms
    if apart_ms >= _AGGREGATES_APART_MS:
        raise refusal(-1130, "endTime")
    found = market.tape.aggregates(
        asked.limit(500, 1000), asked.integer("fromId"), start_ms, end_ms
    )
    return [replies.agg_trade(each) for each in found]


def _trades(call: Call) -> object:
    market = call.market()
    found = market.tape.trades(call.parameters.limit(500, 1000), market.instrument.step_size)
    return [replies.trade(each) for each in found]


def _old_trades(call: Call) -> object:
    market, asked = call.market(), call.parameters
    found = market.tape.trades(
        asked.limit(100, 500), market.instrument.step_size, asked.integer("fromId")
    )
    return [replies.trade(each) for each in found]


# ── prices ────────────────────────────────────────────────────────────────────────────────


def _each(call: Call, row: Callable[[SymbolMarket], dict[str, Any] | None]) -> object:
    """One row for the symbol asked for, or a list of all that have one; −1121 without it."""
    symbol = call.optional_symbol()
    chosen = [call.exchange.markets[symbol]] if symbol else call.exchange.markets.values()
    rows = [made for made in map(row, chosen) if made is not None]
    if symbol is None:
        return rows
    if not rows:
        raise refusal(-1121)
    return rows[0]


def _premium_index(call: Call) -> object:
    return _each(call, lambda market: replies.premium_index(market, call.now_ms))


def _day_ticker(call: Call) -> object:
    def row(market: SymbolMarket) -> dict[str, Any] | None:
        day = replies.day_of(market, call.now_ms)
        return None if day is None else replies.day_ticker(market, day, call.now_ms)

    return _each(call, row)


def _book_ticker(call: Call) -> object:
    return _each(call, lambda each: None if each.last is None else replies.book_ticker(each))


def _price(call: Call) -> object:
    def row(market: SymbolMarket) -> dict[str, Any] | None:
        if market.last is None:
            return None
        time_ms = market.book.time_ms
        return {"symbol": market.symbol, "price": text(market.last), "time": time_ms}

    return _each(call, row)


# ── funding ───────────────────────────────────────────────────────────────────────────────


def _funding_rate(call: Call) -> object:
    """Past funding, ascending: the first rows from a start, else the latest."""
    asked = call.parameters
    symbol = call.optional_symbol()
    limit = asked.limit(100, 1000)
    end_ms = min(asked.integer("endTime") or call.now_ms, call.now_ms)
    start_ms = asked.integer("startTime")
    markets = [call.exchange.markets[symbol]] if symbol else call.exchange.markets.values()
    longest_ms = 8 * _HOUR_MS
    rows = []
    for market in markets:
        onboard_ms = market.instrument.onboard_ms
        if start_ms is None:
            first_ms = max(end_ms - limit * longest_ms, onboard_ms)
            times = market.funding_times(first_ms, end_ms)[-limit:]
        else:
            first_ms = max(start_ms, onboard_ms)
            last_ms = min(end_ms, first_ms + limit * longest_ms)
            times = market.funding_times(first_ms, last_ms)[:limit]
        rows += [(time_ms, market) for time_ms in times]
    rows.sort(key=lambda row: row[0])
    return [
        {
            "symbol": market.symbol,
            "fundingRate": text(market.rate_at(time_ms)),
            "fundingTime": time_ms,
            "markPrice": text(market.lines.mark_at(time_ms) or market.mark),
            "rateType": "Regular",
        }
        for time_ms, market in (rows[-limit:] if start_ms is None else rows[:limit])
    ]


def _funding_info(call: Call) -> object:
    """The symbols whose funding was adjusted: caps and floor, and the hours between two."""
    return [
        {
            "symbol": market.symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": market.funding_interval_h,
            "disclaimer": False,
        }
        for market in call.exchange.markets.values()
    ]


# ── open interest ─────────────────────────────────────────────────────────────────────────


def _open_interest(call: Call) -> object:
    market = call.market()
    return {
        "openInterest": text(market.open_interest(call.now_ms)),
        "symbol": market.symbol,
        "time": call.now_ms,
    }


def _open_interest_hist(call: Call) -> object:
    """Open interest at the ends of periods, valued at the close of each; a month of them."""
    market = call.market()
    span, start_ms, end_ms, limit = _periods(call)
    oldest_ms = call.now_ms - _MONTH_MS
    # A row stands at the end of its period, a bar at the begin.
    first_ms = None if start_ms is None else start_ms - span.ms
    bars = market.bars(Window(span, first_ms, end_ms - span.ms, limit))
    return [
        replies.open_interest_row(market, bar.open_time_ms + span.ms, bar.close)
        for bar in bars
        if bar.volume and bar.open_time_ms + span.ms >= oldest_ms
    ]


def _periods(call: Call) -> tuple[Span, int | None, int, int]:
    """Span, start, end (ms since the epoch) and most rows of what is kept for a month."""
    asked = call.parameters
    span = asked.word("period", _PERIOD_OF, -1130)
    limit = asked.limit(30, 500)
    end_ms = min(asked.integer("endTime") or call.now_ms, call.now_ms)
    start_ms = asked.integer("startTime")
    if start_ms is not None and start_ms < call.now_ms - _MONTH_MS:
        raise refusal(-1130, "startTime")
    return span, start_ms, end_ms, limit


def _basis(call: Call) -> object:
    """How far the contract traded from its index at the begin of each period; a month of them.

    A quarterly contract that a pair does not have is answered with nothing: undocumented.
    """
    market = call.market("pair")
    span, start_ms, end_ms, limit = _periods(call)
    kind = call.parameters.required("contractType")
    if kind not in _CONTRACT_TYPES:
        raise refusal(-1130, "contractType")
    if kind != market.instrument.contract_type:
        return []
    oldest_ms = call.now_ms - _MONTH_MS
    window = Window(span, start_ms, end_ms, limit)
    indices = {bar.open_time_ms: bar.open for bar in market.lines.indices(window)}
    return [
        replies.basis_row(market, bar.open_time_ms, bar.open, indices[bar.open_time_ms])
        for bar in market.bars(window)
        if bar.open_time_ms in indices and bar.open_time_ms >= oldest_ms
    ]


ENDPOINTS = (
    Endpoint("GET", "/fapi/v1/ping", _ping, costs(1)),
    Endpoint("GET", "/fapi/v1/time", _time, costs(1)),
    Endpoint("GET", "/fapi/v1/exchangeInfo", _exchange_info, costs(1)),
    Endpoint("GET", "/fapi/v1/klines", _klines, _klines_weight),
    Endpoint("GET", "/fapi/v1/continuousKlines", _continuous_klines, _klines_weight),
    Endpoint("GET", "/fapi/v1/markPriceKlines", _mark_klines, _klines_weight),
    Endpoint("GET", "/fapi/v1/indexPriceKlines", _index_klines, _klines_weight),
    Endpoint("GET", "/fapi/v1/premiumIndexKlines", _premium_klines, _klines_weight),
    Endpoint("GET", "/fapi/v1/depth", _depth, _depth_weight),
    Endpoint("GET", "/fapi/v1/aggTrades", _agg_trades, costs(20)),
    Endpoint("GET", "/fapi/v1/trades", _trades, costs(5)),
    Endpoint(
        "GET",
        "/fapi/v1/historicalTrades",
        _old_trades,
        costs(_OLD_TRADES_WEIGHT),
        Security.KEY,
    ),
    Endpoint("GET", "/fapi/v1/premiumIndex", _premium_index, by_symbol(1, 10)),
    Endpoint("GET", "/fapi/v1/fundingRate", _funding_rate, costs(0)),
    Endpoint("GET", "/fapi/v1/fundingInfo", _funding_info, costs(0)),
    Endpoint("GET", "/fapi/v1/ticker/24hr", _day_ticker, by_symbol(1, 40)),
    Endpoint("GET", "/fapi/v1/ticker/bookTicker", _book_ticker, by_symbol(2, 5)),
    Endpoint("GET", "/fapi/v1/ticker/price", _price, by_symbol(1, 2)),
    Endpoint("GET", "/fapi/v2/ticker/price", _price, by_symbol(1, 2)),
    Endpoint("GET", "/fapi/v1/openInterest", _open_interest, costs(1)),
    Endpoint("GET", "/futures/data/openInterestHist", _open_interest_hist, costs(0)),
    Endpoint("GET", "/futures/data/basis", _basis, costs(0)),
)
