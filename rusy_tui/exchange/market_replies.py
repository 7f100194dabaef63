"""REST replies about the market, and what they are in our words.

Field names are those of the exchange's own SDK (18.0.1). Unknown fields are ignored; a missing
required one makes the reply malformed, never a neutral default.
"""

import logging
import math
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.history import FundingRate, MarkCandle, OpenInterest
from rusy_tui.domain.instrument import Bracket, Instrument
from rusy_tui.domain.market import BookTop, MarkPrice
from rusy_tui.exchange.order_book import BookSnapshot
from rusy_tui.exchange.weights import Counted
from rusy_tui.exchange.wire import (
    MalformedError,
    Measure,
    Wire,
    decode,
    decoder,
    finite_levels,
    measure,
)

_log = logging.getLogger(__name__)

# The date that perpetual contracts without an announced end carry: 2100-12-25.
_NEVER_MS = 4_133_404_800_000


class _KlineRow(Wire, array_like=True):
    open_time: int
    open: Measure
    high: Measure
    low: Measure
    close: Measure
    volume: Measure
    close_time: int
    quote_volume: Measure
    trades: Measure
    taker_buy_volume: Measure


class _PriceRow(Wire, array_like=True):
    open_time: int
    open: Measure
    high: Measure
    low: Measure
    close: Measure


class _FundingRate(Wire, rename="camel"):
    symbol: str
    funding_rate: Measure
    funding_time: int
    mark_price: Measure | None = None
    rate_type: str = "Regular"


class _OpenInterest(Wire, rename="camel"):
    symbol: str
    sum_open_interest: Measure
    sum_open_interest_value: Measure
    timestamp: int


class _Filter(Wire, rename="camel"):
    filter_type: str
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    tick_size: Decimal | None = None
    min_qty: Decimal | None = None
    max_qty: Decimal | None = None
    step_size: Decimal | None = None
    notional: Decimal | None = None
    multiplier_up: Decimal | None = None
    multiplier_down: Decimal | None = None


class _Symbol(Wire, rename="camel"):
    symbol: str
    contract_type: str
    status: str
    base_asset: str
    quote_asset: str
    filters: list[_Filter]
    onboard_date: int = 0
    delivery_date: int = _NEVER_MS

    def instrument(self) -> Instrument:
        """In our words.

        Raises:
            MalformedError: a filter that orders are checked against is missing.
        """
        by_type = {one.filter_type: one for one in self.filters}

        def needed(filter_type: str, name: str) -> Decimal:
            one = by_type.get(filter_type)
            value = getattr(one, name) if one is not None else None
            if not isinstance(value, Decimal):
                raise MalformedError(f"{self.symbol} has no {filter_type} {name}")
            # 0.0100 and 0.01 are one value, and multiples of it shall be written alike.
            plain = value.normalize()
            if plain != value:
                raise MalformedError(f"{self.symbol} {name} {value} has too many digits")
            return plain

        step_size = needed("LOT_SIZE", "step_size")
        return Instrument(
            symbol=self.symbol,
            contract_type=self.contract_type,
            base_asset=self.base_asset,
            quote_asset=self.quote_asset,
            trading=self.status == "TRADING",
            tick_size=needed("PRICE_FILTER", "tick_size"),
            min_price=needed("PRICE_FILTER", "min_price"),
            max_price=needed("PRICE_FILTER", "max_price"),
            step_size=step_size,
            min_quantity=needed("LOT_SIZE", "min_qty"),
            max_quantity=needed("LOT_SIZE", "max_qty"),
            # A market step of zero means that the plain one rules.
            market_step_size=needed("MARKET_LOT_SIZE", "step_size") or step_size,
            market_min_quantity=needed("MARKET_LOT_SIZE", "min_qty"),
            market_max_quantity=needed("MARKET_LOT_SIZE", "max_qty"),
            min_notional=needed("MIN_NOTIONAL", "notional"),
            price_factor_up=needed("PERCENT_PRICE", "multiplier_up"),
            price_factor_down=needed("PERCENT_PRICE", "multiplier_down"),
            onboard_ms=self.onboard_date,
            delivery_ms=self.delivery_date if 0 < self.delivery_date < _NEVER_MS else None,
        )


