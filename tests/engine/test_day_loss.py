"""What a UTC day may lose: counted from its start, whoever restarts, and halting entries."""

import asyncio
import dataclasses
from decimal import Decimal

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.account import Balance
from rusy_tui.domain.commands import Resume
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.settings import RiskSettings, Settings
from rusy_tui.engine import Engine
from rusy_tui.execution.account import AccountKeeper
from rusy_tui.execution.book import DAY_MS
from rusy_tui.simulator.happenings import FundsMoved
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.store import Store
from tests.engine.votes import LONG, Scene, played
from tests.execution import world as account_world
from tests.execution.exchange import MemoryExchange
from tests.lockstep import START_MS, in_lockstep
from tests.simulation.worlds import settings

BTC = "BTCUSDT"


def _limited() -> Settings:
    """A day may lose 200 of the 10,000 USDT that it begins with."""
    made = settings((BTC,), mode=Mode.APPROVE)
    return dataclasses.replace(made, risk=RiskSettings(max_daily_loss_percent=Decimal(2)))


def _tell_wallet(scene: Scene) -> None:
    """The exchange tells the account what is in its wallet."""
    account = scene.exchange.books.accounts[0]
    moved = FundsMoved("ADJUSTMENT", BTC, Decimal(0), scene.clock.market_ms())
    scene.exchange._tell_account(account, moved)


def test_a_day_that_lost_its_limit_halts_entries_until_a_person_resumes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The money's coming back opens nothing."""

    async def act(scene: Scene) -> None:
        scene.votes[BTC] = LONG
        scene.take_away("199")
        _tell_wallet(scene)
        await scene.at(5)
        assert scene.gates() == []
        scene.take_away("2")
        _tell_wallet(scene)
        # Between two bars, not at the next one.
        await scene.at(10)
        (gate,) = scene.parts.publisher.state.gates
        assert (gate.name, gate.halted) == ("day loss", True)
        await scene.bar(1)
        assert await scene.proposals() == []

        scene.take_away("-201")
        _tell_wallet(scene)
        await scene.bar(2)
        assert scene.gates() == ["day loss"]
        assert await scene.proposals() == []

        await scene.engine.handle(Resume("1"), "ann")
        assert scene.gates() == []
        await scene.bar(3)
        assert scene.gates() == []
        assert await scene.proposed() == [BTC]

    played(_limited(), act, monkeypatch)


def test_a_restart_forgets_nothing_of_what_the_day_has_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An engine started after the loss halts as the one before would have."""

    async def act(scene: Scene) -> None:
        scene.engine.request_stop()
        await scene.clock.sleep(10)
        scene.take_away("250")
        again = Engine(scene.parts)
        running = asyncio.create_task(again.run())
        try:
            await scene.at(10)
            assert scene.parts.publisher.state.phase == "running"
            assert scene.parts.publisher.state.account.day_pnl == Decimal(-250)
            assert scene.gates() == ["day loss"]
        finally:
            again.request_stop()
            await running

    played(_limited(), act, monkeypatch)


class _Bank(MemoryExchange):
    """An exchange whose wallet holds what a test says."""

    wallet = Decimal(10_000)

    async def balance(self, asset: str) -> Balance:
        return Balance(asset=asset, wallet=self.wallet, available=self.wallet)


def test_the_start_of_a_day_is_kept_and_another_day_begins_anew(
    database_address: DatabaseAddress,
) -> None:
    """Its first equity is what every later start of that day reads."""

    async def main(clock: LockstepClock) -> None:
        store = await Store.open(database_address, clock, "demo", "test")
        world = account_world.World(clock, store)
        bank = _Bank(clock)

        async def start() -> AccountKeeper:
            keeper = AccountKeeper(
                bank, store, clock, world.executor, (BTC,), lambda text, tone: None
            )
            await keeper.prepare(5000)
            await keeper.read()
            await keeper.set_up(3)
            await keeper.begin_day()
            return keeper

        try:
            first = await start()
            assert first.book.day_start_equity == Decimal(10_000)
            bank.wallet = Decimal(9_700)
            second = await start()
            assert second.book.day_start_equity == Decimal(10_000)
            assert second.book.day_pnl == Decimal(-300)
            await clock.sleep_until_market(START_MS - START_MS % DAY_MS + DAY_MS)
            await second.begin_day()
            assert second.book.day_pnl == 0
            bank.wallet = Decimal(9_600)
            third = await start()
            assert third.book.day_start_equity == Decimal(9_700)
            days = [e for e in await store.journal.since(0) if e.kind == "day"]
            assert [e.payload["equity"] for e in days] == ["10000", "9700"]
        finally:
            await world.kill()
            await store.close()

    in_lockstep(main)
