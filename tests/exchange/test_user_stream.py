"""The account's stream: what was missed is read whole, and each fill counts once."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.account import AccountChanged, AccountRead, OrderChanged
from rusy_tui.domain.market import StreamInterrupted, StreamRestored
from rusy_tui.domain.order import Confirmed
from rusy_tui.exchange.binance import BinanceExchange
from tests.exchange.scripted import START_MS, Answer, ScriptedExchange, in_lockstep, refusal
from tests.exchange.scripted import script_account as script_reads
from tests.exchange.test_orders import entry
from tests.exchange.test_streams import Sender, hold, stopped
from tests.exchange.wire_samples import ACCOUNT_EVENT, ORDER, ORDER_EVENT, POSITION, user_trade

Script = Callable[[web.WebSocketResponse, int], Awaitable[None]]


def played(
    act: Callable[[ScriptedExchange, LockstepClock, list[Any]], Awaitable[None]],
    on_socket: Callable[[Sender, web.WebSocketResponse, int], Awaitable[None]],
    **options: Any,
) -> None:
    """Run the user stream of BTCUSDT against a script, and look at what it told."""

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        sender = Sender(clock)

        async def serve(socket: web.WebSocketResponse, ordinal: int) -> None:
            await on_socket(sender, socket, ordinal)
            await hold(socket)

        scripted.on_socket = serve
        scripted.script("POST v1/listenKey", Answer({"listenKey": "key"}))
        scripted.script("PUT v1/listenKey", Answer({"listenKey": "key"}))
        script_reads(scripted)
        await exchange.connect()
        got: list[Any] = []
        task = asyncio.create_task(exchange.run_user_stream(["BTCUSDT"], got.append))
        await act(scripted, clock, got)
        await stopped(task)

    in_lockstep(scenario, **options)


def order_event(trade_id: int, filled: str, at_ms: int, state: str = "PARTIALLY_FILLED") -> str:
    order = {**ORDER_EVENT["o"], "t": trade_id, "z": filled, "T": at_ms, "X": state}
    return json.dumps({**ORDER_EVENT, "E": at_ms, "T": at_ms, "o": order})


def fill_ids(events: list[Any]) -> list[int]:
    """Every fill told, in order, by whichever way."""
    told = []
    for event in events:
        if isinstance(event, OrderChanged) and event.fill is not None:
            told.append(event.fill.exchange_trade_id)
        if isinstance(event, AccountRead):
            told += [fill.exchange_trade_id for fill in event.fills]
    return told


def test_each_fill_counts_once_by_stream_or_reading_or_both() -> None:
    """Trade 78 is missed, 79 is told twice and read too, 77 comes late again."""

    async def on_socket(sender: Sender, socket: web.WebSocketResponse, ordinal: int) -> None:
        if ordinal == 1:
            await sender.send(socket, order_event(77, "0.004", START_MS + 900))
            await sender.clock.sleep(30)
            await socket.close()
        elif ordinal == 2:
            for _ in range(2):
                await sender.send(socket, order_event(79, "0.012", START_MS + 31_000))
            await sender.clock.sleep(10)
            await sender.send(socket, order_event(77, "0.004", START_MS + 900))

    async def act(scripted: ScriptedExchange, clock: LockstepClock, got: list[Any]) -> None:
        await clock.sleep(20)
        trades = [user_trade(n, START_MS + n) for n in (77, 78, 79)]
        script_reads(scripted, userTrades=trades)
        await clock.sleep(40)
        assert fill_ids(got) == [77, 79, 78]
        reads = [event for event in got if isinstance(event, AccountRead)]
        assert [len(read.fills) for read in reads] == [0, 1]
        # The first by time; the second too, for no reading has seen an execution before.
        asked = [one.params for one in scripted.requests("GET v1/userTrades")]
        assert ["startTime" in one for one in asked] == [True, True]
        assert int(asked[1]["startTime"]) < START_MS + 1_000

    played(act, on_socket)


def test_a_later_reading_begins_at_the_last_execution_read() -> None:
    async def on_socket(sender: Sender, socket: web.WebSocketResponse, ordinal: int) -> None:
        if ordinal < 3:
            await sender.clock.sleep(30)
            await socket.close()

    async def act(scripted: ScriptedExchange, clock: LockstepClock, got: list[Any]) -> None:
        await clock.sleep(20)
        script_reads(scripted, userTrades=[user_trade(78, START_MS)])
        await clock.sleep(60)
        assert fill_ids(got) == [78]
        last = scripted.requests("GET v1/userTrades")[-1].params
        assert last["fromId"] == "78"
        assert "startTime" not in last

    played(act, on_socket)


def test_a_reading_is_never_older_than_what_was_told_before() -> None:
    """Fills are told at once, and the account's figures wait for the reading under way."""

    async def on_socket(sender: Sender, socket: web.WebSocketResponse, ordinal: int) -> None:
        # The book is read with the order partly filled; before all is read it is gone.
        await sender.clock.sleep(0.1)
        await sender.send(socket, order_event(80, "0.010", START_MS + 400, "FILLED"))
        await sender.send(socket, json.dumps({**ACCOUNT_EVENT, "E": START_MS + 400}))

    async def act(scripted: ScriptedExchange, clock: LockstepClock, got: list[Any]) -> None:
        order = {
            "clientOrderId": "rusy-1", "orderId": 8886774, "symbol": "BTCUSDT", "side": "BUY",
            "type": "LIMIT", "status": "PARTIALLY_FILLED", "origQty": "0.010",
            "executedQty": "0.006", "avgPrice": "30000.1", "price": "30000.10",
            "stopPrice": "0", "reduceOnly": False, "closePosition": False,
            "updateTime": START_MS + 300,
        }  # fmt: skip
        slow = Answer([POSITION], after_s=1.0)
        script_reads(scripted, openOrders=[order], positionRisk=slow)
        await clock.sleep(0.9)
        assert fill_ids(got) == [80]
        await clock.sleep(5)
        kinds = [type(event) for event in got]
        assert kinds == [StreamRestored, OrderChanged, AccountRead, AccountChanged]
        assert got[2].orders == ()
        assert got[2].positions[0].symbol == "BTCUSDT"
        assert got[3].wallets["USDT"] == Decimal("122624.12345678")

    played(act, on_socket)


