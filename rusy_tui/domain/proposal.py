"""Proposals: a plan of a trade, worked out whole, that waits for a decision."""

import enum
import hashlib
from decimal import Decimal

import msgspec

from rusy_tui.domain.order import OrderKind, Side, TimeInForce
from rusy_tui.domain.signal import Prediction


class PlannedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One order that would open (a part of) the position.

    ``price`` is where it rests first, ``worst_price`` how far later tries may follow the
    market; quote asset. ``quantity`` in the base asset. What it risks counts from the worst.
    """

    quantity: Decimal
    price: Decimal
    worst_price: Decimal
    kind: OrderKind
    time_in_force: TimeInForce


class PlannedTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A price at which (a part of) the position takes its profit."""

    quantity: Decimal
    price: Decimal


class Verdict(enum.StrEnum):
    """What a risk rule says of a plan."""

    ALLOW = "allow"
    REDUCE = "reduce"
    DENY = "deny"


class RiskVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One risk rule's word on a plan, with the figures behind it."""

    rule: str
    verdict: Verdict
    figures: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What would be done, and what it risks. A plan may have several entries and targets.

    Prices in the quote asset; quantities in the base asset; ``_usd`` amounts in USDT;
    ``risk_percent`` of equity. ``reward_risk`` is after expected costs, in multiples of the
    risk; ``expected_cost_bps`` is of notional, for the round trip. Times in market ms since
    the epoch.
    """

    symbol: str
    side: Side
    entries: tuple[PlannedEntry, ...]
    stop_price: Decimal
    targets: tuple[PlannedTarget, ...]
    quantity: Decimal
    notional_usd: Decimal
    leverage: int
    risk_usd: Decimal
    risk_percent: Decimal
    reward_risk: Decimal
    expected_cost_usd: Decimal
    expected_cost_bps: Decimal
    liquidation_price: Decimal
    atr: Decimal
    exposure_after_usd: Decimal
    exposure_limit_usd: Decimal
    premise_ends_ms: int
    time_exit_ms: int
    prediction: Prediction
    verdicts: tuple[RiskVerdict, ...]

    @property
    def entry_price(self) -> Decimal:
        """The quantity-weighted first price of all entries."""
        paid = sum((entry.price * entry.quantity for entry in self.entries), Decimal(0))
        return paid / self.quantity

    @property
    def revision(self) -> str:
        """A short hash of every figure that decides: approving it approves these figures."""
        deciding = (
            self.symbol,
            self.side,
            self.entries,
            self.stop_price,
            self.targets,
            self.quantity,
            self.leverage,
            self.time_exit_ms,
        )
        return hashlib.sha256(msgspec.json.encode(deciding)).hexdigest()[:4]


class ProposalState(enum.StrEnum):
    """A proposal pends, and then ends in one of five ways."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that waits for a decision, or has had one.

    ``expires_ms`` is market time (the premise); ``wall_seconds`` is how long the operator has
    on the wall clock from ``created_monotonic_s`` on, the engine's own monotonic clock.
    """

    proposal_id: int
    revision: str
    plan: Plan
    state: ProposalState
    created_ms: int
    expires_ms: int
    created_monotonic_s: float
    wall_seconds: float
    decided_ms: int | None = None
    decided_by: str = ""
    reason: str = ""

    @property
    def digit(self) -> int:
        """The digit, 1 to 9, that an armed operator presses to send this very revision."""
        return int(self.revision, 16) % 9 + 1
