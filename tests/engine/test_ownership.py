"""The locks of a running engine: who else is refused, and what it does without them."""

import asyncio
import dataclasses

import pytest

from rusy_tui.domain.commands import CloseTrade, Resume
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.settings import DataSource, Settings
from rusy_tui.store.locks import Subject, account_of, collector_of
from rusy_tui.store.pool import Database, Session, connect
from tests.engine.votes import LONG, MINUTE_MS, START_MS, Scene, played, wide
from tests.simulation.worlds import settings

BTC = "BTCUSDT"
(ACCOUNT,) = account_of("demo", "lockstep")
(COLLECTOR,) = collector_of("demo", [BTC])
_HOLDER = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND (classid::bigint << 32) | objid::bigint = $1"
)


async def _other(scene: Scene) -> Database:
    """A connection of somebody else, so that the engine's own is free."""
    return await Database.open(scene.store.database.address, scene.clock)


async def _lose(scene: Scene, *subjects: Subject) -> None:
    """The server ends the engine's connections that hold these."""
    database = await _other(scene)
    for subject in subjects:
        pid = await database.value(_HOLDER, subject.key)
        assert pid is not None
        assert await database.value("SELECT pg_terminate_backend($1, 5000)", pid)
    await database.close()


async def _lose_to_another(scene: Scene, subject: Subject) -> Session:
    """The same, and somebody else, who waited for it, has it now."""
    address = scene.store.database.address
    other = await connect(address, scene.clock)
    waiting = asyncio.create_task(other.execute("SELECT pg_advisory_lock($1)", subject.key))
    database = await _other(scene)
    while not await database.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        pass
    await database.execute(
        "UPDATE lock_owners SET host = 'elsewhere', pid = 7 WHERE key = $1", subject.key
    )
    await database.close()
    await _lose(scene, subject)
    await waiting
    return other


async def _noted(scene: Scene) -> list[tuple[str, bool]]:
    """Gate and whether it was held, of each entry in the journal."""
    return [
        (entry.subject, entry.payload["held"])
        for entry in await scene.store.journal.since(0)
        if entry.kind == "lock"
    ]


def test_a_running_engine_holds_its_account_and_its_symbols(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(StorageError, match="another engine runs the account demo/lockstep"):
            await scene.store.lock_account()
        with pytest.raises(StorageError, match="demo/BTCUSDT is collected by another"):
            await scene.store.lock_collector(["SOLUSDT", BTC])

    played(settings((BTC,)), act, monkeypatch)


def test_an_engine_that_takes_its_bars_from_the_database_leaves_the_symbols_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(StorageError, match="another engine"):
            await scene.store.lock_account()
        await (await scene.store.lock_collector([BTC])).release()

    configured = settings((BTC,))
    data = dataclasses.replace(configured.data, source=DataSource.DATABASE)
    played(dataclasses.replace(configured, data=data), act, monkeypatch)


def test_a_lost_connection_is_noted_and_the_locks_are_taken_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act(scene: Scene) -> None:
        await scene.at(1)
        await _lose(scene, ACCOUNT, COLLECTOR)
        await scene.at(3)
        assert scene.gates() == []
        assert sorted(await _noted(scene)) == [
            ("account lock", False),
            ("account lock", True),
            ("collector lock", False),
            ("collector lock", True),
        ]
        with pytest.raises(StorageError, match="another engine"):
            await scene.store.lock_account()

    played(settings((BTC,)), act, monkeypatch)


def _trading() -> Settings:
    return wide((BTC,), Mode.AUTO)


@pytest.mark.parametrize(
    ("subject", "gate"), [(ACCOUNT, "account lock"), (COLLECTOR, "collector lock")]
)
def test_while_somebody_else_has_it_nothing_is_entered(
    monkeypatch: pytest.MonkeyPatch, subject: Subject, gate: str
) -> None:
    """And afterwards only by a person's word, where the account was in other hands."""

    async def act(scene: Scene) -> None:
        await scene.at(1)
        other = await _lose_to_another(scene, subject)
        scene.votes[BTC] = LONG
        await scene.bar(1)
        await scene.at(16)
        assert scene.gates() == [gate]
        (shown,) = scene.parts.publisher.state.gates
        assert "process 7 on elsewhere" in shown.why
        assert not shown.halted
        assert await scene.store.trades.all() == []
        assert await scene.proposed() == []

        await other.close()
        await scene.at(18)
        if subject is ACCOUNT:
            (shown,) = scene.parts.publisher.state.gates
            assert shown.halted
            assert "process 7 on elsewhere ran this account meanwhile" in shown.why
            assert (await scene.engine.handle(Resume("1"), "ann")).ok
        assert scene.gates() == []
        await scene.bar(2)
        assert await scene.proposed() == [BTC]
        assert len(await scene.store.trades.all()) == 1
        assert await _noted(scene) == [(gate, False), (gate, False), (gate, True)]
        last = [entry for entry in await scene.store.journal.since(0) if entry.kind == "lock"][
            -1
        ]
        assert last.payload["lost_ms"] == START_MS + MINUTE_MS
        assert "process 7 on elsewhere" in last.payload["why"]

    played(_trading(), act, monkeypatch)


def test_what_is_open_stays_protected_and_can_be_closed_without_the_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act(scene: Scene) -> None:
        scene.votes[BTC] = LONG
        await scene.bar(1)
        scene.votes.clear()
        await scene.bar(2)
        assert await scene.open_trade() is not None
        other = await _lose_to_another(scene, ACCOUNT)
        await scene.at(33)
        assert scene.gates() == ["account lock"]
        account = scene.exchange.books.accounts[0]
        assert len(account.open_positions()) == 1
        reply = await scene.engine.handle(CloseTrade("1", BTC), "ann")
        assert reply.ok, reply
        await scene.at(36)
        assert account.open_positions() == []
        assert scene.gates() == ["account lock"]
        await other.close()

    played(_trading(), act, monkeypatch)
