"""Messages of the market streams as the exchange sends them, and what they are in our words.

Field names are those of the exchange's own SDK (18.0.1). Each message is tagged by its ``e``
and comes in the envelope of a connection with several streams; unknown fields are ignored.
"""

from decimal import Decimal

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.market import (
    BookDepth,
    BookTop,
    CandleUpdate,
    InstrumentChanged,
    MarketTrade,
    MarkPrice,
)
from rusy_tui.exchange.newest import Newest
from rusy_tui.exchange.order_book import BookDiff
from rusy_tui.exchange.wire import (
    MalformedError,
    Measure,
    Unknown,
    Wire,
    decode,
    decoder,
    finite_levels,
    measure,
    not_ours,
)

# Since 2026-06-30 the all-market streams hold COIN-M contracts too, marked so.
_COIN_M = 2


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

    def is_new(self, newest: Newest) -> bool:
        k = self.kline
        key = (self.symbol, k.interval)
        return newest.admits_candle(key, k.open_time, k.closed, self.event_ms)

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
        "trade_id": "a",
        "first_id": "f",
        "last_id": "l",
        "buyer_is_maker": "m",
    },
):
    event_ms: int
    symbol: str
    price: Decimal
    quantity: Decimal
    trade_ms: int
    trade_id: int
    first_id: int
    last_id: int
    buyer_is_maker: bool

    def is_new(self, newest: Newest) -> bool:
        return newest.admits(("trade", self.symbol), self.trade_id, self.event_ms)

    def event(self) -> MarketTrade:
        trades = self.last_id - self.first_id + 1
        if trades < 1:
            raise MalformedError(f"trades {self.first_id} to {self.last_id} are none")
        # The trade's own time: it says which bar the trade belongs to.
        return MarketTrade(
            self.symbol,
            self.price,
            self.quantity,
            self.buyer_is_maker,
            self.trade_ms,
            trades,
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
        "update_id": "u",
    },
):
    event_ms: int
    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    update_id: int

    def is_new(self, newest: Newest) -> bool:
        return newest.admits(("top", self.symbol), self.update_id, self.event_ms)

    def event(self) -> BookTop:
        return BookTop(
            self.symbol, self.bid, self.bid_quantity, self.ask, self.ask_quantity, self.event_ms
        )


class _NearestLevels(
    Wire,
    tag_field="e",
    tag="depthUpdate",
    rename={"event_ms": "E", "symbol": "s", "update_id": "u", "bids": "b", "asks": "a"},
):
    """A partial depth: the nearest levels, whole each time. Differences come elsewhere."""

    event_ms: int
    symbol: str
    update_id: int
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]

    def is_new(self, newest: Newest) -> bool:
        return newest.admits(("depth", self.symbol), self.update_id, self.event_ms)

    def event(self) -> BookDepth:
        bids, asks = (
            float(sum(quantity for _, quantity in finite_levels(side)))
            for side in (self.bids, self.asks)
        )
        return BookDepth(self.symbol, bids, asks, self.event_ms)


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

    def is_new(self, newest: Newest) -> bool:
        return newest.admits(("mark", self.symbol), self.event_ms, self.event_ms)

    def event(self) -> MarkPrice:
        return MarkPrice(
            self.symbol, self.price, self.funding_rate, self.next_funding_ms, self.event_ms
        )


class _ContractInfo(
    Wire, tag_field="e", tag="contractInfo", rename={"event_ms": "E", "symbol": "s"}
):
    event_ms: int
    symbol: str
    market: int = msgspec.field(default=1, name="st")

    def is_new(self, newest: Newest) -> bool:
        return newest.admits(
            ("contract", self.symbol, self.market), self.event_ms, self.event_ms
        )

    def event(self) -> InstrumentChanged | Unknown:
        # Two contracts of one name may be told of: only one of them is ours.
        if self.market == _COIN_M:
            return Unknown("contractInfo")
        return InstrumentChanged(self.symbol, self.event_ms)


_Told = _KlineEvent | _AggTrade | _BookTicker | _NearestLevels | _MarkPrice | _ContractInfo
_Event = CandleUpdate | BookTop | BookDepth | MarkPrice | MarketTrade | InstrumentChanged
_KINDS = frozenset(
    {"kline", "aggTrade", "bookTicker", "depthUpdate", "markPriceUpdate", "contractInfo"}
)


class Refusal(msgspec.Struct):
    """Why a request on a stream connection was refused."""

    code: int = 0
    msg: str = ""


class Reply(msgspec.Struct, forbid_unknown_fields=True):
    """The exchange's answer to a request on a stream connection; ``error`` None when done."""

    number: int | None = msgspec.field(name="id")
    result: msgspec.Raw = msgspec.Raw()
    error: Refusal | None = None


class _Combined(msgspec.Struct):
    data: _Told
    stream: str = ""


class _CombinedUnknown(msgspec.Struct):
    data: Unknown
    stream: str = ""


class _DepthUpdate(
    Wire,
    tag_field="e",
    tag="depthUpdate",
    rename={
        "event_ms": "E",
        "symbol": "s",
        "first_id": "U",
        "last_id": "u",
        "previous_id": "pu",
        "bids": "b",
        "asks": "a",
    },
):
    event_ms: int
    symbol: str
    first_id: int
    last_id: int
    previous_id: int
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]

    def diff(self) -> BookDiff:
        return BookDiff(
            self.symbol,
            self.first_id,
            self.last_id,
            self.previous_id,
            finite_levels(self.bids),
            finite_levels(self.asks),
            self.event_ms,
        )


class _CombinedDepth(msgspec.Struct):
    data: _DepthUpdate
    stream: str = ""


_DEPTH = decoder(_CombinedDepth)
_COMBINED = decoder(_Combined)
_COMBINED_UNKNOWN = decoder(_CombinedUnknown)
_REPLY = decoder(Reply)


def market_message(
    message: str | bytes, newest: Newest
) -> tuple[str, _Event | Unknown | Reply | None]:
    """A message of a combined connection: its stream, and what it says.

    Args:
        message: as received.
        newest: what was told before; a message that is not newer says None.

    Raises:
        MalformedError: not readable.
    """
    try:
        found = decode(_COMBINED, message)
    except MalformedError as error:
        return _not_an_event(message, error)
    told = found.data
    return found.stream, told.event() if told.is_new(newest) else None


def book_message(message: str | bytes) -> tuple[str, BookDiff | Unknown | Reply]:
    """A message of a combined connection with differences of order books.

    Raises:
        MalformedError: not readable.
    """
    try:
        found = decode(_DEPTH, message)
    except MalformedError as error:
        stream, other = _not_an_event(message, error)
        if isinstance(other, Unknown) and other.kind == "depthUpdate":
            raise
        return stream, other
    return found.stream, found.data.diff()


def _not_an_event(message: str | bytes, error: MalformedError) -> tuple[str, Unknown | Reply]:
    try:
        unknown = decode(_COMBINED_UNKNOWN, message)
    except MalformedError:
        try:
            return "", decode(_REPLY, message)
        except MalformedError:
            raise error from None
    return unknown.stream, not_ours(unknown.data, _KINDS, error)
