"""The adapter under each fault of the account's stream: what must hold in every case is in
:func:`tests.faults.world.must_hold`; above all each fill is told once, in whatever way it
came.
"""

import pytest

from rusy_tui.simulator.faults import Damage, Kind
from tests.faults.world import fault, must_hold, under

pytestmark = pytest.mark.usefixtures("both_ways")

PRIVATE = "private"


def test_events_that_come_twice_count_once() -> None:
    run = under(fault(Kind.EVENT_TWICE, route=PRIVATE, share=0.7, seed=1))
    must_hold(run)
    assert run.struck["event_twice"] >= 20


@pytest.mark.parametrize("within_kind", [False, True], ids=["kinds", "any"])
def test_events_in_another_order(within_kind: bool) -> None:
    run = under(
        fault(
            Kind.EVENTS_REORDERED, route=PRIVATE, share=0.5, seed=2, delay_s=3.0,
            within_kind=within_kind,
        )
    )  # fmt: skip
    must_hold(run)
    assert run.struck["events_reordered"] >= 20


def test_events_that_come_late() -> None:
    run = under(fault(Kind.EVENT_DELAYED, route=PRIVATE, share=0.3, seed=3, delay_s=6.0))
    must_hold(run)
    assert run.struck["event_delayed"] >= 10


def test_a_stream_that_is_cut_again_and_again() -> None:
    cuts = [fault(Kind.STREAM_CUT, route=PRIVATE, at_s=at_s) for at_s in (3, 9.3, 20.7, 21.5)]
    run = under(*cuts)
    must_hold(run)
    assert run.struck["stream_cut"] >= 3
    assert run.view.restored >= 4


def test_connections_are_refused_after_a_cut() -> None:
    run = under(
        fault(Kind.STREAM_CUT, route=PRIVATE, at_s=5),
        fault(Kind.CONNECTION_REFUSED, route=PRIVATE, at_s=5, lasts_s=25),
    )
    must_hold(run)
    assert run.struck["connection_refused"] >= 2


def test_a_half_open_stream_is_noticed_while_it_lasts() -> None:
    run = under(fault(Kind.STREAM_HALF_OPEN, route=PRIVATE, at_s=5))
    must_hold(run)
    # By an order that it did not tell of, not by its end: a second connection was made.
    assert run.struck["stream_half_open"] >= 2


def test_a_slow_stream() -> None:
    run = under(fault(Kind.STREAM_SLOW, route=PRIVATE, delay_s=0.4))
    must_hold(run)
    assert run.struck["stream_slow"] >= 1


def test_a_listen_key_that_expires() -> None:
    run = under(fault(Kind.LISTEN_KEY_EXPIRED, at_s=15.2))
    must_hold(run)
    assert run.view.restored >= 2


def test_a_listen_key_that_ends_without_a_word() -> None:
    run = under(fault(Kind.LISTEN_KEY_LOST, at_s=15.2))
    must_hold(run)
    assert run.view.restored >= 2


@pytest.mark.parametrize("damage", list(Damage))
def test_messages_that_can_not_be_read(damage: Damage) -> None:
    run = under(fault(Kind.BROKEN_MESSAGE, route=PRIVATE, damage=damage, share=0.2, seed=4))
    must_hold(run)
    assert run.struck["broken_message"] >= 5
