"""The link between an engine and its watchers, over socket pairs and a Unix socket."""

import asyncio
import getpass
import math
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.domain.commands import Attend, Halt, StopEngine
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.events import PhaseChanged, QuoteMoved, Snapshot, apply
from rusy_tui.link import messages, paths
from rusy_tui.link.client import LinkClient, LinkLost
from rusy_tui.link.messages import Hello
from rusy_tui.link.server import LinkServer
from tests.link.scripted import a_line, a_quote, a_state, scripted_engine

pytestmark = pytest.mark.timeout(20)


async def test_a_watcher_keeps_its_copy_of_the_state_whole() -> None:
    async with scripted_engine() as engine:
        client = await engine.client()
        events = client.events()
        first = await anext(events)
        assert isinstance(first, Snapshot)
        state = first.state
        for number in range(50):
            engine.publisher.publish(a_quote(number))
            engine.publisher.publish(a_line(number))
        engine.publisher.publish(PhaseChanged(phase="running", progress=""))
        while state.phase != "running":
            state = apply(state, await anext(events))
        assert state == engine.publisher.state
        await client.close()


async def test_an_absent_figure_passes_the_link() -> None:
    async with scripted_engine() as engine:
        client = await engine.client()
        events = client.events()
        await anext(events)
        engine.publisher.publish(a_quote(1, day_change=math.nan))
        moved = await anext(events)
        assert isinstance(moved, QuoteMoved)
        assert math.isnan(moved.quote.day_change)
        await client.close()


async def test_commands_are_answered_each_on_its_own_and_say_who_gave_them() -> None:
    async with scripted_engine() as engine:
        client = await engine.client(watch=False, origin="command line")
        engine.held.add("slow")
        slow = asyncio.create_task(client.send(Halt("slow")))
        reply = await client.send(Halt("quick"))
        assert reply.ok
        assert reply.message.startswith(f"{getpass.getuser()}, command line")
        assert not slow.done()
        engine.let_go.set()
        assert (await slow).command_id == "slow"
        await client.close()


async def test_an_error_of_ours_becomes_a_reply() -> None:
    async with scripted_engine() as engine:
        client = await engine.client(watch=False)
        reply = await client.send(StopEngine("1"))
        assert (reply.ok, reply.answer, reply.message) == (False, "failed", "the disk is full")
        await client.close()


async def test_a_console_that_dies_with_a_card_open_attends_no_longer() -> None:
    async with scripted_engine() as engine:
        client = await engine.client(watch=False)
        await client.send(Attend("a", card_open=True))
        await client.close()
        while len(engine.handled) < 2:
            await asyncio.sleep(0)
        command, who = engine.handled[1]
        assert command == Attend("a-gone", card_open=False)
        assert who == engine.handled[0][1]


async def test_a_lost_engine_ends_events_and_waiting_commands() -> None:
    async with scripted_engine() as engine:
        client = await engine.client()
        engine.held.add("never")
        waiting = asyncio.create_task(client.send(Halt("never")))
        events = client.events()
        await anext(events)
        while not engine.handled:
            await asyncio.sleep(0)
        engine.publisher.publish(PhaseChanged(phase="stopping", progress=""))
        engine.let_go.set()
        await engine.server.close()
        assert (await waiting).ok, "what is at work is answered before the engine hangs up"
        assert await anext(events) == PhaseChanged(phase="stopping", progress="")
        with pytest.raises(LinkLost, match="closed the connection"):
            await anext(events)
        with pytest.raises(LinkLost):
            await client.send(Halt("late"))
        await client.close()


async def test_an_engine_that_says_why_it_ends_is_quoted() -> None:
    async with scripted_engine() as engine:
        client = await engine.client()
        events = client.events()
        await anext(events)
        engine.publisher.publish(PhaseChanged(phase="stopping", progress="the disk is full"))
        await engine.server.close()
        await anext(events)
        with pytest.raises(LinkLost, match="the disk is full"):
            await anext(events)
        await client.close()


