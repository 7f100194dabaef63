"""A publisher's watchers: whole, in order, and never in the engine's way."""

import asyncio

from rusy_tui.domain.events import Event, Logged, PhaseChanged, QuoteMoved, Snapshot, apply
from rusy_tui.domain.state import State
from rusy_tui.link.hub import Publisher, Watcher
from tests.link.scripted import a_line, a_quote, a_state


def replayed(events: list[Event]) -> State:
    state = a_state()
    for event in events:
        state = apply(state, event)
    return state


async def test_the_first_event_is_the_state_as_it_is_when_fetched() -> None:
    publisher = Publisher(a_state())
    watcher = publisher.watch()
    publisher.publish(PhaseChanged(phase="running", progress=""))
    assert await anext(watcher) == Snapshot(publisher.state)
    assert publisher.state.phase == "running"
    assert watcher.take() == []


async def test_market_data_is_conflated_and_the_rest_arrives_in_order() -> None:
    publisher = Publisher(a_state())
    watcher = publisher.watch()
    await anext(watcher)
    for number in range(100):
        publisher.publish(a_quote(number))
        publisher.publish(a_quote(number, "ETHUSDT"))
        publisher.publish(a_line(number))
    events = watcher.take()
    assert [event for event in events if isinstance(event, Logged)] == [
        a_line(number) for number in range(100)
    ]
    assert [event for event in events if isinstance(event, QuoteMoved)] == [
        a_quote(99),
        a_quote(99, "ETHUSDT"),
    ]
    assert replayed([Snapshot(a_state()), *events]) == publisher.state


async def test_a_conflated_event_never_overtakes_what_it_follows() -> None:
    publisher = Publisher(a_state())
    watcher = publisher.watch()
    await anext(watcher)
    for event in (a_quote(1), a_line(1), a_quote(2)):
        publisher.publish(event)
    assert watcher.take() == [a_line(1), a_quote(2)]


async def test_a_watcher_far_behind_gets_a_fresh_snapshot_with_all_it_missed() -> None:
    publisher = Publisher(a_state())
    watcher = publisher.watch(most_waiting=10)
    prompt = publisher.watch(most_waiting=10)
    await anext(watcher)
    seen: list[Event] = [await anext(prompt)]
    for number in range(25):
        publisher.publish(a_line(number))
        seen += prompt.take()
    assert watcher.take() == [Snapshot(publisher.state)]
    assert replayed(seen) == publisher.state
    publisher.publish(a_line(25))
    assert watcher.take() == [a_line(25)]


async def test_a_closed_watcher_ends_its_reader_and_hears_nothing_more() -> None:
    publisher = Publisher(a_state())
    watcher = publisher.watch()
    await anext(watcher)

    async def read(watcher: Watcher) -> list[Event]:
        return [event async for event in watcher]

    reader = asyncio.create_task(read(watcher))
    waiter = asyncio.create_task(watcher.batch())
    await asyncio.sleep(0)
    watcher.close()
    publisher.publish(a_line(1))
    assert await reader == []
    assert await waiter == []
    assert publisher.watching == 0
