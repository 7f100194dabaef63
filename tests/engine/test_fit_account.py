"""What the account must be like, and what is set up before the first entry."""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.account import (
    AccountSettings,
    ExchangeStatus,
    KeyPermissions,
    SymbolSettings,
)
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
        self.permissions: KeyPermissions | None = None
        self.offset_ms = 0
        self.takes = True
        self.said: list[str] = []
        self.isolated, self.leverage = False, 20

    def status(self) -> ExchangeStatus:
        return msgspec.structs.replace(super().status(), offset_ms=self.offset_ms)

    async def key_permissions(self) -> KeyPermissions | None:
        return self.permissions

    async def all_symbol_settings(self) -> Mapping[str, SymbolSettings]:
        return {BTC: SymbolSettings(symbol=BTC, leverage=self.leverage, isolated=self.isolated)}

    async def account_settings(self) -> AccountSettings:
        return self.settings

    async def set_isolated(self, symbol: str) -> None:
        self.done.append((symbol, "isolated"))
        self.isolated = True

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        self.done.append((symbol, leverage))
        if self.takes:
            self.leverage = leverage


def _prepared(
    address: DatabaseAddress, found: AccountSettings, *, held: str = "0", **changed: object
) -> _Desk:
    """Prepare an account for trading BTC with fivefold leverage."""

    async def main(clock: LockstepClock) -> _Desk:
        store = await Store.open(address, clock, "demo", "test")
        world = account_world.World(clock, store)
        exchange = _Desk(clock)
        said = exchange.said
        exchange.settings = found
        exchange.foreign_position = Decimal(held)
        for name, value in changed.items():
            setattr(exchange, name, value)
        keeper = AccountKeeper(
            exchange, store, clock, world.executor, (BTC,), lambda text, _: said.append(text)
        )
        try:
            await keeper.prepare(5000)
            await keeper.read()
            await keeper.set_up(5)
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


def _key(**changed: bool) -> KeyPermissions:
    fit = KeyPermissions(may_withdraw=False, may_trade_futures=True, bound_to_addresses=True)
    return msgspec.structs.replace(fit, **changed)


@pytest.mark.parametrize(
    ("changed", "what", "remedy"),
    [
        ({"permissions": _key(may_withdraw=True)}, "may withdraw", "switch withdrawals off"),
        ({"permissions": _key(may_trade_futures=False)}, "futures", "enable futures"),
        ({"offset_ms": 5001}, r"5\.0 s behind", "set the clock"),
        ({"offset_ms": -7200}, r"7\.2 s ahead of", "set the clock"),
        ({"takes": False}, "leverage 20, wanted are isolated margin and 5", "by hand"),
    ],
)
def test_a_key_a_clock_or_a_setting_unfit_for_trading_is_refused_with_what_to_do(
    database_address: DatabaseAddress, changed: dict[str, Any], what: str, remedy: str
) -> None:
    with pytest.raises(ExchangeRefusal, match=what) as refused:
        _prepared(database_address, FIT, **changed)
    assert remedy in str(refused.value)


def test_what_is_unknown_or_unwise_is_said_and_not_refused(
    database_address: DatabaseAddress,
) -> None:
    (unknown,) = _prepared(database_address, FIT).said
    assert "whether the API key may withdraw is unknown" in unknown
    open_to_all = _key(bound_to_addresses=False)
    (unbound,) = _prepared(database_address, FIT, permissions=open_to_all).said
    assert "bound to no address" in unbound
    assert _prepared(database_address, FIT, permissions=_key(), offset_ms=4999).said == []


def test_settings_under_a_position_that_differ_are_said(
    database_address: DatabaseAddress,
) -> None:
    (said,) = _prepared(database_address, FIT, held="1", permissions=_key()).said
    assert "cross margin and leverage 20, wanted are isolated margin and 5" in said
