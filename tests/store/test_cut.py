"""A connection that breaks inside a COPY: nothing is written, and the same call mends it."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.domain.candle import Interval
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.candles import Candles
from rusy_tui.store.errors import DatabaseLost
from rusy_tui.store.pool import Database
from tests.store.test_bulk import BTC, START, STEP, bar, columns, table

BARS = 5000
NAME = ".s.PGSQL.5432"


class Proxy:
    """Between a program and its server; cuts both off after so many bytes to the server."""

    def __init__(self, server: DatabaseAddress, folder: Path) -> None:
        self._server = Path(server.host) / NAME
        self.address = msgspec.structs.replace(server, host=str(folder))
        self._path = folder / NAME
        self._left: int | None = None
        self.cuts = 0

    def arm(self, after_bytes: int) -> None:
        """The next so many bytes pass, and no more."""
        self._left = after_bytes

    async def start(self) -> asyncio.AbstractServer:
        return await asyncio.start_unix_server(self._serve, self._path)

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        server, forth = await asyncio.open_unix_connection(self._server)
        answers = asyncio.create_task(self._pass(server, back))
        while data := await client.read(4096):
            if self._left is not None:
                data = data[: self._left]
                self._left -= len(data)
            forth.write(data)
            await forth.drain()
            if self._left == 0:
                self._left = None
                self.cuts += 1
                break
        answers.cancel()
        for writer in (forth, back):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


@pytest.fixture
async def proxy(database_address: DatabaseAddress) -> AsyncGenerator[Proxy]:
    # A socket's path has 108 bytes at most.
    with tempfile.TemporaryDirectory(prefix="rusy-cut-") as folder:
        made = Proxy(database_address, Path(folder))
        server = await made.start()
        yield made
        server.close()


@pytest.mark.parametrize("there", ["nothing", "a bar that is revised"])
async def test_what_was_cut_off_is_written_by_the_next_try(
    proxy: Proxy, database: Database, there: str
) -> None:
    opened = await Database.open(proxy.address, SystemClock())
    candles, bare = Candles(opened, "live"), Candles(database, "live")
    batch = columns([bar(number) for number in range(BARS)])
    if there != "nothing":
        await bare.store([bar(BARS // 2, trades=5.0)], "stream")
    before = await table(database, "market_data", "live")
    # In the header, in the middle, near the end.
    for after_bytes in (400, 250_000, 700_000):
        proxy.arm(after_bytes)
        with pytest.raises(DatabaseLost):
            await candles.store_bars(BTC, batch, "rest", notify=True)
        assert await table(database, "market_data", "live") == before
    assert proxy.cuts == 3
    stored = await candles.store_bars(BTC, batch, "rest", notify=True)
    assert stored.new == BARS - len(before)
    assert len(stored.revised) == len(before)
    read = await bare.range(BTC, Interval.M15, START, START + BARS * STEP)
    assert read.trades.tolist() == batch.trades.tolist()
    assert await candles.revised(BTC, Interval.M15) == len(before)
    await opened.close()