def test_a_reading_that_fails_is_tried_again_until_it_succeeds() -> None:
    async def on_socket(sender: Sender, socket: web.WebSocketResponse, ordinal: int) -> None:
        await sender.clock.sleep(3)
        await sender.send(socket, order_event(81, "0.004", START_MS + 3_000))

    async def act(scripted: ScriptedExchange, clock: LockstepClock, got: list[Any]) -> None:
        broken = refusal(-1000, "An unknown error occurred.", status=500)
        scripted.script("GET v3/balance", broken)
        await clock.sleep(4)
        # What is told does not wait for it.
        await clock.sleep(60)
        assert [type(event) for event in got] == [StreamRestored, OrderChanged]
        scripted.script("GET v3/balance", Answer(WALLET))
        await clock.sleep(40)
        assert [type(event) for event in got[2:]] == [AccountRead]
        assert fill_ids(got) == [81]
        # Its fill is in the reading's span, and was told already.
        assert got[2].fills == ()

    played(act, on_socket)


WALLET = [{"asset": "USDT", "balance": "122624.12345678", "availableBalance": "9000"}]


def test_a_stream_that_keeps_something_back_is_found_by_comparing() -> None:
    """A dead stream and a quiet account look the same until somebody asks."""

    async def on_socket(sender: Sender, socket: web.WebSocketResponse, ordinal: int) -> None:
        pass

    async def act(scripted: ScriptedExchange, clock: LockstepClock, got: list[Any]) -> None:
        await clock.sleep(1_000)
        assert [type(event) for event in got] == [StreamRestored, AccountRead]
        script_reads(scripted, positionRisk=[POSITION])
        await clock.sleep(310)
        cut, restored, read = got[2:]
        assert isinstance(cut, StreamInterrupted)
        assert cut.reason == "the stream did not tell: position of BTCUSDT -0.010, told 0"
        assert isinstance(restored, StreamRestored)
        assert [one.symbol for one in read.positions] == ["BTCUSDT"]
        await clock.sleep(1_000)
        assert len(got) == 5

    played(act, on_socket)


@pytest.mark.parametrize("told", [True, False])
def test_a_stream_must_tell_of_an_order_that_the_exchange_confirmed(told: bool) -> None:
    """Else its fill would not be told either: five seconds, not the next comparison."""

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        sender = Sender(clock)

        async def serve(socket: web.WebSocketResponse, ordinal: int) -> None:
            await sender.clock.sleep(61)
            if told:
                event = {**ORDER_EVENT["o"], "c": ORDER["clientOrderId"], "X": "NEW"}
                event |= {"i": ORDER["orderId"], "x": "NEW", "z": "0", "l": "0"}
                await sender.send(socket, json.dumps({**ORDER_EVENT, "o": event}))
            await hold(socket)

        scripted.on_socket = serve
        scripted.script("POST v1/listenKey", Answer({"listenKey": "key"}))
        script_reads(scripted)
        scripted.script("POST v1/order", Answer({**ORDER, "status": "NEW"}))
        await exchange.connect()
        got: list[Any] = []
        task = asyncio.create_task(exchange.run_user_stream(["BTCUSDT"], got.append))
        await clock.sleep(60)
        assert isinstance(await exchange.place(entry()), Confirmed)
        placed_s = clock.monotonic_s()
        await clock.sleep(10)
        cuts = [event for event in got if isinstance(event, StreamInterrupted)]
        if told:
            assert cuts == []
        else:
            (cut,) = cuts
            assert "did not tell" in cut.reason
            assert ORDER["clientOrderId"] in cut.reason
            # Read anew, with all that the silent connection kept back.
            assert isinstance(got[-1], AccountRead)
            assert clock.monotonic_s() - placed_s <= 10
        await stopped(task)

    in_lockstep(scenario)


