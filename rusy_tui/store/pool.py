"""Connections to one database, and the only place that calls it.

Each call counts as work outside the event loop, so that no time passes in lockstep while the
database is at work. With one connection, calls run one after the other in the order in which
they were made: what lockstep needs, so that no result depends on which of two was faster.
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Coroutine,
    Iterable,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncpg

from rusy_tui.domain.clock import Clock
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.errors import DatabaseLost, DatabaseRefused, translated

T = TypeVar("T")

# PostgreSQL counts microseconds from 2000-01-01.
_EPOCH_2000_MS = 946_684_800_000
# Real time: after this long without an answer the database counts as lost.
_CALL_LIMIT_S = 15.0
_CONNECT_LIMIT_S = 10.0
# A read of years takes longer; whoever makes it waits for it.
_COPY_LIMIT_S = 120.0
# Migrations, dumps and restores: as long as it takes.
_LONG_LIMIT_S = 7 * 86_400.0
# While it works the server looks every second whether we are still there; while it doesn't,
# the network does, and tells it of a machine that is gone within 25 s (on TCP).
_END_WITH_US = {
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


class Session:
    """One connection, lent out by :class:`Database`."""

    def __init__(
        self, connection: asyncpg.Connection, clock: Clock, address: DatabaseAddress
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._address = address

    async def execute(self, query: str, *arguments: object) -> int:
        """Run a statement; the number of rows it touched (0 for those that touch none).

        Raises:
            DatabaseLost: no answer.
            DatabaseRefused: the answer is no.
        """
        status = await self._finish(self._connection.execute(query, *arguments))
        count = status.rpartition(" ")[2]
        return int(count) if count.isdecimal() else 0

    async def rows(self, query: str, *arguments: object) -> "list[asyncpg.Record]":
        """All rows of a query."""
        return await self._finish(self._connection.fetch(query, *arguments))

    async def row(self, query: str, *arguments: object) -> "asyncpg.Record | None":
        """The first row of a query, None when it has none."""
        return await self._finish(self._connection.fetchrow(query, *arguments))

    async def value(self, query: str, *arguments: object) -> Any:
        """The first column of the first row, None when there is no row."""
        return await self._finish(self._connection.fetchval(query, *arguments))

    async def answers(self, within_s: float) -> bool:
        """Whether the server still answers; a connection that doesn't is given up."""
        try:
            await self._finish(self._connection.execute("SELECT 1", timeout=within_s))
        except DatabaseLost:
            return False
        return True

    # What may take long -----------------------------------------------------------------

    async def run_long(self, script: str) -> None:
        """Run SQL that may take its time; whoever is cancelled meanwhile ends the connection.

        A single statement runs outside a transaction unless one was begun.

        Raises:
            DatabaseLost: the connection broke.
            DatabaseRefused: the answer is no.
        """
        await self._abandonable(self._connection.execute(script, timeout=_LONG_LIMIT_S))

    async def value_long(self, query: str, *arguments: object) -> Any:
        """As :meth:`value`, of a query that may take its time."""
        call = self._connection.fetchval(query, *arguments, timeout=_LONG_LIMIT_S)
        return await self._abandonable(call)

    async def rows_long(self, query: str, *arguments: object) -> "list[asyncpg.Record]":
        """As :meth:`rows`, of a query that may take its time."""
        call = self._connection.fetch(query, *arguments, timeout=_LONG_LIMIT_S)
        return await self._abandonable(call)

    async def copy_text_out(
        self, query: str, sink: Callable[[bytes], Coroutine[Any, Any, None]]
    ) -> None:
        """Hand the rows of a query to a sink, piece by piece, as COPY writes text."""
        await self._abandonable(
            self._connection.copy_from_query(
                query, output=sink, format="text", timeout=_LONG_LIMIT_S
            )
        )

    async def copy_text_in(
        self, table: str, columns: Sequence[str], source: AsyncIterable[bytes]
    ) -> int:
        """Add rows in the form that :meth:`copy_text_out` gives; their number."""
        status = await self._abandonable(
            self._connection.copy_to_table(
                table, source=source, columns=columns, format="text", timeout=_LONG_LIMIT_S
            )
        )
        return int(status.rpartition(" ")[2])

    async def end_with_us(self) -> None:
        """Have the server end this connection's work soon after our process or machine ended.

        Else it finds out only when it has something to say: a statement would run to its end,
        and locks would be held as long. A server that can't do so is left as it is.
        """
        for name, value in _END_WITH_US.items():
            with suppress(DatabaseRefused):
                await self.execute("SELECT set_config($1, $2, false)", name, value)

    def on_end(self, call: Callable[[], None]) -> None:
        """Have something called when the connection ends, whoever ended it."""
        self._connection.add_termination_listener(lambda _: call())

    async def copy_in(self, table: str, columns: Sequence[str], file: Iterable[bytes]) -> None:
        """Append rows to a table; on a failure none of them.

        Args:
            table: its name.
            columns: in the order of a row's fields.
            file: the rows in PostgreSQL's binary format, in pieces.
        """

        async def pieces() -> AsyncGenerator[bytes]:
            for piece in file:
                yield piece

        await self._finish(
            self._connection.copy_to_table(
                table, source=pieces(), columns=columns, format="binary"
            )
        )

    async def copy_out(self, query: str, *arguments: object) -> bytes:
        """All rows of a query in PostgreSQL's binary format."""
        pieces: list[bytes] = []

        async def keep(piece: bytes) -> None:
            pieces.append(piece)

        await self._finish(
            self._connection.copy_from_query(
                query, *arguments, output=keep, format="binary", timeout=_COPY_LIMIT_S
            )
        )
        return b"".join(pieces)

    async def listen(self, channel: str, heard: Callable[[str], None]) -> None:
        """Have something called with the payload of each notice on a channel."""
        listening = self._connection.add_listener(channel, lambda *notice: heard(notice[3]))
        await self._finish(listening)

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self._connection.is_closed()

    def cut(self) -> None:
        """End the connection at once, without a word to the server."""
        self._connection.terminate()

    async def close(self) -> None:
        """Say goodbye to the server; at once when it doesn't answer."""
        with self._clock.outside_work(), suppress(asyncpg.PostgresError, OSError, TimeoutError):
            await self._connection.close(timeout=_CONNECT_LIMIT_S)

    async def _finish(self, call: Coroutine[Any, Any, T]) -> T:
        """Run a call to its end, also when whoever made it is cancelled meanwhile.

        Half a call helps nobody: whether a write took effect would depend on which was
        faster, and the connection would be left in the middle of an answer.
        """
        with self._clock.outside_work(), translated(self._address):
            task = asyncio.ensure_future(call)
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                while not task.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([task])
                if not task.cancelled():
                    task.exception()  # seen, so that asyncio doesn't complain of it
                raise
            except (TimeoutError, asyncpg.InternalClientError):
                # A server that doesn't answer won't answer a request to cancel either, and a
                # connection whose two ends disagree (as when the server ended it just before
                # the call) is of no use.
                self._connection.terminate()
                raise

    async def _abandonable(self, call: Coroutine[Any, Any, T]) -> T:
        """Run a call that nobody waits for once its caller is cancelled: the connection, and
        with it an open transaction, then ends in the middle of it.
        """
        with self._clock.outside_work(), translated(self._address):
            try:
                return await call
            except asyncpg.PostgresError:
                raise
            except BaseException:
                self._connection.terminate()
                raise


