"""Messages of the market streams as the exchange sends them, and what they are in our words.

Field names are those of the exchange's own SDK (18.0.1). Each message is tagged by its ``e``
and comes in the envelope of a connection with several streams; unknown fields are ignored.
"""

from decimal import Decimal

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.market import BookTop, CandleUpdate, MarketTrade, MarkPrice
from rusy_tui.exchange.wire import (
    MalformedError,
    Measure,
    Unknown,
    Wire,
    decode,
    decoder,
    measure,
    not_ours,
)


class _Kline(
    Wire,
    rename={
        "open_time": "t",
        "interval": "i",
        "open": "o",
        "high": "h",
        "low": "l",
        "close": "c",
        "volume": "v",
        "trades": "n",
        "closed": "x",
        "quote_volume": "q",
        "taker_buy_volume": "V",
    },
):
    open_time: int
    interval: str
    open: Measure
    high: Measure
    low: Measure
    close: Measure
    volume: Measure
    trades: Measure
    closed: bool
    quote_volume: Measure
    taker_buy_volume: Measure


class _KlineEvent(
    Wire, tag_field="e", tag="kline", rename={"event_ms": "E", "symbol": "s", "kline": "k"}
):
    event_ms: int
    symbol: str
    kline: _Kline

    def event(self) -> CandleUpdate:
        k = self.kline
        try:
            interval = Interval(k.interval)
        except ValueError as error:
            raise MalformedError(f"interval {k.interval!r} was not asked for") from error
        candle = Candle(
            symbol=self.symbol,
            interval=interval,
            open_time_ms=k.open_time,
            open=measure(k.open),
            high=measure(k.high),
            low=measure(k.low),
            close=measure(k.close),
            volume=measure(k.volume),
            quote_volume=measure(k.quote_volume),
            trades=measure(k.trades),
            taker_buy_volume=measure(k.taker_buy_volume),
            closed=k.closed,
        )
        return CandleUpdate(candle, self.event_ms)


class _AggTrade(
    Wire,
    tag_field="e",
    tag="aggTrade",
    rename={
        "event_ms": "E",
        "symbol": "s",
        "price": "p",
        "quantity": "q",
        "trade_ms": "T",
        "buyer_is_maker": "m",
    },
):
    event_ms: int
    symbol: str
    price: Decimal
    quantity: Decimal
    trade_ms: int
    buyer_is_maker: bool

    def event(self) -> MarketTrade:
        # The trade's own time: it says which bar the trade belongs to.
        return MarketTrade(
            self.symbol, self.price, self.quantity, self.buyer_is_maker, self.trade_ms
        )


class _BookTicker(
    Wire,
    tag_field="e",
    tag="bookTicker",
    rename={
        "event_ms": "E",
        "symbol": "s",
        "bid": "b",
        "bid_quantity": "B",
        "ask": "a",
        "ask_quantity": "A",
    },
):
    event_ms: int
    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal

    def event(self) -> BookTop:
        return BookTop(
            self.symbol, self.bid, self.bid_quantity, self.ask, self.ask_quantity, self.event_ms
        )


class _MarkPrice(
    Wire,
    tag_field="e",
    tag="markPriceUpdate",
    rename={
        "event_ms": "E",
        "symbol": "s",
        "price": "p",
        "funding_rate": "r",
        "next_funding_ms": "T",
    },
):
    event_ms: int
    symbol: str
    price: Decimal
    funding_rate: Decimal
    next_funding_ms: int

    def event(self) -> MarkPrice:
        return MarkPrice(
            self.symbol, self.price, self.funding_rate, self.next_funding_ms, self.event_ms
        )


_KINDS = frozenset({"kline", "aggTrade", "bookTicker", "markPriceUpdate"})


class _Combined(msgspec.Struct):
    data: _KlineEvent | _AggTrade | _BookTicker | _MarkPrice


class _CombinedUnknown(msgspec.Struct):
    data: Unknown


_COMBINED = decoder(_Combined)
_COMBINED_UNKNOWN = decoder(_CombinedUnknown)


def market_event(
    message: str | bytes,
) -> CandleUpdate | BookTop | MarkPrice | MarketTrade | Unknown:
    """A message of a combined market stream.

    Raises:
        MalformedError: not readable.
    """
    try:
        found = decode(_COMBINED, message).data
    except MalformedError as error:
        return not_ours(decode(_COMBINED_UNKNOWN, message).data, _KINDS, error)
    return found.event()
