"""News that comes when its trade is all but over, or over."""

from decimal import Decimal

from rusy_tui.domain.account import Income
from rusy_tui.domain.order import OrderState, Purpose
from rusy_tui.domain.trade import ExitReason, TradeState
from rusy_tui.store.address import DatabaseAddress
from tests.execution.world import World, play


def paid(world: World, income_id: str, time_ms: int) -> Income:
    """A funding payment of two hundredths."""
    return Income(
        income_id=income_id,
        symbol="BTCUSDT",
        kind="funding_fee",
        amount=Decimal("-0.02"),
        asset="USDT",
        time_ms=time_ms,
    )


def test_an_exit_ended_by_its_fill_is_filled_in_the_database(
    database_address: DatabaseAddress,
) -> None:
    """The stop is gone before the exit fills, so nothing holds the trade's end up."""

    async def scene(world: World) -> None:
        await world.open()
        for purpose in (Purpose.TARGET, Purpose.STOP):
            world.exchange.move(world.exchange.resting(purpose)[0], OrderState.EXPIRED)
            world.executor.ask_exit("BTCUSDT", ExitReason.OPERATOR)
        await world.pass_s(2)
        assert (await world.trade()).state is TradeState.CLOSED
        (exit_order,) = world.placed(Purpose.EXIT)
        assert await world.state_of(exit_order) is OrderState.FILLED

    play(database_address, scene)


def test_funding_counts_to_the_trade_that_was_open_then(
    database_address: DatabaseAddress,
) -> None:
    """It is read from the ledger later: while the trade lives, after its end, once each."""

    async def scene(world: World) -> None:
        before_ms = world.clock.market_ms() - 1
        await world.open()
        open_ms = world.clock.market_ms()
        assert await world.executor.on_funding(paid(world, "living", open_ms))
        world.exchange.fill(world.exchange.resting(Purpose.TARGET)[0], "1.000", "104.0")
        await world.pass_s(2)
        assert (await world.trade()).funding == Decimal("-0.02")
        first_id = world.trade_id
        await world.enter()
        assert await world.executor.on_funding(paid(world, "ended", open_ms))
        assert not await world.executor.on_funding(paid(world, "ended", open_ms))
        assert await world.executor.on_funding(paid(world, "nobody's", before_ms))
        await world.pass_s(1)
        ended = await world.store.trades.get(first_id)
        assert ended is not None
        assert ended.funding == Decimal("-0.04")
        assert (await world.trade()).funding == 0
        rows = {
            row.income.income_id: row.trade_id for row in await world.store.funding.since(0)
        }
        assert rows == {"living": first_id, "ended": first_id, "nobody's": ""}

    play(database_address, scene)


def test_funding_paid_while_no_engine_ran_is_counted_at_the_next_start(
    database_address: DatabaseAddress,
) -> None:
    """Once, however often it starts."""

    async def scene(world: World) -> None:
        await world.open()
        await world.kill()
        await world.clock.sleep(60)
        world.exchange.ledger = [paid(world, "meanwhile", world.clock.market_ms())]
        await world.clock.sleep(60)
        for _ in range(2):
            await world.restart()
            await world.pass_s(1)
            assert (await world.trade()).funding == Decimal("-0.02")

    play(database_address, scene)
