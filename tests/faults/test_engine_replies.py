"""The whole engine when the exchange took an order and its reply was lost."""

from decimal import Decimal

import pytest

from rusy_tui.domain.order import Purpose, Side
from rusy_tui.domain.trade import TradeState
from rusy_tui.execution.ids import purpose_of
from rusy_tui.simulator.faults import Fault, Kind
from tests.engine.votes import Scene
from tests.faults.engine_scene import (
    BTC,
    close,
    entered,
    held,
    last_trade,
    orders,
    scene_of,
    stops,
    swept,
    until,
    waiting_stops,
    wished,
)

PLAIN, CONDITIONAL = "/fapi/v1/order", "/fapi/v1/algoOrder"
# A reply that never comes is given up after the time-out of requests.
_ASKED_S = 15.0
# A first try may be refused, for it would take: then the second one's reply is lost too. What
# became of both is proven in this time.
_ENTRY_TRIES, _PROVEN_S = 2, 45.0


def lost(path: str, hang: bool, times: int = 1) -> Fault:
    return Fault(kind=Kind.REPLY_LOST_AFTER, path=path, method="POST", times=times, hang=hang)


def struck(scene: Scene) -> bool:
    return scene.here.server.faults.counts["reply_lost_after"] >= 1


@pytest.mark.parametrize("hang", [False, True])
def test_an_entry_whose_reply_was_lost_is_one_entry(
    hang: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked about, not sent again; what it filled is protected."""

    async def act(scene: Scene) -> None:
        scene.here.server.faults.add(lost(PLAIN, hang, _ENTRY_TRIES))
        await wished(scene)
        await scene.clock.sleep(_PROVEN_S)
        assert struck(scene)
        assert len(orders(scene, Side.BUY)) == 1
        scene.exchange.move_price(BTC, Decimal("0.9995"))
        await scene.clock.sleep(3)
        trade = await last_trade(scene)
        assert (trade.state, trade.quantity) == (TradeState.OPEN, held(scene))
        assert len(orders(scene, Side.BUY)) == 1
        assert len(waiting_stops(scene)) == 1

    scene_of(act, monkeypatch)


def test_an_entry_that_fills_before_it_is_known_is_protected_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its fill is told while the reply still hangs: the stop rests within two seconds."""

    async def act(scene: Scene) -> None:
        scene.here.server.faults.add(lost(PLAIN, True, _ENTRY_TRIES))
        await wished(scene)
        await until(scene, lambda: len(orders(scene, Side.BUY)) == 1, _PROVEN_S)
        assert struck(scene)
        scene.exchange.move_price(BTC, Decimal("0.9995"))
        await scene.clock.sleep(2)
        assert held(scene) > 0
        assert len(waiting_stops(scene)) == 1
        await scene.clock.sleep(_ASKED_S)
        assert len(orders(scene, Side.BUY)) == 1
        assert (await last_trade(scene)).quantity == held(scene)

    scene_of(act, monkeypatch)


@pytest.mark.parametrize("hang", [False, True])
def test_a_stop_whose_reply_was_lost_protects(
    hang: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One closing stop rests, and the trade goes on.

    Only while its answer hangs longer than a second a second one, reduce-only, may join it.
    """

    async def act(scene: Scene) -> None:
        scene.here.server.faults.add(lost(CONDITIONAL, hang))
        await wished(scene)
        scene.exchange.move_price(BTC, Decimal("0.9995"))
        await scene.clock.sleep(2)
        assert struck(scene)
        await scene.clock.sleep(_ASKED_S)
        trade = await last_trade(scene)
        assert (trade.state, trade.quantity) == (TradeState.OPEN, held(scene))
        closing = [stop for stop in waiting_stops(scene) if stop.close_position]
        assert len(closing) == 1
        assert len(stops(scene)) <= 1 + hang
        assert scene.gates() == []

    scene_of(act, monkeypatch)


@pytest.mark.parametrize("hang", [False, True])
def test_an_exit_whose_reply_was_lost_is_one_exit(
    hang: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It closes the position once; nothing is sold that is not held."""

    async def act(scene: Scene) -> None:
        await entered(scene)
        scene.here.server.faults.add(lost(PLAIN, hang))
        await close(scene)
        await scene.clock.sleep(_ASKED_S)
        assert struck(scene)
        swept(scene)
        exits = [o for o in orders(scene, Side.SELL) if purpose_of(o.client_id) is Purpose.EXIT]
        assert len(exits) == 1
        assert (await last_trade(scene)).state is TradeState.CLOSED

    scene_of(act, monkeypatch)
