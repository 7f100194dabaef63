"""A proposal to buy, as the desk hands it on."""

from decimal import Decimal

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.order import OrderKind, Side, TimeInForce
from rusy_tui.domain.proposal import (
    Plan,
    PlannedEntry,
    PlannedTarget,
    Proposal,
    ProposalState,
)
from rusy_tui.domain.signal import MemberVote, Prediction
from tests.lockstep import START_MS

HOLD_MS = 7_200_000


def plan(symbol: str = "BTCUSDT", quantity: str = "1.000") -> Plan:
    """Buy at 100, stop at 98, target at 104."""
    size = Decimal(quantity)
    return Plan(
        symbol=symbol,
        side=Side.BUY,
        entries=(
            PlannedEntry(
                quantity=size,
                price=Decimal("100.0"),
                worst_price=Decimal("100.3"),
                kind=OrderKind.LIMIT,
                time_in_force=TimeInForce.POST_ONLY,
            ),
        ),
        stop_price=Decimal("98.0"),
        targets=(PlannedTarget(quantity=size, price=Decimal("104.0")),),
        quantity=size,
        notional_usd=size * Decimal("100.3"),
        leverage=3,
        risk_usd=Decimal("2.4"),
        risk_percent=Decimal("0.02"),
        reward_risk=Decimal("1.6"),
        expected_cost_usd=Decimal("0.07"),
        expected_cost_bps=Decimal(7),
        liquidation_price=Decimal("67.5"),
        atr=Decimal("1.3"),
        exposure_after_usd=size * 100,
        exposure_limit_usd=Decimal(15000),
        premise_ends_ms=START_MS + 900_000,
        time_exit_ms=START_MS + HOLD_MS,
        prediction=Prediction(
            symbol=symbol,
            interval=Interval.M15,
            bar_open_ms=START_MS - 900_000,
            model_version="test",
            members=(MemberVote(member="lstm", probability=0.6, weight=1.0),),
            score=0.2,
            probability=0.6,
            large_move=0.3,
            flow_present=True,
        ),
        verdicts=(),
    )


def proposal(of: Plan | None = None) -> Proposal:
    """An approved proposal of a plan."""
    made = of or plan()
    return Proposal(
        proposal_id=1,
        revision=made.revision,
        plan=made,
        state=ProposalState.APPROVED,
        created_ms=START_MS,
        expires_ms=made.premise_ends_ms,
        created_monotonic_s=0.0,
        wall_seconds=90.0,
    )
