"""A book that is kept while its snapshot is under way."""

import asyncio
import json
from decimal import Decimal

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.market import BookTop, StreamRestored, StreamState
from rusy_tui.exchange.book_feed import BookFeed
from rusy_tui.exchange.order_book import BookSnapshot, Level
from tests.exchange.wire_samples import DEPTH_UPDATE
from tests.lockstep import in_lockstep

ANSWER_S = 2.0


def levels(*pairs: tuple[str, str]) -> list[Level]:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in pairs]


def message(last: int, bids: list[list[str]], asks: list[list[str]]) -> str:
    """A difference of ten update ids, that follows the one before."""
    data = {**DEPTH_UPDATE, "U": last - 9, "u": last, "pu": last - 10, "b": bids, "a": asks}
    return json.dumps({"stream": "btcusdt@depth", "data": data})


def test_what_comes_while_a_snapshot_is_under_way_is_in_the_book() -> None:
    async def main(clock: LockstepClock) -> None:
        reads = 0
        heard: list[BookTop | StreamState] = []

        async def read() -> BookSnapshot:
            nonlocal reads
            reads += 1
            await clock.sleep(ANSWER_S)
            # Made between the second difference and the third.
            bids, asks = levels(("99.9", "2"), ("99.8", "3")), levels(("100.1", "4"))
            return BookSnapshot(125, bids, asks, 1)

        feed = BookFeed("BTCUSDT", read, heard.append, clock, lambda: 0)
        restored = StreamRestored("book", 0, 0)
        keeping = asyncio.create_task(feed.keep())
        feed.report(restored)
        for last, bids, asks in (
            (110, [["99.9", "1"]], [["100.1", "9"]]),
            # Older than the snapshot: what it says is not so any more.
            (120, [["99.9", "8"]], []),
            (130, [["99.9", "0"], ["100.0", "5"]], []),
            (140, [["99.7", "6"]], [["100.1", "0"], ["100.2", "7"]]),
        ):
            await clock.sleep(ANSWER_S / 5)
            feed.handle(message(last, bids, asks))
        assert heard == [restored]
        await clock.sleep(ANSWER_S)
        expected = levels(("100.0", "5"), ("99.8", "3"), ("99.7", "6")), levels(("100.2", "7"))
        assert feed.book.depth(10) == expected
        assert (reads, feed.gaps) == (1, 0)
        # The next one follows, and needs no snapshot either.
        feed.handle(message(150, [["100.0", "1"]], []))
        await clock.sleep(ANSWER_S * 5)
        assert reads == 1
        tops = [(top.bid_quantity, top.ask) for top in heard if isinstance(top, BookTop)]
        assert tops == [(Decimal(5), Decimal("100.2")), (Decimal(1), Decimal("100.2"))]
        keeping.cancel()

    in_lockstep(main)
