"""Start is recovery: an engine ended at any step goes on from what is written and rests."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import msgspec
import pytest

from rusy_tui.domain.account import Income
from rusy_tui.domain.order import Fill, OrderState, Purpose, Side
from rusy_tui.domain.trade import ExitReason, TradeState
from rusy_tui.store.address import DatabaseAddress
from tests.execution.plans import proposal
from tests.execution.world import World, play


async def planned(world: World) -> None:
    """The trade is written and its engine ends before the entry is intended."""
    world.executor.adopt = lambda life, first: None  # type: ignore[method-assign]
    world.trade_id = await world.executor.enter(proposal())


async def intended(world: World) -> None:
    """The entry is durable and was not sent."""

    async def never(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    world.executor._send = never  # type: ignore[assignment,method-assign]
    world.trade_id = await world.executor.enter(proposal())
    await world.pass_s(0.01)


async def sent(world: World) -> None:
    """The entry is on its way; its reply is never seen."""
    world.trade_id = await world.executor.enter(proposal())
    await world.pass_s(0.07)


async def resting(world: World) -> None:
    """The entry rests."""
    await world.enter()


async def partly_filled(world: World) -> None:
    """A part was filled and the rest of the entry still rests."""
    await world.enter()
    world.exchange.fill(world.exchange.resting(Purpose.ENTRY)[0], "0.400", "100.0")
    await world.pass_s(0.5)


async def filled_unseen(world: World) -> None:
    """The entry is filled while nobody listens."""
    await world.enter()
    world.exchange.mute = True
    world.exchange.fill(world.exchange.resting(Purpose.ENTRY)[0], "1.000", "100.0")
    world.exchange.mute = False


async def filled_and_kept_alone(world: World) -> None:
    """The fill's row was written, and the engine ended before the trade's own was."""
    await world.enter()
    entry = world.exchange.resting(Purpose.ENTRY)[0]
    await world.kill()
    world.exchange.fill(entry, "1.000", "100.0")
    await world.store.fills.add(world.exchange.executed[0], world.trade_id)


async def stop_sent(world: World) -> None:
    """The stop is on its way; its reply is never seen."""
    await world.enter()
    world.exchange.fill(world.exchange.resting(Purpose.ENTRY)[0], "1.000", "100.0")
    await world.pass_s(0.07)


async def protected(world: World) -> None:
    """Stop and target rest."""
    await world.open()


async def stop_gone(world: World) -> None:
    """The exchange dropped the stop while nobody looked."""
    await world.open()
    world.exchange.mute = True
    world.exchange.move(world.exchange.resting(Purpose.STOP)[0], OrderState.EXPIRED)
    world.exchange.mute = False


async def exiting(world: World) -> None:
    """An exit was asked for, and its order was lost on the way."""
    await world.open()
    world.exchange.script[Purpose.EXIT] = ["lost there"]
    world.executor.ask_exit("BTCUSDT", ExitReason.OPERATOR)
    await world.pass_s(0.2)


STEPS: list[Callable[[World], Awaitable[None]]] = [
    planned,
    intended,
    sent,
    resting,
    partly_filled,
    filled_unseen,
    filled_and_kept_alone,
    stop_sent,
    protected,
    stop_gone,
    exiting,
]


@pytest.mark.parametrize("step", STEPS)
def test_an_engine_killed_at_any_step_goes_on(
    database_address: DatabaseAddress, step: Callable[[World], Awaitable[None]]
) -> None:
    async def scene(world: World) -> None:
        await step(world)
        before = list(world.exchange.placed)
        await world.restart()
        await world.pass_s(3)
        held = world.exchange.position
        trade = await world.trade()
        assert trade.quantity == held
        if held:
            assert len(world.exchange.resting(Purpose.STOP)) == 1
            assert len(world.exchange.resting(Purpose.TARGET)) == 1
            assert world.executor.lives["BTCUSDT"].protected
        else:
            assert trade.state.is_final
            assert world.exchange.resting(Purpose.STOP) == []
        # What may still open something is gone: the premise is of another time.
        assert world.exchange.resting(Purpose.ENTRY) == []
        after = world.exchange.placed[len(before) :]
        assert [intent for intent in after if intent.purpose is Purpose.ENTRY] == []
        ids = [intent.client_order_id for intent in world.exchange.placed]
        assert len(set(ids)) == len(ids)
        assert world.halts == []
        # And it ends by time, as it would have.
        await world.pass_s(7300)
        ended = await world.trade()
        assert ended.state.is_final
        assert world.exchange.position == 0
        assert [r for r in world.exchange.orders.values() if r.state.is_resting] == []

    play(database_address, scene)


def test_an_interrupted_exit_is_pressed_on(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        await exiting(world)
        await world.restart()
        await world.pass_s(2)
        trade = await world.trade()
        assert trade.state is TradeState.CLOSED
        assert trade.exit_reason is ExitReason.OPERATOR

    play(database_address, scene)


def test_a_target_filled_while_nobody_looked_is_counted(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        await world.open()
        await world.kill()
        world.exchange.fill(world.exchange.resting(Purpose.TARGET)[0], "1.000", "104.0")
        world.start_engine()
        found = await world.recover()
        await world.pass_s(1)
        trade = await world.trade()
        assert trade.realised_pnl == 4
        assert trade.exit_reason is ExitReason.TARGET
        assert found.differences == ()
        assert world.exchange.resting(Purpose.STOP) == []

    play(database_address, scene)


def test_a_stop_that_fired_while_nobody_looked_is_counted(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        await world.open()
        await world.kill()
        world.exchange.fill(world.exchange.resting(Purpose.STOP)[0], "1.000", "98.0")
        world.start_engine()
        await world.recover()
        await world.pass_s(1)
        trade = await world.trade()
        assert trade.realised_pnl == -2
        assert trade.exit_reason is ExitReason.STOP

    play(database_address, scene)


def test_funding_and_fees_survive_a_restart_to_the_digit(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        await world.open()
        paid = Income(
            income_id="1",
            symbol="BTCUSDT",
            kind="funding_fee",
            amount=Decimal("-0.12345678"),
            asset="USDT",
            time_ms=world.clock.market_ms(),
        )
        await world.store.funding.add(paid, world.trade_id)
        before = await world.trade()
        await world.restart()
        await world.pass_s(1)
        again = await world.trade()
        assert again.funding == Decimal("-0.12345678")
        assert again.fees == before.fees
        assert again.cost_basis == before.cost_basis
        assert again.opened_ms == before.opened_ms

    play(database_address, scene)


def test_a_foreign_position_bars_its_symbol_and_is_left_alone(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        world.exchange.foreign_position = Decimal("0.250")
        found = await world.restart()
        await world.pass_s(1)
        assert found.foreign == ("BTCUSDT",)
        assert world.exchange.placed == []

    play(database_address, scene)


def test_a_position_closed_by_nobody_known_ends_the_trade(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        await world.open()
        world.exchange.foreign_position = Decimal("-1.000")
        found = await world.restart()
        await world.pass_s(1)
        trade = await world.trade()
        assert trade.state is TradeState.CLOSED
        assert trade.exit_reason is ExitReason.OUTSIDE
        assert "the exchange says 0" in found.differences[0]
        assert world.exchange.resting(Purpose.STOP) == []
        assert world.exchange.resting(Purpose.TARGET) == []

    play(database_address, scene)


def test_what_somebody_else_bought_meanwhile_is_no_part_of_the_trade(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        await world.open()
        await world.kill()
        world.exchange.executed.append(foreign_fill(world, Side.BUY, "0.500"))
        world.start_engine()
        found = await world.recover()
        await world.pass_s(1)
        assert (await world.trade()).quantity == 1
        assert "says 1.500" in found.differences[0]

    play(database_address, scene)


def test_a_flip_by_somebody_else_does_not_stop_the_start(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        await world.open()
        await world.kill()
        world.exchange.executed.append(foreign_fill(world, Side.SELL, "2.500"))
        world.start_engine()
        found = await world.recover()
        assert "says -1.500" in found.differences[0]

    play(database_address, scene)


def test_an_orphan_of_ours_is_swept(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        await world.open()
        stop = world.exchange.intents[world.exchange.resting(Purpose.STOP)[0]]
        orphan = msgspec.structs.replace(
            stop, client_order_id=world.ids.order(Purpose.STOP), trade_id=""
        )
        await world.exchange.place(orphan)
        found = await world.restart()
        assert any(orphan.client_order_id in text for text in found.differences)
        assert world.exchange.resting(Purpose.STOP) == [stop.client_order_id]

    play(database_address, scene)


def foreign_fill(world: World, side: Side, quantity: str) -> Fill:
    """An execution of somebody else's order."""
    return Fill(
        symbol="BTCUSDT",
        exchange_trade_id=len(world.exchange.executed) + 1,
        exchange_order_id="7777",
        client_order_id="web_1",
        side=side,
        price=Decimal(101),
        quantity=Decimal(quantity),
        fee=Decimal(0),
        fee_asset="USDT",
        realised_pnl=Decimal(0),
        is_maker=False,
        time_ms=world.clock.market_ms(),
    )