class Database:
    """A database and up to ``size`` connections to it, made when first needed.

    A connection that was lost is made anew by the next call. Made by :meth:`open`.
    """

    def __init__(self, address: DatabaseAddress, clock: Clock, size: int = 1) -> None:
        self.address = address
        self.clock = clock
        # Wakes its waiters in the order in which they came.
        self._free = asyncio.Semaphore(size)
        self._idle: list[Session] = []
        self._closed = False

    @classmethod
    async def open(cls, address: DatabaseAddress, clock: Clock, size: int = 1) -> "Database":
        """Connect.

        Args:
            address: of the database.
            clock: whose count of outside work each call raises.
            size: how many calls may run at a time; 1 in lockstep.

        Raises:
            DatabaseLost: it can't be reached.
            DatabaseRefused: it doesn't let us in.
        """
        database = cls(address, clock, size)
        async with database.session():
            pass
        return database

    async def close(self) -> None:
        """Close the connections, each after the call it is busy with."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Session]:
        """A connection for one's own use, for a while."""
        async with self._free:
            session = await self._take()
            try:
                yield session
            finally:
                if self._closed:
                    await session.close()
                elif not session.lost:
                    self._idle.append(session)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Session]:
        """A connection inside a transaction: all of it is kept, or nothing.

        With one connection all other calls wait for its end: await nothing else inside.
        """
        async with self.session() as session:
            await session.execute("BEGIN")
            try:
                yield session
            except BaseException:
                if not session.lost:
                    await session.execute("ROLLBACK")
                raise
            await session.execute("COMMIT")

    async def execute(self, query: str, *arguments: object) -> int:
        """Run a statement; the number of rows it touched."""
        async with self.session() as session:
            return await session.execute(query, *arguments)

    async def rows(self, query: str, *arguments: object) -> "list[asyncpg.Record]":
        """All rows of a query."""
        async with self.session() as session:
            return await session.rows(query, *arguments)

    async def row(self, query: str, *arguments: object) -> "asyncpg.Record | None":
        """The first row of a query, None when it has none."""
        async with self.session() as session:
            return await session.row(query, *arguments)

    async def value(self, query: str, *arguments: object) -> Any:
        """The first column of the first row, None when there is no row."""
        async with self.session() as session:
            return await session.value(query, *arguments)

    async def _take(self) -> Session:
        while self._idle:
            session = self._idle.pop()
            if not session.lost:
                return session
        return await connect(self.address, self.clock)


async def connect(address: DatabaseAddress, clock: Clock) -> Session:
    """A connection outside any pool; whoever asks for it closes it.

    Raises:
        DatabaseLost: the database can't be reached.
        DatabaseRefused: it doesn't let us in.
    """
    with clock.outside_work(), translated(address):
        connection = await asyncpg.connect(
            **address.arguments(),
            timeout=_CONNECT_LIMIT_S,
            command_timeout=_CALL_LIMIT_S,
            # Forgetting statements by timer would make market time decide what is prepared.
            max_cached_statement_lifetime=0,
            server_settings={"timezone": "UTC", "application_name": "rusy"},
        )
        # Times are whole milliseconds on our side, JSON is bytes that the repositories read
        # straight into their types.
        await connection.set_type_codec(
            "timestamptz",
            schema="pg_catalog",
            format="tuple",
            encoder=lambda ms: ((ms - _EPOCH_2000_MS) * 1000,),
            decoder=lambda parts: parts[0] // 1000 + _EPOCH_2000_MS,
        )
        await connection.set_type_codec(
            "jsonb",
            schema="pg_catalog",
            format="binary",
            encoder=lambda text: b"\x01" + text,  # jsonb's version of its wire form
            decoder=lambda data: data[1:],
        )
    return Session(connection, clock, address)
