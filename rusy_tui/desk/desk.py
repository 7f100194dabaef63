"""The desk: keeps the proposals that wait, and turns approved ones into trades."""

import datetime
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from rusy_tui.decide.holdings import Holding
from rusy_tui.desk.approval import (
    Accepted,
    Already,
    Changed,
    Expired,
    Judgement,
    Refused,
    judge,
)
from rusy_tui.desk.gates import Gates
from rusy_tui.desk.outlook import Outlook
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.commands import Reply
from rusy_tui.domain.errors import Defect
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.proposal import Plan, Proposal, ProposalState
from rusy_tui.domain.settings import ApprovalSettings, RiskSettings
from rusy_tui.store.journal import Journal
from rusy_tui.store.proposals import Proposals

log = structlog.get_logger("desk")

POLICY = "auto policy"

Enter = Callable[[Proposal], Awaitable[str]]
Announce = Callable[[Proposal], None]


class Desk:
    """Holds the pending proposals; every approval of a trade goes through :meth:`approve`.

    Args:
        clock: market time for the premise, monotonic wall time for the operator's.
        proposals: their table.
        journal: where each decision and what it was made from is kept.
        gates: that stand beside the mode.
        outlook: what is held, and the book, as judged at approval.
        enter: starts a trade from an approved proposal and returns its trade id.
        announce: tells watchers of a proposal that was made or decided.
    """

    def __init__(
        self,
        clock: Clock,
        proposals: Proposals,
        journal: Journal,
        gates: Gates,
        outlook: Outlook,
        enter: Enter,
        announce: Announce,
        *,
        mode: Mode,
        approval: ApprovalSettings,
        limits: RiskSettings,
    ) -> None:
        self._clock = clock
        self._proposals = proposals
        self._journal = journal
        self._gates = gates
        self._outlook = outlook
        self._enter = enter
        self._announce = announce
        self._approval = approval
        self._limits = limits
        self.mode = mode
        self._known: dict[int, Proposal] = {}
        self._entering: dict[int, Proposal] = {}

    @property
    def pending(self) -> tuple[Proposal, ...]:
        """The proposals that wait, oldest first."""
        return tuple(p for p in self._known.values() if p.state is ProposalState.PENDING)

    def pending_holdings(self, besides: str | None = None) -> tuple[Holding, ...]:
        """What the pending proposals would hold, all but those of one symbol.

        One that was just approved counts until its trade has begun, in its own symbol too.
        """
        counted = [p for p in self.pending if p.plan.symbol != besides]
        return tuple(
            Holding(
                symbol=p.plan.symbol,
                side=p.plan.side,
                notional_usd=p.plan.notional_usd,
                risk_usd=p.plan.risk_usd,
                pending=True,
            )
            for p in (*self._entering.values(), *counted)
        )

    async def propose(self, plan: Plan) -> Proposal:
        """Make a proposal of a plan; one that pends for the same symbol is superseded.

        In auto mode the policy approves it at once, by the same rules as an operator.
        """
        for old in self.pending:
            if old.plan.symbol == plan.symbol:
                await self._decide(old, ProposalState.SUPERSEDED, "a newer bar", "")
        proposal = Proposal(
            proposal_id=await self._proposals.next_id(),
            revision=plan.revision,
            plan=plan,
            state=ProposalState.PENDING,
            created_ms=self._clock.market_ms(),
            expires_ms=plan.premise_ends_ms,
            created_monotonic_s=self._clock.monotonic_s(),
            wall_seconds=self._approval.seconds,
        )
        await self._proposals.add(proposal)
        self._known[proposal.proposal_id] = proposal
        self._announce(proposal)
        log.info(
            "proposal",
            id=proposal.proposal_id,
            revision=proposal.revision,
            symbol=plan.symbol,
            side=plan.side.direction,
        )
        if self.mode is Mode.AUTO:
            await self.approve(proposal.proposal_id, proposal.revision, "", POLICY)
        return proposal

    async def approve(
        self, proposal_id: int, revision: str, command_id: str, who: str
    ) -> Reply:
        """Judge an approval on arrival; the first accepted one starts the trade."""
        proposal = self._known.get(proposal_id)
        if proposal is None:
            return Reply(command_id, False, "unknown", f"no proposal {proposal_id}")
        judgement = self._judge(proposal, revision)
        # Noted before anything is awaited: a second approval finds it taken, and one of
        # another symbol finds what this one will hold.
        if isinstance(judgement, Accepted):
            self._entering[proposal_id] = proposal
        try:
            return await self._answer(proposal, judgement, command_id, revision, who)
        finally:
            self._entering.pop(proposal_id, None)

    async def _answer(
        self, proposal: Proposal, judgement: Judgement, command_id: str, revision: str, who: str
    ) -> Reply:
        """Do what an approval's judgement says, keep it, and reply."""
        decided = proposal
        if isinstance(judgement, Accepted):
            decided = await self._decide(proposal, ProposalState.APPROVED, "", who)
        elif isinstance(judgement, Expired):
            decided = await self._decide(proposal, ProposalState.EXPIRED, "clock", "")
        answer, message = _words(judgement)
        await self._journal.append(
            "approval",
            str(proposal.proposal_id),
            {"who": who, "revision": revision, "answer": answer, "message": message},
            self._clock.market_ms(),
        )
        if not isinstance(judgement, Accepted):
            name = f"proposal {proposal.proposal_id}"
            return Reply(command_id, False, answer, f"{name}: {message}")
        trade_id = await self._enter(decided)
        return Reply(command_id, True, "accepted", f"trade {trade_id} is entering")

    def reject(
        self, proposal_id: int, command_id: str, who: str
    ) -> tuple[Reply, Proposal | None]:
        """Decline a proposal that pends; what the caller has to :meth:`keep` of it."""
        proposal = self._known.get(proposal_id)
        if proposal is None:
            return Reply(command_id, False, "unknown", f"no proposal {proposal_id}"), None
        if proposal.state is not ProposalState.PENDING:
            message = f"proposal {proposal_id} is {proposal.state} already"
            return Reply(command_id, False, "already", message), None
        decided = self._settle(proposal, ProposalState.REJECTED, "", who)
        return Reply(command_id, True, "done", f"proposal {proposal_id} rejected"), decided

    def withdraw_all(self, why: str) -> tuple[Proposal, ...]:
        """Withdraw everything that pends, as a flatten does; what the caller has to keep."""
        return tuple(
            self._settle(proposal, ProposalState.WITHDRAWN, why, "")
            for proposal in self.pending
        )

    async def keep(self, decided: Proposal) -> None:
        """Write a decision; harmless when repeated."""
        at_ms = decided.decided_ms
        if at_ms is None:
            raise Defect(f"proposal {decided.proposal_id} is not decided")
        await self._proposals.decide(
            decided.proposal_id, decided.state, at_ms, decided.decided_by, decided.reason
        )

    async def expire_due(self) -> None:
        """End the proposals whose time, wall or market, has passed."""
        now_ms, monotonic_s = self._clock.market_ms(), self._clock.monotonic_s()
        for proposal in self.pending:
            waited_s = monotonic_s - proposal.created_monotonic_s
            if waited_s > proposal.wall_seconds or now_ms > proposal.expires_ms:
                await self._decide(proposal, ProposalState.EXPIRED, "clock", "")

    async def recover(self) -> None:
        """Withdraw what pended when the engine ended: its wall clock is gone."""
        for proposal in await self._proposals.pending():
            self._known[proposal.proposal_id] = proposal
            await self._decide(proposal, ProposalState.WITHDRAWN, "engine restarted", "")

    def _judge(self, proposal: Proposal, revision: str) -> Judgement:
        return judge(
            proposal,
            revision,
            now_ms=self._clock.market_ms(),
            monotonic_s=self._clock.monotonic_s(),
            gates=self._gates.closed,
            holdings=self._outlook.holdings(self.pending_holdings(proposal.plan.symbol)),
            limits=self._limits,
            book=self._outlook.book(proposal.plan.symbol),
            max_drift_bps=self._approval.max_drift_bps,
        )

    async def _decide(
        self, proposal: Proposal, state: ProposalState, reason: str, who: str
    ) -> Proposal:
        known = self._known.get(proposal.proposal_id, proposal)
        if known.state is not ProposalState.PENDING:
            return known  # decided while others were being written: the first one holds
        decided = self._settle(proposal, state, reason, who)
        await self.keep(decided)
        return decided

    def _settle(
        self, proposal: Proposal, state: ProposalState, reason: str, who: str
    ) -> Proposal:
        """Decide here and now: it holds, and is told, before it is written."""
        decided = msgspec.structs.replace(
            proposal,
            state=state,
            decided_ms=self._clock.market_ms(),
            decided_by=who,
            reason=reason,
        )
        self._known[proposal.proposal_id] = decided
        self._announce(decided)
        log.info("proposal decided", id=proposal.proposal_id, state=str(state), who=who)
        return decided


def _words(judgement: Judgement) -> tuple[str, str]:
    """The answer's word, and the answer in words."""
    match judgement:
        case Accepted():
            return "accepted", "accepted"
        case Already(state=state, who=who, when_ms=when_ms):
            by = f" by {who}" if who else ""
            return "already", f"already {state}{by} at {_clock(when_ms)}"
        case Expired(late_s=late_s, clock=clock):
            return "expired", f"expired {late_s:.1f} s ago ({clock} time)"
        case Changed(old=old, new=new):
            return "changed", f"revision {old} is not the pending one, {new}"
        case Refused(rule=rule, figures=figures):
            return "denied", f"{rule}: {figures}"


def _clock(market_ms: int) -> str:
    """A market time as the log shows it."""
    return datetime.datetime.fromtimestamp(market_ms / 1000, tz=datetime.UTC).strftime(
        "%H:%M:%SZ"
    )
