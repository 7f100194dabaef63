"""Whether a proposal may become a trade now: judged on arrival, by the engine alone."""

from decimal import Decimal

import msgspec

from rusy_tui.decide.holdings import Holdings
from rusy_tui.decide.risk import first_denial, judge_plan
from rusy_tui.domain.market import BookTop
from rusy_tui.domain.modes import Gate
from rusy_tui.domain.order import Side
from rusy_tui.domain.proposal import Proposal, ProposalState
from rusy_tui.domain.settings import RiskSettings

_BPS = Decimal(10_000)


class Accepted(msgspec.Struct, frozen=True):
    """The proposal becomes a trade."""


class Already(msgspec.Struct, frozen=True):
    """It was decided before."""

    state: ProposalState
    who: str
    when_ms: int


class Expired(msgspec.Struct, frozen=True):
    """It came too late, by wall or market seconds, as ``clock`` says."""

    late_s: float
    clock: str


class Changed(msgspec.Struct, frozen=True):
    """The revision asked for is not the one that pends."""

    old: str
    new: str


class Refused(msgspec.Struct, frozen=True):
    """A gate, a risk rule or the price's drift stands against it."""

    rule: str
    figures: str


Judgement = Accepted | Already | Expired | Changed | Refused


def judge(
    proposal: Proposal,
    revision: str,
    *,
    now_ms: int,
    monotonic_s: float,
    gates: tuple[Gate, ...],
    holdings: Holdings,
    limits: RiskSettings,
    book: BookTop | None,
    max_drift_bps: Decimal,
) -> Judgement:
    """Judge an approval by every rule, in the order of what the operator should hear first.

    Args:
        proposal: as it stands.
        revision: the one that was approved.
        now_ms: market time.
        monotonic_s: the engine's own monotonic clock.
        gates: closed ones.
        holdings: everything held or pending but this proposal.
        limits: of risk, judged anew.
        book: best bid and ask; None when there is none, which refuses.
        max_drift_bps: how far the price may have left the card's entry, basis points.
    """
    if proposal.state is not ProposalState.PENDING:
        when = proposal.decided_ms or proposal.created_ms
        return Already(proposal.state, proposal.decided_by, when)
    late_wall_s = monotonic_s - proposal.created_monotonic_s - proposal.wall_seconds
    if late_wall_s > 0:
        return Expired(late_wall_s, "wall")
    if now_ms > proposal.expires_ms:
        return Expired((now_ms - proposal.expires_ms) / 1000, "market")
    if revision != proposal.revision:
        return Changed(revision, proposal.revision)
    if gates:
        return Refused(f"gate {gates[0].name}", f"{gates[0].why}; opens: {gates[0].opens}")
    denial = first_denial(judge_plan(proposal.plan, holdings, limits))
    if denial is not None:
        return Refused(denial.rule, denial.figures)
    if book is None:
        return Refused("price", "no book")
    drift_bps = drift_of(proposal, book)
    if drift_bps > max_drift_bps:
        figures = f"price moved {drift_bps:.1f} bp from the card, limit {max_drift_bps} bp"
        return Refused("drift", figures)
    return Accepted()


def drift_of(proposal: Proposal, book: BookTop) -> Decimal:
    """How far the near price lies from the card's entry bound, basis points, either way."""
    near = book.bid if proposal.plan.side is Side.BUY else book.ask
    return abs(near - proposal.plan.entry_price) / proposal.plan.entry_price * _BPS
