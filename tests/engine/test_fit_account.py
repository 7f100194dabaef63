"""What the account must be like, and what is set up before the first entry."""

import dataclasses
from decimal import Decimal

import msgspec
import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.account import AccountSettings
from rusy_tui.domain.errors import ExchangeRefusal
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.settings import RiskSettings
from rusy_tui.execution.account import AccountKeeper
from rusy_tui.simulator.account import DEFAULT_LEVERAGE
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.store import Store
from tests.engine.votes import Scene, played
from tests.execution import world as account_world
from tests.execution.exchange import MemoryExchange
from tests.lockstep import in_lockstep
from tests.simulation.worlds import settings

BTC, ETH = "BTCUSDT", "ETHUSDT"
FIT = AccountSettings(hedge_mode=False, multi_assets=False, can_trade=True)


def test_leverage_and_isolated_margin_are_set_before_any_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For every symbol that is traded, as the exchange's own books have it."""
    leverage = 7
    assert leverage != DEFAULT_LEVERAGE

    async def act(scene: Scene) -> None:
        account = scene.exchange.books.accounts[0]
        assert {
            symbol: (kept.leverage, kept.isolated) for symbol, kept in account.settings.items()
        } == {BTC: (leverage, True), ETH: (leverage, True)}
        assert scene.exchange.books.orders_of(account) == []

    made = settings((BTC, ETH), mode=Mode.AUTO)
    made = dataclasses.replace(made, risk=RiskSettings(leverage=leverage))
    played(made, act, monkeypatch)


class _Desk(MemoryExchange):
    """An exchange with an account set up as a test says; notes what is set."""

    settings = FIT

    def __init__(self, clock: LockstepClock) -> None:
        super().__init__(clock)
        self.done: list[tuple[str, object]] = []

    async def account_settings(self) -> AccountSettings:
        return self.settings

    async def set_isolated(self, symbol: str) -> None:
        self.done.append((symbol, "isolated"))

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        self.done.append((symbol, leverage))


def _prepared(address: DatabaseAddress, found: AccountSettings, *, held: str = "0") -> _Desk:
    """Prepare an account for trading BTC with fivefold leverage."""

    async def main(clock: LockstepClock) -> _Desk:
        store = await Store.open(address, clock, "demo", "test")
        world = account_world.World(clock, store)
        exchange = _Desk(clock)
        exchange.settings = found
        exchange.foreign_position = Decimal(held)
        keeper = AccountKeeper(
            exchange, store, clock, world.executor, (BTC,), lambda text, tone: None
        )
        try:
            await keeper.prepare(5)
        finally:
            assert exchange.placed == []
            await world.kill()
            await store.close()
        return exchange

    return in_lockstep(main)


@pytest.mark.parametrize(
    ("changed", "what", "remedy"),
    [
        ({"hedge_mode": True}, "hedge mode", "set the position mode to one-way"),
        ({"multi_assets": True}, "multi-assets mode", "switch to single-asset mode"),
        ({"can_trade": False}, "may not trade futures", "enable futures"),
    ],
)
def test_an_account_unfit_for_trading_is_refused_with_what_to_do(
    database_address: DatabaseAddress, changed: dict[str, bool], what: str, remedy: str
) -> None:
    """Before anything is set up on it."""
    with pytest.raises(ExchangeRefusal, match=remedy) as refused:
        _prepared(database_address, msgspec.structs.replace(FIT, **changed))
    assert what in str(refused.value)


def test_margin_is_set_where_nothing_is_held_and_nowhere_else(
    database_address: DatabaseAddress,
) -> None:
    """The exchange refuses to change it under a position."""
    assert _prepared(database_address, FIT).done == [(BTC, "isolated"), (BTC, 5)]
    assert _prepared(database_address, FIT, held="1").done == []