async def test_closing_ones_own_end_is_no_error() -> None:
    async with scripted_engine() as engine:
        client = await engine.client()
        events = client.events()
        await anext(events)
        rest = asyncio.create_task(_rest(client))
        await asyncio.sleep(0)
        await client.close()
        await rest


async def _rest(client: LinkClient) -> None:
    async for _ in client.events():
        pass


async def test_another_protocol_is_refused_with_both_versions() -> None:
    async with scripted_engine() as engine:
        ours, theirs = socket.socketpair()
        await engine.server.serve_socket(ours)
        reader, writer = await asyncio.open_unix_connection(sock=theirs)
        writer.write(messages.framed(Hello(99, "9.9", "console", watch=True)))
        refused = await messages.next_from_engine(reader)
        assert isinstance(refused, messages.Refused)
        assert "speaks link protocol 1; yours is Rusy 9.9 and speaks 99" in refused.reason
        writer.close()


async def test_what_is_no_hello_is_refused_and_a_client_is_told_why() -> None:
    async with scripted_engine() as engine:
        for sent in (b"GET / HTTP/1.1\r\n\r\n", messages.framed(Halt("1"))):
            ours, theirs = socket.socketpair()
            await engine.server.serve_socket(ours)
            reader, writer = await asyncio.open_unix_connection(sock=theirs)
            writer.write(sent)
            assert isinstance(await messages.next_from_engine(reader), messages.Refused)
            writer.close()
        assert engine.handled == []


async def test_a_peer_that_speaks_otherwise_is_a_lost_link() -> None:
    ours, theirs = socket.socketpair()
    ours.send(b"Welcome to Debian\n")
    with ours, pytest.raises(LinkLost, match="began with b'Welc'"):
        await LinkClient.from_socket(theirs)


async def test_the_way_through_a_program_ends_with_its_last_words() -> None:
    program = "import sys; sys.exit('ssh: no such host')"
    with pytest.raises(LinkLost, match="ssh: no such host"):
        await LinkClient.connect_command([sys.executable, "-c", program])


async def test_a_watcher_that_does_not_read_holds_up_nobody() -> None:
    async with scripted_engine() as engine:
        idle = await engine.client()
        prompt = await engine.client()
        events = prompt.events()
        state = a_state()
        for number in range(20_000):
            engine.publisher.publish(a_line(number))
            if number % 1000 == 0:
                await asyncio.sleep(0)
        engine.publisher.publish(PhaseChanged(phase="running", progress=""))
        while state.phase != "running":
            state = apply(state, await anext(events))
        assert state.log == engine.publisher.state.log
        state = a_state()
        late = idle.events()
        while state.phase != "running":
            state = apply(state, await anext(late))
        assert state.log == engine.publisher.state.log
        await idle.close()
        await prompt.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="rusy-") as made:
        yield Path(made)


async def test_the_socket_is_private_and_goes_with_its_server(folder: Path) -> None:
    path = folder / "run" / "demo.sock"
    async with scripted_engine() as engine:
        await engine.server.serve_unix(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        client = await LinkClient.connect_unix(path)
        assert client.welcome.pid == os.getpid()
        assert client.welcome.venue == "demo"
        await client.close()
    assert not path.exists()
    with pytest.raises(LinkLost, match="no engine answers there"):
        await LinkClient.connect_unix(path)


async def test_a_dead_owners_socket_is_replaced_and_a_living_ones_never(folder: Path) -> None:
    path = folder / "demo.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    async with scripted_engine() as engine:
        await engine.server.serve_unix(path)
        other = LinkServer(engine.publisher, engine.handle, SystemClock())
        with pytest.raises(StorageError, match="another engine listens there"):
            await other.serve_unix(path)
        await other.close()
        client = await LinkClient.connect_unix(path)
        await client.close()


def test_a_path_that_the_kernel_would_cut_is_refused(folder: Path) -> None:
    with pytest.raises(StorageError, match=r"link\.socket"):
        paths.bound(folder / ("x" * 100))


def test_a_folder_that_others_enter_is_refused_and_left_as_it_is(folder: Path) -> None:
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(StorageError, match="others may enter it"):
        paths.bound(shared / "demo.sock")
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777
