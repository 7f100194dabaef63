"""Raw messages played again through real sockets: their bytes, their book, their trades."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.feeds.raw import RawFeed
from rusy_tui.simulator.runner import play
from tests.simulator.recorded import (
    FILE,
    LOST_UPDATE,
    SNAPSHOT_MS,
    LocalBook,
    OutOfSync,
    recorded_events,
    recorded_exchange,
    tickers,
)
from tests.simulator.serving import Served
from tests.simulator.support import D, Ear, lockstep

pytestmark = pytest.mark.needs("recordings")

_STREAMS = "/public/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade"
_RESTING = 61_805
"""A price that the first minute trades through, USDT."""

_MINUTE_MS = 1_723_161_300_000
"""The end of the minute in which play begins."""

_DEPTH = "/fapi/v1/depth?symbol=BTCUSDT&limit=1000"


async def _play(served: Served) -> None:
    await play(served.exchange, served.exchange.feed, served.clock)
    await served.clock.sleep(1)


async def _snapshot(served: Served) -> dict[str, Any]:
    return dict((await served.public(_DEPTH)).body)


def _rebuilt(heard: Ear, snapshot: dict[str, Any], recordings: Path) -> tuple[int, int]:
    """(matching update ids, mismatches) of a local book and the recorded best prices."""
    told = tickers(recorded_events(recordings))
    book = LocalBook(snapshot)
    same = other = 0
    for diff in heard.events("depthUpdate"):
        if book.take(diff) and book.last_id in told:
            equal = book.best() == told[book.last_id]
            same += equal
            other += not equal
    return same, other


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_book_rebuilt_from_sockets_is_the_recorded_one(
    recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario(clock: LockstepClock) -> tuple[Ear, dict[str, Any]]:
        async with recorded_exchange(clock, recordings) as served:
            async with served.ear(_STREAMS) as ear:
                snapshot = await _snapshot(served)
                await _play(served)
            return ear, snapshot

    ear, snapshot = lockstep(scenario, SNAPSHOT_MS)
    same, other = _rebuilt(ear, snapshot, recordings)
    with capsys.disabled():
        sys.stdout.write(f"\nrecorded book: {same} matching update ids, {other} mismatches\n")
    assert (same >= 500, other) == (True, 0)
    # Every message from the snapshot on was told, byte for byte and in order.
    events = recorded_events(recordings)
    for stream in ("depth@0ms", "bookTicker", "trade"):
        recorded = [data for name, data in events if name == f"btcusdt@{stream}"]
        kind = b'"stream":"btcusdt@%s"' % stream.replace("0ms", "100ms").encode()
        told = [
            raw.partition(b'"data":')[2].removesuffix(b"}") for raw in ear.raw if kind in raw
        ]
        assert told == recorded[-len(told) :]
        assert len(told) > len(recorded) - 50


def _with_lost_diff(
    recordings: Path, lost: int | None
) -> tuple[list[int], LocalBook, dict[str, Any]]:
    """The first 40 s: where diffs did not follow, the book repaired, the exchange's book."""

    async def scenario(clock: LockstepClock) -> tuple[Ear, dict[str, Any], dict[str, Any]]:
        until_ms = SNAPSHOT_MS + 40_000
        async with recorded_exchange(
            clock, recordings, until_ms=until_ms, drop_update=lost
        ) as served:
            async with served.ear(_STREAMS) as ear:
                first = await _snapshot(served)
                await _play(served)
            return ear, first, await _snapshot(served)

    ear, first, last = lockstep(scenario, SNAPSHOT_MS)
    book, gaps = LocalBook(first), list[int]()
    for diff in ear.events("depthUpdate"):
        try:
            book.take(diff)
        except OutOfSync:
            gaps.append(diff["pu"])
            break
    return gaps, book, last


def test_a_lost_diff_is_seen_by_the_next_one(recordings: Path) -> None:
    assert _with_lost_diff(recordings, LOST_UPDATE)[0] == [LOST_UPDATE]


def test_the_exchange_answers_the_book_of_the_moment(recordings: Path) -> None:
    gaps, book, last = _with_lost_diff(recordings, None)
    assert gaps == []
    assert last["lastUpdateId"] == book.last_id
    assert LocalBook(last).best() == book.best()
    near = LocalBook(last).sides
    for side, levels in near.items():
        assert {price: book.sides[side].get(price) for price in levels} == levels


def test_a_book_asked_for_in_the_middle_is_one_to_begin_with(recordings: Path) -> None:
    async def scenario(clock: LockstepClock) -> tuple[Ear, dict[str, Any]]:
        until_ms = SNAPSHOT_MS + 30_000
        async with recorded_exchange(clock, recordings, until_ms=until_ms) as served:
            async with served.ear(_STREAMS) as ear:
                playing = asyncio.create_task(_play(served))
                await clock.sleep(12)
                snapshot = await _snapshot(served)
                await playing
            return ear, snapshot

    ear, snapshot = lockstep(scenario, SNAPSHOT_MS)
    same, other = _rebuilt(ear, snapshot, recordings)
    assert same > 10
    assert other == 0