def test_what_was_unreadable_during_a_reading_is_read_again_after_it() -> None:
    """The reading may have asked for the orders before; the next one follows after a while."""

    async def on_socket(sender: Sender, socket: web.WebSocketResponse, ordinal: int) -> None:
        await sender.clock.sleep(0.2)
        await sender.send(socket, "<html>502 Bad Gateway</html>")

    async def act(scripted: ScriptedExchange, clock: LockstepClock, got: list[Any]) -> None:
        script_reads(scripted, positionRisk=Answer([], after_s=1.0))
        await clock.sleep(2)
        assert [type(event) for event in got] == [StreamRestored, AccountRead]
        script_reads(scripted, userTrades=[user_trade(78, START_MS + 900)])
        await clock.sleep(8)
        assert fill_ids(got) == [78]
        assert [type(event) for event in got] == [StreamRestored, AccountRead, AccountRead]

    played(act, on_socket)


def test_a_quiet_stream_that_is_cut_now_and_then_is_back_at_once_each_time() -> None:
    """No message says that the last connection was a good one: that it lasted does."""

    closed_ms: list[int] = []

    async def on_socket(sender: Sender, socket: web.WebSocketResponse, ordinal: int) -> None:
        await sender.clock.sleep(3_600)
        closed_ms.append(sender.clock.market_ms())
        await socket.close()

    async def act(scripted: ScriptedExchange, clock: LockstepClock, got: list[Any]) -> None:
        await clock.sleep(12 * 3_600)
        asked_ms = [one.at_ms for one in scripted.requests("POST v1/listenKey")[1:]]
        assert len(asked_ms) == len(closed_ms) > 10
        gaps_ms = [again - cut for again, cut in zip(asked_ms, closed_ms, strict=True)]
        assert max(gaps_ms) < 500

    played(act, on_socket)


def test_a_key_that_was_exchanged_is_noticed_when_it_is_extended() -> None:
    async def on_socket(sender: Sender, socket: web.WebSocketResponse, ordinal: int) -> None:
        pass

    async def act(scripted: ScriptedExchange, clock: LockstepClock, got: list[Any]) -> None:
        scripted.script("PUT v1/listenKey", Answer({"listenKey": "another"}))
        await clock.sleep(1_900)
        kinds = [type(event) for event in got]
        again = [StreamInterrupted, StreamRestored, AccountRead]
        assert kinds == [StreamRestored, AccountRead, *again]
        assert got[2].reason == "the listen key is another one by now"

    played(act, on_socket)


def test_a_planned_replacement_needs_no_reading_and_tells_nothing_twice() -> None:
    """Two connections by one key overlap; each event is told once."""

    async def on_socket(sender: Sender, socket: web.WebSocketResponse, ordinal: int) -> None:
        reading = asyncio.create_task(hold(socket))
        while not reading.done():
            number = int(sender.clock.monotonic_s() // 60) + 1
            await sender.clock.sleep(number * 60 - sender.clock.monotonic_s() + ordinal / 10)
            at_ms = START_MS + number * 60_000
            filled = f"{Decimal(number) / 1000}"
            if not reading.done():
                await sender.send(socket, order_event(1000 + number, filled, at_ms))
                changed = {**ACCOUNT_EVENT, "E": at_ms}
                await sender.send(socket, json.dumps(changed))

    async def act(scripted: ScriptedExchange, clock: LockstepClock, got: list[Any]) -> None:
        await clock.sleep(2 * 86_400)
        assert len(scripted.socket_paths) == 3
        assert fill_ids(got) == [1000 + n for n in range(1, 2 * 1440)]
        assert sum(isinstance(event, AccountChanged) for event in got) == 2 * 1440 - 1
        assert sum(isinstance(event, AccountRead) for event in got) == 1

    played(act, on_socket, check_s=86_400.0 * 9)
