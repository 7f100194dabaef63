"""A trade: from plan to the last fill, and what it made."""

import enum
from decimal import Decimal

import msgspec

from rusy_tui.domain.order import Side


class TradeState(enum.StrEnum):
    """Where a trade stands."""

    PLANNED = "planned"
    ENTERING = "entering"
    OPEN = "open"
    EXITING = "exiting"
    CLOSED = "closed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the trade."""
        return self in (TradeState.CLOSED, TradeState.FAILED)


class ExitReason(enum.StrEnum):
    """Why a trade ended."""

    STOP = "stop"
    TARGET = "target"
    OPPOSITE_SIGNAL = "opposite_signal"
    TIME = "time"
    FLATTEN = "flatten"
    OPERATOR = "operator"
    UNPROTECTED = "unprotected"
    LIQUIDATION = "liquidation"
    NOT_FILLED = "not_filled"
    ENTRY_REJECTED = "entry_rejected"
    OUTSIDE = "outside"


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One trade, as the ledger knows it.

    Quantities in the base asset, prices and amounts in the quote asset, times in market ms.
    ``realised_pnl`` is price difference only; the net result is
    ``realised_pnl - fees + funding``. ``cost_basis`` is the sum of price × quantity of what is
    open. ``seconds_to_stop`` is wall time from the first fill's arrival until the exchange
    confirmed the protective stop; None before.
    """

    trade_id: str
    proposal_id: int
    symbol: str
    side: Side
    state: TradeState
    planned_quantity: Decimal
    planned_entry: Decimal
    stop_price: Decimal
    target_price: Decimal
    risk_usd: Decimal
    leverage: int
    time_exit_ms: int
    created_ms: int
    entry_reason: str
    quantity: Decimal = Decimal(0)
    cost_basis: Decimal = Decimal(0)
    entered_quantity: Decimal = Decimal(0)
    entered_notional: Decimal = Decimal(0)
    exited_quantity: Decimal = Decimal(0)
    exited_notional: Decimal = Decimal(0)
    realised_pnl: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)
    opened_ms: int | None = None
    closed_ms: int | None = None
    exit_reason: ExitReason | None = None
    stop_order_id: str = ""
    target_order_id: str = ""
    seconds_to_stop: float | None = None

    @property
    def entry_average(self) -> Decimal:
        """The average price of what was entered; zero before the first fill."""
        if not self.entered_quantity:
            return Decimal(0)
        return self.entered_notional / self.entered_quantity

    @property
    def exit_average(self) -> Decimal:
        """The average price of what was exited; zero before the first exit."""
        if not self.exited_quantity:
            return Decimal(0)
        return self.exited_notional / self.exited_quantity

    @property
    def net_pnl(self) -> Decimal:
        """What the trade made after fees and funding."""
        return self.realised_pnl - self.fees + self.funding
