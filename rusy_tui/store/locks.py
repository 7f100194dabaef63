"""One engine an account, one collector a symbol: locks that the database holds for as long as
we are connected.

Each lock has a connection of its own. Whoever loses that connection no longer holds the lock,
knows it within seconds, and tries for ever to get it again; meanwhile somebody else may.
"""

import asyncio
import hashlib
import os
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.errors import LockRefused
from rusy_tui.store.journal import Journal
from rusy_tui.store.pool import Database, Session, connect

# The server notices a killed process's end at once, but not before its own next turn.
_TRIES = 10
_BETWEEN_S = 0.1
# A server that holds a lock for us answers as fast as that, or we believe it gone.
_ANSWERS_WITHIN_S = 3.0

_OWNER = """
INSERT INTO lock_owners (key, subject, host, pid, started_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (key) DO UPDATE
SET subject = excluded.subject, host = excluded.host, pid = excluded.pid,
    started_at = excluded.started_at
"""

# The owner's row stays when it has gone; the server knows who really holds a lock. It lists the
# halves of its number apart.
_HELD = """
SELECT key, host, pid, started_at FROM lock_owners
WHERE key = ANY($1::bigint[]) AND key IN (
    SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""
_OWNERS = "SELECT host, pid, started_at FROM lock_owners WHERE key = ANY($1::bigint[])"

LOCK = "lock"
"""The journal's name for what happens to locks; the subject is ``account lock`` or
``collector lock``."""
COLLECTOR_ACCOUNT = "collector"
"""The collectors' name in the journal, where engines have their accounts."""

# Told that a lock was lost, with the reason, and again when the reason is another one, as
# when somebody else has it now; None: it is ours again.
Told = Callable[[str | None], None]


