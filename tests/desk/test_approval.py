"""Every answer to an approval, and that the operator hears first what matters first."""

import dataclasses
from decimal import Decimal

import msgspec
import pytest

from rusy_tui.desk.approval import (
    Accepted,
    Already,
    Changed,
    Expired,
    Judgement,
    Refused,
    judge,
)
from rusy_tui.domain.modes import Gate
from rusy_tui.domain.order import Side
from rusy_tui.domain.proposal import Proposal, ProposalState
from tests.decide.market import LIMITS, holding, holdings, planned
from tests.execution.plans import proposal
from tests.execution.stage import book
from tests.lockstep import START_MS

GATE = Gate(name="operator", why="halted", opens="resume", halted=True, since_ms=0)


def pending(side: Side = Side.BUY) -> Proposal:
    return msgspec.structs.replace(proposal(planned(side)), state=ProposalState.PENDING)


def answer(**changed: object) -> Judgement:
    shown = changed.pop("card", None) or pending()
    assert isinstance(shown, Proposal)
    given: dict[str, object] = {
        "revision": shown.revision,
        "now_ms": START_MS,
        "monotonic_s": 0.0,
        "gates": (),
        "holdings": holdings(),
        "limits": LIMITS,
        "book": book(),
        "max_drift_bps": Decimal(15),
        **changed,
    }
    revision = given.pop("revision")
    return judge(shown, revision, **given)  # type: ignore[arg-type]


def test_a_card_in_time_is_accepted() -> None:
    assert answer() == Accepted()
    assert answer(card=pending(Side.SELL)) == Accepted()


@pytest.mark.parametrize(
    "state", [state for state in ProposalState if state is not ProposalState.PENDING]
)
def test_what_was_decided_is_told_with_who_and_when(state: ProposalState) -> None:
    card = msgspec.structs.replace(
        pending(), state=state, decided_by="ann@term", decided_ms=START_MS + 5
    )
    assert answer(card=card) == Already(state, "ann@term", START_MS + 5)


def test_wall_time_is_up_after_its_last_second() -> None:
    assert answer(monotonic_s=90.0) == Accepted()
    assert answer(monotonic_s=91.5) == Expired(1.5, "wall")


def test_market_time_is_up_after_the_premise() -> None:
    end_ms = pending().expires_ms
    assert answer(now_ms=end_ms) == Accepted()
    assert answer(now_ms=end_ms + 2000) == Expired(2.0, "market")


def test_another_revision_is_named_beside_the_one_that_pends() -> None:
    card = pending()
    assert answer(card=card, revision="ffff") == Changed("ffff", card.revision)


def test_a_closed_gate_refuses() -> None:
    judgement = answer(gates=(GATE,))
    assert isinstance(judgement, Refused)
    assert judgement.rule == "gate operator"
    assert "resume" in judgement.figures


def test_risk_is_judged_anew() -> None:
    judgement = answer(holdings=holdings(holding("BTCUSDT")))
    assert isinstance(judgement, Refused)
    assert judgement.rule == "one trade a symbol"


@pytest.mark.parametrize(
    ("side", "near", "far"),
    [
        (Side.BUY, ("100.1", "100.2"), ("100.2", "100.3")),
        (Side.BUY, ("99.9", "100.0"), ("99.8", "99.9")),
        (Side.SELL, ("100.1", "100.2"), ("100.2", "100.3")),
        (Side.SELL, ("99.9", "100.0"), ("99.8", "99.9")),
    ],
)
def test_a_price_that_left_the_card_either_way_refuses(
    side: Side, near: tuple[str, str], far: tuple[str, str]
) -> None:
    card = pending(side)
    assert answer(card=card, book=book(*near)) == Accepted()
    judgement = answer(card=card, book=book(*far))
    assert isinstance(judgement, Refused)
    assert judgement.rule == "drift"


def test_without_a_fresh_price_nothing_is_accepted() -> None:
    judgement = answer(book=None)
    assert isinstance(judgement, Refused)
    assert judgement.rule == "price"


def test_the_answers_come_in_the_order_of_what_matters_first() -> None:
    wrong: dict[str, object] = {
        "monotonic_s": 500.0,
        "now_ms": START_MS + 10**9,
        "revision": "ffff",
        "gates": (GATE,),
        "holdings": holdings(holding("BTCUSDT")),
        "book": book("200.0", "200.1"),
    }
    heard = [type(answer(**wrong, card=proposal(planned()))).__name__]
    for healed, value in {
        "monotonic_s": 0.0,
        "now_ms": START_MS,
        "revision": pending().revision,
        "gates": (),
        "holdings": holdings(),
        "book": book(),
    }.items():
        judgement = answer(**wrong)
        heard.append(getattr(judgement, "rule", getattr(judgement, "clock", "changed")))
        wrong[healed] = value
    assert heard == [
        "Already",
        "wall",
        "market",
        "changed",
        "gate operator",
        "one trade a symbol",
        "drift",
    ]
    assert answer(**wrong) == Accepted()


def test_limits_that_were_lowered_meanwhile_hold() -> None:
    tighter = dataclasses.replace(LIMITS, risk_per_trade_percent=Decimal("0.1"))
    judgement = answer(limits=tighter)
    assert isinstance(judgement, Refused)
    assert judgement.rule == "risk per trade"