def _trades(recordings: Path, until_ms: int) -> list[dict[str, Any]]:
    """The recorded trades before a moment; one that came after it belongs behind it."""
    now_ms, trades = 0, list[dict[str, Any]]()
    for name, data in recorded_events(recordings):
        event = msgspec.json.decode(data)
        now_ms = max(now_ms, event["E"])
        if now_ms >= until_ms:
            break
        if name.endswith("@trade") and event["E"] >= SNAPSHOT_MS:
            trades.append(event)
    return trades


def test_trades_make_candles_and_prices_and_fill_orders(recordings: Path) -> None:
    until_ms = SNAPSHOT_MS + 60_000

    async def scenario(clock: LockstepClock) -> dict[str, Any]:
        async with recorded_exchange(clock, recordings, until_ms=until_ms) as served:
            said: dict[str, Any] = {}
            said["taken"] = (
                await served.signed(
                    "POST",
                    "/fapi/v1/order",
                    symbol="BTCUSDT",
                    side="BUY",
                    type="MARKET",
                    quantity="2.000",
                    newOrderRespType="RESULT",
                )
            ).body
            said["paid"] = served.account.position("BTCUSDT").entry_price
            said["resting"] = (
                await served.signed(
                    "POST",
                    "/fapi/v1/order",
                    symbol="BTCUSDT",
                    side="SELL",
                    type="LIMIT",
                    timeInForce="GTX",
                    price=_RESTING,
                    quantity="0.010",
                )
            ).body
            await _play(served)
            said["filled"] = (
                await served.signed(
                    "GET",
                    "/fapi/v1/order",
                    symbol="BTCUSDT",
                    orderId=said["resting"]["orderId"],
                )
            ).body
            said["query"] = (
                await served.signed(
                    "GET",
                    "/fapi/v1/order",
                    symbol="BTCUSDT",
                    orderId=said["taken"]["orderId"],
                )
            ).body
            for name, path in (
                ("bars", "/fapi/v1/klines?symbol=BTCUSDT&interval=1m"),
                ("last", "/fapi/v1/ticker/price?symbol=BTCUSDT"),
                ("mark", "/fapi/v1/premiumIndex?symbol=BTCUSDT"),
            ):
                said[name] = (await served.public(path)).body
            return said

    said = lockstep(scenario, SNAPSHOT_MS)
    trades = _trades(recordings, until_ms)
    assert said["taken"]["status"] == "FILLED"
    # 1.135 stood at the best ask; the rest was taken from the levels behind it.
    taken = said["query"]
    assert float(taken["cumQuote"]) / float(taken["executedQty"]) > 61_800.30
    assert max(float(trade["p"]) for trade in trades) > _RESTING
    assert (said["filled"]["status"], said["filled"]["price"]) == ("FILLED", "61805.00")
    assert said["last"]["price"] == trades[-1]["p"]
    first = _trades(recordings, _MINUTE_MS)
    bar = said["bars"][0]
    assert float(bar[2]) == max(float(t["p"]) for t in first)
    assert float(bar[3]) == min(float(t["p"]) for t in first)
    assert bar[8] == len(first)
    assert abs(float(bar[5]) - sum(float(t["q"]) for t in first)) < 1e-6
    assert abs(float(said["mark"]["markPrice"]) - float(said["last"]["price"])) < 100


def test_two_plays_are_equal(recordings: Path) -> None:
    def run() -> list[bytes]:
        async def scenario(clock: LockstepClock) -> list[bytes]:
            until_ms = SNAPSHOT_MS + 5_000
            async with recorded_exchange(clock, recordings, until_ms=until_ms) as served:
                async with served.ear(_STREAMS) as ear:
                    await _play(served)
                return ear.raw

        return lockstep(scenario, SNAPSHOT_MS)

    assert run() == run() != []


@pytest.mark.parametrize(
    ("from_ms", "until_ms", "words"),
    [
        (SNAPSHOT_MS - 1, None, "holds 2024-08-08"),
        (SNAPSHOT_MS + 10, SNAPSHOT_MS + 10, "is not after"),
        (SNAPSHOT_MS + 3_600_000, None, "holds"),
    ],
)
def test_a_span_that_was_not_recorded_is_refused(
    recordings: Path, from_ms: int, until_ms: int | None, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        RawFeed(recordings / FILE, from_ms=from_ms, until_ms=until_ms)


def test_play_may_begin_in_the_middle(recordings: Path) -> None:
    middle_ms = SNAPSHOT_MS + 20_000
    whole = RawFeed(recordings / FILE, until_ms=middle_ms + 100)
    later = RawFeed(recordings / FILE, from_ms=middle_ms, until_ms=middle_ms + 100)
    book, here = whole.liquidity("BTCUSDT"), later.liquidity("BTCUSDT")
    assert book is not None
    assert here is not None
    while (step := whole.next_step()) is not None and step.time_ms < middle_ms:
        for moved in step.levels:
            book.move(moved)
    assert here.update_id == book.update_id
    assert here.best(0, D(0)) == book.best(0, D(0))
    assert later.next_step() == step
