"""Bytes from stdin to an engine's socket and back: what `rusy attach --stdio` is."""

import asyncio
import sys
from pathlib import Path

from rusy_tui.link.messages import LinkLost

_CHUNK = 64 * 1024


async def run(path: Path) -> int:
    """Pass bytes both ways until either end hangs up.

    Raises:
        LinkLost: no engine listens there.
    """
    loop = asyncio.get_running_loop()
    try:
        from_engine, to_engine = await asyncio.open_unix_connection(str(path))
    except OSError as error:
        raise LinkLost(f"{path}: no engine answers there ({error.strerror})") from error
    from_client = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(from_client), sys.stdin.buffer
    )
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, sys.stdout.buffer
    )
    to_client = asyncio.StreamWriter(transport, protocol, None, loop)
    ways = [
        asyncio.create_task(_pass(from_client, to_engine)),
        asyncio.create_task(_pass(from_engine, to_client)),
    ]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    to_engine.close()
    to_client.close()
    return 0


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(_CHUNK):
            sink.write(chunk)
            await sink.drain()
    except ConnectionError:
        pass  # one end hung up: the other one is told so by its own end
