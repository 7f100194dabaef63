"""The whole engine under faults of its stop and of its exit: no position is left bare."""

from decimal import Decimal

import pytest

from rusy_tui.domain.order import OrderKind, OrderState, Side, TimeInForce
from rusy_tui.domain.trade import ExitReason, TradeState
from rusy_tui.simulator.faults import Fault, Kind
from tests.engine.votes import Scene
from tests.faults.engine_scene import (
    BTC,
    close,
    entered,
    held,
    last_trade,
    orders,
    said,
    scene_of,
    stops,
    swept,
    until,
    waiting_stops,
    wished,
)

_MARK_FOLLOWS_S = 70.0
"""The mark price, which triggers stops, follows a gap with the market's next minute."""


def test_a_refused_stop_closes_the_position_and_halts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The position is gone within seconds, nobody enters any more, and it is said why."""

    async def act(scene: Scene) -> None:
        scene.here.server.faults.add(Fault(kind=Kind.STOP_REFUSED, code=-4045))
        await wished(scene)
        scene.exchange.move_price(BTC, Decimal("0.9995"))
        await scene.clock.sleep(5)
        swept(scene)
        assert stops(scene) == []
        trade = await last_trade(scene)
        assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.UNPROTECTED)
        assert trade.entered_quantity == trade.exited_quantity > 0
        assert scene.gates() == ["refused stop"]
        assert said(scene, "stop refused")

    scene_of(act, monkeypatch)


def test_a_stop_stuck_in_triggering_is_done_by_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """The position is closed within seconds of the trigger, once, and stays closed after."""

    async def act(scene: Scene) -> None:
        await entered(scene)
        scene.exchange.hold_triggers(BTC, True)
        scene.exchange.move_price(BTC, Decimal("0.9"))
        (stop,) = stops(scene)
        await until(scene, lambda: stop.state is OrderState.TRIGGERING, _MARK_FOLLOWS_S)
        assert await until(scene, lambda: held(scene) == 0, 6) >= 1
        scene.exchange.hold_triggers(BTC, False)
        await scene.clock.sleep(10)
        swept(scene)
        trade = await last_trade(scene)
        assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.STOP)
        assert len(scene.exchange.books.accounts[0].trades) == 2

    scene_of(act, monkeypatch)


def test_another_stop_rests_where_the_exchange_ended_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Within two seconds, and the trade goes on."""

    async def act(scene: Scene) -> None:
        await entered(scene)
        (first,) = stops(scene)
        scene.exchange.expire_algo(first.algo_id)
        await until(scene, lambda: len(waiting_stops(scene)) == 1, 2)
        (second,) = waiting_stops(scene)
        assert second.trigger_price == first.trigger_price
        assert second.close_position
        await scene.clock.sleep(5)
        assert await scene.open_trade() is not None
        assert len(stops(scene)) == 2

    scene_of(act, monkeypatch)


def test_a_gap_through_the_stop_is_booked_at_what_was_got(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Far beyond the stop, in the trade and in the wallet alike."""

    async def act(scene: Scene) -> None:
        opened = await entered(scene)
        scene.exchange.move_price(BTC, Decimal("0.8"))
        await until(scene, lambda: held(scene) == 0, _MARK_FOLLOWS_S)
        await scene.clock.sleep(3)
        swept(scene)
        trade = await last_trade(scene)
        assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.STOP)
        account = scene.exchange.books.accounts[0]
        assert account.trades[-1].price < opened.stop_price * Decimal("0.9")
        assert trade.net_pnl == account.wallet - 10_000

    scene_of(act, monkeypatch)


def test_an_exit_on_a_thin_book_goes_to_the_band_s_edge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refused with −4131, it takes what there is by a limit order, and is flat in the end."""

    async def act(scene: Scene) -> None:
        await entered(scene)
        scene.exchange.thin_book(BTC, True)
        await close(scene)
        await scene.clock.sleep(5)
        swept(scene)
        assert said(scene, "exit refused")
        out = orders(scene, Side.SELL)[-1]
        assert (out.kind, out.time_in_force) == (OrderKind.LIMIT, TimeInForce.IOC)
        assert out.reduce_only
        assert (await last_trade(scene)).state is TradeState.CLOSED

    scene_of(act, monkeypatch)


@pytest.mark.parametrize("code", [-4140, -4192, -4400])
def test_barred_openings_hold_no_exit_back(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is open is closed as ever, and nothing halts."""

    async def act(scene: Scene) -> None:
        await entered(scene)
        scene.exchange.bar_openings(BTC, code)
        await close(scene)
        await scene.clock.sleep(5)
        swept(scene)
        assert (await last_trade(scene)).exit_reason is ExitReason.OPERATOR
        assert scene.gates() == []

    scene_of(act, monkeypatch)


def test_a_stop_moves_past_barred_openings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that the exchange ended is replaced though openings are barred."""

    async def act(scene: Scene) -> None:
        await entered(scene)
        scene.exchange.bar_openings(BTC, -4400)
        scene.exchange.expire_algo(stops(scene)[0].algo_id)
        await until(scene, lambda: len(waiting_stops(scene)) == 1, 2)

    scene_of(act, monkeypatch)
