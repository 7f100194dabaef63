"""What it costs the engine to tell its watchers, against changing the state alone."""

import itertools
import time

from benchmarks import scene
from benchmarks.measuring import Row, median, row_of_costs
from rusy_tui.domain.events import Event, apply
from rusy_tui.domain.state import State
from rusy_tui.link.hub import Publisher

EVENTS = 20_000
WATCHERS = (0, 1, 3)
_RUNS = 7
# A watcher that keeps up fetches about so many at a time.
_FETCHED = 20


def measure() -> list[Row]:
    """Microseconds an event, its watchers' fetching included, nothing encoded."""
    begin = scene.state()
    events = list(itertools.islice(scene.moves(begin), EVENTS))
    told: dict[int, list[float]] = {watchers: [] for watchers in WATCHERS}
    alone = []
    for _ in range(_RUNS):
        alone.append(_applied(begin, events))
        for watchers in WATCHERS:
            told[watchers].append(_published(begin, events, watchers))
    return [
        row_of_costs(
            f"event published to {watchers} watcher{'' if watchers == 1 else 's'}",
            median(told[watchers]) * 1e6,
            "µs",
            "the same change of the state alone",
            median(alone) * 1e6,
        )
        for watchers in WATCHERS
    ]


def _published(begin: State, events: list[Event], watchers: int) -> float:
    publisher = Publisher(begin)
    watching = [publisher.watch() for _ in range(watchers)]
    for watcher in watching:
        watcher.take()
    began_s = time.perf_counter()
    for number, event in enumerate(events):
        publisher.publish(event)
        if number % _FETCHED == 0:
            for watcher in watching:
                watcher.take()
    return (time.perf_counter() - began_s) / len(events)


def _applied(begin: State, events: list[Event]) -> float:
    state = begin
    began_s = time.perf_counter()
    for event in events:
        state = apply(state, event)
    return (time.perf_counter() - began_s) / len(events)
