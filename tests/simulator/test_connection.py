"""What waits for a reader: order, replacement, and the end of a slow one."""

import asyncio

import pytest

from rusy_tui.simulator import connection
from rusy_tui.simulator.connection import Connection
from rusy_tui.simulator.faults import Faults
from tests.simulator.support import HandClock


class _Socket:
    """A socket whose reader takes what it is given only when it is open."""

    def __init__(self) -> None:
        self.closed = False
        self.code = 0
        self.taken: list[bytes] = []
        self.open = asyncio.Event()

    async def send_frame(self, payload: bytes, _: object) -> None:
        await self.open.wait()
        self.taken.append(payload)

    async def close(self, *, code: int, message: bytes) -> None:
        del message
        self.closed, self.code = True, code


def _connection(socket: _Socket) -> Connection:
    return Connection(
        socket,  # type: ignore[arg-type]  # it stands in
        HandClock(),
        channel="",
        route="market",
        combined=False,
        delays=None,
        faults=Faults(HandClock()),
    )


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_slow_reader_gets_the_latest_of_each_stream_and_every_strict_message() -> None:
    socket = _Socket()
    slow = _connection(socket)
    writing = asyncio.create_task(slow.write())
    slow.send(b"first", "kline")
    await _settle()
    for number in range(3):
        slow.send(b"kline %d" % number, "kline")
        slow.send(b"book %d" % number, "book")
        slow.send(b"order %d" % number)
    socket.open.set()
    await _settle()
    assert socket.taken == [
        b"first",
        b"kline 2",
        b"book 2",
        b"order 0",
        b"order 1",
        b"order 2",
    ]
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing


async def test_nothing_overtakes_a_strict_message_of_its_own_stream() -> None:
    socket = _Socket()
    slow = _connection(socket)
    slow.send(b"bar 1", "kline")
    slow.send(b"bar 1 ends", "kline", strict=True)
    slow.send(b"bar 2", "kline")
    slow.send(b"bar 2 again", "kline")
    socket.open.set()
    writing = asyncio.create_task(slow.write())
    await _settle()
    assert socket.taken == [b"bar 1", b"bar 1 ends", b"bar 2 again"]
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing


async def test_a_reader_that_takes_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_BACKLOG", 5)
    socket = _Socket()
    stuck = _connection(socket)
    for number in range(7):
        stuck.send(b"%d" % number)
    await stuck.write()
    assert socket.code == 1008
