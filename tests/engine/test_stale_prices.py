"""Prices that stop coming, and what nobody may do meanwhile."""

import dataclasses

import msgspec
import pytest

from rusy_tui.domain.commands import Approve
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.settings import ApprovalSettings, Settings
from rusy_tui.simulator.feeds import Step
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from tests.engine.votes import LONG, MINUTE_MS, START_MS, Scene, played
from tests.simulation.worlds import settings

BTC = "BTCUSDT"
# Nothing trades after these market minutes, and again from the others on.
_QUIET_FROM, _QUIET_TO = 16, 35
# In a lockstep world a price is stale after 150 s.
_FRESH_UNTIL, _STALE_FROM = 18.4, 18.6


class _Pausing(SyntheticFeed):
    """A market in which nothing trades for a while."""

    def next_step(self) -> Step | None:
        step = super().next_step()
        if step is not None:
            minute = (step.time_ms - START_MS) / MINUTE_MS
            if _QUIET_FROM < minute < _QUIET_TO:
                return msgspec.structs.replace(step, prints=())
        return step


def _patient() -> Settings:
    """A card lasts to the end of its premise."""
    made = settings((BTC,), mode=Mode.APPROVE)
    return dataclasses.replace(made, approval=ApprovalSettings(seconds=3600.0))


async def _approved(scene: Scene, command: str) -> str:
    """What is answered to an approval of the first card."""
    card = (await scene.proposals())[0]
    approval = Approve(command, card.proposal_id, card.revision)
    reply = await scene.engine.handle(approval, "ann")
    assert reply.ok is False
    return reply.message


def test_no_prices_close_a_gate_and_prices_open_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is closed nothing is proposed, and nothing approved."""

    async def act(scene: Scene) -> None:
        scene.votes[BTC] = LONG
        await scene.bar(1)
        assert await scene.proposed() == [BTC]
        await scene.at(_FRESH_UNTIL)
        assert scene.gates() == []

        await scene.at(21)
        assert scene.gates() == ["stale data"]
        (gate,) = scene.parts.publisher.state.gates
        assert BTC in gate.why
        assert not gate.halted
        assert "gate stale data" in await _approved(scene, "1")
        assert await scene.store.trades.all() == []
        await scene.bar(2)
        assert await scene.proposed() == [BTC]

        await scene.at(_QUIET_TO + 3)
        assert scene.gates() == []
        await scene.bar(3)
        assert await scene.proposed() == [BTC, BTC]

    played(_patient(), act, monkeypatch, _Pausing(5, START_MS, (BTC,), step_ms=MINUTE_MS))


def test_a_stale_price_is_not_acted_on_before_the_gate_has_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The age is looked at when it matters, not only now and then."""

    async def act(scene: Scene) -> None:
        # The engine looks once more, and then never: the gate stays as it is.
        scene.engine._lookout._heartbeat_s = 86_400.0
        scene.votes[BTC] = LONG
        await scene.bar(1)
        await scene.at(_FRESH_UNTIL)
        assert scene.engine.book(BTC) is not None
        await scene.at(_STALE_FROM)
        assert scene.engine.book(BTC) is None

        assert "no book" in await _approved(scene, "1")
        assert await scene.store.trades.all() == []
        await scene.bar(2)
        assert await scene.store.predictions.count(0, START_MS * 2) == 2
        assert await scene.proposed() == [BTC]
        assert scene.gates() == []

    played(_patient(), act, monkeypatch, _Pausing(5, START_MS, (BTC,), step_ms=MINUTE_MS))