class Subject(msgspec.Struct, frozen=True, order=True):
    """What one may hold: ``account`` or ``collector``, and of what.

    ``name`` is a venue and an account, or a venue and a symbol: ``live/BTCUSDT``.
    """

    kind: str
    name: str

    @property
    def key(self) -> int:
        """The number of its advisory lock."""
        digest = hashlib.sha256(f"{self.kind} {self.name}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


class Lock:
    """One or several subjects, held together or not at all. Made by :meth:`take`."""

    def __init__(
        self, address: DatabaseAddress, clock: Clock, subjects: Sequence[Subject]
    ) -> None:
        self._address = address
        self._clock = clock
        # In one order everywhere, so that of two who want overlapping ones one gets all.
        self._subjects = tuple(sorted(set(subjects)))
        self._started_ms = clock.wall_ms()
        self._session: Session | None = None
        self._taken = False
        self._ended = asyncio.Event()
        self.refused = False
        """Whether, at the last try, somebody else held one of them."""
        self._was_ours = False
        self.others_meanwhile: tuple[str, ...] = ()
        """Who had any of it, for however short, since it was first ours."""

    @classmethod
    async def take(
        cls, address: DatabaseAddress, clock: Clock, subjects: Sequence[Subject]
    ) -> "Lock":
        """Become the one that holds these; the database must be migrated.

        Raises:
            LockRefused: another one does, with its host, process and start.
            DatabaseLost: no answer.
        """
        lock = cls(address, clock, subjects)
        try:
            for left in reversed(range(_TRIES)):
                refused = await lock._try()
                if refused is None:
                    return lock
                if left:
                    await clock.sleep(_BETWEEN_S)
            raise LockRefused(refused)
        except BaseException:
            await lock.release()
            raise

    @property
    def held(self) -> bool:
        """Whether it is still ours; it is not once the connection was lost."""
        return self._taken and self._session is not None and not self._session.lost

    @property
    def names(self) -> tuple[str, ...]:
        """What it is about, with the venue: ``live/BTCUSDT``."""
        return tuple(subject.name for subject in self._subjects)

    async def keep(self, look_every_s: float, told: Told) -> None:
        """Watch over the lock for ever, and get it again when it was lost.

        Args:
            look_every_s: how often the server is asked whether it is still there, and how
                often a lost lock is tried for, wall seconds. A connection that is ended, not
                only silent, is noticed at once.
            told: of each change.
        """
        while True:
            await self._until_lost(look_every_s)
            why = f"the connection to the {self._address} that holds it is gone"
            told(why)
            while (now := await self._again()) is not None:
                if now != why:
                    why = now
                    told(why)
                await self._clock.sleep(look_every_s)
            told(None)

    async def release(self) -> None:
        """Let another one have it."""
        self._taken = False
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _until_lost(self, look_every_s: float) -> None:
        while self.held:
            try:
                await self._clock.within(look_every_s, self._ended.wait())
            except TimeoutError:
                if self._session is not None:
                    await self._session.answers(_ANSWERS_WITHIN_S)
        self._taken = False

    async def _again(self) -> str | None:
        """Try once more; None when it is ours, else why not."""
        try:
            return await self._try()
        except StorageError as error:
            return str(error)

    async def _try(self) -> str | None:
        """Take all that nobody has; when somebody has one, give all back and say who."""
        if self._session is None or self._session.lost:
            self._session = await self._connect()
        session = self._session
        try:
            refused = await self._take_all(session)
        except StorageError:
            # Half taken: the server lets go of all of it with the connection.
            session.cut()
            raise
        self._taken, self.refused = refused is None, refused is not None
        return refused

    async def _take_all(self, session: Session) -> str | None:
        taken: list[Subject] = []
        refused: list[Subject] = []
        for subject in self._subjects:
            free = await session.value("SELECT pg_try_advisory_lock($1)", subject.key)
            (taken if free else refused).append(subject)
        if refused:
            for subject in taken:
                await session.execute("SELECT pg_advisory_unlock($1)", subject.key)
            return await _refusal(session, refused)
        host, pid = socket.gethostname(), os.getpid()
        if self._was_ours:
            await self._look_for_others(session, host, pid)
        for subject in self._subjects:
            await session.execute(
                _OWNER, subject.key, subject.name, host, pid, self._started_ms
            )
        self._was_ours = True
        return None

    async def _look_for_others(self, session: Session, host: str, pid: int) -> None:
        """Note who took what was ours: whoever takes a lock writes its name down."""
        rows = await session.rows(_OWNERS, [subject.key for subject in self._subjects])
        others = {
            f"process {row['pid']} on {row['host']}"
            for row in rows
            if (row["host"], row["pid"], row["started_at"]) != (host, pid, self._started_ms)
        }
        self.others_meanwhile = tuple(sorted({*self.others_meanwhile, *others}))

    async def _connect(self) -> Session:
        session = await connect(self._address, self._clock)
        ended = self._ended = asyncio.Event()
        session.on_end(ended.set)
        await session.end_with_us()
        return session


async def take_noted(database: Database, subjects: Sequence[Subject], journal: Journal) -> Lock:
    """Take a lock; when another one holds it, the journal says who was refused.

    The line stands where the holder's own lines are, so that its operator can see who tried.

    Raises:
        LockRefused: another one does, with its host, process and start.
        DatabaseLost: no answer.
    """
    clock = database.clock
    try:
        return await Lock.take(database.address, clock, subjects)
    except LockRefused as error:
        who = f"process {os.getpid()} on {socket.gethostname()}"
        payload = {"held": False, "refused": who, "why": str(error)}
        await journal.append(LOCK, f"{subjects[0].kind} lock", payload, clock.market_ms())
        raise


def account_of(venue: str, account: str) -> tuple[Subject, ...]:
    """What the one engine of an account holds."""
    return (Subject("account", f"{venue}/{account}"),)


def collector_of(venue: str, symbols: Sequence[str]) -> tuple[Subject, ...]:
    """What the one collector of some symbols' market data holds."""
    return tuple(Subject("collector", f"{venue}/{symbol}") for symbol in symbols)


async def holders(database: Database, subjects: Sequence[Subject]) -> dict[Subject, str | None]:
    """Who holds each of these now, in words; None: nobody does.

    Raises:
        StorageError: the database is lost.
    """
    rows = await database.rows(_HELD, [subject.key for subject in subjects])
    found = {row["key"]: _described(row) for row in rows}
    return {subject: found.get(subject.key) for subject in subjects}


async def _refusal(session: Session, refused: Sequence[Subject]) -> str:
    """Who holds what was refused, and what to do about it, in words."""
    names = ", ".join(subject.name for subject in refused)
    account = refused[0].kind == "account"
    text = (
        f"another engine runs the account {names}"
        if account
        else f"the market data of {names} is collected by another"
    )
    key = refused[0].key
    row = await session.row("SELECT host, pid, started_at FROM lock_owners WHERE key = $1", key)
    if row is None:
        return f"{text}, which has just started; try again in a moment"
    remedy = (
        "attach to it with `rusy attach`, or stop it first"
        if account
        else "take closed bars from it (data.source: database), or stop it first"
    )
    if row["host"] != socket.gethostname():
        remedy += "; if that machine is gone, its lock goes within half a minute"
    return f"{text}: {_described(row)}; {remedy}"


def _described(row: "asyncpg.Record") -> str:
    since = datetime.fromtimestamp(row["started_at"] // 1000, UTC)
    return f"process {row['pid']} on {row['host']}, since {since:%Y-%m-%d %H:%M:%S} UTC"
