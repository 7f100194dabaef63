"""The operator's end of the link: what a console and a command talk through."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import rusy_tui
from rusy_tui.domain.commands import Command, Reply
from rusy_tui.domain.events import Event, PhaseChanged
from rusy_tui.link.messages import (
    PROTOCOL,
    FromEngine,
    Hello,
    LinkLost,
    Refused,
    Welcome,
    framed,
    next_from_engine,
)

__all__ = ["LinkClient", "LinkLost"]

# Time-outs are wall time on the operator's own machine: there is no other time at this end.
_WELCOME_WITHIN_S = 10.0
# When a client does not read, its socket fills up, and the engine conflates.
_MOST_EVENTS_WAITING = 256


class LinkClient:
    """A connection to an engine. Made by one of the ``from_`` and ``connect_`` methods.

    One that watches must read its events: replies come behind them.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        welcome: Welcome,
        process: asyncio.subprocess.Process | None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._welcome = welcome
        self._process = process
        self._events: asyncio.Queue[Event | None] = asyncio.Queue(_MOST_EVENTS_WAITING)
        self._replies: dict[str, asyncio.Future[Reply]] = {}
        self._lost: LinkLost | None = None
        self._parting = ""
        self._closed = False
        self._reading = asyncio.create_task(self._read())

    @property
    def welcome(self) -> Welcome:
        """What the engine said of itself."""
        return self._welcome

    @classmethod
    async def connect_unix(
        cls, path: Path, *, origin: str = "console", watch: bool = True
    ) -> "LinkClient":
        """Connect to the engine that listens on a Unix socket.

        Raises:
            LinkLost: when none does, or it refuses.
        """
        try:
            reader, writer = await asyncio.open_unix_connection(str(path))
        except OSError as error:
            raise LinkLost(
                f"{path}: no engine answers there ({error.strerror}); "
                "start one with `rusy`, `rusy headless` or `rusy demo`"
            ) from error
        return await cls._opened(reader, writer, origin, watch)

    @classmethod
    async def from_socket(
        cls, connected: socket.socket, *, origin: str = "console", watch: bool = True
    ) -> "LinkClient":
        """Talk over a socket that is connected already, such as half a pair.

        Raises:
            LinkLost: when the engine is not there, or refuses.
        """
        reader, writer = await asyncio.open_unix_connection(sock=connected)
        return await cls._opened(reader, writer, origin, watch)

    @classmethod
    async def connect_command(
        cls, arguments: Sequence[str], *, origin: str = "console", watch: bool = True
    ) -> "LinkClient":
        """Talk to the engine that a program's stdin and stdout lead to, such as ssh's.

        Raises:
            LinkLost: when the program ends or the engine refuses; with its last words.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                # A screen may be drawn on our own stderr.
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise LinkLost(f"{arguments[0]}: can't be started: {error.strerror}") from error
        if process.stdout is None or process.stdin is None:
            raise LinkLost(f"{arguments[0]}: was started without pipes")
        return await cls._opened(process.stdout, process.stdin, origin, watch, process)

    @classmethod
    async def _opened(
        cls,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        origin: str,
        watch: bool,
        process: asyncio.subprocess.Process | None = None,
    ) -> "LinkClient":
        try:
            async with asyncio.timeout(_WELCOME_WITHIN_S):
                writer.write(framed(Hello(PROTOCOL, rusy_tui.__version__, origin, watch)))
                await writer.drain()
                first = await next_from_engine(reader)
        except TimeoutError:
            error = LinkLost(
                f"no engine answered within {_WELCOME_WITHIN_S:g} s; is it hung? "
                "`rusy flatten --direct` needs none"
            )
        except ConnectionError as broken:
            error = LinkLost(f"the connection broke before the engine answered: {broken}")
        except LinkLost as senseless:
            error = senseless
        else:
            if isinstance(first, Welcome):
                return cls(reader, writer, first, process)
            error = await _no_welcome(first, process)
        writer.close()
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        raise error

    async def events(self) -> AsyncIterator[Event]:
        """A snapshot, and then what happens; ends when this end closes.

        Raises:
            LinkLost: when the engine's end is gone.
        """
        while (event := await self._events.get()) is not None:
            yield event
        if self._lost is not None and not self._closed:
            raise self._lost

    async def send(self, command: Command) -> Reply:
        """Give a command and wait for its reply, however long the engine works on it.

        Raises:
            LinkLost: when the connection broke first. Whether the command was carried out
                is then unknown: ask again with the same command id.
        """
        if self._lost is not None:
            raise self._lost
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[command.command_id] = reply
        try:
            self._writer.write(framed(command))
            await self._writer.drain()
            return await reply
        except ConnectionError as error:
            raise LinkLost(f"the connection to the engine broke: {error}") from error
        finally:
            self._replies.pop(command.command_id, None)

    async def close(self) -> None:
        """Hang up. The engine goes on."""
        self._closed = True
        self._writer.close()
        self._reading.cancel()
        await asyncio.wait([self._reading])
        self._give_up(LinkLost("this connection was closed"))
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _read(self) -> None:
        try:
            while (message := await next_from_engine(self._reader)) is not None:
                await self._take(message)
            self._give_up(LinkLost(self._parting or "the engine has closed the connection"))
        except LinkLost as error:
            self._give_up(error)
        self._writer.close()
        # Waits for whoever is still behind in reading what came before.
        await self._events.put(None)

    async def _take(self, message: FromEngine) -> None:
        if isinstance(message, Reply):
            waiting = self._replies.get(message.command_id)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        elif isinstance(message, Refused):
            raise LinkLost(f"the engine hung up: {message.reason}")
        elif not isinstance(message, Welcome):
            if isinstance(message, PhaseChanged) and message.phase == "stopping":
                self._parting = message.progress  # why it ends, where that is no wish of ours
            await self._events.put(message)

    def _give_up(self, error: LinkLost) -> None:
        self._lost = self._lost or error
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(self._lost)
        if self._closed:
            while not self._events.empty():
                self._events.get_nowait()
            self._events.put_nowait(None)


async def _no_welcome(
    first: FromEngine | None, process: asyncio.subprocess.Process | None
) -> LinkLost:
    """Why no connection came about."""
    if isinstance(first, Refused):
        return LinkLost(f"the engine refused: {first.reason}")
    if first is not None:
        return LinkLost(f"the engine began with {type(first).__name__} instead of a welcome")
    if process is not None and process.stderr is not None:
        said = (await process.stderr.read()).decode(errors="replace").strip()
        last = said.splitlines()[-1] if said else "it said nothing"
        return LinkLost(f"the way to the engine ended: {last}")
    return LinkLost("the engine hung up without a word; its log may say why")