class _RateLimit(Wire, rename="camel"):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class _ExchangeInfo(Wire, rename="camel"):
    symbols: list[_Symbol]
    rate_limits: list[_RateLimit] = msgspec.field(default_factory=list)


class _Level(Wire, array_like=True):
    price: Decimal
    quantity: Decimal


class _Depth(Wire):
    bids: list[_Level]
    asks: list[_Level]
    event_ms: int = msgspec.field(name="E")


class _Snapshot(_Depth):
    last_update_id: int = msgspec.field(name="lastUpdateId")


class _Premium(Wire, rename="camel"):
    symbol: str
    mark_price: Decimal
    last_funding_rate: Decimal
    next_funding_time: int
    time: int


class _Bracket(Wire, rename="camel"):
    initial_leverage: int
    notional_cap: Decimal
    notional_floor: Decimal
    maint_margin_ratio: Decimal
    cum: Decimal

    def bracket(self) -> Bracket:
        """In our words."""
        return Bracket(
            floor=self.notional_floor,
            cap=self.notional_cap,
            max_leverage=self.initial_leverage,
            maintenance_rate=self.maint_margin_ratio,
            cumulative=self.cum,
        )


class _Brackets(Wire):
    symbol: str
    brackets: list[_Bracket]


_KLINES = decoder(list[_KlineRow])
_PRICE_KLINES = decoder(list[_PriceRow])
_FUNDING_RATES = decoder(list[_FundingRate])
_OPEN_INTEREST = decoder(list[_OpenInterest])
_EXCHANGE_INFO = decoder(_ExchangeInfo)
_DEPTH = decoder(_Depth)
_SNAPSHOT = decoder(_Snapshot)
_PREMIUM = decoder(_Premium)

_BRACKETS: msgspec.json.Decoder[_Brackets | list[_Brackets]] = msgspec.json.Decoder(
    _Brackets | list[_Brackets]
)

_INTERVALS_S = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}
_COUNTED = {"REQUEST_WEIGHT": Counted.WEIGHT, "ORDERS": Counted.ORDERS}

# Every function below raises MalformedError for a body that can't be read.


def candles(body: bytes, symbol: str, interval: Interval, sure_ms: int) -> list[Candle]:
    """Candles, ascending. What the exchange left out is 0 here, as on the wire.

    Args:
        body: the reply.
        symbol: asked for.
        interval: asked for.
        sure_ms: exchange time that had passed for certain when the reply was made; a candle
            is closed when it ended before, or when a later one follows it.
    """
    rows = decode(_KLINES, body)
    last = len(rows) - 1
    return [
        Candle(
            symbol=symbol,
            interval=interval,
            open_time_ms=row.open_time,
            open=measure(row.open),
            high=measure(row.high),
            low=measure(row.low),
            close=measure(row.close),
            volume=measure(row.volume),
            quote_volume=measure(row.quote_volume),
            trades=measure(row.trades),
            taker_buy_volume=measure(row.taker_buy_volume),
            closed=index < last or row.open_time + interval.ms <= sure_ms,
        )
        for index, row in enumerate(rows)
    ]


def mark_price_candles(
    body: bytes, symbol: str, interval: Interval, sure_ms: int
) -> list[MarkCandle]:
    """The mark price over bars that have closed, ascending. Arguments as for candles."""
    rows = decode(_PRICE_KLINES, body)
    last = len(rows) - 1
    return [
        MarkCandle(
            symbol=symbol,
            interval=interval,
            open_time_ms=row.open_time,
            open=measure(row.open),
            high=measure(row.high),
            low=measure(row.low),
            close=measure(row.close),
        )
        for index, row in enumerate(rows)
        if index < last or row.open_time + interval.ms <= sure_ms
    ]


