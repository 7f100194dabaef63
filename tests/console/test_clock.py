"""The market clock on the screen, across changes of pace and of machine."""

from rusy_tui.console.moment import Moment
from rusy_tui.console.watch import Watch
from rusy_tui.domain.clock import Pace
from rusy_tui.domain.events import PaceChanged, QuoteMoved, Snapshot
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.state import State
from tests.console.sample import quote

START_MS = 1_700_000_000_000


def _moment(monotonic_s: float) -> Moment:
    return Moment(monotonic_s=monotonic_s, wall_ms=START_MS)


def _watch(pace: Pace) -> Watch:
    watch = Watch("rusy", None)
    state = State(venue="demo", version="1", model_version="m", mode=Mode.AUTO, pace=pace)
    watch.take(Snapshot(state), 100.0)
    return watch


def test_a_new_pace_holds_from_its_anchor_and_the_clock_never_goes_back() -> None:
    fast = Pace(START_MS, 100.0, 60.0)
    watch = _watch(fast)
    before = watch.market_ms(_moment(110.0))
    slow = Pace(fast.market_ms(110.15), 110.15, 1.0)
    watch.take(PaceChanged(slow, deciding=True), 110.0)
    assert watch.market_ms(_moment(110.0)) == before
    assert watch.market_ms(_moment(110.1)) == fast.market_ms(110.1)
    assert watch.market_ms(_moment(111.15)) == slow.market_anchor_ms + 1000


def test_on_another_machine_the_clock_counts_on_from_the_newest_price() -> None:
    elsewhere = Pace(START_MS, 900_000.0, 60.0)
    watch = _watch(elsewhere)
    watch.take(QuoteMoved(quote("BTCUSDT"), START_MS + 5_000), 101.0)
    assert watch.market_ms(_moment(102.0)) == START_MS + 5_000 + 60_000
