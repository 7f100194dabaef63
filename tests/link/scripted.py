"""A scripted engine's end of the link, and states and events to publish."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from decimal import Decimal

from rusy_tui.clock import SystemClock
from rusy_tui.domain.commands import Command, Reply, StopEngine
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.events import Logged, QuoteMoved
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.state import LogLine, Quote, State
from rusy_tui.link.client import LinkClient
from rusy_tui.link.hub import Publisher
from rusy_tui.link.server import LinkServer


def a_state() -> State:
    return State(venue="demo", version="0", model_version="m", mode=Mode.APPROVE)


def a_quote(last: int, symbol: str = "BTCUSDT", day_change: float = 0.0) -> QuoteMoved:
    price = Decimal(last)
    quote = Quote(
        symbol=symbol,
        tick_size=Decimal("0.1"),
        last=price,
        bid=price,
        ask=price,
        mark=price,
        funding_rate=Decimal("0.0001"),
        next_funding_ms=0,
        day_change=day_change,
        event_ms=last,
        age_s=0.0,
    )
    return QuoteMoved(quote=quote, market_ms=last)


def a_line(number: int) -> Logged:
    return Logged(line=LogLine(at_ms=number, topic="engine", text=f"line {number}"))


class ScriptedEngine:
    """Answers every command at once, apart from those it was told to hold or to fail."""

    def __init__(self, state: State) -> None:
        self.publisher = Publisher(state)
        self.server = LinkServer(self.publisher, self.handle, SystemClock())
        self.handled: list[tuple[Command, str]] = []
        self.let_go = asyncio.Event()
        self.held: set[str] = set()

    async def handle(self, command: Command, who: str) -> Reply:
        self.handled.append((command, who))
        if command.command_id in self.held:
            await self.let_go.wait()
        if isinstance(command, StopEngine):
            raise StorageError("the disk is full")
        return Reply(command.command_id, ok=True, answer="done", message=who)

    async def client(self, *, watch: bool = True, origin: str = "console") -> LinkClient:
        ours, theirs = socket.socketpair()
        await self.server.serve_socket(ours)
        return await LinkClient.from_socket(theirs, watch=watch, origin=origin)


@contextlib.asynccontextmanager
async def scripted_engine(state: State | None = None) -> AsyncIterator[ScriptedEngine]:
    engine = ScriptedEngine(state or a_state())
    try:
        yield engine
    finally:
        await engine.server.close()
