"""What operators told the engine; a repeated id gets the first reply."""

import msgspec

from rusy_tui.domain.commands import Command, Reply
from rusy_tui.store.pool import Database


class Commands:
    """The table ``commands`` of one account."""

    def __init__(self, database: Database, venue: str, account: str) -> None:
        self._database = database
        self._key = (venue, account)

    async def record(
        self, command: Command, reply: Reply, *, who: str, origin: str, at_ms: int
    ) -> bool:
        """Keep a command and its reply; False when its id is known (the first reply stays).

        Args:
            command: as it came.
            reply: as it was given.
            who: the user.
            origin: from where: console, socket, ssh.
            at_ms: market time, ms.
        """
        added = await self._database.execute(
            "INSERT INTO commands (venue, account, command_id, at, who, origin, kind, payload, "
            "reply) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            *self._key,
            command.command_id,
            at_ms,
            who,
            origin,
            type(command).__name__,
            msgspec.json.encode(command),
            msgspec.json.encode(reply),
        )
        return added == 1

    async def reply(self, command_id: str) -> Reply | None:
        """The reply that a command id got; None when it is new."""
        text = await self._database.value(
            "SELECT reply FROM commands WHERE venue = $1 AND account = $2 AND command_id = $3",
            *self._key,
            command_id,
        )
        return msgspec.json.decode(text, type=Reply) if text is not None else None
