"""A desk on a real database, with an account that holds what a test says."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from rusy_tui.clock import LockstepClock
from rusy_tui.decide.holdings import Holding, Holdings
from rusy_tui.desk.desk import Desk
from rusy_tui.desk.gates import Gates
from rusy_tui.domain.market import BookTop
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.proposal import Plan, Proposal
from rusy_tui.domain.settings import ApprovalSettings
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.store import Store
from tests.decide.market import LIMITS, holdings, planned
from tests.execution.stage import book
from tests.lockstep import START_MS, in_lockstep

T = TypeVar("T")


class World:
    """Notes what the desk enters and announces."""

    def __init__(self, clock: LockstepClock, store: Store) -> None:
        self.clock = clock
        self.store = store
        self.gates = Gates(lambda: None)
        self.held: list[Holding] = []
        self.entered: list[Proposal] = []
        self.announced: list[Proposal] = []
        self.top: BookTop | None = book()
        self.enter_s = 0.0
        self.new_desk()

    def new_desk(self) -> None:
        """A desk that knows nothing yet, as after a restart."""
        self.desk = Desk(
            self.clock,
            self.store.proposals,
            self.store.journal,
            self.gates,
            self,
            self.enter,
            self.announced.append,
            mode=Mode.APPROVE,
            approval=ApprovalSettings(),
            limits=LIMITS,
        )

    def holdings(self, pending: tuple[Holding, ...]) -> Holdings:
        return holdings(*self.held, *pending)

    def book(self, symbol: str) -> BookTop | None:
        return self.top

    async def enter(self, proposal: Proposal) -> str:
        await self.clock.sleep(self.enter_s)
        self.entered.append(proposal)
        plan = proposal.plan
        self.held.append(
            Holding(
                symbol=plan.symbol,
                side=plan.side,
                notional_usd=plan.notional_usd,
                risk_usd=plan.risk_usd,
            )
        )
        return f"T{proposal.proposal_id}"

    async def propose(self, symbol: str = "BTCUSDT") -> Proposal:
        return await self.desk.propose(plan(symbol))

    async def approve(self, card: Proposal, command: str = "c", who: str = "ann") -> str:
        """The word of the answer."""
        reply = await self.desk.approve(card.proposal_id, card.revision, command, who)
        assert reply.ok is (reply.answer == "accepted")
        return reply.answer

    async def state(self, card: Proposal) -> str:
        """A proposal's state as the database has it."""
        kept = await self.store.proposals.get(card.proposal_id)
        assert kept is not None
        return kept.state


def plan(symbol: str) -> Plan:
    """A plan for a symbol, of bars that close now."""
    made = msgspec.structs.replace(planned(), symbol=symbol)
    return msgspec.structs.replace(made, premise_ends_ms=START_MS + 900_000)


def play(address: DatabaseAddress, scene: Callable[[World], Awaitable[T]]) -> T:
    """Play a scene in a lockstep loop on a fresh database."""

    async def main(clock: LockstepClock) -> T:
        store = await Store.open(address, clock, "demo", "test")
        try:
            return await scene(World(clock, store))
        finally:
            await store.close()

    return in_lockstep(main)
