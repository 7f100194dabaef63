"""Every command gets one reply, is kept, and does nothing the second time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from rusy_tui.clock import LockstepClock
from rusy_tui.commanding import Commanding
from rusy_tui.domain.commands import (
    Approve,
    Attend,
    CloseTrade,
    Command,
    Flatten,
    Halt,
    Reject,
    Reply,
    Resume,
    SetMode,
    StopEngine,
)
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.trade import ExitReason
from rusy_tui.execution.executor import Executor
from rusy_tui.execution.flatten import Flattened
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.store import Store
from tests.desk.world import World
from tests.lockstep import in_lockstep


class Engine:
    """A commanding over a real desk; the rest is noted."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.done: list[str] = []
        self.said: list[str] = []
        self.flat = True
        self.commanding = self.new()

    def new(self) -> Commanding:
        """Commanding as after a restart: it remembers nothing itself."""
        return Commanding(
            self.world.store,
            self.world.clock,
            self.world.desk,
            self.world.gates,
            cast(Executor, self),
            flatten=self._flatten,
            stop=lambda: self.done.append("stop"),
            attend=lambda who, is_open: self.done.append(f"{who} {is_open}"),
            mode_changed=lambda: self.done.append("mode"),
            say=lambda text, tone: self.said.append(text),
        )

    def ask_exit(self, symbol: str, reason: ExitReason) -> bool:
        self.done.append(f"exit {symbol} {reason}")
        return symbol == "BTCUSDT"

    async def _flatten(self, symbol: str | None) -> Flattened:
        await self.world.clock.sleep(1)
        self.done.append(f"flatten {symbol}")
        return Flattened(flat=self.flat, positions=(), orders=())

    async def tell(self, command: Command) -> Reply:
        return await self.commanding.handle(command, "ann")


def play(address: DatabaseAddress, scene: Callable[[Engine], Awaitable[None]]) -> None:
    async def main(clock: LockstepClock) -> None:
        store = await Store.open(address, clock, "demo", "test")
        try:
            await scene(Engine(World(clock, store)))
        finally:
            await store.close()

    in_lockstep(main)


def test_a_repeated_id_gets_the_first_reply_and_does_nothing_again(
    database_address: DatabaseAddress,
) -> None:
    async def scene(engine: Engine) -> None:
        first, second = await asyncio.gather(
            engine.tell(Flatten("same")), engine.tell(Flatten("same"))
        )
        assert first == second
        assert engine.done == ["flatten None"]
        engine.commanding = engine.new()
        assert await engine.tell(Flatten("same")) == first
        assert engine.done == ["flatten None"]

    play(database_address, scene)


def test_an_approval_and_a_rejection_reach_the_desk(database_address: DatabaseAddress) -> None:
    async def scene(engine: Engine) -> None:
        card, other = await engine.world.propose(), await engine.world.propose("ETHUSDT")
        reply = await engine.tell(Approve("1", card.proposal_id, card.revision))
        assert reply.answer == "accepted"
        assert (await engine.tell(Reject("2", other.proposal_id))).answer == "done"
        assert await engine.world.state(other) == "rejected"

    play(database_address, scene)


def test_halt_closes_a_gate_and_resume_opens_it_keeping_the_mode(
    database_address: DatabaseAddress,
) -> None:
    async def scene(engine: Engine) -> None:
        await engine.tell(SetMode("1", Mode.AUTO))
        await engine.tell(Halt("2"))
        assert [gate.name for gate in engine.world.gates.closed] == ["operator"]
        reply = await engine.tell(Resume("3"))
        assert "operator" in reply.message
        assert engine.world.gates.closed == ()
        assert engine.world.desk.mode is Mode.AUTO

    play(database_address, scene)


def test_flatten_withdraws_what_pends_and_leaves_entries_halted(
    database_address: DatabaseAddress,
) -> None:
    async def scene(engine: Engine) -> None:
        card = await engine.world.propose()
        reply = await engine.tell(Flatten("1"))
        assert (reply.ok, reply.answer) == (True, "done")
        assert await engine.world.state(card) == "withdrawn"
        assert [gate.name for gate in engine.world.gates.closed] == ["flatten"]
        engine.flat = False
        reply = await engine.tell(Flatten("2", "BTCUSDT"))
        assert (reply.ok, reply.answer) == (False, "failed")

    play(database_address, scene)


def test_an_approval_while_flatten_works_is_refused(database_address: DatabaseAddress) -> None:
    async def scene(engine: Engine) -> None:
        card = await engine.world.propose()
        _, reply = await asyncio.gather(
            engine.tell(Flatten("1")),
            engine.tell(Approve("2", card.proposal_id, card.revision)),
        )
        assert reply.answer in ("denied", "already")
        assert engine.world.entered == []

    play(database_address, scene)


def test_closing_a_symbol_that_holds_nothing_is_said(database_address: DatabaseAddress) -> None:
    async def scene(engine: Engine) -> None:
        assert (await engine.tell(CloseTrade("1", "BTCUSDT"))).ok
        assert (await engine.tell(CloseTrade("2", "ETHUSDT"))).answer == "unknown"

    play(database_address, scene)


def test_the_engine_stops_after_its_reply_and_not_when_flatten_failed(
    database_address: DatabaseAddress,
) -> None:
    async def scene(engine: Engine) -> None:
        engine.flat = False
        assert not (await engine.tell(StopEngine("1", flatten=True))).ok
        assert "stop" not in engine.done
        assert (await engine.tell(StopEngine("2"))).ok
        assert engine.done[-1] == "stop"

    play(database_address, scene)


def test_attending_is_noted_and_not_kept(database_address: DatabaseAddress) -> None:
    async def scene(engine: Engine) -> None:
        await engine.tell(Attend("1", card_open=True))
        await engine.tell(Attend("1", card_open=False))
        assert engine.done == ["ann True", "ann False"]
        assert await engine.world.store.commands.reply("1") is None

    play(database_address, scene)
