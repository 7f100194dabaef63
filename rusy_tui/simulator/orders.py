"""What rests and happens on the simulated exchange: orders, trades, stops, ledger entries.

Mutable on purpose: the exchange is the one owner of its books. Prices and amounts are in
the quote asset, quantities in the base asset, times in market ms since the epoch.
"""

from decimal import Decimal

import msgspec

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, OrderState, Side, TimeInForce, TriggerPrice

SETTLEMENT_ASSET = "USDT"


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A plain order as an account asks for it. ``price`` is None for a market order."""

    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    client_id: str = ""


class Order(msgspec.Struct, kw_only=True):
    """A plain order in the exchange's book or history.

    ``filled_quote`` is Σ price × quantity of its trades. ``queue_ahead`` is what still
    stands before it at its level; ``algo_id`` the conditional order it came from, 0 if none.
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


class AlgoRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A conditional order as an account asks for it.

    ``quantity`` is zero with ``close_position``.
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


class AlgoOrder(msgspec.Struct, kw_only=True):
    """A conditional order. ``order_id`` is the plain order it became, 0 before."""

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

    @property
    def is_open(self) -> bool:
        """Whether it still waits for its trigger."""
        return self.state is OrderState.NEW

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
