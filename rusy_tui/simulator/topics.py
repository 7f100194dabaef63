"""The names of the market streams, and what each asks for.

Routed as the exchange does since 2026-04-23: /public carries the book and the undocumented
``@trade``, /market the rest. Names and speeds are those of the exchange's own SDK, but for
``@trade`` and ``@depth@0ms``, which only recordings show.
"""

import enum
import re

import msgspec

from rusy_tui.simulator.spans import Span

PUBLIC, MARKET, PRIVATE = "public", "market", "private"


class Kind(enum.Enum):
    """What a stream tells."""

    KLINE = "candles"
    CONTINUOUS = "candles of a pair and contract type"
    AGG_TRADE = "aggregated trades"
    TRADE = "single trades"
    BOOK_TICKER = "the best bid and ask"
    DIFF = "every moved level of the book"
    PARTIAL = "the best levels of the book"
    MARK = "mark price and funding"
    TICKER = "24 hours' statistics"
    MINI_TICKER = "24 hours' prices"
    LIQUIDATION = "liquidation orders"
    CONTRACT = "changed contracts"


_PUBLIC = (Kind.BOOK_TICKER, Kind.DIFF, Kind.PARTIAL, Kind.TRADE)


class Topic(msgspec.Struct, frozen=True):
    """A stream that can be heard.

    ``symbol`` is empty where all symbols are told of. ``every_ms`` is the least market time
    between two messages, 0 for none.
    """

    name: str
    kind: Kind
    symbol: str
    every_ms: int = 0
    span: Span | None = None
    levels: int = 0

    @property
    def route(self) -> str:
        """Where it is heard."""
        return PUBLIC if self.kind in _PUBLIC else MARKET


_NAME = re.compile(r"(?P<symbol>[a-z0-9]+)@(?P<kind>[a-zA-Z]+)(?P<rest>.*)")
_PAIR_NAME = re.compile(r"(?P<symbol>[a-z0-9]+)_perpetual@continuousKline_(?P<span>\w+)")
_DEPTH_SPEEDS = {"": 250, "@0ms": 0, "@100ms": 100, "@250ms": 250, "@500ms": 500}
_MARK_SPEEDS = {"": 3000, "@1s": 1000}
_DEPTHS = {"5": 5, "10": 10, "20": 20}
_PLAIN = {
    "aggTrade": (Kind.AGG_TRADE, 0),
    "trade": (Kind.TRADE, 0),
    "bookTicker": (Kind.BOOK_TICKER, 0),
    "ticker": (Kind.TICKER, 2000),
    "miniTicker": (Kind.MINI_TICKER, 2000),
    "forceOrder": (Kind.LIQUIDATION, 0),
}
_OF_ALL = {
    "!bookTicker": (Kind.BOOK_TICKER, 5000),
    "!markPrice@arr": (Kind.MARK, 3000),
    "!markPrice@arr@1s": (Kind.MARK, 1000),
    "!ticker@arr": (Kind.TICKER, 1000),
    "!miniTicker@arr": (Kind.MINI_TICKER, 1000),
    "!forceOrder@arr": (Kind.LIQUIDATION, 0),
    "!contractInfo": (Kind.CONTRACT, 0),
}
_SPANS = {span.value: span for span in Span}


def topic_of(name: str) -> Topic | None:
    """What a stream's name asks for; None for a name that nothing is told under."""
    if name in _OF_ALL:
        kind, every_ms = _OF_ALL[name]
        return Topic(name, kind, "", every_ms)
    pair = _PAIR_NAME.fullmatch(name)
    if pair is not None:
        span = _SPANS.get(pair["span"])
        symbol = pair["symbol"].upper()
        return None if span is None else Topic(name, Kind.CONTINUOUS, symbol, span=span)
    match = _NAME.fullmatch(name)
    return None if match is None else _of_symbol(name, *match.group("symbol", "kind", "rest"))


def _of_symbol(name: str, lower: str, word: str, rest: str) -> Topic | None:
    symbol = lower.upper()
    if word in _PLAIN and not rest:
        kind, every_ms = _PLAIN[word]
        return Topic(name, kind, symbol, every_ms)
    if word == "kline" and rest[1:] in _SPANS and rest[0] == "_":
        return Topic(name, Kind.KLINE, symbol, span=_SPANS[rest[1:]])
    if word == "markPrice" and rest in _MARK_SPEEDS:
        return Topic(name, Kind.MARK, symbol, _MARK_SPEEDS[rest])
    if word == "depth":
        count, at, speed = rest.partition("@")
        every_ms = _DEPTH_SPEEDS.get(at + speed, -1)
        if every_ms >= 0 and not count:
            return Topic(name, Kind.DIFF, symbol, every_ms)
        if every_ms >= 0 and count in _DEPTHS:
            return Topic(name, Kind.PARTIAL, symbol, every_ms, levels=_DEPTHS[count])
    return None
