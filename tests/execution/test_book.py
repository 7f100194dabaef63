"""The account's picture of prices: how old they may be."""

from decimal import Decimal

import pytest

from rusy_tui.domain.market import BookTop
from rusy_tui.execution.book import AccountBook

MADE_MS = 1_750_000_000_000
SEEN_S = 1000.0


@pytest.mark.parametrize(
    ("now_s", "exchange_ms", "speed", "fresh"),
    [
        (SEEN_S + 9.9, MADE_MS + 9_900, 1.0, True),
        # Received long ago, whatever the exchange's clock says.
        (SEEN_S + 10.1, MADE_MS, 1.0, False),
        # Received just now and made long ago: the backlog of a slow stream.
        (SEEN_S, MADE_MS + 10_100, 1.0, False),
        # A paced market's seconds are shorter.
        (SEEN_S, MADE_MS + 10_100, 60.0, True),
        (SEEN_S, MADE_MS + 610_000, 60.0, False),
        # Our clock may be behind the exchange's.
        (SEEN_S, MADE_MS - 500, 1.0, True),
    ],
)
def test_a_price_is_stale_by_either_clock(
    now_s: float, exchange_ms: int, speed: float, fresh: bool
) -> None:
    book, one = AccountBook("USDT"), Decimal(1)
    assert book.top("BTCUSDT", now_s, exchange_ms, stale_after_s=10.0) is None
    book.see_top(BookTop("BTCUSDT", one, one, one, one, MADE_MS), SEEN_S)
    top = book.top("BTCUSDT", now_s, exchange_ms, stale_after_s=10.0, speed=speed)
    assert (top is not None) is fresh
