"""The whole engine while the exchange takes, ends or changes what it trades."""

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest

from rusy_tui.domain.bars import COLUMNS
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.order import Side
from rusy_tui.domain.trade import TradeState
from rusy_tui.simulator.faults import Fault, Kind
from tests.engine.votes import BAR_MS, MINUTE_MS, START_MS, Scene
from tests.faults.engine_scene import (
    BTC,
    close,
    entered,
    held,
    last_trade,
    orders,
    resting,
    scene_of,
    stops,
    swept,
    until,
    waiting_stops,
    wished,
)


def _liquidated(scene: Scene) -> None:
    scene.exchange.liquidate(scene.exchange.books.accounts[0], BTC)


def _deleveraged(scene: Scene) -> None:
    scene.exchange.deleverage(scene.exchange.books.accounts[0], BTC, held(scene))


def _settled(scene: Scene) -> None:
    scene.exchange.settle(BTC)


@pytest.mark.parametrize("take", [_liquidated, _deleveraged, _settled])
def test_a_position_that_the_exchange_takes_ends_its_trade(
    take: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop and target are swept, and all that the books hold is the exchange's."""

    async def act(scene: Scene) -> None:
        await entered(scene)
        take(scene)
        await scene.clock.sleep(8)
        swept(scene)
        trade = await last_trade(scene)
        assert trade.state is TradeState.CLOSED
        assert trade.entered_quantity == trade.exited_quantity

    scene_of(act, monkeypatch)


def test_a_position_taken_in_part_goes_on_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trade shrinks by what ADL took; its stop stays, and what is left is closed once."""

    async def act(scene: Scene) -> None:
        opened = await entered(scene)
        taken = Decimal("0.003")
        scene.exchange.deleverage(scene.exchange.books.accounts[0], BTC, taken)
        await scene.clock.sleep(5)
        trade = await last_trade(scene)
        assert trade.quantity == opened.quantity - taken == held(scene)
        assert len(waiting_stops(scene)) == 1
        await close(scene)
        await scene.clock.sleep(5)
        swept(scene)
        assert (await last_trade(scene)).state is TradeState.CLOSED

    scene_of(act, monkeypatch)


def test_what_was_filled_before_silence_is_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the entry is given up when its time is over; the part is traded on."""

    async def act(scene: Scene) -> None:
        scene.exchange.limit_fills(BTC, Decimal("0.4"))
        await wished(scene)
        scene.exchange.move_price(BTC, Decimal("0.9995"))
        await until(scene, lambda: len(waiting_stops(scene)) == 1, 2)
        trade = await last_trade(scene)
        assert 0 < trade.quantity < trade.planned_quantity
        assert [order.side for order in resting(scene)] == [Side.BUY]
        timeout_s = scene.parts.settings.strategy.entry_timeout_s
        await scene.clock.sleep(timeout_s + 5)
        trade = await last_trade(scene)
        assert (trade.state, trade.quantity) == (TradeState.OPEN, held(scene))
        assert trade.quantity < trade.planned_quantity
        # The target of what is held, and no entry.
        assert [(o.side, o.quantity) for o in resting(scene)] == [(Side.SELL, held(scene))]
        assert len(waiting_stops(scene)) == 1

    scene_of(act, monkeypatch)


def test_what_is_sent_after_a_change_keeps_to_the_new_rules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a position open: the next stop lies on the new tick, the exit comes in parts."""

    async def act(scene: Scene) -> None:
        opened = await entered(scene)
        most = Decimal("0.003")
        scene.exchange.change_instrument(BTC, tick_size=Decimal(7), market_max_quantity=most)
        await scene.clock.sleep(5)
        scene.exchange.expire_algo(stops(scene)[0].algo_id)
        await until(scene, lambda: len(waiting_stops(scene)) == 1, 2)
        (stop,) = waiting_stops(scene)
        assert stop.trigger_price % 7 == 0
        before = len(orders(scene, Side.SELL))
        await close(scene)
        await scene.clock.sleep(10)
        swept(scene)
        parts = [order.quantity for order in orders(scene, Side.SELL)[before:]]
        assert all(part <= most for part in parts)
        assert sum(parts) == opened.quantity

    scene_of(act, monkeypatch)


@pytest.mark.parametrize("kind", [Kind.CLOSE_MISSING, Kind.CLOSE_LATE, Kind.CLOSE_TWICE])
def test_each_bar_is_decided_once_whatever_its_close_does(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, late or twice: each bar is stored once, as the exchange has it, and voted on."""

    async def act(scene: Scene) -> None:
        faults = scene.here.server.faults
        faults.add(Fault(kind=kind, delay_s=20, until_ms=START_MS + 50 * MINUTE_MS))
        for number in range(1, 6):
            await scene.bar(number)
            late_s = (scene.clock.market_ms() - START_MS - number * BAR_MS) / 1000
            assert late_s < 30
        await scene.clock.sleep(30)
        # Three quarters, and no hour yet: one close each, of the 15m candle.
        assert faults.counts[kind.value] >= 3
        until_ms = START_MS + 5 * BAR_MS
        votes = await scene.store.predictions.votes(START_MS, until_ms)
        told = [line.text for line in scene.parts.publisher.state.log]
        assert sum("15m closed" in text for text in told) == 5
        assert votes
        assert set(votes.values()) == {5}
        kept = await scene.store.candles.window(BTC, Interval.M15, until_ms, 5)
        true = (
            scene.exchange.markets[BTC]
            .series[Interval.M15]
            .between(START_MS, until_ms - 1, 100)
        )
        assert list(kept.open_time_ms) == [bar.open_time_ms for bar in true]
        for name in COLUMNS:
            assert np.array_equal(
                np.asarray(getattr(kept, name), float),
                np.array([float(getattr(bar, name)) for bar in true]),
            )
        assert await scene.store.candles.revised(BTC, Interval.M15) == 0

    scene_of(act, monkeypatch)
