"""Commands are carried out while the database is away (promise P6), and kept afterwards."""

import pytest

from rusy_tui.domain.commands import (
    Approve,
    CloseTrade,
    Flatten,
    Halt,
    Reject,
    Resume,
    SetMode,
    StopEngine,
)
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.modes import Mode
from rusy_tui.store.address import DatabaseAddress
from tests.engine.test_commanding import Engine, play
from tests.store.away import Away

SAID = "not recorded: the database is away"
failing_and_hanging = pytest.mark.parametrize("hanging", [False, True])


@failing_and_hanging
def test_every_command_but_an_approval_is_carried_out(
    database_address: DatabaseAddress, *, hanging: bool
) -> None:
    async def scene(engine: Engine) -> None:
        card, other = await engine.world.propose(), await engine.world.propose("ETHUSDT")
        away = Away(engine.world.store, hanging=hanging)
        began_s = engine.world.clock.monotonic_s()
        assert (await engine.tell(Reject("1", other.proposal_id))).answer == "done"
        replies = [
            await engine.tell(command)
            for command in (
                Halt("2"),
                Resume("3"),
                SetMode("4", Mode.AUTO),
                CloseTrade("5", "BTCUSDT"),
                Flatten("6"),
                StopEngine("7"),
            )
        ]
        assert all(reply.ok and SAID in reply.message for reply in replies)
        assert engine.world.clock.monotonic_s() - began_s < 15
        assert engine.done == ["mode", "exit BTCUSDT operator", "flatten None", "stop"]
        assert engine.world.desk.pending == ()
        away.back()
        await engine.world.store.writes.settled()
        assert await engine.world.state(card) == "withdrawn"
        assert await engine.world.state(other) == "rejected"
        for name in "1234567":
            assert await engine.world.store.commands.reply(name) is not None

    play(database_address, scene)


@failing_and_hanging
def test_a_flatten_begins_within_a_moment(
    database_address: DatabaseAddress, *, hanging: bool
) -> None:
    async def scene(engine: Engine) -> None:
        Away(engine.world.store, hanging=hanging)
        began_s = engine.world.clock.monotonic_s()
        assert (await engine.tell(Flatten("1"))).ok
        # A second for the look-up, one for the flatten itself, one for the record.
        assert engine.world.clock.monotonic_s() - began_s <= 3.001

    play(database_address, scene)


@failing_and_hanging
def test_a_repeated_id_gets_the_first_reply(
    database_address: DatabaseAddress, *, hanging: bool
) -> None:
    async def scene(engine: Engine) -> None:
        away = Away(engine.world.store, hanging=hanging)
        first = await engine.tell(Flatten("same"))
        assert await engine.tell(Flatten("same")) == first
        away.back()
        await engine.world.store.writes.settled()
        assert await engine.tell(Flatten("same")) == first
        assert engine.done == ["flatten None"]
        engine.commanding = engine.new()
        assert (await engine.tell(Flatten("same"))).answer == first.answer
        assert engine.done == ["flatten None"]

    play(database_address, scene)


def test_an_approval_needs_the_database(database_address: DatabaseAddress) -> None:
    async def scene(engine: Engine) -> None:
        card = await engine.world.propose()
        Away(engine.world.store, hanging=False)
        with pytest.raises(StorageError):
            await engine.tell(Approve("1", card.proposal_id, card.revision))
        assert engine.world.entered == []

    play(database_address, scene)
