"""Contracts that change, end, or take no entries for a while."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

import msgspec
import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.errors import ConfigurationError, ExchangeError
from rusy_tui.domain.instrument import Bracket, Instrument
from rusy_tui.execution.contracts import BARRED_S, RETRY_S, Contracts
from tests.execution.exchange import MemoryExchange
from tests.execution.stage import BRACKETS, INSTRUMENT
from tests.lockstep import START_MS, in_lockstep

BTC = INSTRUMENT.symbol
HOUR_MS = 3_600_000


class _Announcing(MemoryExchange):
    """An exchange that announces what a test says; None is a reading that fails."""

    announced: Mapping[str, Instrument] | None
    table: Sequence[Bracket] = BRACKETS

    def __init__(self, clock: LockstepClock) -> None:
        super().__init__(clock)
        self.announced = {BTC: INSTRUMENT}

    async def instruments(self) -> Mapping[str, Instrument]:
        if self.announced is None:
            raise ExchangeError("exchangeInfo: no answer")
        return self.announced

    async def all_brackets(self) -> Mapping[str, Sequence[Bracket]]:
        return {BTC: self.table}

    def announce(self, **changed: object) -> None:
        self.announced = {BTC: msgspec.structs.replace(INSTRUMENT, **changed)}


Scene = Callable[[Contracts, _Announcing, LockstepClock], Awaitable[None]]


def played(scene: Scene) -> None:
    async def main(clock: LockstepClock) -> None:
        exchange = _Announcing(clock)
        contracts = Contracts(exchange, clock, (BTC,))
        await contracts.read()
        await scene(contracts, exchange, clock)

    in_lockstep(main)


def test_a_changed_filter_holds_at_once_for_whoever_has_the_contracts() -> None:
    async def scene(contracts: Contracts, exchange: _Announcing, clock: LockstepClock) -> None:
        held = contracts.instruments
        assert await contracts.refresh() == ()
        exchange.announce(tick_size=Decimal("0.5"), min_notional=Decimal(20))
        changes = await contracts.refresh()
        assert changes == (
            "BTCUSDT tick size: 0.1 → 0.5",
            "BTCUSDT min notional: 5 → 20",
        )
        assert held[BTC].tick_size == Decimal("0.5")
        exchange.table = BRACKETS[:1]
        assert await contracts.refresh() == ("BTCUSDT has other leverage brackets",)
        assert contracts.brackets[BTC] == BRACKETS[:1]

    played(scene)


def test_no_entries_from_a_day_before_the_end() -> None:
    async def scene(contracts: Contracts, exchange: _Announcing, clock: LockstepClock) -> None:
        exchange.announce(delivery_ms=START_MS + 25 * HOUR_MS)
        await contracts.refresh()
        await clock.sleep_until_market(START_MS + HOUR_MS - 1)
        assert contracts.closed() == {}
        await clock.sleep_until_market(START_MS + HOUR_MS)
        assert "delisted" in contracts.closed()[BTC]

    played(scene)


@pytest.mark.parametrize("gone", [True, False])
def test_a_contract_that_trades_no_more_keeps_the_filters_that_exits_need(gone: bool) -> None:
    async def scene(contracts: Contracts, exchange: _Announcing, clock: LockstepClock) -> None:
        exchange.announce(trading=False)
        if gone:
            exchange.announced = {}
        await contracts.refresh()
        assert contracts.closed() == {BTC: "BTCUSDT is not trading"}
        assert contracts.instruments[BTC].step_size == INSTRUMENT.step_size
        exchange.announce()
        await contracts.refresh()
        assert contracts.closed() == {}

    played(scene)


def test_barred_openings_are_tried_again_after_a_while() -> None:
    async def scene(contracts: Contracts, exchange: _Announcing, clock: LockstepClock) -> None:
        contracts.bar(BTC, "Futures Trading Quantitative Rules violated")
        await clock.sleep(BARRED_S - 1)
        assert "Quantitative Rules" in contracts.closed()[BTC]
        await clock.sleep(1)
        assert contracts.closed() == {}

    played(scene)


def test_a_reading_that_fails_changes_nothing_and_is_tried_again() -> None:
    async def scene(contracts: Contracts, exchange: _Announcing, clock: LockstepClock) -> None:
        exchange.announced = None
        with pytest.raises(ExchangeError):
            await contracts.refresh()
        assert contracts.instruments == {BTC: INSTRUMENT}
        began_s = clock.monotonic_s()

        async def answer_later() -> None:
            await clock.sleep(2 * RETRY_S + 1)
            exchange.announce(tick_size=Decimal(1))

        later = asyncio.create_task(answer_later())
        assert await contracts.refresh_until_read() == ("BTCUSDT tick size: 0.1 → 1",)
        assert clock.monotonic_s() - began_s == 3 * RETRY_S
        await later

    played(scene)


def test_a_symbol_that_nobody_trades_is_a_mistake_of_the_configuration() -> None:
    async def main(clock: LockstepClock) -> None:
        contracts = Contracts(_Announcing(clock), clock, ("BTCUSD",))
        with pytest.raises(ConfigurationError, match="BTCUSDT"):
            await contracts.read()

    in_lockstep(main)
