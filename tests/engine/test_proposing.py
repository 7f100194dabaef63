"""When a sure vote becomes a proposal, and when a proposal becomes a trade."""

import dataclasses
from decimal import Decimal

import pytest

from rusy_tui.desk.desk import POLICY, Desk
from rusy_tui.domain.commands import Approve, Halt, Reply, Resume
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.order import OrderKind, Side
from rusy_tui.domain.proposal import ProposalState
from rusy_tui.domain.settings import ApprovalSettings, RiskSettings
from rusy_tui.scoring import FRESH_BAR_MS
from rusy_tui.simulator.orders import OrderRequest
from rusy_tui.store.address import DatabaseAddress
from tests.decide.market import LIMITS
from tests.desk import world as desk_world
from tests.engine.votes import LONG, START_MS, Scene, played
from tests.simulation.worlds import settings

BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"


async def _approve(scene: Scene, command: str) -> Reply:
    """The operator approves the newest card."""
    card = (await scene.proposals())[-1]
    approval = Approve(command, card.proposal_id, card.revision)
    return await scene.engine.handle(approval, "ann")


def test_a_closed_gate_lets_no_proposal_be_made_and_no_approval_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor does an open one make a trade by itself where the operator approves."""

    async def act(scene: Scene) -> None:
        scene.votes[BTC] = LONG
        await scene.engine.handle(Halt("1"), "ann")
        await scene.bar(1)
        assert await scene.store.predictions.count(0, START_MS * 2) == 1
        assert await scene.proposals() == []

        await scene.engine.handle(Resume("2"), "ann")
        await scene.bar(2)
        (card,) = await scene.proposals()
        assert (card.state, card.decided_by) == (ProposalState.PENDING, "")
        assert await scene.store.trades.all() == []

        await scene.engine.handle(Halt("3"), "ann")
        reply = await _approve(scene, "4")
        assert (reply.ok, reply.answer) == (False, "denied")
        assert "gate operator" in reply.message
        assert await scene.store.trades.all() == []

        await scene.engine.handle(Resume("5"), "ann")
        assert (await _approve(scene, "6")).answer == "accepted"
        (trade,) = await scene.store.trades.all()
        assert trade.proposal_id == card.proposal_id

    played(settings((BTC,), mode=Mode.APPROVE), act, monkeypatch)


def test_the_policy_approves_in_auto_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and in its own name."""

    async def act(scene: Scene) -> None:
        scene.votes[BTC] = LONG
        await scene.bar(1)
        (card,) = await scene.proposals()
        assert (card.state, card.decided_by) == (ProposalState.APPROVED, POLICY)
        (trade,) = await scene.store.trades.all()
        assert trade.proposal_id == card.proposal_id

    played(settings((BTC,), mode=Mode.AUTO), act, monkeypatch)


def test_manual_mode_gives_advice_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proposal is made and nobody decides it."""

    async def act(scene: Scene) -> None:
        scene.votes[BTC] = LONG
        await scene.bar(1)
        (card,) = await scene.proposals()
        assert card.state is ProposalState.PENDING
        assert await scene.store.trades.all() == []

    played(settings((BTC,), mode=Mode.MANUAL), act, monkeypatch)


def test_a_bar_that_is_no_longer_fresh_is_scored_and_nothing_is_proposed_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last moment that counts as fresh lies five minutes after the close."""

    async def act(scene: Scene) -> None:
        scene.votes[BTC] = LONG
        scene.vote_takes_s = FRESH_BAR_MS / 1000 + 1
        await scene.bar(1)
        assert await scene.store.predictions.count(0, START_MS * 2) == 1
        assert await scene.proposals() == []
        assert await scene.refused() == []

        scene.vote_takes_s = FRESH_BAR_MS / 1000 - 30
        await scene.bar(2)
        assert await scene.proposed() == [BTC]

    played(settings((BTC,), mode=Mode.APPROVE), act, monkeypatch)


def test_what_pends_takes_a_place_among_the_open_trades(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second of two sure votes of one moment finds none left."""

    async def act(scene: Scene) -> None:
        scene.votes |= {BTC: LONG, ETH: LONG}
        await scene.bar(1)
        (first,) = await scene.proposed()
        (other,) = {BTC, ETH} - {first}
        assert await scene.refused() == [(other, "open trades")]

    one = dataclasses.replace(
        settings((BTC, ETH), mode=Mode.APPROVE), risk=RiskSettings(max_open_trades=1)
    )
    played(one, act, monkeypatch)


def test_what_pends_counts_as_exposure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cards of one bar are sized to fit together."""
    limit = Decimal(6000)

    async def act(scene: Scene) -> None:
        scene.votes |= {BTC: LONG, ETH: LONG}
        await scene.bar(1)
        wanted = [card.plan.notional_usd for card in await scene.proposals()]
        assert wanted[0] > limit / 2
        assert sum(wanted) <= limit

    risk = RiskSettings(
        risk_per_trade_percent=Decimal(2),
        max_daily_loss_percent=Decimal(50),
        max_exposure_usd=limit,
    )
    both = dataclasses.replace(settings((BTC, ETH), mode=Mode.APPROVE), risk=risk)
    played(both, act, monkeypatch)


def test_an_approval_is_denied_while_another_card_takes_the_last_place(
    database_address: DatabaseAddress,
) -> None:
    """Once that one is gone the same approval is good."""

    async def scene(world: desk_world.World) -> None:
        world.desk = Desk(
            world.clock,
            world.store.proposals,
            world.store.journal,
            world.gates,
            world,
            world.enter,
            world.announced.append,
            mode=Mode.APPROVE,
            approval=ApprovalSettings(),
            limits=dataclasses.replace(LIMITS, max_open_trades=1),
        )
        other, card = await world.propose(ETH), await world.propose(BTC)
        reply = await world.desk.approve(card.proposal_id, card.revision, "1", "ann")
        assert (reply.answer, world.entered) == ("denied", [])
        assert "open trades" in reply.message
        world.desk.reject(other.proposal_id, "2", "ann")
        assert await world.approve(card) == "accepted"

    desk_world.play(database_address, scene)


def test_where_something_foreign_is_nothing_is_proposed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An order or a position of somebody else bars its own symbol, as long as it is there."""

    async def act(scene: Scene) -> None:
        account = scene.exchange.books.accounts[0]
        bid = scene.exchange.markets[ETH].book.best().bid
        resting = scene.exchange.place(
            account,
            OrderRequest(
                symbol=ETH,
                side=Side.BUY,
                kind=OrderKind.LIMIT,
                quantity=Decimal("0.1"),
                price=(bid * Decimal("0.98")).quantize(Decimal("0.01")),
                client_id="somebody-else",
            ),
        )
        scene.exchange.place(
            account,
            OrderRequest(symbol=SOL, side=Side.BUY, kind=OrderKind.MARKET, quantity=Decimal(1)),
        )
        scene.votes |= {BTC: LONG, ETH: LONG, SOL: LONG}
        await scene.bar(1)
        assert await scene.proposed() == [BTC]
        refused = await scene.refused()
        assert sorted(refused) == [(ETH, "nothing foreign"), (SOL, "nothing foreign")]

        scene.exchange.trading.cancel(
            account, ETH, resting.order_id, "", scene.clock.market_ms()
        )
        await scene.bar(2)
        assert ETH in await scene.proposed()
        assert SOL not in await scene.proposed()

    played(settings((BTC, ETH, SOL), mode=Mode.AUTO), act, monkeypatch)
