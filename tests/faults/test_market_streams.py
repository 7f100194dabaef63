"""The adapter under each fault of the market's streams: 10 s after the fault's end every bar
that has closed is known as the exchange has it, and so are the best prices.
"""

import pytest

from rusy_tui.simulator.faults import Damage, Kind
from tests.faults.world import MarketRun, fault, listening_under
from tests.simulator.support import START_MS

MINUTE_MS = 60_000
LASTS_S = 200
FIRST, SECOND = START_MS, START_MS + MINUTE_MS


def must_hold(run: MarketRun) -> None:
    """What must hold whatever went wrong."""
    assert run.believed == run.true
    assert len(run.true.closes) == 3


def test_without_a_fault_all_holds() -> None:
    run = listening_under()
    must_hold(run)
    assert set(run.view.ends.values()) == {1}
    assert run.view.interrupted.total() == 0


def test_a_close_that_never_comes_is_asked_for() -> None:
    run = listening_under(fault(Kind.CLOSE_MISSING, lasts_s=LASTS_S))
    must_hold(run)
    assert run.struck["close_missing"] == 3
    assert run.view.ends.total() == 0
    assert run.view.repaired == 3


def test_a_close_that_comes_late() -> None:
    run = listening_under(fault(Kind.CLOSE_LATE, lasts_s=LASTS_S, delay_s=20.0))
    must_hold(run)
    assert run.struck["close_late"] == 3
    assert set(run.view.ends.values()) == {1}


def test_a_close_that_comes_twice() -> None:
    run = listening_under(fault(Kind.CLOSE_TWICE, lasts_s=LASTS_S))
    must_hold(run)
    assert run.struck["close_twice"] == 3
    assert max(run.view.ends.values()) <= 2


@pytest.mark.parametrize("route", ["public", "market"])
def test_a_stream_that_is_cut(route: str) -> None:
    run = listening_under(fault(Kind.STREAM_CUT, at_s=49.9, lasts_s=30, route=route))
    must_hold(run)
    assert run.struck["stream_cut"] == 1
    assert run.view.interrupted[route] == 1


@pytest.mark.parametrize("route", ["public", "market"])
def test_a_half_open_stream_is_noticed_by_its_silence(route: str) -> None:
    run = listening_under(fault(Kind.STREAM_HALF_OPEN, lasts_s=LASTS_S, at_s=0, route=route))
    must_hold(run)
    # Noticed long before the fault was over.
    assert run.view.interrupted[route] >= 1
    assert run.struck["stream_half_open"] >= 2


def test_a_slow_stream() -> None:
    run = listening_under(fault(Kind.STREAM_SLOW, lasts_s=LASTS_S, delay_s=0.5))
    must_hold(run)
    assert run.struck["stream_slow"] >= 2


def test_connections_are_refused() -> None:
    run = listening_under(
        fault(Kind.STREAM_CUT, at_s=40, lasts_s=30),
        fault(Kind.CONNECTION_REFUSED, at_s=40, lasts_s=60),
    )
    must_hold(run)
    assert run.struck["connection_refused"] >= 4


@pytest.mark.parametrize("damage", list(Damage))
def test_messages_that_can_not_be_read(damage: Damage) -> None:
    run = listening_under(
        fault(Kind.BROKEN_MESSAGE, lasts_s=LASTS_S, damage=damage, share=0.3, seed=5)
    )
    must_hold(run)
    assert run.struck["broken_message"] >= 50


def test_events_late_twice_and_in_another_order() -> None:
    run = listening_under(
        fault(Kind.EVENTS_REORDERED, lasts_s=LASTS_S, share=0.3, delay_s=4.0, within_kind=True),
        fault(Kind.EVENT_TWICE, lasts_s=LASTS_S, share=0.3, seed=2),
        fault(Kind.EVENT_DELAYED, lasts_s=LASTS_S, share=0.1, seed=3, delay_s=6.0),
    )
    must_hold(run)
    assert run.struck["events_reordered"] >= 50
