"""Streams: routes, requests, and what a slow or late reader gets."""

import asyncio
from typing import Any

import msgspec
import pytest

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.feeds import Step
from rusy_tui.simulator.listen_keys import ListenKeys
from rusy_tui.simulator.randomness import generator
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.streams import Streams
from tests.simulator.serving import Served, on_exchange
from tests.simulator.support import (
    START_MS,
    SYMBOL,
    Bench,
    Ear,
    ScriptedFeed,
    traded,
)


def _feed(minutes: int = 3) -> ScriptedFeed:
    script = [(n * 20, [traded(f"{50_000 + n}.0")]) for n in range(minutes * 3)]
    return ScriptedFeed(script, end_s=minutes * 60)


async def _play(served: Served) -> None:
    await play(served.exchange, served.exchange.feed, served.clock)
    # The longest delay of the last messages.
    await served.clock.sleep(0.5)


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        ("/public/ws/btcusdt@bookTicker", {"bookTicker"}),
        ("/market/ws/btcusdt@aggTrade", {"aggTrade"}),
        ("/market/ws/btcusdt@kline_1m", {"kline"}),
        ("/market/ws/btcusdt@markPrice@1s", {"markPriceUpdate"}),
        ("/public/ws/btcusdt@depth5@100ms", {"depthUpdate"}),
        (
            "/market/stream?streams=btcusdt@aggTrade/btcusdt@kline_15m",
            {"aggTrade", "kline"},
        ),
        # The wrong route, and the old address: accepted, and then silence.
        ("/public/ws/btcusdt@aggTrade", set()),
        ("/market/ws/btcusdt@bookTicker", set()),
        ("/ws/btcusdt@aggTrade", set()),
        ("/stream?streams=btcusdt@aggTrade/btcusdt@bookTicker", set()),
        ("/private/ws?listenKey=nobodys", set()),
    ],
)
def test_each_stream_is_heard_on_its_route_alone(path: str, kinds: set[str]) -> None:
    async def scenario(served: Served) -> None:
        async with served.ear(path) as ear:
            await _play(served)
            bodies = [message.get("data", message) for message in ear.heard]
            assert {body["e"] for body in bodies} == kinds
            assert all(("stream" in message) == ("/stream" in path) for message in ear.heard)

    on_exchange(scenario, _feed())


def test_subscriptions_can_be_changed_and_listed() -> None:
    async def scenario(served: Served) -> None:
        async with served.ear("/market/ws") as ear:
            await ear.ask("SUBSCRIBE", ["btcusdt@aggTrade", "btcusdt@kline_1m"], 1)
            await served.clock.sleep(1)
            await ear.ask("LIST_SUBSCRIPTIONS", [], 2)
            await ear.ask("UNSUBSCRIBE", ["btcusdt@aggTrade"], 3)
            await ear.ask("NONSENSE", [], 4)
            await served.clock.sleep(1)
            await _play(served)
            answers = {m["id"]: m for m in ear.heard if "id" in m}
            assert answers[1] == {"result": None, "id": 1}
            assert answers[2]["result"] == ["btcusdt@aggTrade", "btcusdt@kline_1m"]
            assert answers[3] == {"result": None, "id": 3}
            assert "error" in answers[4]
            assert {message["e"] for message in ear.heard if "e" in message} == {"kline"}

    on_exchange(scenario, _feed())


def test_a_closing_candle_is_told_once_with_its_whole_bar() -> None:
    async def scenario(served: Served) -> None:
        async with served.ear("/market/ws/btcusdt@kline_1m") as ear:
            await _play(served)
            ends = [e["k"] for e in ear.events("kline") if e["k"]["x"]]
            assert [end["t"] for end in ends] == [START_MS + n * 60_000 for n in range(3)]
            assert [end["o"] for end in ends] == ["50000.00", "50003.00", "50006.00"]
            assert ends[0]["c"] == "50002.00"
            assert ends[0]["T"] == START_MS + 59_999
            rows = await served.public(f"/fapi/v1/klines?symbol={SYMBOL}&interval=1m&limit=4")
            stream = [ends[0][name] for name in ("t", "o", "h", "l", "c", "v", "T", "q", "n")]
            assert rows.body[0][:9] == stream
            history = await served.control("GET", f"history?symbol={SYMBOL}&interval=1m")
            assert history.body == rows.body[:3]

    on_exchange(scenario, _feed())