def funding_rates(body: bytes) -> list[FundingRate]:
    """What was paid at funding times, ascending. The mark price is NaN where it is left out.

    What the exchange marks as special comes on top of the rate of the same time, such as a
    share's dividend: it is no funding rate, and left out.
    """
    return [
        FundingRate(
            symbol=row.symbol,
            time_ms=row.funding_time,
            rate=measure(row.funding_rate),
            mark_price=_measure_or_nan(row.mark_price),
        )
        for row in decode(_FUNDING_RATES, body)
        if row.rate_type == "Regular"
    ]


def _measure_or_nan(sent: Measure | None) -> float:
    return math.nan if sent is None or sent == "" else measure(sent)


def open_interest(body: bytes) -> list[OpenInterest]:
    """Open interest at the ends of periods, ascending."""
    return [
        OpenInterest(
            symbol=row.symbol,
            time_ms=row.timestamp,
            quantity=measure(row.sum_open_interest),
            value_usd=measure(row.sum_open_interest_value),
        )
        for row in decode(_OPEN_INTEREST, body)
    ]


def instruments(body: bytes) -> tuple[dict[str, Instrument], list[tuple[Counted, int, int]]]:
    """The contracts by symbol, and the rate limits as (what, window in s, most)."""
    info = decode(_EXCHANGE_INFO, body)
    found = {}
    for symbol in info.symbols:
        try:
            found[symbol.symbol] = symbol.instrument()
        except MalformedError as error:
            # One odd contract among hundreds must not hide the others; it can't be traded.
            _log.warning("instrument left out: %s", error)
    limits = [
        (
            _COUNTED[one.rate_limit_type],
            one.interval_num * _INTERVALS_S[one.interval],
            one.limit,
        )
        for one in info.rate_limits
        if one.rate_limit_type in _COUNTED and one.interval in _INTERVALS_S
    ]
    return found, limits


def book_snapshot(body: bytes) -> BookSnapshot:
    """The whole reply of a depth request."""
    depth = decode(_SNAPSHOT, body)

    def levels(side: list[_Level]) -> Sequence[tuple[Decimal, Decimal]]:
        return finite_levels([(level.price, level.quantity) for level in side])

    bids, asks = levels(depth.bids), levels(depth.asks)
    return BookSnapshot(depth.last_update_id, bids, asks, depth.event_ms)


def book_top(body: bytes, symbol: str) -> BookTop:
    """The best bid and ask of a depth reply."""
    depth = decode(_DEPTH, body)
    if not depth.bids or not depth.asks:
        raise MalformedError(f"the book of {symbol} has an empty side")
    bid, ask = depth.bids[0], depth.asks[0]
    return BookTop(symbol, bid.price, bid.quantity, ask.price, ask.quantity, depth.event_ms)


def mark_price(body: bytes) -> MarkPrice:
    """The mark price and next funding of one symbol."""
    one = decode(_PREMIUM, body)
    return MarkPrice(
        one.symbol, one.mark_price, one.last_funding_rate, one.next_funding_time, one.time
    )


def all_brackets(body: bytes) -> dict[str, list[Bracket]]:
    """The margin brackets by symbol, ascending by notional."""
    reply = decode(_BRACKETS, body)
    # The exchange's documents show one object for one symbol, and a list for all.
    tables = reply if isinstance(reply, list) else [reply]
    return {
        table.symbol: sorted((row.bracket() for row in table.brackets), key=lambda b: b.floor)
        for table in tables
    }


def brackets(body: bytes, symbol: str) -> list[Bracket]:
    """The margin brackets of one symbol."""
    found = all_brackets(body).get(symbol)
    if not found:
        raise MalformedError(f"the reply has no brackets of {symbol}")
    return found
