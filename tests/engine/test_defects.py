"""Defects of our own: entries halt, and nobody goes blind with a position open."""

import pytest

from rusy_tui.domain.account import OrderChanged
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.order import OrderBook
from rusy_tui.domain.trade import ExitReason
from rusy_tui.exchange.told import Told
from rusy_tui.simulator.faults import Damage, Fault, Kind
from tests.engine.votes import LONG, MINUTE_MS, START_MS, Scene, played, wide

BTC = "BTCUSDT"
# The listen key is extended every 30 minutes; the price falls through the stop after that.
EXTENDED, FALLS = 30, 50


def falls() -> Fault:
    """The market gaps down through every stop."""
    return Fault(
        kind=Kind.PRICE_GAP,
        symbol=BTC,
        factor=0.9,
        from_ms=START_MS + FALLS * MINUTE_MS,
        until_ms=START_MS + (FALLS + 1) * MINUTE_MS,
    )


async def stopped_out(scene: Scene) -> None:
    """A trade is opened, its stop is hit long after the trouble, and the engine knows."""
    scene.votes[BTC] = LONG
    await scene.bar(1)
    scene.votes.clear()
    await scene.at(EXTENDED - 5)
    assert await scene.open_trade() is not None
    await scene.at(90)
    assert scene.exchange.books.accounts[0].open_positions() == []
    assert scene.parts.publisher.state.positions == ()
    assert await scene.open_trade() is None


@pytest.mark.parametrize("damage", list(Damage))
def test_an_answer_to_the_key_s_extension_that_can_not_be_read_blinds_nobody(
    damage: Damage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(scene: Scene) -> None:
        broken = Fault(
            kind=Kind.BROKEN_REPLY,
            damage=damage,
            path="/fapi/v1/listenKey",
            method="PUT",
            until_ms=START_MS + (FALLS - 5) * MINUTE_MS,
        )
        scene.here.server.faults.add(broken, falls())
        await stopped_out(scene)
        assert scene.here.server.faults.counts["broken_reply"] >= 1
        assert scene.gates() == []

    played(wide((BTC,), Mode.AUTO), act, monkeypatch)


def test_a_defect_in_the_user_stream_halts_entries_and_the_stream_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is foreseen in no line of ours: it begins anew, with a whole reading."""
    tell, failed = Told.order, list[OrderChanged]()

    def fail_once(self: Told, event: OrderChanged) -> OrderChanged | None:
        if event.report.book is OrderBook.CONDITIONAL and not failed:
            failed.append(event)
            raise ValueError("nobody thought of this")
        return tell(self, event)

    async def act(scene: Scene) -> None:
        monkeypatch.setattr(Told, "order", fail_once)
        scene.here.server.faults.add(falls())
        await stopped_out(scene)
        assert len(failed) == 1
        assert scene.gates() == ["defect"]
        (trade,) = await scene.store.trades.all()
        # Told by the stream that began anew.
        assert trade.exit_reason is ExitReason.STOP

    played(wide((BTC,), Mode.AUTO), act, monkeypatch)
