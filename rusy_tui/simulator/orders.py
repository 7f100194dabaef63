"""What rests and happens on the simulated exchange: orders, trades, stops, ledger entries.

Mutable on purpose: the exchange is the one owner of its books. Prices and amounts are in
the quote asset, quantities in the base asset, times in market ms since the epoch.
"""

import enum
from decimal import Decimal

import msgspec

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, OrderState, Side, TimeInForce, TriggerPrice

SETTLEMENT_ASSET = "USDT"


class Expiry(enum.IntEnum):
    """Why an order expired, in the numbers of the exchange's order events (its notes on
    ORDER_TRADE_UPDATE, "Expiry Reason").
    """

    NONE = 0
    SELF_TRADE = 1
    UNFILLED = 2  # IOC
    KNOCKED_OUT = 4  # reduce-only: the position it could reduce is gone or has turned
    LIQUIDATED = 5
    DELISTED = 7
    MARKET_UNFILLED = 9


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A plain order as an account asks for it. ``price`` is None for a market order.

    ``good_till_ms`` is when it ends by itself, market ms (GTD); 0 where it does not.
    """

    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    client_id: str = ""
    good_till_ms: int = 0


class Order(msgspec.Struct, kw_only=True):
    """A plain order in the exchange's book or history.

    ``filled_quote`` is Σ price × quantity of its trades. ``queue_ahead`` is what still
    stands before it at its level; ``algo_id`` the conditional order it came from, 0 if none.
    ``good_till_ms`` is when it ends by itself (GTD), 0 if never. ``amended`` counts its
    amendments, ``modify_id`` is the client's number of the last one, and ``requeued`` the
    number under which it went into the queue again.
    """

    order_id: int
    client_id: str
    symbol: str
    side: Side
    kind: OrderKind
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    reduce_only: bool
    created_ms: int
    updated_ms: int
    account: int
    close_position: bool = False
    state: OrderState = OrderState.NEW
    filled: Decimal = ZERO
    filled_quote: Decimal = ZERO
    queue_ahead: Decimal = ZERO
    algo_id: int = 0
    self_matched: bool = False
    good_till_ms: int = 0
    amended: int = 0
    requeued: int = 0
    expiry: Expiry = Expiry.NONE
    modify_id: int | None = None

    @property
    def rank(self) -> int:
        """Its place in time: order numbers rise with it, and an amendment takes a new one."""
        return self.requeued or self.order_id

    @property
    def remaining(self) -> Decimal:
        """What is not filled yet."""
        return self.quantity - self.filled

    @property
    def average_price(self) -> Decimal:
        """Mean price of its trades; zero before the first."""
        return self.filled_quote / self.filled if self.filled else ZERO

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.state.is_resting

    def is_named(self, order_id: int | None, client_id: str) -> bool:
        """Whether a request means this order: by number, or by the client's id."""
        return self.client_id == client_id if order_id is None else self.order_id == order_id


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an order's price or quantity; ``count`` numbers those of the order.

    ``modify_id`` is the client's own number for the change, None where it gave none.
    """

    amendment_id: int
    order_id: int
    client_id: str
    symbol: str
    account: int
    time_ms: int
    former_price: Decimal
    price: Decimal
    former_quantity: Decimal
    quantity: Decimal
    count: int
    modify_id: int | None = None


class AlgoRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A conditional order as an account asks for it.

    ``quantity`` is zero with ``close_position``. ``price``, ``time_in_force`` and
    ``good_till_ms`` are those of the limit order that a STOP or TAKE_PROFIT becomes. A
    trailing stop has no trigger price (zero): ``callback_percent`` is how far the price comes
    back from its best one, ``activate_price`` from where on that counts (None: from now on).
    """

    symbol: str
    side: Side
    kind: OrderKind
    trigger_price: Decimal
    trigger_by: TriggerPrice = TriggerPrice.LAST
    quantity: Decimal = ZERO
    reduce_only: bool = False
    close_position: bool = False
    price_protect: bool = False
    client_id: str = ""
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    good_till_ms: int = 0
    activate_price: Decimal | None = None
    callback_percent: Decimal = ZERO


class AlgoOrder(msgspec.Struct, kw_only=True):
    """A conditional order. ``order_id`` is the plain order it became, 0 before.

    ``best_price`` is the best price that a trailing stop has seen since it was placed.
    """

    algo_id: int
    client_id: str
    symbol: str
    side: Side
    kind: OrderKind
    trigger_price: Decimal
    trigger_by: TriggerPrice
    quantity: Decimal
    reduce_only: bool
    close_position: bool
    price_protect: bool
    created_ms: int
    updated_ms: int
    account: int
    state: OrderState = OrderState.NEW
    triggered_ms: int = 0
    order_id: int = 0
    actual_price: Decimal = ZERO
    actual_quantity: Decimal = ZERO
    reason: str = ""
    price: Decimal = ZERO
    time_in_force: TimeInForce = TimeInForce.GTC
    good_till_ms: int = 0
    activate_price: Decimal = ZERO
    callback_percent: Decimal = ZERO
    best_price: Decimal = ZERO

    @property
    def is_waiting(self) -> bool:
        """Whether it still waits for its trigger."""
        return self.state is OrderState.NEW

    @property
    def is_open(self) -> bool:
        """Whether it waits for its trigger, or has met it and is not placed yet."""
        return self.state in (OrderState.NEW, OrderState.TRIGGERING)

    def is_named(self, algo_id: int | None, client_id: str) -> bool:
        """Whether a request means this order: by number, or by the client's id."""
        return self.client_id == client_id if algo_id is None else self.algo_id == algo_id


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of an account's order. ``realised_pnl`` is price difference only."""

    trade_id: int
    symbol: str
    order_id: int
    client_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal
    realised_pnl: Decimal
    is_maker: bool
    time_ms: int


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A movement of the wallet; ``kind`` in the exchange's capitals: REALIZED_PNL …"""

    entry_id: int
    kind: str
    symbol: str
    amount: Decimal
    time_ms: int
    trade_id: int = 0
