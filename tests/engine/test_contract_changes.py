"""Contracts that change while the engine trades them: what holds from then on."""

from decimal import Decimal

import msgspec
import pytest

from rusy_tui.domain.commands import Approve
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.trade import ExitReason, TradeState
from tests.engine.votes import LONG, Scene, played, wide
from tests.simulation.worlds import settings

BTC = "BTCUSDT"
DAY_MS = 86_400_000


def _said(scene: Scene, words: str) -> list[str]:
    return [line.text for line in scene.parts.publisher.state.log if words in line.text]


def test_a_filter_changed_on_the_exchange_shapes_the_next_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told by the stream, long before the hourly look; no order breaks the new rules."""

    async def act(scene: Scene) -> None:
        await scene.at(16)
        scene.exchange.change_instrument(
            BTC, step_size=Decimal("0.010"), market_step_size=Decimal("0.010"),
            min_quantity=Decimal("0.010"), market_min_quantity=Decimal("0.010"),
            tick_size=Decimal("0.50"),
        )  # fmt: skip
        await scene.at(18)
        assert len(_said(scene, "BTCUSDT step size: 0.001 → 0.01")) == 1
        scene.votes[BTC] = LONG
        await scene.bar(2)
        (card,) = await scene.proposals()
        assert card.plan.quantity % Decimal("0.010") == 0
        assert card.plan.entry_price % Decimal("0.50") == 0
        await scene.at(40)
        account = scene.exchange.books.accounts[0]
        orders = scene.exchange.books.orders_of(account)
        assert orders
        assert all(order.quantity % Decimal("0.010") == 0 for order in orders)
        assert all(order.price % Decimal("0.50") == 0 for order in orders)
        assert scene.gates() == []

    played(settings((BTC,), mode=Mode.AUTO), act, monkeypatch)


@pytest.mark.parametrize("how", ["status", "end"])
def test_no_entry_where_trading_ends(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a new card nor an approval of an older one; an open trade goes on."""

    async def act(scene: Scene) -> None:
        scene.votes[BTC] = LONG
        await scene.bar(1)
        (card,) = await scene.proposals()
        if how == "status":
            scene.exchange.change_instrument(BTC, status="SETTLING")
        else:
            ends_ms = scene.clock.market_ms() + DAY_MS - 60_000
            scene.exchange.change_instrument(BTC, delivery_ms=ends_ms)
        await scene.clock.sleep(5)
        assert len(_said(scene, "no entries: BTCUSDT")) == 1
        reply = await scene.engine.handle(Approve("1", card.proposal_id, card.revision), "ann")
        assert not reply.ok
        assert "contract open" in reply.message
        await scene.bar(2)
        assert await scene.proposed() == [BTC]
        assert ("BTCUSDT", "contract open") in await scene.refused()
        assert await scene.store.trades.all() == []

    played(settings((BTC,), mode=Mode.APPROVE), act, monkeypatch)


def test_barred_openings_close_one_contract_and_halt_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The refusal is told, the next vote finds the contract closed; an exit would pass."""

    async def act(scene: Scene) -> None:
        scene.exchange.bar_openings(BTC, -4400)
        scene.votes[BTC] = LONG
        await scene.bar(1)
        await scene.at(16)
        (trade,) = await scene.store.trades.all()
        assert (trade.state, trade.exit_reason) == (
            TradeState.FAILED, ExitReason.ENTRY_REJECTED,
        )  # fmt: skip
        assert len(_said(scene, "openings are barred")) == 1
        assert scene.gates() == []
        scene.exchange.bar_openings(BTC, None)
        await scene.bar(2)
        # Fifteen minutes are not over by a hair: it is tried again at the bar after.
        await scene.bar(3)
        assert len(await scene.store.trades.all()) == 2

    played(wide((BTC,), Mode.AUTO), act, monkeypatch)


def test_changed_brackets_decide_what_a_plan_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(scene: Scene) -> None:
        table = scene.exchange.markets[BTC].brackets
        tight = tuple(msgspec.structs.replace(bracket, max_leverage=2) for bracket in table)
        scene.exchange.change_instrument(BTC, brackets=tight)
        await scene.clock.sleep(5)
        assert len(_said(scene, "other leverage brackets")) == 1
        scene.votes[BTC] = LONG
        await scene.bar(1)
        assert await scene.refused() == [(BTC, "leverage at this size")]

    played(settings((BTC,), mode=Mode.AUTO), act, monkeypatch)
