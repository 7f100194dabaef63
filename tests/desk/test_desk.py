"""The desk: one trade an approval, the first decision holds, and nothing pends for ever."""

import asyncio

import msgspec

from rusy_tui.domain.modes import Mode
from rusy_tui.domain.proposal import ProposalState
from rusy_tui.store.address import DatabaseAddress
from tests.desk.world import World, plan, play


def test_an_approved_proposal_becomes_one_trade(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        card = await world.propose()
        assert [p.proposal_id for p in world.desk.pending] == [card.proposal_id]
        reply = await world.desk.approve(card.proposal_id, card.revision, "c1", "ann")
        assert (reply.ok, reply.command_id) == (True, "c1")
        assert "T1" in reply.message
        assert [p.proposal_id for p in world.entered] == [card.proposal_id]
        assert await world.state(card) == "approved"
        assert not world.desk.pending
        entries = await world.store.journal.about("1")
        assert [entry.kind for entry in entries] == ["approval"]

    play(database_address, scene)


def test_two_approvals_at_once_make_one_trade(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        card = await world.propose()
        answers = await asyncio.gather(
            world.approve(card, "a", "ann"), world.approve(card, "b", "bob")
        )
        assert sorted(answers) == ["accepted", "already"]
        assert len(world.entered) == 1

    play(database_address, scene)


def test_an_approval_and_a_rejection_at_once_leave_the_first(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        card = await world.propose()
        approval = asyncio.create_task(world.approve(card))
        await asyncio.sleep(0)
        rejection, decided = world.desk.reject(card.proposal_id, "r", "bob")
        assert await approval == "accepted"
        assert decided is None
        assert rejection.answer == "already"
        assert await world.state(card) == "approved"

    play(database_address, scene)


def test_what_was_just_approved_counts_until_its_trade_has_begun(
    database_address: DatabaseAddress,
) -> None:
    """Else a plan made in between would be given room that is taken."""

    async def scene(world: World) -> None:
        card = await world.propose()
        world.enter_s = 0.5
        approval = asyncio.get_running_loop().create_task(world.approve(card))
        await world.clock.sleep(0.1)
        assert not world.desk.pending
        for besides in (None, "BTCUSDT", "ETHUSDT"):
            (taken,) = world.desk.pending_holdings(besides)
            assert taken.symbol == "BTCUSDT"
        assert await approval == "accepted"
        assert world.desk.pending_holdings() == ()
        assert len(world.held) == 1

    play(database_address, scene)


def test_a_newer_proposal_of_a_symbol_supersedes(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        old, other = await world.propose(), await world.propose("ETHUSDT")
        new = await world.propose()
        assert await world.state(old) == "superseded"
        assert [p.proposal_id for p in world.desk.pending] == [
            other.proposal_id,
            new.proposal_id,
        ]
        assert await world.approve(old) == "already"
        assert world.entered == []

    play(database_address, scene)


def test_a_changed_revision_is_refused_and_the_card_goes_on_pending(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        card = await world.propose()
        reply = await world.desk.approve(card.proposal_id, "ffff", "c", "ann")
        assert reply.answer == "changed"
        assert card.revision in reply.message
        assert await world.approve(card) == "accepted"

    play(database_address, scene)


def test_a_late_approval_expires_the_card(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        card = await world.propose()
        await world.clock.sleep(91)
        assert await world.approve(card) == "expired"
        assert await world.state(card) == "expired"

    play(database_address, scene)


def test_cards_expire_by_wall_time_or_by_their_premise(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        by_wall = await world.propose()
        soon = msgspec.structs.replace(
            plan("ETHUSDT"), premise_ends_ms=world.clock.market_ms() + 5000
        )
        by_market = await world.desk.propose(soon)
        await world.clock.sleep(5)
        await world.desk.expire_due()
        assert await world.state(by_market) == "pending"  # the last moment is in time
        await world.clock.sleep(0.01)
        await world.desk.expire_due()
        assert await world.state(by_market) == "expired"
        assert await world.state(by_wall) == "pending"
        await world.clock.sleep(85)
        await world.desk.expire_due()
        assert await world.state(by_wall) == "expired"
        assert world.desk.pending == ()

    play(database_address, scene)


def test_in_auto_mode_the_policy_approves_by_the_same_rules(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        world.desk.mode = Mode.AUTO
        card = await world.propose()
        assert await world.state(card) == "approved"
        assert len(world.entered) == 1
        world.gates.halt("operator", "halted", 0)
        refused = await world.propose("ETHUSDT")
        assert await world.state(refused) == "pending"
        assert len(world.entered) == 1

    play(database_address, scene)


def test_a_change_of_mode_leaves_what_pends_alone(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        await world.propose()
        world.desk.mode = Mode.AUTO
        await world.clock.sleep(10)
        await world.desk.expire_due()
        assert world.entered == []
        assert len(world.desk.pending) == 1

    play(database_address, scene)


def test_withdrawing_all_does_not_undo_what_was_approved_meanwhile(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        first, second = await world.propose(), await world.propose("ETHUSDT")
        approval = asyncio.create_task(world.approve(second))
        await asyncio.sleep(0)
        (withdrawn,) = world.desk.withdraw_all("flatten")
        await world.desk.keep(withdrawn)
        assert await approval == "accepted"
        assert await world.state(first) == "withdrawn"
        assert await world.state(second) == "approved"
        last = [p for p in world.announced if p.proposal_id == second.proposal_id][-1]
        assert last.state is ProposalState.APPROVED

    play(database_address, scene)


def test_a_closed_gate_refuses_and_the_card_goes_on_pending(
    database_address: DatabaseAddress,
) -> None:
    async def scene(world: World) -> None:
        card = await world.propose()
        world.gates.halt("operator", "halted", 0)
        assert await world.approve(card) == "denied"
        world.gates.resume()
        assert await world.approve(card) == "accepted"

    play(database_address, scene)


def test_an_unknown_number_is_said_to_be_unknown(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        assert (await world.desk.approve(9, "ffff", "c", "ann")).answer == "unknown"
        assert world.desk.reject(9, "c", "ann")[0].answer == "unknown"

    play(database_address, scene)


def test_a_restart_withdraws_what_pended(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        card = await world.propose()
        world.new_desk()
        await world.desk.recover()
        assert await world.state(card) == "withdrawn"
        assert await world.approve(card) == "already"
        again = await world.propose()
        assert again.proposal_id == card.proposal_id + 1

    play(database_address, scene)


def test_the_digit_is_of_the_revision(database_address: DatabaseAddress) -> None:
    async def scene(world: World) -> None:
        card = await world.propose()
        assert 1 <= card.digit <= 9
        assert card.revision == card.plan.revision

    play(database_address, scene)
