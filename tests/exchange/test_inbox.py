"""What waits for a slow engine: the latest of each, and all that must not be lost."""

import asyncio
from decimal import Decimal

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.market import (
    BookDepth,
    BookTop,
    CandleUpdate,
    MarketEvent,
    MarketTrade,
    MarkPrice,
    StreamRestored,
)
from rusy_tui.exchange.inbox import MarketInbox
from tests.lockstep import in_lockstep

ONE = Decimal(1)


def top(symbol: str, at_ms: int) -> BookTop:
    return BookTop(symbol, ONE, ONE, ONE, ONE, at_ms)


def candle(open_ms: int, closed: bool, at_ms: int) -> CandleUpdate:
    made = Candle(
        symbol="BTCUSDT", interval=Interval.M15, open_time_ms=open_ms, open=1.0, high=1.0,
        low=1.0, close=1.0, volume=1.0, quote_volume=1.0, trades=1.0, taker_buy_volume=1.0,
        closed=closed,
    )  # fmt: skip
    return CandleUpdate(made, at_ms)


def taken(*events: MarketEvent) -> list[MarketEvent]:
    """What a consumer gets that was away while all of these came."""

    async def main(clock: LockstepClock) -> list[MarketEvent]:
        inbox = MarketInbox()
        for event in events:
            inbox.put(event)
        return [await inbox.get() for _ in range(len(inbox))]

    return in_lockstep(main)


def test_the_latest_of_each_symbol_and_kind_takes_the_place_of_the_older() -> None:
    trade = MarketTrade("BTCUSDT", ONE, ONE, True, 3, 1)
    mark = MarkPrice("BTCUSDT", ONE, ONE, 0, 4)
    depths = [BookDepth("BTCUSDT", 1.0, 2.0, at_ms) for at_ms in (5, 6)]
    got = taken(top("BTCUSDT", 1), top("ETHUSDT", 2), trade, mark, *depths, top("BTCUSDT", 7))
    assert got == [top("BTCUSDT", 7), top("ETHUSDT", 2), trade, mark, depths[-1]]


def test_a_candle_that_closed_is_never_replaced_and_comes_before_the_next() -> None:
    got = taken(
        candle(0, False, 1),
        candle(0, False, 2),
        candle(0, True, 3),
        candle(900, False, 4),
        candle(900, False, 5),
        candle(900, True, 6),
        candle(0, True, 7),
    )
    assert got == [candle(0, True, 3), candle(900, True, 6), candle(0, True, 7)]


def test_a_late_close_does_not_take_the_next_candle_away() -> None:
    got = taken(candle(900, False, 1), candle(0, True, 2))
    assert got == [candle(900, False, 1), candle(0, True, 2)]


def test_every_state_of_a_stream_is_told() -> None:
    states = [StreamRestored("market", n, n) for n in range(3)]
    assert taken(*states) == states


def test_a_consumer_waits_for_what_comes() -> None:
    async def main(clock: LockstepClock) -> float:
        inbox = MarketInbox()

        async def later() -> None:
            await clock.sleep(3)
            inbox.put(top("BTCUSDT", 1))

        task = asyncio.create_task(later())
        assert await inbox.get() == top("BTCUSDT", 1)
        await task
        return clock.monotonic_s()

    assert in_lockstep(main) == 3
