"""The account as the exchange shows it, and its events."""

from decimal import Decimal

import msgspec

from rusy_tui.domain.market import StreamState
from rusy_tui.domain.order import Fill, OrderReport


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """An open position. ``quantity`` is signed: positive long, negative short.

    Prices and amounts in the quote asset. ``liquidation_price`` is zero where the exchange
    names none.
    """

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised_pnl: Decimal
    liquidation_price: Decimal
    leverage: int
    isolated: bool
    update_ms: int


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """The wallet of one asset: settled money, and what of it is free for new orders."""

    asset: str
    wallet: Decimal
    available: Decimal


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the account is set up on the exchange."""

    hedge_mode: bool
    multi_assets: bool
    can_trade: bool


class SymbolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the account has set for one symbol."""

    symbol: str
    leverage: int
    isolated: bool


class KeyPermissions(msgspec.Struct, frozen=True, kw_only=True):
    """What the API key in use may do, as the exchange says of the key, not of the account."""

    may_withdraw: bool
    may_trade_futures: bool
    bound_to_addresses: bool


class ExchangeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the connection to the exchange stands, for showing.

    ``weight_used`` of ``weight_limit`` in the running minute; ``waiting`` requests stand in
    line for the budget; ``closed_for_s`` wall seconds in which nothing may be sent at all.
    ``offset_ms`` is exchange time less our own, known to ``offset_error_ms`` either way, as
    measured ``offset_age_s`` wall seconds ago.
    """

    weight_used: int
    weight_limit: int
    waiting: int
    closed_for_s: float
    offset_ms: int
    offset_error_ms: int
    offset_age_s: float


class FeeRates(msgspec.Struct, frozen=True, kw_only=True):
    """Commission of a fill as a fraction of its notional."""

    maker: Decimal
    taker: Decimal


class Income(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the account's ledger; ``kind`` in lower case: funding_fee, commission…"""

    income_id: str
    symbol: str
    kind: str
    amount: Decimal
    asset: str
    time_ms: int


class OrderChanged(msgspec.Struct, frozen=True, tag=True):
    """An order moved; ``fill`` says by which execution, None when by none."""

    report: OrderReport
    fill: Fill | None
    event_ms: int


class AccountChanged(msgspec.Struct, frozen=True, tag=True):
    """Balances or positions moved. ``reason`` in lower case: order, funding_fee, deposit…

    ``positions`` maps symbol to signed quantity and entry price as the event tells them;
    ``wallets`` maps asset to wallet balance; ``changes`` asset to the balance change that is
    neither PnL nor commission.
    """

    reason: str
    positions: dict[str, tuple[Decimal, Decimal]]
    wallets: dict[str, Decimal]
    changes: dict[str, Decimal]
    event_ms: int


class AccountRead(msgspec.Struct, frozen=True, tag=True):
    """The whole account, read after the user stream was (re)connected.

    It is never older than an event told before it. ``orders`` are the open ones of both books,
    ``positions`` those that are not flat. ``fills`` are our executions since ``since_ms``
    (exchange time) that were not told before, ascending by time and trade id: each
    (symbol, trade id) is told once, by whichever way it comes first.
    """

    balance: Balance
    positions: tuple[Position, ...]
    orders: tuple[OrderReport, ...]
    fills: tuple[Fill, ...]
    since_ms: int
    event_ms: int


class LeverageChanged(msgspec.Struct, frozen=True, tag=True):
    """A symbol's leverage was set, by us or by somebody else."""

    symbol: str
    leverage: int
    event_ms: int


class TriggerRejected(msgspec.Struct, frozen=True, tag=True):
    """A conditional order reached its trigger, and what it became was refused."""

    symbol: str
    exchange_order_id: str
    reason: str
    event_ms: int


class MarginCalled(msgspec.Struct, frozen=True, tag=True):
    """The exchange warns that these symbols' positions are near their liquidation."""

    symbols: tuple[str, ...]
    event_ms: int


UserEvent = (
    OrderChanged
    | AccountChanged
    | AccountRead
    | LeverageChanged
    | TriggerRejected
    | MarginCalled
    | StreamState
)
