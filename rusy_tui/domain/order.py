"""Orders: what we intend, what the exchange says of it, and the outcome of a command."""

import enum
from decimal import Decimal

import msgspec


class Side(enum.StrEnum):
    """Of an order: which way it trades. Of a trade: which way it profits."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The side that undoes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def direction(self) -> str:
        """As a position is called: long or short."""
        return "long" if self is Side.BUY else "short"


class OrderKind(enum.StrEnum):
    """The exchange's order types.

    Rusy sends limit, market, stop-market and take-profit-market orders; of the others it only
    reads what somebody else has placed.
    """

    LIMIT = "limit"
    MARKET = "market"
    STOP = "stop"
    STOP_MARKET = "stop_market"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_MARKET = "take_profit_market"
    TRAILING_STOP_MARKET = "trailing_stop_market"


class TimeInForce(enum.StrEnum):
    """How long a limit order lives."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"


class OrderBook(enum.StrEnum):
    """The exchange keeps two order books of an account: plain and conditional orders."""

    PLAIN = "plain"
    CONDITIONAL = "conditional"


class TriggerPrice(enum.StrEnum):
    """The price that sets a conditional order off."""

    MARK = "mark"
    LAST = "last"


class Purpose(enum.StrEnum):
    """What an order is for; its letter stands in the client order id."""

    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    EXIT = "exit"
    FLATTEN = "flatten"


class OrderState(enum.StrEnum):
    """The exchange's states of an order, and two of our own before it has one.

    ``INTENDED`` is durable with us but not sent; ``UNRESOLVED`` was sent and the reply is
    lost; ``DENIED`` was refused by our own check and never sent.
    """

    INTENDED = "intended"
    UNRESOLVED = "unresolved"
    DENIED = "denied"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    TRIGGERING = "triggering"
    TRIGGERED = "triggered"
    FINISHED = "finished"

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen to the order any more."""
        return self in _FINAL

    @property
    def is_resting(self) -> bool:
        """Whether the exchange holds the order, ready to fill or to trigger."""
        return self in (OrderState.NEW, OrderState.PARTIALLY_FILLED)


_FINAL = frozenset(
    {
        OrderState.DENIED,
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.FINISHED,
    }
)
_CONDITIONAL_KINDS = frozenset(OrderKind) - {OrderKind.LIMIT, OrderKind.MARKET}


class OrderIntent(msgspec.Struct, frozen=True, kw_only=True):
    """An order as we mean to send it; durable before it is sent.

    ``quantity`` is None only with ``close_position``. Prices in the quote asset, quantity in
    the base asset, ``recv_window_ms`` None for the configured default.
    """

    client_order_id: str
    trade_id: str
    purpose: Purpose
    symbol: str
    side: Side
    kind: OrderKind
    created_ms: int
    quantity: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_by: TriggerPrice = TriggerPrice.MARK
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    close_position: bool = False
    recv_window_ms: int | None = None

    @property
    def book(self) -> OrderBook:
        """The order book this order rests in."""
        conditional = self.kind in _CONDITIONAL_KINDS
        return OrderBook.CONDITIONAL if conditional else OrderBook.PLAIN


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the exchange describes it.

    ``triggered_order_id`` is the plain order that a conditional one became, "" before.
    """

    client_order_id: str
    exchange_order_id: str
    symbol: str
    book: OrderBook
    side: Side
    kind: str
    state: OrderState
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal
    price: Decimal
    trigger_price: Decimal
    reduce_only: bool
    close_position: bool
    update_ms: int
    triggered_order_id: str = ""


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of an order. (symbol, exchange_trade_id) identifies it for ever.

    ``realised_pnl`` is the exchange's figure: price difference only, without fee.
    """

    symbol: str
    exchange_trade_id: int
    exchange_order_id: str
    client_order_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    realised_pnl: Decimal
    is_maker: bool
    time_ms: int


class Cause(enum.StrEnum):
    """Why the exchange rejected, sorted by what the caller must do."""

    OVERLOADED = "overloaded"  # failed for sure: back off, retry
    LIMITS = "limits"  # send nothing before the named time
    CLOCK = "clock"  # measure the offset again, retry once
    KEY = "key"  # halt, tell the operator
    DEFECT = "defect"  # our parameters: halt that trade
    PRICE_BAND = "price_band"  # price limits or a thin book right now
    TOO_MANY = "too_many"  # sweep orphans, no entries
    BARRED = "barred"  # openings refused, exits accepted
    CLOSED = "closed"  # no orders at all: halt, reconcile
    TRIGGERING = "triggering"  # read position and both books, then act
    FUNDS = "funds"  # balance or margin
    UNKNOWN_ORDER = "unknown_order"  # unresolved until both books and position agree
    WOULD_TAKE = "would_take"  # post-only refused
    WOULD_TRIGGER = "would_trigger"  # a stop beyond the market
    UNFILLABLE = "unfillable"  # IOC, FOK or market without a counterpart
    NOTHING_TO_REDUCE = "nothing_to_reduce"  # reconcile
    SETTING = "setting"  # leverage, bracket or margin type refused
    MODE = "mode"  # the account is no longer one-way: halt, tell the operator
    NOT_AMENDED = "not_amended"  # read the order, then act
    NO_CHANGE = "no_change"  # it is so already: done
    LISTEN_KEY = "listen_key"  # of the user stream, unknown: new key, full read
    DUPLICATE = "duplicate"  # that client order id is open already
    OTHER = "other"


class Confirmed(msgspec.Struct, frozen=True, tag=True):
    """The exchange has the order, or has done as told; ``report`` is its word."""

    report: OrderReport


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """The exchange said no, proven."""

    cause: Cause
    code: int
    message: str


class Denied(msgspec.Struct, frozen=True, tag=True):
    """Our own check said no; nothing was sent."""

    rule: str
    message: str


class Unresolved(msgspec.Struct, frozen=True, tag=True):
    """Sent, and no proof either way: to be asked about, never to be sent again."""

    message: str


Outcome = Confirmed | Rejected | Denied | Unresolved
