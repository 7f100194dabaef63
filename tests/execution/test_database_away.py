"""Protection, exits and flatten while the database fails or hangs (promises P1, P2, P6, P9)."""

from decimal import Decimal

import pytest

from rusy_tui.domain.order import OrderState, Purpose
from rusy_tui.domain.trade import ExitReason, TradeState
from rusy_tui.execution.records import ENTRY_WAIT_S
from rusy_tui.store.address import DatabaseAddress
from tests.execution.plans import proposal
from tests.execution.world import World, play
from tests.store.away import Away

failing_and_hanging = pytest.mark.parametrize("hanging", [False, True])


@failing_and_hanging
def test_the_stop_of_a_fill_is_sent_in_time_and_everything_is_written_afterwards(
    database_address: DatabaseAddress, *, hanging: bool
) -> None:
    async def scene(world: World) -> None:
        await world.enter()
        away = Away(world.store, hanging=hanging)
        world.exchange.fill(world.exchange.resting(Purpose.ENTRY)[0], "0.400", "100.0")
        await world.pass_s(0.4)
        assert len(world.placed(Purpose.STOP)) == 1
        world.exchange.fill(world.exchange.resting(Purpose.ENTRY)[0], "0.600", "100.0")
        await world.pass_s(1.6)
        assert len(world.exchange.resting(Purpose.STOP)) == 1
        assert world.executor.lives["BTCUSDT"].trade.quantity == 1
        await world.pass_s(60)
        world.executor.ask_exit("BTCUSDT", ExitReason.OPERATOR)
        await world.pass_s(2)
        assert world.exchange.position == 0
        assert world.exchange.resting(Purpose.STOP) == []
        away.back()
        await world.pass_s(3)
        await world.store.writes.settled()
        trade = await world.trade()
        assert trade.state is TradeState.CLOSED
        assert trade.entered_quantity == trade.exited_quantity == 1
        rows = await world.store.fills.by_trade(world.trade_id)
        assert sum((row.fill.quantity for row in rows), Decimal(0)) == 2
        assert len(rows) == len(world.exchange.executed)
        orders = await world.store.orders.by_trade(world.trade_id)
        assert sorted(row.intent.client_order_id for row in orders) == sorted(
            intent.client_order_id for intent in world.exchange.placed
        )
        assert all(row.state.is_final for row in orders)

    play(database_address, scene)


@failing_and_hanging
def test_no_entry_is_sent_that_is_not_durable(
    database_address: DatabaseAddress, *, hanging: bool
) -> None:
    async def scene(world: World) -> None:
        add = world.store.trades.add
        away = Away(world.store, hanging=hanging)
        world.store.trades.add = add  # type: ignore[method-assign]  # it went just after
        world.trade_id = await world.executor.enter(proposal())
        await world.pass_s(ENTRY_WAIT_S + 1)
        assert world.exchange.placed == []
        assert world.executor.lives == {}
        away.back()
        await world.pass_s(3)
        assert (await world.trade()).state is TradeState.FAILED
        (row,) = await world.store.orders.by_trade(world.trade_id)
        assert row.state is OrderState.DENIED
        assert world.exchange.placed == []

    play(database_address, scene)


@failing_and_hanging
def test_flatten_works_and_verifies(
    database_address: DatabaseAddress, *, hanging: bool
) -> None:
    async def scene(world: World) -> None:
        await world.open()
        world.exchange.foreign_position = Decimal("0.500")
        Away(world.store, hanging=hanging)
        began_s = world.clock.monotonic_s()
        assert (await world.flatten()).flat
        assert world.clock.monotonic_s() - began_s < 15

    play(database_address, scene)


def test_a_fill_that_was_counted_before_a_restart_is_not_counted_again(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        await world.open()
        await world.restart()
        await world.executor.fetch_fills("BTCUSDT", 0)
        await world.pass_s(1)
        assert world.executor.lives["BTCUSDT"].trade.quantity == 1
        assert (await world.trade()).fees == Decimal("0.01")

    play(database_address, scene)
