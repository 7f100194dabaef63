"""The executor: what is durable before what is sent, and what survives lost answers."""

from decimal import Decimal

import msgspec
import pytest

from rusy_tui.domain.order import (
    Cause,
    Fill,
    OrderIntent,
    OrderKind,
    OrderState,
    Outcome,
    Purpose,
    Side,
    TimeInForce,
)
from rusy_tui.domain.trade import ExitReason, TradeState
from rusy_tui.execution.resolve import Resolver
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.errors import DatabaseLost
from tests.execution.plans import proposal
from tests.execution.world import World, play
from tests.lockstep import START_MS


def test_a_trade_from_approval_to_its_target(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        await world.open()
        assert world.exchange.position == 1
        (stop,) = world.exchange.resting(Purpose.STOP)
        (target,) = world.exchange.resting(Purpose.TARGET)
        world.exchange.fill(target, "1.000", "104.0")
        await world.pass_s(1)
        trade = await world.trade()
        assert trade.state is TradeState.CLOSED
        assert trade.exit_reason is ExitReason.TARGET
        assert trade.realised_pnl == 4
        assert trade.fees == Decimal("0.02")
        assert trade.stop_order_id == stop
        assert trade.seconds_to_stop is not None
        assert 0 < trade.seconds_to_stop <= 2
        assert world.executor.lives == {}
        for intent in world.exchange.placed:
            assert (await world.state_of(intent)).is_final
        assert world.halts == []
        assert len(await world.store.fills.by_trade(world.trade_id)) == 2

    play(database_address, scene)


def test_every_intent_is_durable_before_its_order_is_sent(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        place, seen = world.exchange.place, list[str]()

        async def look_first(intent: OrderIntent) -> Outcome:
            row = await world.store.orders.get(intent.client_order_id)
            assert row is not None
            assert row.intent == intent
            assert row.state is OrderState.INTENDED
            seen.append(intent.client_order_id)
            return await place(intent)

        world.exchange.place = look_first  # type: ignore[method-assign]
        await world.open()
        world.executor.ask_exit("BTCUSDT", ExitReason.OPERATOR)
        await world.pass_s(2)
        assert (await world.trade()).state is TradeState.CLOSED
        assert len(seen) == 4

    play(database_address, scene)


@pytest.mark.parametrize("how", ["lost there", "lost back"])
def test_an_unresolved_entry_is_never_sent_again_under_its_id(
    database_address: DatabaseAddress, how: str
) -> None:
    async def scene(world: World) -> None:
        world.exchange.script[Purpose.ENTRY] = [how]
        world.exchange.mute = True
        await world.enter()
        await world.pass_s(20)
        ids = [intent.client_order_id for intent in world.exchange.placed]
        assert len(set(ids)) == len(ids)
        assert len(ids) == (2 if how == "lost there" else 1)
        assert len(world.exchange.resting(Purpose.ENTRY)) == 1

    play(database_address, scene)


def test_an_entry_filled_while_it_was_unresolved_is_found_by_its_fills(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        world.exchange.script[Purpose.ENTRY] = ["lost back"]
        world.exchange.mute = True
        world.trade_id = await world.executor.enter(proposal())
        await world.pass_s(0.06)
        world.exchange.fill(world.exchange.resting(Purpose.ENTRY)[0], "1.000", "100.0")
        await world.pass_s(2)
        assert world.halts == []
        assert len(world.exchange.resting(Purpose.STOP)) == 1
        assert (await world.trade()).quantity == 1

    play(database_address, scene)


def test_absent_is_proven_only_by_reads_made_after_the_window(
    database_address: DatabaseAddress,
) -> None:
    """A request may arrive until its recvWindow ends: a read begun before proves nothing."""

    async def scene(world: World) -> None:
        await world.enter()
        intent = world.exchange.placed[0]
        late = msgspec.structs.replace(intent, client_order_id="rusy-e-LATE")
        began_s = world.clock.monotonic_s()
        assert await Resolver(world.exchange, world.clock, 3000).resolve(late) is None
        assert world.clock.monotonic_s() - began_s > 3
        stop = msgspec.structs.replace(late, recv_window_ms=1000)
        begun: list[float] = []
        order = world.exchange.order

        async def noted(*asked: object) -> object:
            begun.append(world.clock.monotonic_s())
            return await order(*asked)  # type: ignore[arg-type]

        world.exchange.order = noted  # type: ignore[assignment,method-assign]
        began_s = world.clock.monotonic_s()
        await Resolver(world.exchange, world.clock).resolve(stop)
        assert begun[-1] - began_s > 1

    play(database_address, scene)


def test_absent_needs_the_fills_to_have_been_read(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        world.exchange.script[Purpose.ENTRY] = ["lost there"]
        world.exchange.fills_fail = 1
        await world.enter()
        await world.pass_s(6)
        assert len(world.placed(Purpose.ENTRY)) == 1
        await world.pass_s(6)
        assert len(world.placed(Purpose.ENTRY)) == 2

    play(database_address, scene)


def test_each_fill_counts_once_whatever_ways_it_comes(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        await world.open()
        for _ in range(2):
            await world.executor.fetch_fills("BTCUSDT", 0)
        world.executor.on_fill(world.exchange.executed[0])
        await world.pass_s(1)
        assert (await world.trade()).quantity == 1
        assert (await world.trade()).fees == Decimal("0.01")

    play(database_address, scene)


def test_a_stop_that_was_dropped_unseen_is_noticed_when_the_books_are_compared(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        await world.open()
        (stop,) = world.exchange.resting(Purpose.STOP)
        world.exchange.mute = True
        world.exchange.move(stop, OrderState.EXPIRED)
        world.exchange.mute = False
        world.executor.compare(
            {name: r for name, r in world.exchange.orders.items() if r.state.is_resting}
        )
        await world.pass_s(2)
        (again,) = world.exchange.resting(Purpose.STOP)
        assert again != stop

    play(database_address, scene)


def test_a_foreign_fill_is_kept_and_told(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        world.executor.on_fill(_fill("web_abc"))
        assert world.executor.foreign_fills == 1
        assert world.halts == []
        world.executor.on_fill(_fill("rusy-e-01ARZ3NDEKTSV4RRFFQ69G5FAV", 8))
        assert world.halts == ["defect"]

    play(database_address, scene)


def test_without_the_database_no_entry_is_sent(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        _lose_database(world)
        world.trade_id = await world.executor.enter(proposal())
        await world.pass_s(5)
        assert world.exchange.placed == []
        assert "database" in world.halts
        assert world.executor.lives == {}

    play(database_address, scene)


def test_without_the_database_protection_and_exits_go_on(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        await world.enter()
        _lose_database(world)
        world.exchange.fill(world.exchange.resting(Purpose.ENTRY)[0], "1.000", "100.0")
        await world.pass_s(1)
        assert len(world.exchange.resting(Purpose.STOP)) == 1
        assert world.executor.lives["BTCUSDT"].trade.quantity == 1
        world.executor.ask_exit("BTCUSDT", ExitReason.OPERATOR)
        await world.pass_s(2)
        assert world.exchange.position == 0
        assert world.exchange.resting(Purpose.STOP) == []

    play(database_address, scene)


# Flatten ------------------------------------------------------------------------------


def test_flatten_closes_everything_and_says_so(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        await world.open()
        result = await world.flatten()
        assert result.flat
        assert "verified flat" in result.in_words()
        trade = await world.trade()
        assert trade.exit_reason is ExitReason.FLATTEN
        (leave,) = world.placed(Purpose.FLATTEN)
        assert leave.reduce_only

    play(database_address, scene)


def test_flatten_while_entering_leaves_no_order(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        await world.enter()
        assert (await world.flatten()).flat
        assert world.exchange.resting(Purpose.ENTRY) == []

    play(database_address, scene)


def test_flatten_goes_on_while_exits_are_refused(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        await world.open()
        world.exchange.script[Purpose.FLATTEN] = [Cause.PRICE_BAND] * 6
        assert (await world.flatten()).flat
        stops = [i for i in world.exchange.placed if i.purpose is Purpose.STOP]
        assert len(stops) == 1  # it rested all the while

    play(database_address, scene)


def test_flatten_leaves_a_thin_book_by_a_limit_at_the_edge_of_the_price_band(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        world.exchange.foreign_position = Decimal("-0.500")
        world.exchange.script[Purpose.FLATTEN] = [Cause.PRICE_BAND, "taken"]
        assert (await world.flatten()).flat
        market, edge = world.placed(Purpose.FLATTEN)[:2]
        assert (market.kind, edge.kind) == (OrderKind.MARKET, OrderKind.LIMIT)
        assert edge.time_in_force is TimeInForce.IOC
        assert edge.price == Decimal("105.0")
        assert (edge.reduce_only, edge.quantity) == (True, Decimal("0.500"))

    play(database_address, scene)


def test_flatten_closes_what_no_trade_of_ours_explains(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        world.exchange.foreign_position = Decimal("-0.500")
        assert (await world.flatten()).flat
        (leave,) = world.placed(Purpose.FLATTEN)
        assert leave.side is Side.BUY
        assert leave.quantity == Decimal("0.500")

    play(database_address, scene)


def test_flatten_closes_a_position_whose_contract_is_announced_no_more(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        world.executor.instruments = {}
        world.exchange.foreign_position = Decimal("0.500")
        assert (await world.flatten()).flat
        (leave,) = world.placed(Purpose.FLATTEN)
        assert (leave.side, leave.quantity) == (Side.SELL, Decimal("0.500"))
        assert leave.reduce_only

    play(database_address, scene)


def test_flatten_says_what_is_left_when_it_can_not(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        world.exchange.foreign_position = Decimal("0.500")
        world.exchange.script[Purpose.FLATTEN] = [Cause.CLOSED] * 1000
        result = await world.flatten()
        assert not result.flat
        assert "BTCUSDT 0.500" in result.in_words()

    play(database_address, scene)


def test_flatten_works_without_the_database(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        await world.open()
        world.exchange.foreign_position = Decimal("0.500")
        _lose_database(world)
        assert (await world.flatten()).flat

    play(database_address, scene)


# --------------------------------------------------------------------------------------


def _fill(client_order_id: str, number: int = 7) -> Fill:
    return Fill(
        symbol="BTCUSDT",
        exchange_trade_id=number,
        exchange_order_id="55",
        client_order_id=client_order_id,
        side=Side.BUY,
        price=Decimal(100),
        quantity=Decimal("0.5"),
        fee=Decimal(0),
        fee_asset="USDT",
        realised_pnl=Decimal(0),
        is_maker=False,
        time_ms=START_MS,
    )


def _lose_database(world: World) -> None:
    """From now on nothing can be written, though reads still work."""

    async def lost(*arguments: object, **named: object) -> bool:
        raise DatabaseLost("gone")

    for table in ("orders", "fills", "trades"):
        for write in ("intend", "update", "add"):
            repository = getattr(world.store, table)
            if hasattr(repository, write) and (table, write) != ("trades", "add"):
                setattr(repository, write, lost)
