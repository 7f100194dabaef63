"""Funding is told once: what could not be read then is read later."""

import dataclasses

import pytest

from rusy_tui.domain.modes import Mode
from rusy_tui.simulator.faults import Fault, Kind
from tests.engine.votes import LONG, MINUTE_MS, START_MS, Scene, played, wide

BTC = "BTCUSDT"
# Funding falls on the full hour here, an hour after the start.
PAID = 60


@pytest.mark.parametrize("hang", [True, False])
def test_a_payment_whose_ledger_could_not_be_read_is_kept_when_it_can(
    hang: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For minutes no answer comes; the trade's sum is the exchange's all the same."""

    async def act(scene: Scene) -> None:
        scene.exchange.change_instrument(BTC, funding_interval_h=1)
        lost = Fault(
            kind=Kind.REPLY_LOST_AFTER,
            path="/fapi/v1/income",
            hang=hang,
            from_ms=START_MS + (PAID - 1) * MINUTE_MS,
            until_ms=START_MS + (PAID + 4) * MINUTE_MS,
        )
        scene.here.server.faults.add(lost)
        scene.votes[BTC] = LONG
        await scene.bar(1)
        scene.votes.clear()
        await scene.at(PAID + 3)
        assert await scene.store.funding.since(0) == []
        await scene.at(PAID + 8)
        assert scene.here.server.faults.counts["reply_lost_after"] >= 3
        account = scene.exchange.books.accounts[0]
        paid = [entry.amount for entry in account.ledger if entry.kind == "FUNDING_FEE"]
        assert len(paid) == 1
        kept = await scene.store.funding.since(0)
        assert [row.income.amount for row in kept] == paid
        trade = await scene.open_trade()
        assert trade is not None
        assert trade.funding == paid[0]

    made = wide((BTC,), Mode.AUTO)
    made = dataclasses.replace(
        made, strategy=dataclasses.replace(made.strategy, opposite_signal_exit=False)
    )
    played(made, act, monkeypatch)
