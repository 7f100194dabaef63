"""A process that sends ready WebSocket frames as fast as a socket takes them.

It speaks just enough of the protocol to be connected to. What it sends was framed before, so
that the time measured at the other end is the receiver's.
"""

import asyncio
import multiprocessing
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

_START_LIMIT_S = 30.0


@contextmanager
def firehose(bursts: Mapping[str, Sequence[bytes]]) -> Generator[str]:
    """A server on loopback that sends each route's burst to whoever connects; its address.

    Connections to other routes are accepted and hear nothing.

    Raises:
        TimeoutError: it did not start.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_process, args=(theirs, dict(bursts)), daemon=True)
    process.start()
    try:
        if not ours.poll(_START_LIMIT_S):
            raise TimeoutError(f"the sending process did not start in {_START_LIMIT_S:.0f} s")
        yield f"ws://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _process(pipe: Connection, bursts: Mapping[str, Sequence[bytes]]) -> None:
    frames = {
        f"GET /{route}/": b"".join(
            Frame(Opcode.TEXT, message).serialize(mask=False) for message in messages
        )
        for route, messages in bursts.items()
    }
    asyncio.run(_serve(pipe, frames))


async def _serve(pipe: Connection, frames: Mapping[str, bytes]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = [line.partition(": ") for line in head.split("\r\n")[1:]]
        key = next(value for name, _, value in lines if name.lower() == "sec-websocket-key")
        answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        answer += f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
        writer.write(answer.encode())
        for start, burst in frames.items():
            if head.startswith(start):
                writer.write(burst)
        await writer.drain()
        await reader.read()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()
