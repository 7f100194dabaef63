"""The recorded market of raw messages, served; and what was recorded, read independently.

For tests of whoever rebuilds the book: the exchange here plays the recording through real
sockets, and :func:`tickers` says what the best prices were.
"""

import gzip
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rusy_tui.clock import LockstepClock
from rusy_tui.simulator.feeds.raw import RawFeed
from tests.simulator.serving import Served, served

FILE = "raw/btcusdt-usdm-ws-20240808.gz"
SNAPSHOT_MS = 1_723_161_256_501
"""When the recorded answer of depth was given: the market's start."""

LOST_UPDATE = 5123109479585
"""The last update id of a diff 20 s after the start: one to lose."""

Best = tuple[str, str, str, str]
"""Bid, its quantity, ask, its quantity, as sent."""


@asynccontextmanager
async def recorded_exchange(
    clock: LockstepClock,
    recordings: Path,
    *,
    until_ms: int | None = None,
    drop_update: int | None = None,
) -> AsyncGenerator[Served]:
    """The recorded market, served and not yet played; the clock begins at SNAPSHOT_MS."""
    feed = RawFeed(recordings / FILE, until_ms=until_ms, drop_update=drop_update)
    async with served(clock, feed) as exchange:
        yield exchange


def recorded_events(recordings: Path) -> list[tuple[str, bytes]]:
    """(stream, the event's bytes) of every message, in the order received."""
    events: list[tuple[str, bytes]] = []
    with gzip.open(recordings / FILE, "rb") as file:
        for line in file:
            _, _, text = line.strip().partition(b" ")
            head, found, data = text.partition(b'","data":')
            if found:
                name = head.removeprefix(b'{"stream":"').decode()
                events.append((name, data.removesuffix(b"}")))
    return events


def tickers(events: list[tuple[str, bytes]]) -> dict[int, Best]:
    """The recorded best prices by update id."""
    found: dict[int, Best] = {}
    for stream, data in events:
        if stream.endswith("@bookTicker"):
            event = json.loads(data)
            found[event["u"]] = (event["b"], event["B"], event["a"], event["A"])
    return found


class OutOfSync(Exception):
    """A diff does not follow the one before."""


class LocalBook:
    """The book as the exchange's documents say to keep one, in texts alone.

    https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/How-to-manage-a-local-order-book-correctly
    """

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.sides = {
            "b": dict[str, str](snapshot["bids"]),
            "a": dict[str, str](snapshot["asks"]),
        }
        self.last_id: int = snapshot["lastUpdateId"]
        self._begun = False

    def take(self, diff: dict[str, Any]) -> bool:
        """Take a diff in; False for one that is older than the snapshot."""
        if not self._begun:
            if diff["u"] < self.last_id:
                return False
            # A snapshot between two diffs is followed by one that names it.
            if not (diff["U"] <= self.last_id <= diff["u"] or diff["pu"] == self.last_id):
                raise OutOfSync(f"{self.last_id} is not in {diff['U']} to {diff['u']}")
            self._begun = True
        elif diff["pu"] != self.last_id:
            raise OutOfSync(f"{diff['pu']} does not follow {self.last_id}")
        for side, levels in self.sides.items():
            for price, quantity in diff[side]:
                if float(quantity):
                    levels[price] = quantity
                else:
                    levels.pop(price, None)
        self.last_id = diff["u"]
        return True

    def best(self) -> Best:
        """The best prices and what stands there."""
        bids, asks = self.sides["b"], self.sides["a"]
        bid, ask = max(bids, key=float), min(asks, key=float)
        return bid, bids[bid], ask, asks[ask]
