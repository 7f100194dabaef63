"""The engine's end of the link."""

import asyncio
import contextlib
import itertools
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import rusy_tui
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.commands import Attend, Command, Reply
from rusy_tui.domain.errors import RusyError
from rusy_tui.link import paths
from rusy_tui.link.hub import Publisher, Watcher
from rusy_tui.link.messages import (
    PROTOCOL,
    FromClient,
    FromEngine,
    Hello,
    LinkLost,
    Refused,
    Welcome,
    framed,
    next_from_client,
)

Handle = Callable[[Command, str], Awaitable[Reply]]

# Screens draw 20 times a second at most; what comes in between is conflated.
_BATCH_EVERY_S = 0.04
_HELLO_WITHIN_S = 5.0
_LAST_WORDS_S = 2.0
# Commands of one connection that may be at work at a time; further ones wait their turn.
_MOST_AT_WORK = 32
_BUFFER_BYTES = 256 * 1024


class LinkServer:
    """Serves watchers and commands on a Unix socket, on socket pairs, or on both.

    Args:
        publisher: what watchers are told.
        handle: carries out a command for whoever is named and answers it; it remembers
            command ids, so that a repeated one gets its first reply.
        clock: for time-outs.
    """

    def __init__(self, publisher: Publisher, handle: Handle, clock: Clock) -> None:
        self._publisher = publisher
        self._handle = handle
        self._clock = clock
        self._listener: asyncio.Server | None = None
        self._path: Path | None = None
        self._inode = 0
        self._numbers = itertools.count(1)
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._commands: set[asyncio.Task[None]] = set()

    async def serve_unix(self, path: Path) -> None:
        """Listen on a Unix socket that only its user can open.

        Raises:
            StorageError: when the path or its folder can't be used, or is in use.
        """
        listener, inode = await self._clock.in_thread(lambda: paths.bound(path))
        self._path, self._inode = path, inode
        self._listener = await asyncio.start_unix_server(self._accepted, sock=listener)

    async def serve_socket(self, connected: socket.socket) -> None:
        """Serve one client on a socket that is connected already, such as half a pair."""
        reader, writer = await asyncio.open_unix_connection(sock=connected)
        self._start(reader, writer)

    async def close(self) -> None:
        """Tell everybody what still waits, answer what is at work, and hang up."""
        if self._listener is not None:
            self._listener.close()
        await self._ended(self._commands)
        for connection in list(self._connections):
            connection.finish()
        await self._ended(self._tasks)
        for task in (*self._commands, *self._tasks):
            task.cancel()
        if self._path is not None:
            paths.remove(self._path, self._inode)

    async def _accepted(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._start(reader, writer)

    def _start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer, next(self._numbers))
        self._connections.add(connection)
        self.tell(connection.run())

    def tell(self, talk: Coroutine[Any, Any, None]) -> None:
        """Run one side of a connection until it, or the server, ends."""
        _kept(talk, self._tasks)

    def work(self, command: Coroutine[Any, Any, None]) -> None:
        """Run a command until it is done, whoever hangs up meanwhile."""
        _kept(command, self._commands)

    async def _ended(self, tasks: set[asyncio.Task[None]]) -> None:
        with contextlib.suppress(TimeoutError):
            if tasks:
                await self._clock.within(_LAST_WORDS_S, asyncio.wait(tasks))

    def gone(self, connection: "_Connection") -> None:
        """A connection has ended."""
        self._connections.discard(connection)

    def watch(self) -> Watcher:
        """A new watcher of what is published."""
        return self._publisher.watch()

    def welcome(self) -> Welcome:
        """What a client is told that is taken."""
        return Welcome(
            protocol=PROTOCOL,
            version=rusy_tui.__version__,
            pid=os.getpid(),
            venue=self._publisher.state.venue,
        )

    async def answer(self, command: Command, who: str) -> Reply:
        """The engine's reply to a command; an error of ours becomes one too."""
        try:
            return await self._handle(command, who)
        except RusyError as error:
            return Reply(command.command_id, ok=False, answer="failed", message=str(error))

    @property
    def clock(self) -> Clock:
        """The clock of time-outs."""
        return self._clock


