"""Proposals and their decisions."""

from rusy_tui.domain.proposal import Plan, Proposal, ProposalState
from rusy_tui.store.pool import Database
from rusy_tui.store.table import Table

_TABLE = Table("proposals", Proposal, as_json={"plan": Plan})


class Proposals:
    """The table ``proposals`` of one account."""

    def __init__(self, database: Database, venue: str, account: str) -> None:
        self._database = database
        self._key = (venue, account)

    async def next_id(self) -> int:
        """The number for a new proposal: one more than the highest so far.

        Only one engine runs an account, so nobody else takes it meanwhile.
        """
        number: int = await self._database.value(
            "SELECT coalesce(max(proposal_id), 0) + 1 FROM proposals "
            "WHERE venue = $1 AND account = $2",
            *self._key,
        )
        return number

    async def add(self, proposal: Proposal) -> bool:
        """Keep a proposal; False when its number is taken."""
        added = await self._database.execute(
            _TABLE.insert_once, *self._key, *_TABLE.values(proposal)
        )
        return added == 1

    async def decide(
        self, proposal_id: int, state: ProposalState, at_ms: int, by: str, reason: str = ""
    ) -> bool:
        """End a pending proposal; False when it pends no longer: the first decision holds.

        Args:
            proposal_id: its number.
            state: what it becomes; not pending.
            at_ms: market time, ms.
            by: who decided.
            reason: in words.
        """
        changed = await self._database.execute(
            "UPDATE proposals SET state = $4, decided_at = $5, decided_by = $6, reason = $7 "
            "WHERE venue = $1 AND account = $2 AND proposal_id = $3 AND state = 'pending'",
            *self._key,
            proposal_id,
            state,
            at_ms,
            by,
            reason,
        )
        return changed == 1

    async def get(self, proposal_id: int) -> Proposal | None:
        """One proposal, None when there is none of this number."""
        row = await self._database.row(
            f"{_TABLE.select} AND proposal_id = $3", *self._key, proposal_id
        )
        return _TABLE.read(row) if row else None

    async def pending(self) -> list[Proposal]:
        """Those without a decision, oldest first."""
        rows = await self._database.rows(
            f"{_TABLE.select} AND state = 'pending' ORDER BY proposal_id", *self._key
        )
        return [_TABLE.read(row) for row in rows]

    async def since(self, from_ms: int) -> list[Proposal]:
        """Those made at or after an instant of market time, ms; oldest first."""
        rows = await self._database.rows(
            f"{_TABLE.select} AND created_at >= $3 ORDER BY proposal_id", *self._key, from_ms
        )
        return [_TABLE.read(row) for row in rows]
