"""A state as large as a demo's, and the market events that move it."""

import itertools
from collections.abc import Iterator
from decimal import Decimal

from rusy_tui import __version__
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.events import CHART_BARS, CandleMoved, Event, QuoteMoved, chart_key
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.state import Account, Chart, ChartBar, Connection, Quote, State
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
_START_MS = 1_709_539_200_000
_INTERVALS = (Interval.M15, Interval.H1)


def state() -> State:
    """A running engine's state: three pairs, two charts of each, quotes, money."""
    feed = SyntheticFeed(5, _START_MS, SYMBOLS)
    charts, quotes = {}, {}
    for symbol in SYMBOLS:
        for interval in _INTERVALS:
            bars = tuple(_bar(c) for c in feed.history(symbol, interval)[-CHART_BARS:])
            charts[chart_key(symbol, interval)] = Chart(
                symbol=symbol, interval=interval.value, bars=bars
            )
        last = Decimal(repr(charts[chart_key(symbol, Interval.M15)].bars[-1].close))
        quotes[symbol] = _quote(symbol, last, _START_MS)
    money = Decimal(10_000)
    return State(
        venue="demo",
        version=__version__,
        model_version="bench",
        mode=Mode.APPROVE,
        phase="running",
        market_ms=_START_MS,
        symbols=SYMBOLS,
        account=Account(equity=money, wallet=money, available=money),
        connection=Connection(market_stream=True, user_stream=True, database=True),
        charts=charts,
        quotes=quotes,
    )


def moves(begin: State) -> Iterator[Event]:
    """Quotes and forming candles of all pairs in turn, without end."""
    for number in itertools.count():
        symbol = SYMBOLS[number // 2 % len(SYMBOLS)]
        time_ms = _START_MS + number * 100
        quote = begin.quotes[symbol]
        last = quote.last + quote.tick_size * (number * 7 % 23 - 11)
        if number % 2:
            yield QuoteMoved(_quote(symbol, last, time_ms), time_ms)
        else:
            bar = ChartBar(_START_MS, float(quote.last), float(quote.last) + 1,
                           float(quote.last) - 1, float(last), number / 10)  # fmt: skip
            yield CandleMoved(symbol, Interval.M15.value, bar)


def _quote(symbol: str, last: Decimal, time_ms: int) -> Quote:
    tick = Decimal("0.1")
    return Quote(
        symbol=symbol,
        tick_size=tick,
        last=last,
        bid=last - tick,
        ask=last + tick,
        mark=last,
        funding_rate=Decimal("0.0001"),
        next_funding_ms=_START_MS + 8 * Interval.H1.ms,
        day_change=0.01,
        event_ms=time_ms,
        age_s=0.05,
    )


def _bar(candle: Candle) -> ChartBar:
    return ChartBar(
        candle.open_time_ms,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
    )
