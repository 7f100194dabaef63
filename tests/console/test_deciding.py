"""Approving and rejecting by key: what is sent, and above all what is not."""

from msgspec.structs import replace

from rusy_tui.domain.commands import Approve, Attend, Command, Reject, Reply
from rusy_tui.domain.events import GatesChanged, ProposalChanged
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.order import Side
from rusy_tui.domain.proposal import ProposalState
from tests.console import sample
from tests.console.scripted import HeldConsole, settled

SIZE = (120, 40)


def digit() -> str:
    return str(sample.proposal().digit)


def other_digit() -> str:
    return str(sample.proposal().digit % 9 + 1)


async def test_the_digit_after_arming_approves_this_id_and_revision() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("a")
        assert f"armed: press  {digit()} " in app.text()
        app.pass_time(0.4)
        await pilot.press(digit())
        await settled(pilot)
        (sent,) = app.link.sent()
        assert isinstance(sent, Approve)
        assert (sent.proposal_id, sent.revision) == (17, sample.proposal().revision)


async def test_a_digit_without_arming_sends_nothing() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press(digit())
        await settled(pilot)
        assert app.link.sent() == []
        assert "press a first" in app.text()


async def test_another_digit_disarms() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("a")
        app.pass_time(0.4)
        await pilot.press(other_digit(), digit())
        await settled(pilot)
        assert app.link.sent() == []


async def test_any_other_key_disarms_and_does_its_own_work() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("a")
        app.pass_time(0.4)
        await pilot.press("t", digit())
        await settled(pilot)
        assert app.link.sent() == []
        assert app.watch_state.interval == "1h"


async def test_a_burst_is_refused_and_said_so() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("a")
        app.pass_time(0.149)
        await pilot.press(digit())
        await settled(pilot)
        assert app.link.sent() == []
        assert "too fast" in app.text()


async def test_a_held_arm_key_counts_from_its_last_press() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        for _ in range(5):
            await pilot.press("a")
            app.pass_time(0.1)
        await pilot.press(digit())
        await settled(pilot)
        assert app.link.sent() == []


async def test_changed_figures_disarm() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("a")
        app.pass_time(0.4)
        app.link.push(ProposalChanged(replace(sample.proposal(), revision="0000")))
        await settled(pilot)
        assert app.watch_state.arming.armed is None
        assert "figures changed" in app.text()
        await pilot.press(digit())
        await settled(pilot)
        assert app.link.sent() == []


async def test_a_card_that_goes_disarms_and_the_next_one_comes() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("a")
        app.pass_time(0.4)
        gone = replace(sample.proposal(), state=ProposalState.SUPERSEDED)
        app.link.push(ProposalChanged(gone))
        await settled(pilot)
        assert "card is gone" in app.text()
        assert "PROPOSAL 18" in app.text()
        await pilot.press(digit(), str(sample.proposal(18, "ETHUSDT", Side.SELL, 0.459).digit))
        await settled(pilot)
        assert app.link.sent() == []


async def test_choosing_another_card_disarms() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("a", "]")
        assert "PROPOSAL 18" in app.text()
        assert app.watch_state.arming.armed is None
        await pilot.press("[", "up")
        assert "PROPOSAL 19" in app.text()


async def test_an_armed_card_disarms_by_itself_in_the_end() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("a")
        app.pass_time(20.5)
        await settled(pilot)
        assert app.watch_state.arming.armed is None


async def test_an_expired_card_cannot_be_armed() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        app.pass_time(72)
        await settled(pilot)
        assert "expired" in app.text()
        await pilot.press("a")
        assert app.watch_state.arming.armed is None
        assert "has expired" in app.text()


async def test_the_engines_answer_is_shown() -> None:
    def late(command: Command) -> Reply:
        return Reply(command.command_id, False, "expired", "expired 0.8 s ago")

    async with HeldConsole(sample.deciding(), late).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("a")
        app.pass_time(0.4)
        await pilot.press(digit())
        await settled(pilot)
        assert "expired 0.8 s ago" in app.text()
        await pilot.press("a")
        assert app.watch_state.arming.armed is not None


async def test_reject_names_the_shown_proposal() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("]", "r")
        await settled(pilot)
        (sent,) = app.link.sent()
        assert isinstance(sent, Reject)
        assert sent.proposal_id == 18


async def test_a_closed_card_can_be_neither_armed_nor_rejected() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("p", "a", "r")
        await settled(pilot)
        assert "PROPOSAL 17" not in app.text()
        assert app.link.sent() == []


async def test_the_engine_is_told_when_a_card_opens_and_closes() -> None:
    def told() -> list[bool]:
        return [c.card_open for c in app.link.commands if isinstance(c, Attend)]

    async with HeldConsole(sample.watching()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        assert told() == []
        app.link.push(ProposalChanged(sample.proposal()))
        await settled(pilot)
        assert told() == [True]
        await pilot.press("p")
        await settled(pilot)
        assert told() == [True, False]


async def test_in_auto_a_card_waits_for_its_key() -> None:
    async with HeldConsole(sample.watching()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        app.link.push(GatesChanged(Mode.AUTO, ()))
        app.link.push(ProposalChanged(sample.proposal()))
        await settled(pilot)
        assert not app.watch_state.attending
        await pilot.press("p")
        await settled(pilot)
        assert "PROPOSAL 17" in app.text()


async def test_the_chart_follows_the_card() -> None:
    async with HeldConsole(sample.watching()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        app.link.push(ProposalChanged(sample.proposal(20, "SOLUSDT")))
        await settled(pilot)
        assert app.watch_state.symbol == "SOLUSDT"
