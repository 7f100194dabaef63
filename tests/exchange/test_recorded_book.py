"""The adapter's local book, through real sockets, against the recorded best prices.

``make done-book`` runs it.
"""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.market import BookTop, StreamInterrupted, StreamRestored
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.simulator.runner import play
from tests.simulator.recorded import (
    LOST_UPDATE,
    SNAPSHOT_MS,
    recorded_events,
    recorded_exchange,
    tickers,
)
from tests.simulator.support import KEY, SECRET, lockstep

pytestmark = [pytest.mark.needs("recordings"), pytest.mark.timeout(300)]


class Rebuilt:
    """What the adapter told while the recording was played."""

    def __init__(self) -> None:
        self.same = 0
        self.other: list[tuple[Any, Any]] = []
        self.states: list[StreamInterrupted | StreamRestored] = []
        self.after_repair = 0


def rebuilt(recordings: Path, *, drop_update: int | None = None) -> Rebuilt:
    """Play the recording, and compare the book at every update id that has a best price."""
    told = {
        number: tuple(map(Decimal, best))
        for number, best in tickers(recorded_events(recordings)).items()
    }
    found = Rebuilt()

    async def main(clock: LockstepClock) -> None:
        async with recorded_exchange(clock, recordings, drop_update=drop_update) as served:
            exchange = BinanceExchange(
                served.server.rest_url,
                served.server.ws_url,
                KEY,
                SECRET,
                clock,
                ping_interval_s=None,
            )
            await exchange.connect()

            def sink(event: BookTop | StreamInterrupted | StreamRestored) -> None:
                if not isinstance(event, BookTop):
                    found.states.append(event)
                    return
                book = exchange.order_book("BTCUSDT")
                assert book is not None
                assert book.last_update_id is not None
                if book.last_update_id not in told:
                    return
                best = (event.bid, event.bid_quantity, event.ask, event.ask_quantity)
                if best == told[book.last_update_id]:
                    found.same += 1
                    found.after_repair += len(found.states) > 1
                else:
                    found.other.append((best, told[book.last_update_id]))

            keeping = asyncio.create_task(exchange.run_order_book("BTCUSDT", sink))
            await clock.sleep(0.5)
            await play(served.exchange, served.exchange.feed, clock)
            await clock.sleep(1)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await exchange.close()

    lockstep(main, SNAPSHOT_MS)
    return found


@pytest.mark.slow
def test_the_book_equals_the_recorded_best_prices(recordings: Path) -> None:
    found = rebuilt(recordings)
    sys.stdout.write(f"book: {found.same} equal, {len(found.other)} not\n")
    assert found.other == []
    assert found.same >= 500
    assert [type(state) for state in found.states] == [StreamRestored]


@pytest.mark.slow
def test_a_lost_difference_is_found_told_and_mended(recordings: Path) -> None:
    found = rebuilt(recordings, drop_update=LOST_UPDATE)
    sys.stdout.write(
        f"book with one lost difference: {found.same} equal, {len(found.other)} not, "
        f"{found.after_repair} of them after the repair\n"
    )
    first, lost, mended = found.states
    assert isinstance(first, StreamRestored)
    assert isinstance(lost, StreamInterrupted)
    assert isinstance(mended, StreamRestored)
    assert lost.route == mended.route == "book BTCUSDT"
    assert "a difference was lost" in lost.reason
    assert mended.until_ms - lost.since_ms < 5_000
    assert found.other == []
    assert found.after_repair > 100
