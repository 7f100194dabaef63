"""The adapter under each fault of the REST interface: what must hold in every case is in
:func:`tests.faults.world.must_hold`, each test adds what is so of its own fault.
"""

import pytest

from rusy_tui.domain.order import Cause, Confirmed, OrderIntent, OrderReport, Unresolved
from rusy_tui.simulator.faults import Damage, Fault, Kind
from tests.faults.trader import Trader
from tests.faults.world import fault, must_hold, under

pytestmark = pytest.mark.usefixtures("both_ways")


def test_without_a_fault_all_holds() -> None:
    run = under()
    must_hold(run)
    assert run.trader.rounds >= 3
    assert run.outcomes(Confirmed) == len(run.trader.attempts)


@pytest.mark.parametrize("hang", [False, True], ids=["cut", "never answered"])
def test_an_order_whose_reply_was_lost_after_acceptance_is_found(hang: bool) -> None:
    run = under(fault(Kind.REPLY_LOST_AFTER, method="POST", share=0.5, seed=1, hang=hang))
    must_hold(run)
    assert run.struck["reply_lost_after"] >= 3
    assert run.outcomes(Unresolved) >= 2
    # It is there: nothing had to be sent a second time.
    assert len(run.trader.attempts) == len({each.wish for each in run.trader.attempts})


@pytest.mark.parametrize("hang", [False, True], ids=["cut", "never answered"])
def test_an_order_that_was_lost_before_is_proven_absent_and_wished_for_anew(
    hang: bool,
) -> None:
    run = under(fault(Kind.REPLY_LOST_BEFORE, method="POST", share=0.4, seed=2, hang=hang))
    must_hold(run)
    assert run.outcomes(Unresolved) >= 2
    assert len(run.trader.attempts) > len({each.wish for each in run.trader.attempts})


class _Hasty(Trader):
    """Takes a lost reply for a failure, as others did."""

    async def resolved(self, intent: OrderIntent) -> OrderReport | None:
        return None


@pytest.mark.parametrize(
    "lost", [fault(Kind.REPLY_LOST_AFTER, method="POST", share=0.5), fault(Kind.STATUS_UNKNOWN)]
)
def test_who_sends_again_what_is_unresolved_is_caught(lost: Fault) -> None:
    with pytest.raises(AssertionError, match="entry"):
        must_hold(under(lost, trader_of=_Hasty))


@pytest.mark.parametrize("kind", [Kind.REPLY_LOST_AFTER, Kind.REPLY_LOST_BEFORE])
def test_reads_and_cancels_are_lost(kind: Kind) -> None:
    run = under(
        fault(kind, method="GET", share=0.3, seed=3), fault(kind, method="DELETE", share=0.5)
    )
    must_hold(run)
    assert run.struck[kind] >= 5


@pytest.mark.parametrize("delay_s", [0.8, 3.0, 7.0])
def test_an_order_that_arrives_late_is_waited_for(delay_s: float) -> None:
    run = under(fault(Kind.REQUEST_DELAYED, method="POST", delay_s=delay_s, share=0.6, seed=4))
    must_hold(run)
    assert run.struck["request_delayed"] >= 3


@pytest.mark.parametrize("delay_s", [3.0, 12.0])
def test_a_reply_that_comes_late(delay_s: float) -> None:
    run = under(fault(Kind.REPLY_DELAYED, delay_s=delay_s, share=0.3, seed=5))
    must_hold(run)
    assert run.struck["reply_delayed"] >= 3


def test_503_with_unknown_status_is_asked_about() -> None:
    run = under(fault(Kind.STATUS_UNKNOWN, share=0.5, seed=6))
    must_hold(run)
    assert run.outcomes(Unresolved) >= 2
    fates = {effect.what.endswith("(carried out)") for effect in run.server.faults.effects
             if effect.what.startswith("POST /fapi/v1/order")}  # fmt: skip
    assert fates == {True, False}


def test_503_that_failed_for_sure_is_tried_again_without_asking() -> None:
    run = under(fault(Kind.UNAVAILABLE, method="POST", share=0.5, seed=7))
    must_hold(run)
    assert run.rejected(Cause.OVERLOADED) >= 2
    assert run.outcomes(Unresolved) == 0


def test_an_overloaded_exchange_takes_no_entries_and_every_exit() -> None:
    run = under(fault(Kind.OVERLOADED, lasts_s=40))
    must_hold(run)
    assert run.rejected(Cause.OVERLOADED) >= 3
    assert run.trader.rounds >= 2


def test_429_stops_everything_until_the_time_it_names() -> None:
    run = under(fault(Kind.TOO_MANY_REQUESTS, retry_after_s=7, share=0.05, seed=8))
    must_hold(run)
    assert len(run.server.limits.pauses) >= 2
    assert {pause.status for pause in run.server.limits.pauses} == {429}


def test_418_is_waited_out_in_silence() -> None:
    run = under(fault(Kind.BANNED, times=1, retry_after_s=25, path="/fapi/v1/order"))
    must_hold(run)
    (ban,) = run.server.limits.pauses
    assert (ban.status, ban.sent_since) == (418, 0)


@pytest.mark.parametrize("offset_ms", [-8000, 5000])
@pytest.mark.parametrize("checks_only", [False, True], ids=["told", "hidden"])
def test_a_clock_that_drifts_is_measured_anew(offset_ms: int, checks_only: bool) -> None:
    drift = fault(Kind.CLOCK_DRIFT, lasts_s=30, offset_ms=offset_ms, checks_only=checks_only)
    run = under(drift)
    must_hold(run)
    if not checks_only:
        # Measured once, it is known: orders go through while it lasts.
        assert run.rejected(Cause.CLOCK) == 0
        assert run.trader.rounds >= 3


@pytest.mark.parametrize("code", [-4045, -2021, -2019, -4118, -4120])
def test_a_refused_stop_leaves_no_position_behind(code: int) -> None:
    run = under(fault(Kind.STOP_REFUSED, code=code, share=0.6, seed=9))
    must_hold(run)
    assert run.struck["stop_refused"] >= 2


@pytest.mark.parametrize("damage", list(Damage))
def test_an_answer_that_can_not_be_read_proves_nothing(damage: Damage) -> None:
    run = under(fault(Kind.BROKEN_REPLY, damage=damage, share=0.3, seed=10))
    must_hold(run)
    assert run.struck["broken_reply"] >= 5
    assert run.outcomes(Unresolved) >= 1


def test_two_equal_runs_are_equal() -> None:
    faults = [
        fault(Kind.REPLY_LOST_AFTER, share=0.1, seed=11),
        fault(Kind.STATUS_UNKNOWN, share=0.1, seed=12),
        fault(Kind.REPLY_DELAYED, share=0.1, seed=13, delay_s=4.0),
    ]
    first, second = under(*faults), under(*faults)
    must_hold(first)
    assert first.trace == second.trace
    assert list(first.server.faults.effects) == list(second.server.faults.effects)
