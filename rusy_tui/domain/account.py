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


UserEvent = OrderChanged | AccountChanged | StreamState
