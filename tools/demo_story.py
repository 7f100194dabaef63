"""What a newcomer sees in the demo's first minutes, told in wall time.

The market is played in lockstep, where all times are one; the wall time at which something
would be seen is worked out from the paces the demo would run at: real time while a proposal
pends and for some seconds after a fill, else the demo's own speed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rusy_tui.attention import AFTER_FILL_S
from rusy_tui.domain.commands import Approve
from rusy_tui.domain.events import Event, ProposalChanged
from rusy_tui.domain.proposal import Proposal, ProposalState
from rusy_tui.domain.settings import Settings
from rusy_tui.launch_lockstep import World

# The newcomer needs this long to approve, wall seconds.
DECIDES_AFTER_S = 5.0
WATCHED_S = 300.0


@dataclass(frozen=True)
class Story:
    """Wall seconds after the market began to move; trades as (ended at, net USDT)."""

    first_proposal_s: float | None
    ended: tuple[tuple[float, Decimal], ...]

    def holds(self, margin: float) -> bool:
        """Whether the demo keeps its word, with a margin (a fraction of each limit).

        A first proposal 10 to 30 s after the start; a trade that wins and one that loses
        within five minutes.
        """
        first = self.first_proposal_s
        if first is None or not 10 * (1 + margin) <= first <= 30 * (1 - margin):
            return False
        seen = [net for at_s, net in self.ended if at_s <= WATCHED_S * (1 - margin)]
        return any(net > 0 for net in seen) and any(net < 0 for net in seen)


class PaceBook:
    """Works out wall time from market time, given when somebody had to decide."""

    def __init__(self, start_ms: int, speed: float) -> None:
        self._start_ms = start_ms
        self._speed = speed
        self._slow: list[tuple[int, int]] = []

    def slow(self, from_ms: int, until_ms: int) -> None:
        """The market ran at real time in [from, until)."""
        self._slow.append((from_ms, until_ms))

    def wall_s(self, market_ms: int) -> float:
        """Wall seconds from the start until a market time."""
        slow_ms, reached_ms = 0, self._start_ms
        for slow_from_ms, slow_until_ms in sorted(self._slow):
            begins_ms = max(slow_from_ms, reached_ms)
            ends_ms = min(slow_until_ms, market_ms)
            if ends_ms > begins_ms:
                slow_ms += ends_ms - begins_ms
                reached_ms = ends_ms
        fast_ms = market_ms - self._start_ms - slow_ms
        return (slow_ms + fast_ms / self._speed) / 1000


async def watch(here: World, settings: Settings, start_ms: int) -> Story:
    """Approve every proposal some seconds after it appears, and tell what happened."""
    clock, speed = here.parts.clock, settings.demo.speed
    proposals: list[Proposal] = []
    watcher = here.parts.publisher.watch()
    approving: set[asyncio.Task[None]] = set()

    async def approve(proposal: Proposal) -> None:
        await clock.sleep(DECIDES_AFTER_S)
        name = f"approve-{proposal.proposal_id}"
        command = Approve(name, proposal.proposal_id, proposal.revision)
        await here.engine.handle(command, "newcomer")

    def take(event: Event) -> None:
        if not isinstance(event, ProposalChanged):
            return
        proposals.append(event.proposal)
        if event.proposal.state is ProposalState.PENDING:
            task = asyncio.get_running_loop().create_task(approve(event.proposal))
            approving.add(task)
            task.add_done_callback(approving.discard)

    async def follow() -> None:
        async for event in watcher:
            take(event)

    following = asyncio.create_task(follow())
    # At most all of it at the demo's speed: what a whole watch can hold of market time.
    await clock.sleep_until_market(start_ms + round(WATCHED_S * speed * 1000))
    following.cancel()
    watcher.close()
    paces = await _paces(here, proposals, start_ms, speed)
    first = min((p.created_ms for p in proposals), default=None)
    trades = await here.parts.store.trades.all()
    ended = [
        (paces.wall_s(trade.closed_ms), trade.net_pnl)
        for trade in trades
        if trade.closed_ms is not None and trade.entered_quantity
    ]
    return Story(
        first_proposal_s=None if first is None else paces.wall_s(first),
        ended=tuple(sorted(ended)),
    )


async def _paces(
    here: World, proposals: Sequence[Proposal], start_ms: int, speed: float
) -> PaceBook:
    paces = PaceBook(start_ms, speed)
    for proposal in proposals:
        if proposal.decided_ms is not None:
            paces.slow(proposal.created_ms, proposal.decided_ms)
    for row in await here.parts.store.fills.since(0):
        until_ms = row.fill.time_ms + round(AFTER_FILL_S * 1000)
        paces.slow(row.fill.time_ms, until_ms)
    return paces