def test_messages_come_late_in_order_and_within_bounds() -> None:
    async def scenario(served: Served) -> None:
        async with served.ear("/market/ws/btcusdt@aggTrade") as ear:
            await _play(served)
            delays = [
                at_ms - body["E"] for at_ms, body in zip(ear.at_ms, ear.heard, strict=True)
            ]
            assert all(20 <= delay <= 400 for delay in delays)
            assert len(set(delays)) > 3
            assert [body["E"] for body in ear.heard] == sorted(body["E"] for body in ear.heard)

    on_exchange(scenario, _feed())


# ── accounts ──────────────────────────────────────────────────────────────────────────────


async def _user_ear(served: Served, path: str = "/private/ws?listenKey=") -> Ear:
    key = (await served.keyed("POST", "/fapi/v1/listenKey")).body["listenKey"]
    return served.ear(path + key)


async def _order(served: Served, **changes: Any) -> dict[str, Any]:
    asked = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "0.010"}
    reply = await served.signed("POST", "/fapi/v1/order", **(asked | changes))
    assert reply.status == 200, reply
    body: dict[str, Any] = reply.body
    return body


@pytest.mark.parametrize(
    "path", ["/private/ws?listenKey=", "/private/ws/", "/private/stream?streams="]
)
def test_an_account_hears_of_its_own_orders_alone(path: str) -> None:
    async def scenario(served: Served) -> None:
        async with await _user_ear(served, path) as ear:
            placed = await _order(served)
            await served.signed(
                "POST",
                "/fapi/v1/order",
                key="other",
                secret="other",
                symbol=SYMBOL,
                side="BUY",
                type="MARKET",
                quantity="0.020",
            )
            await served.clock.sleep(1)
            updates = [event["o"] for event in ear.events("ORDER_TRADE_UPDATE")]
            assert [(o["x"], o["X"]) for o in updates] == [("NEW", "NEW"), ("TRADE", "FILLED")]
            assert {o["i"] for o in updates} == {placed["orderId"]}
            assert "n" not in updates[0]
            trade = updates[1]
            assert (trade["l"], trade["z"], trade["m"], trade["N"]) == (
                "0.010",
                "0.010",
                False,
                "USDT",
            )
            (light,) = ear.events("TRADE_LITE")
            assert light["t"] == trade["t"]
            (account,) = ear.events("ACCOUNT_UPDATE")
            assert account["a"]["m"] == "ORDER"
            assert account["a"]["P"][0]["pa"] == "0.010"
            (money,) = (await served.signed("GET", "/fapi/v3/balance")).body
            assert account["a"]["B"][0]["wb"] == money["balance"]

    on_exchange(scenario)


def test_a_stop_is_told_through_all_its_states() -> None:
    feed = ScriptedFeed([(60, [traded("49000.0")])], end_s=120)

    async def scenario(served: Served) -> None:
        async with await _user_ear(served) as ear:
            await _order(served)
            await served.signed(
                "POST",
                "/fapi/v1/algoOrder",
                algoType="CONDITIONAL",
                symbol=SYMBOL,
                side="SELL",
                type="STOP_MARKET",
                triggerPrice="49500.0",
                workingType="MARK_PRICE",
                closePosition="true",
                clientAlgoId="stop",
            )
            await _play(served)
            algos = [event["o"] for event in ear.events("ALGO_UPDATE")]
            assert [o["X"] for o in algos] == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
            assert {o["caid"] for o in algos} == {"stop"}
            assert [o["ai"] for o in algos[:2]] == ["", ""]
            closing = ear.events("ORDER_TRADE_UPDATE")[-1]["o"]
            assert algos[-1]["ai"] == str(closing["i"])
            assert (closing["R"], closing["cp"], closing["X"]) == (True, True, "FILLED")

    on_exchange(scenario, feed)


def test_leverage_is_told() -> None:
    async def scenario(served: Served) -> None:
        async with await _user_ear(served) as ear:
            await served.signed("POST", "/fapi/v1/leverage", symbol=SYMBOL, leverage=7)
            await served.clock.sleep(1)
            (event,) = ear.events("ACCOUNT_CONFIG_UPDATE")
            assert event["ac"] == {"s": SYMBOL, "l": 7}

    on_exchange(scenario)


