"""One engine an account: a lock that the database holds for as long as we are connected."""

import hashlib
import os
import socket
from datetime import UTC, datetime

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.pool import Session, connect

# The server notices a killed engine's end at once, but not before its own next turn.
_TRIES = 10
_BETWEEN_S = 0.1

_OWNER = """
INSERT INTO lock_owners (key, subject, host, pid, started_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (key) DO UPDATE
SET host = excluded.host, pid = excluded.pid, started_at = excluded.started_at
"""


class AccountLock:
    """The lock on one account, on a connection of its own. Made by :meth:`take`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    async def take(
        cls, address: DatabaseAddress, clock: Clock, venue: str, account: str
    ) -> "AccountLock":
        """Become the one engine of an account; the database must be migrated.

        Raises:
            StorageError: another one is, with its host, process and start; or no answer.
        """
        subject = f"{venue}/{account}"
        digest = hashlib.sha256(f"account {subject}".encode()).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        session = await connect(address, clock)
        try:
            for _ in range(_TRIES):
                if await session.value("SELECT pg_try_advisory_lock($1)", key):
                    host, pid = socket.gethostname(), os.getpid()
                    await session.execute(_OWNER, key, subject, host, pid, clock.wall_ms())
                    return cls(session)
                await clock.sleep(_BETWEEN_S)
            raise StorageError(await _refusal(session, subject, key))
        except BaseException:
            await session.close()
            raise

    @property
    def held(self) -> bool:
        """Whether it is still ours; it is not once the connection was lost."""
        return not self._session.lost

    async def release(self) -> None:
        """Let another engine have the account."""
        await self._session.close()


async def _refusal(session: Session, subject: str, key: int) -> str:
    row = await session.row("SELECT host, pid, started_at FROM lock_owners WHERE key = $1", key)
    if row is None:
        return f"another engine runs the account {subject}; it has just started"
    since = datetime.fromtimestamp(row["started_at"] // 1000, UTC)
    return (
        f"another engine runs the account {subject}: process {row['pid']} on {row['host']}, "
        f"since {since:%Y-%m-%d %H:%M:%S} UTC; attach to it with `rusy attach`, or stop it "
        "first"
    )
