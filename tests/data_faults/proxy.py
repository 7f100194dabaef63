"""Stands between a program and its database, and can stop, or cut a connection in a COPY."""

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from rusy_tui.store.address import DatabaseAddress

_SOCKET = ".s.PGSQL.5432"
_BEGINS = b"COPY "


class Proxy:
    """Passes bytes both ways, in this event loop.

    Attributes:
        cut_in_copy: cut the connection after so many bytes of the next COPY into the database;
            None: never.
        cuts: how often that happened.
    """

    def __init__(self, behind: DatabaseAddress) -> None:
        self._behind = behind
        # The path of a Unix socket is short.
        self._folder = tempfile.TemporaryDirectory(prefix="rusy-proxy-")
        self.address = msgspec.structs.replace(behind, host=self._folder.name, port=5432)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.cut_in_copy: int | None = None
        self.cuts = 0

    async def start(self) -> None:
        """Let connections through."""
        path = Path(self._folder.name) / _SOCKET
        self._server = await asyncio.start_unix_server(self._serve, path)

    async def stop(self) -> None:
        """Refuse connections and cut those that are open."""
        if self._server is not None:
            self._server.close()
            (Path(self._folder.name) / _SOCKET).unlink(missing_ok=True)
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def close(self) -> None:
        """Stop for good."""
        await self.stop()
        self._folder.cleanup()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = f"{self._behind.host}/.s.PGSQL.{self._behind.port}"
        back_reader, back_writer = await asyncio.open_unix_connection(far)
        self._open |= {writer, back_writer}
        to_database = asyncio.ensure_future(self._pass(reader, back_writer, watch=True))
        from_database = asyncio.ensure_future(self._pass(back_reader, writer, watch=False))
        await asyncio.wait([to_database, from_database], return_when=asyncio.FIRST_COMPLETED)
        for each in (writer, back_writer):
            each.transport.abort()
            self._open.discard(each)
        await asyncio.wait([to_database, from_database])

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, watch: bool
    ) -> None:
        copied: int | None = None
        with suppress(ConnectionError):
            while data := await reader.read(4096):
                if watch and self.cut_in_copy is not None:
                    if copied is not None:
                        copied += len(data)
                    elif _BEGINS in data:
                        copied = 0
                    if copied is not None and copied >= self.cut_in_copy:
                        self.cut_in_copy = None
                        self.cuts += 1
                        return
                writer.write(data)
                await writer.drain()
