"""Where the engine publishes and watchers listen; a slow watcher never slows the engine."""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import AsyncIterator

from rusy_tui.domain.events import Event, Snapshot, apply, conflation_key
from rusy_tui.domain.state import State

# A watcher this far behind is better served by one snapshot than by the events it missed.
MOST_WAITING = 2000


class Publisher:
    """Holds the state, changes it event by event, and tells the watchers.

    Args:
        state: the state before the first event.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._watchers: set[Watcher] = set()

    @property
    def state(self) -> State:
        """The state after all events so far."""
        return self._state

    @property
    def watching(self) -> int:
        """How many watchers there are."""
        return len(self._watchers)

    def publish(self, event: Event) -> None:
        """Apply an event to the state and hand it to every watcher. Never waits."""
        self._state = apply(self._state, event)
        for watcher in self._watchers:
            watcher.offer(event)

    def watch(self, most_waiting: int = MOST_WAITING) -> "Watcher":
        """A new watcher: it is told the whole state first, and then what happens."""
        watcher = Watcher(self, most_waiting)
        self._watchers.add(watcher)
        return watcher

    def forget(self, watcher: "Watcher") -> None:
        """Tell a watcher nothing more."""
        self._watchers.discard(watcher)


class Watcher(AsyncIterator[Event]):
    """One listener's queue of events.

    It iterates over a snapshot and then events. Of market data only the latest of a kind
    waits; everything else arrives in order, or, when too much waits, is replaced by a new
    snapshot that holds it all.
    """

    def __init__(self, publisher: Publisher, most_waiting: int) -> None:
        self._publisher = publisher
        self._most_waiting = most_waiting
        self._waiting: OrderedDict[str | int, Event] = OrderedDict()
        self._numbers = itertools.count()
        # The snapshot is taken when it is fetched: what happens until then is in it.
        self._needs_snapshot = True
        self._closed = False
        self._woken = asyncio.Event()
        self._woken.set()

    def offer(self, event: Event) -> None:
        """Queue an event; the publisher calls this."""
        if self._needs_snapshot or self._closed:
            return
        key = conflation_key(event)
        if key is None:
            self._waiting[next(self._numbers)] = event
        else:
            # At the end, not in its predecessor's place: what it follows comes before it.
            self._waiting.pop(key, None)
            self._waiting[key] = event
        if len(self._waiting) > self._most_waiting:
            self._waiting.clear()
            self._needs_snapshot = True
        self._woken.set()

    def take(self) -> list[Event]:
        """All that waits now, oldest first; empty when nothing does."""
        self._woken.clear()
        if self._needs_snapshot and not self._closed:
            self._needs_snapshot = False
            return [Snapshot(self._publisher.state)]
        events = list(self._waiting.values())
        self._waiting.clear()
        return events

    async def batch(self) -> list[Event]:
        """Wait until something waits, and take it all; empty only once closed."""
        while not self._closed:
            if events := self.take():
                return events
            await self._woken.wait()
        return []

    async def __anext__(self) -> Event:
        while not self._closed:
            if self._needs_snapshot:
                return self.take()[0]
            if self._waiting:
                return self._waiting.popitem(last=False)[1]
            self._woken.clear()
            await self._woken.wait()
        raise StopAsyncIteration

    def close(self) -> None:
        """Stop listening; whoever waits for the next event is told that there is none."""
        self._publisher.forget(self)
        self._closed = True
        self._waiting.clear()
        self._woken.set()