class _Connection:
    """One client: its hello, its commands, and what it is told."""

    def __init__(
        self,
        server: LinkServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._number = number
        self._watcher: Watcher | None = None
        self._at_work = asyncio.Semaphore(_MOST_AT_WORK)
        self._attending: Attend | None = None
        self._finishing = False
        writer.transport.set_write_buffer_limits(high=_BUFFER_BYTES)

    async def run(self) -> None:
        """Serve the client until it hangs up, or says what nobody understands."""
        who = ""
        try:
            user = _peer(self._writer.get_extra_info("socket"))
            if user is None:
                raise LinkLost("this socket belongs to another user")
            hello = await self._server.clock.within(
                _HELLO_WITHIN_S, next_from_client(self._reader)
            )
            if hello is None:
                return
            hello = self._understood(hello)
            self._write(self._server.welcome())
            who = f"{user}, {hello.origin} {self._number}"
            if hello.watch:
                self._watcher = self._server.watch()
                self._server.tell(self._tell(self._watcher))
            await self._obey(who)
        except (LinkLost, TimeoutError) as error:
            self._write(Refused(str(error) or "no hello came"))
        except ConnectionError:
            pass  # it hung up while it was being told something
        finally:
            await self._nobody_attends(who)
            await self._hang_up()

    def finish(self) -> None:
        """Send what still waits, and take no more commands."""
        self._finishing = True
        if self._watcher is not None and not self._writer.is_closing():
            for event in self._watcher.take():
                self._write(event)
        self._reader.feed_eof()

    def _understood(self, hello: FromClient) -> Hello:
        if not isinstance(hello, Hello):
            raise LinkLost("a connection opens with a hello")
        if hello.protocol != PROTOCOL:
            raise LinkLost(
                f"this engine is Rusy {rusy_tui.__version__} and speaks link protocol "
                f"{PROTOCOL}; yours is Rusy {hello.version} and speaks {hello.protocol}: "
                "use the version the engine runs, or restart the engine with yours"
            )
        return hello

    async def _obey(self, who: str) -> None:
        while not self._finishing:
            command = await next_from_client(self._reader)
            if command is None:
                return
            if isinstance(command, Hello):
                raise LinkLost("a second hello came")
            if isinstance(command, Attend):
                self._attending = command if command.card_open else None
            await self._at_work.acquire()
            # In a task of its own: a flatten takes long, and an approval must not wait. It
            # goes on when its sender hangs up.
            self._server.work(self._carry_out(command, who))

    async def _carry_out(self, command: Command, who: str) -> None:
        answer = asyncio.ensure_future(self._server.answer(command, who))
        await asyncio.wait([answer])
        self._at_work.release()
        if answer.cancelled():
            return
        if defect := answer.exception():
            message = f"{type(defect).__name__}: {defect}; the engine's log has more"
            self._write(Reply(command.command_id, ok=False, answer="failed", message=message))
            raise defect
        self._write(answer.result())

    async def _tell(self, watcher: Watcher) -> None:
        try:
            while events := await watcher.batch():
                self._writer.writelines([framed(event) for event in events])
                await self._writer.drain()
                await self._server.clock.sleep(_BATCH_EVERY_S)
        except ConnectionError:
            pass  # the reader of this connection sees it too, and ends it

    def _write(self, message: FromEngine) -> None:
        if not self._writer.is_closing():
            self._writer.write(framed(message))

    async def _hang_up(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
        self._server.gone(self)
        self._writer.close()
        try:
            await self._server.clock.within(_LAST_WORDS_S, self._writer.wait_closed())
        except ConnectionError:
            pass  # it hung up first
        except TimeoutError:
            self._writer.transport.abort()  # it does not read

    async def _nobody_attends(self, who: str) -> None:
        """A console that died with a card open must not hold the demo at its slow pace."""
        if self._attending is None or self._finishing:
            return
        gone = Attend(f"{self._attending.command_id}-gone", card_open=False)
        await self._server.answer(gone, who)


def _kept(coroutine: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
    """Start a task and hold a reference to it until it ends."""
    task = asyncio.create_task(coroutine)
    among.add(task)
    task.add_done_callback(among.discard)


def _peer(connected: socket.socket) -> str | None:
    """The user at the other end; None when it is neither ours nor root."""
    if sys.platform != "linux":
        return _user_name(os.getuid())  # the folder's 0700 has kept everybody else out
    packed = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", packed)
    return _user_name(uid) if uid in (0, os.getuid()) else None


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
