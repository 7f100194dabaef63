"""Watchers hear how far history is while it is fetched, and that it is whole."""

import msgspec

from rusy_tui.clock import SystemClock
from rusy_tui.domain.events import Event, HistoryMoved, Snapshot, apply
from rusy_tui.domain.history import BackfillProgress
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.settings import RiskSettings
from rusy_tui.domain.state import State
from rusy_tui.link.hub import Publisher
from rusy_tui.teller import Teller


class _Heard(Publisher):
    """Remembers what was published."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.events: list[Event] = []

    def publish(self, event: Event) -> None:
        super().publish(event)
        self.events.append(event)


def test_history_is_told_when_it_moves_and_once_more_when_it_is_whole() -> None:
    publisher = _Heard(State(venue="demo", version="1", model_version="1", mode=Mode.APPROVE))
    teller = Teller(publisher, SystemClock(), (), "1", RiskSettings())
    some = BackfillProgress(rows_done=41, rows_total=100, seconds_left=190.0)
    for progress in (None, some, some, msgspec.structs.replace(some, rows_done=100), None):
        teller.history(progress)
    assert publisher.events == [HistoryMoved(some), HistoryMoved(None)]
    assert publisher.state.history is None


def test_a_watcher_s_copy_has_it_from_the_first_snapshot_on() -> None:
    some = BackfillProgress(rows_done=41, rows_total=100)
    state = State(venue="demo", version="1", model_version="1", mode=Mode.APPROVE, history=some)
    sent = msgspec.json.decode(msgspec.json.encode(Snapshot(state)), type=Snapshot)
    assert sent.state.history == some
    assert apply(sent.state, HistoryMoved(None)).history is None