def test_a_listen_key_ends_after_an_hour_and_says_so() -> None:
    async def scenario(served: Served) -> None:
        key = (await served.keyed("POST", "/fapi/v1/listenKey")).body["listenKey"]
        async with served.ear(f"/private/ws?listenKey={key}") as ear:
            await served.clock.sleep(3000)
            again = await served.keyed("POST", "/fapi/v1/listenKey")
            assert again.body["listenKey"] == key
            await served.clock.sleep(3000)
            extended = await served.keyed("PUT", "/fapi/v1/listenKey")
            assert extended.body["listenKey"] == key
            await served.clock.sleep(3590)
            assert not ear.heard
            await served.clock.sleep(20)
            (event,) = ear.heard
            assert (event["e"], event["listenKey"]) == ("listenKeyExpired", key)
            await _order(served)
            await served.clock.sleep(1)
            assert len(ear.heard) == 1
            assert (await served.keyed("PUT", "/fapi/v1/listenKey")).code == -1125
            assert (await served.keyed("DELETE", "/fapi/v1/listenKey")).code == -1125
            new = await served.keyed("POST", "/fapi/v1/listenKey")
            assert new.body["listenKey"] != key

    on_exchange(scenario)


def test_nothing_is_told_twice_after_a_reconnect() -> None:
    async def scenario(served: Served) -> None:
        key = (await served.keyed("POST", "/fapi/v1/listenKey")).body["listenKey"]
        async with served.ear(f"/private/ws?listenKey={key}"):
            pass
        await _order(served)
        async with served.ear(f"/private/ws?listenKey={key}") as ear:
            await served.clock.sleep(1)
            assert not ear.heard

    on_exchange(scenario)


def test_a_reader_that_is_gone_does_not_hold_time_up() -> None:
    async def scenario(served: Served) -> None:
        ear = served.ear("/market/ws/btcusdt@aggTrade")
        async with ear:
            playing = asyncio.create_task(_play(served))
            await served.clock.sleep(30)
        heard = len(ear.heard)
        await playing
        assert len(ear.heard) == heard < 9

    on_exchange(scenario, _feed())


# ── conflation: a running clock's streams ─────────────────────────────────────────────────


class _Sink:
    """Stands in for a connection: keeps what it is handed."""

    def __init__(self, route: str) -> None:
        self.route = route
        self.combined = False
        self.streams: dict[str, None] = {}
        self.sent: list[tuple[dict[str, Any], bool]] = []

    def send(self, payload: bytes, key: str = "", *, strict: bool = False) -> None:
        del key
        self.sent.append((msgspec.json.decode(payload), strict))


def _conflated(*streams: str) -> tuple[Bench, Streams, _Sink]:
    bench = Bench()
    keys = ListenKeys(bench.clock, generator(1, "keys"))
    hub = Streams(bench.exchange, keys, conflate=True)
    sink = _Sink("market")
    hub.subscribe(sink, list(streams))  # type: ignore[arg-type]  # it stands in
    return bench, hub, sink


def test_between_two_flushes_the_latest_of_each_stream_wins() -> None:
    bench, hub, sink = _conflated("btcusdt@kline_1m", "btcusdt@markPrice")
    for price in ("50001.0", "50002.0", "50003.0"):
        bench.trade(price, after_s=1)
    assert not sink.sent
    hub.flush()
    assert sorted(event["e"] for event, _ in sink.sent) == ["kline", "markPriceUpdate"]
    (kline,) = (event["k"] for event, _ in sink.sent if event["e"] == "kline")
    assert (kline["c"], kline["h"], kline["v"]) == ("50003.00", "50003.00", "3.000")
    hub.flush()
    assert len(sink.sent) == 2


def test_trades_between_two_flushes_are_told_one_by_one() -> None:
    bench, _, sink = _conflated("btcusdt@aggTrade")
    one, other = traded("50001.0", "2"), traded("50002.0", "3")
    bench.exchange.apply(Step(START_MS + 1000, (one, other)))
    told = [(event["p"], event["q"]) for event, _ in sink.sent]
    assert told == [("50001.00", "2.000"), ("50002.00", "3.000")]
    assert sink.sent[1][0]["f"] == sink.sent[0][0]["l"] + 1


def test_a_closing_candle_never_waits_and_is_never_replaced() -> None:
    bench, hub, sink = _conflated("btcusdt@kline_1m")
    bench.trade("50001.0", after_s=1)
    bench.exchange.close_bars(START_MS + Interval.M1.ms)
    bench.trade("50002.0", after_s=60)
    assert [(event["k"]["x"], strict) for event, strict in sink.sent] == [(True, True)]
    hub.flush()
    assert [event["k"]["x"] for event, _ in sink.sent] == [True, False]
    assert sink.sent[1][0]["k"]["t"] == START_MS + Interval.M1.ms
