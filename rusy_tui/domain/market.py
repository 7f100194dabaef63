"""What the market says: events of the streams, already in our own words."""

from decimal import Decimal

import msgspec

from rusy_tui.domain.candle import Candle


class CandleUpdate(msgspec.Struct, frozen=True, tag=True):
    """A candle moved or, when ``candle.closed``, ended. ``event_ms`` is exchange time."""

    candle: Candle
    event_ms: int


class BookTop(msgspec.Struct, frozen=True, tag=True):
    """The best bid and ask. Prices in the quote asset, quantities in the base asset."""

    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    event_ms: int

    @property
    def mid(self) -> Decimal:
        """Halfway between best bid and best ask."""
        return (self.bid + self.ask) / 2


class BookDepth(msgspec.Struct, frozen=True, tag=True):
    """What rests at the nearest levels of a book, summed: base asset, a side each.

    Market data, and so floats: nothing is decided by a single level of it.
    """

    symbol: str
    bids: float
    asks: float
    event_ms: int


class MarkPrice(msgspec.Struct, frozen=True, tag=True):
    """The mark price, and the funding that comes next.

    ``funding_rate`` is a fraction of notional for one funding interval; longs pay when it is
    positive.
    """

    symbol: str
    price: Decimal
    funding_rate: Decimal
    next_funding_ms: int
    event_ms: int


class MarketTrade(msgspec.Struct, frozen=True, tag=True):
    """Trades of the market, aggregated by taker order and price; ``trades`` is how many."""

    symbol: str
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool
    event_ms: int
    trades: int


class InstrumentChanged(msgspec.Struct, frozen=True, tag=True):
    """A contract's filters, brackets, status or end are other than before: read them anew."""

    symbol: str
    event_ms: int


class StreamInterrupted(msgspec.Struct, frozen=True, tag=True):
    """A stream was cut; events may be missing from ``since_ms`` (exchange time) on."""

    route: str
    since_ms: int
    reason: str


class StreamRestored(msgspec.Struct, frozen=True, tag=True):
    """A stream delivers again; what lies between the two times may have been missed."""

    route: str
    since_ms: int
    until_ms: int


StreamState = StreamInterrupted | StreamRestored
MarketEvent = (
    CandleUpdate
    | BookTop
    | BookDepth
    | MarkPrice
    | MarketTrade
    | InstrumentChanged
    | StreamState
)
