"""Each fault of streams, accounts and the market does on the wire what it says."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
import websockets

from rusy_tui.simulator.faults import Damage, Fault, Kind
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.sockets import LIFE_S, MOST_INCOMING
from tests.simulator.serving import Served, on_exchange
from tests.simulator.support import KEY, START_MS, SYMBOL, D, Ear, ScriptedFeed, traded

T = TypeVar("T")
CANDLES = "/market/stream?streams=btcusdt@kline_1m"
ORDER: dict[str, Any] = {
    "symbol": SYMBOL,
    "side": "BUY",
    "type": "MARKET",
    "quantity": "0.010",
}
STOP: dict[str, Any] = {
    "algoType": "CONDITIONAL",
    "symbol": SYMBOL,
    "side": "SELL",
    "type": "STOP_MARKET",
    "triggerPrice": "49000.0",
    "closePosition": "true",
}


def on_market(scenario: Callable[[Served], Awaitable[T]], minutes: int = 5) -> T:
    """A scenario while the market trades every 20 s."""
    script = [(20.0 * n + 10, [traded(f"{50_000 + n}.0")]) for n in range(minutes * 3)]

    async def run(served: Served) -> T:
        market = asyncio.create_task(play(served.exchange, served.exchange.feed, served.clock))
        try:
            return await scenario(served)
        finally:
            market.cancel()
            await asyncio.gather(market, return_exceptions=True)

    return on_exchange(run, ScriptedFeed(script, end_s=minutes * 60))


def closes(ear: Ear) -> list[int]:
    """The minutes whose end was heard, as minutes after the start."""
    return [
        (event["k"]["t"] - START_MS) // 60_000
        for event in ear.events("kline")
        if event["k"]["x"]
    ]


async def user_ear(served: Served) -> Ear:
    reply = await served.keyed("POST", "/fapi/v1/listenKey")
    return served.ear(f"/private/ws?listenKey={reply.body['listenKey']}")


# ── messages ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "heard"),
    [
        (Kind.CLOSE_MISSING, [0, 2, 3]),
        (Kind.CLOSE_TWICE, [0, 1, 1, 2, 3]),
        (Kind.CLOSE_LATE, [0, 1, 2, 3]),
    ],
)
def test_the_end_of_a_candle_is_missing_twice_or_late(kind: Kind, heard: list[int]) -> None:
    async def scenario(served: Served) -> None:
        at_ms = START_MS + 90_000
        served.server.faults.add(
            Fault(kind=kind, from_ms=at_ms, until_ms=at_ms + 60_000, delay_s=25.0)
        )
        async with served.ear(CANDLES) as ear:
            await served.clock.sleep(4 * 60 + 5)
        assert closes(ear) == heard
        (effect,) = served.server.faults.effects
        assert effect.what == "kline of btcusdt@kline_1m"
        late_ms = next(
            at_ms - event["data"]["k"]["T"]
            for at_ms, event in zip(ear.at_ms, ear.heard, strict=True)
            if event["data"]["k"]["x"] and event["data"]["k"]["t"] == START_MS + 60_000
        ) if 1 in heard else 0  # fmt: skip
        assert (late_ms > 25_000) is (kind is Kind.CLOSE_LATE)
        if kind is Kind.CLOSE_LATE:
            # The next candle's first messages have overtaken it.
            order = [event["data"]["k"]["t"] for event in ear.heard]
            assert order != sorted(order)

    on_market(scenario)


def test_events_are_delayed_in_the_order_of_their_kind() -> None:
    async def scenario(served: Served) -> None:
        async with await user_ear(served) as ear:
            served.server.faults.add(
                Fault(kind=Kind.EVENT_DELAYED, event="ORDER_TRADE_UPDATE", times=1, delay_s=5.0)
            )
            await served.signed("POST", "/fapi/v1/order", **ORDER)
            await served.clock.sleep(2)
            kinds = [event["e"] for event in ear.heard]
            assert "ACCOUNT_UPDATE" in kinds
            assert "ORDER_TRADE_UPDATE" not in kinds
            await served.clock.sleep(5)
            states = [event["o"]["X"] for event in ear.events("ORDER_TRADE_UPDATE")]
            assert states == ["NEW", "FILLED"]

    on_exchange(scenario)


def test_events_come_twice_and_in_another_order() -> None:
    async def scenario(served: Served) -> list[str]:
        async with await user_ear(served) as ear:
            served.server.faults.add(
                Fault(kind=Kind.EVENT_TWICE, route="private", times=2),
                Fault(kind=Kind.EVENTS_REORDERED, within_kind=True, delay_s=3.0, seed=4),
            )
            for _ in range(3):
                await served.signed("POST", "/fapi/v1/order", **ORDER)
            await served.clock.sleep(10)
            events = ear.events("ORDER_TRADE_UPDATE")
            assert len(events) == 7
            stamps = [event["E"] for event in events]
            assert stamps != sorted(stamps)
            return [f"{event['e']} {event['E']}" for event in ear.heard]

    first = on_exchange(scenario)
    assert on_exchange(scenario) == first


def test_reordered_events_keep_the_order_of_their_kind_unless_told_otherwise() -> None:
    async def scenario(served: Served) -> None:
        async with await user_ear(served) as ear:
            served.server.faults.add(Fault(kind=Kind.EVENTS_REORDERED, delay_s=3.0, seed=4))
            for _ in range(4):
                await served.signed("POST", "/fapi/v1/order", **ORDER)
            await served.clock.sleep(10)
            kinds = {event["e"] for event in ear.heard}
            for kind in kinds:
                stamps = [event["E"] for event in ear.events(kind)]
                assert stamps == sorted(stamps)
            stamps = [event["E"] for event in ear.heard]
            assert stamps != sorted(stamps)

    on_exchange(scenario)


@pytest.mark.parametrize("damage", [Damage.TRUNCATED, Damage.HTML])
def test_a_broken_message_can_not_be_read(damage: Damage) -> None:
    async def scenario(served: Served) -> None:
        served.server.faults.add(Fault(kind=Kind.BROKEN_MESSAGE, damage=damage, times=1))
        async with served.ear(CANDLES) as ear:
            await served.clock.sleep(60)
        assert ear.unreadable == 1
        assert ear.heard

    on_market(scenario)


# ── connections ───────────────────────────────────────────────────────────────────────────


def test_a_cut_is_no_farewell_and_leaves_nothing_under_way() -> None:
    async def scenario(served: Served) -> None:
        other = served.ear("/public/stream?streams=btcusdt@bookTicker")
        async with other, served.ear(CANDLES) as ear:
            await served.clock.sleep(30)
            served.server.faults.add(
                Fault(kind=Kind.STREAM_CUT, route="market", from_ms=START_MS + 40_000)
            )
            await served.clock.sleep(5)
            assert ear.close_code() is None
            await served.clock.sleep(10)
            assert ear.close_code() == 1006
            heard = len(other.heard)
            await served.clock.sleep(60)
            assert len(other.heard) > heard
        async with served.ear(CANDLES) as again:
            await served.clock.sleep(60)
            assert again.heard

    on_market(scenario)


def test_half_open_connections_accept_and_are_silent() -> None:
    async def scenario(served: Served) -> None:
        async with served.ear(CANDLES) as before:
            await served.clock.sleep(30)
            heard = len(before.heard)
            assert heard
            served.server.faults.add(
                Fault(kind=Kind.STREAM_HALF_OPEN, until_ms=START_MS + 60_000)
            )
            async with served.ear(CANDLES) as during:
                await during.ask("LIST_SUBSCRIPTIONS", [])
                await served.clock.sleep(90)
                assert during.heard == []
                assert during.close_code() == 1006
            assert len(before.heard) == heard
            assert before.close_code() == 1006
            async with served.ear(CANDLES) as after:
                await served.clock.sleep(60)
                assert after.heard

    on_market(scenario)


def test_a_slow_stream_takes_its_time_between_messages() -> None:
    async def scenario(served: Served) -> None:
        served.server.faults.add(
            Fault(kind=Kind.STREAM_SLOW, delay_s=9.0, until_ms=START_MS + 120_000)
        )
        async with served.ear(
            "/market/stream?streams=btcusdt@kline_1m/btcusdt@markPrice"
        ) as ear:
            await served.clock.sleep(240)
        gaps = [b - a for a, b in zip(ear.at_ms, ear.at_ms[1:], strict=False)]
        early = [
            gap for gap, at in zip(gaps, ear.at_ms, strict=False) if at < START_MS + 100_000
        ]
        assert early
        assert min(early) >= 9000
        assert min(gaps) < 9000

    on_market(scenario)


def test_connections_are_refused_for_a_while() -> None:
    async def scenario(served: Served) -> None:
        served.server.faults.add(
            Fault(kind=Kind.CONNECTION_REFUSED, route="market", until_ms=START_MS + 30_000)
        )
        with pytest.raises((OSError, websockets.WebSocketException)):
            await served.ear(CANDLES).__aenter__()
        async with served.ear("/public/ws/btcusdt@bookTicker"):
            await served.clock.sleep(31)
        async with served.ear(CANDLES) as ear:
            await served.clock.sleep(60)
            assert ear.heard

    on_market(scenario)


@pytest.mark.parametrize("told", [True, False])
def test_a_listen_key_ends_with_and_without_a_word(told: bool) -> None:
    async def scenario(served: Served) -> None:
        async with await user_ear(served) as ear:
            kind = Kind.LISTEN_KEY_EXPIRED if told else Kind.LISTEN_KEY_LOST
            served.server.faults.add(Fault(kind=kind, account=0))
            await served.signed("POST", "/fapi/v1/order", **ORDER)
            await served.clock.sleep(5)
            assert [event["e"] for event in ear.heard] == ["listenKeyExpired"] * told
        assert (await served.keyed("PUT", "/fapi/v1/listenKey")).code == -1125
        async with await user_ear(served) as ear:
            await served.signed("POST", "/fapi/v1/order", **ORDER)
            await served.clock.sleep(5)
            assert ear.events("ORDER_TRADE_UPDATE")

    on_exchange(scenario)


def test_a_connection_ends_after_a_day_and_when_its_client_talks_too_much() -> None:
    async def scenario(served: Served) -> None:
        async with served.ear("/public/ws/btcusdt@bookTicker") as ear:
            await served.clock.sleep(LIFE_S - 10)
            assert ear.close_code() is None
            await served.clock.sleep(20)
            assert ear.close_code() == 1001
        async with served.ear("/public/ws/btcusdt@bookTicker") as ear:
            for number in range(MOST_INCOMING):
                await ear.ask("LIST_SUBSCRIPTIONS", [], number)
            await served.clock.sleep(2)
            assert len(ear.heard) == MOST_INCOMING
            for number in range(MOST_INCOMING + 1):
                await ear.ask("LIST_SUBSCRIPTIONS", [], number)
            await served.clock.sleep(2)
            assert ear.close_code() == 1008

    on_exchange(scenario)


# ── accounts and the market ───────────────────────────────────────────────────────────────


async def position(served: Served) -> None:
    assert (await served.signed("POST", "/fapi/v1/order", **ORDER)).status == 200


def stop_states(served: Served) -> list[str]:
    return [algo.state.value for algo in served.exchange.books.algos_of(served.account)]


def test_a_stop_stays_triggering_until_the_fault_ends() -> None:
    async def scenario(served: Served) -> None:
        await position(served)
        await served.signed(
            "POST", "/fapi/v1/algoOrder", **(STOP | {"triggerPrice": "49990.0"})
        )
        now_ms = served.clock.wall_ms()
        served.server.faults.add(
            Fault(kind=Kind.TRIGGERS_HELD, symbol=SYMBOL, until_ms=now_ms + 120_000)
        )
        await served.clock.sleep(90)
        assert served.account.position(SYMBOL).quantity == D("0.010")
        (algo,) = served.exchange.books.algos_of(served.account)
        assert algo.is_open
        assert not algo.is_waiting
        await served.clock.sleep(60)
        assert served.account.position(SYMBOL).quantity == 0

    async def market(served: Served) -> None:
        task = asyncio.create_task(play(served.exchange, served.exchange.feed, served.clock))
        try:
            await scenario(served)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    falling = [(20.0 * n + 10, [traded(f"{50_000 - 60 * n}.0")]) for n in range(15)]
    on_exchange(market, ScriptedFeed(falling))


def test_the_exchange_ends_a_stop_after_a_while() -> None:
    async def scenario(served: Served) -> None:
        await position(served)
        served.server.faults.add(
            Fault(kind=Kind.STOP_EXPIRED, symbol=SYMBOL, times=1, delay_s=30.0)
        )
        async with await user_ear(served) as ear:
            await served.signed("POST", "/fapi/v1/algoOrder", **STOP)
            await served.clock.sleep(25)
            assert len(served.exchange.books.open_algos) == 1
            await served.clock.sleep(10)
            assert len(served.exchange.books.open_algos) == 0
            assert ear.events("ALGO_UPDATE")[-1]["o"]["X"] == "EXPIRED"
        await served.signed("POST", "/fapi/v1/algoOrder", **STOP)
        await served.clock.sleep(60)
        assert len(served.exchange.books.open_algos) == 1

    on_exchange(scenario)


@pytest.mark.parametrize(
    ("kind", "code"), [(Kind.OPENINGS_BARRED, -4192), (Kind.THIN_BOOK, -4131)]
)
def test_orders_are_refused_until_the_fault_ends(kind: Kind, code: int) -> None:
    async def scenario(served: Served) -> None:
        await position(served)
        faults = served.server.faults
        until_ms = served.clock.wall_ms() + 30_000
        faults.add(Fault(kind=kind, symbol=SYMBOL, until_ms=until_ms, code=code))
        assert (await served.signed("POST", "/fapi/v1/order", **ORDER)).code == code
        closing = ORDER | {"side": "SELL", "reduceOnly": "true"}
        closed = await served.signed("POST", "/fapi/v1/order", **closing)
        assert closed.code == (0 if kind is Kind.OPENINGS_BARRED else code)
        await served.clock.sleep(31)
        await position(served)
        faults.add(Fault(kind=kind, symbol=SYMBOL, code=code))
        assert (await served.signed("POST", "/fapi/v1/order", **ORDER)).code == code
        # Cleared, what began is ended too.
        faults.clear()
        await position(served)

    on_exchange(scenario)


def test_a_resting_order_is_filled_in_part_and_then_forgotten() -> None:
    async def scenario(served: Served) -> None:
        resting = ORDER | {"type": "LIMIT", "timeInForce": "GTC", "price": "49900.0"}
        await served.signed("POST", "/fapi/v1/order", **resting)
        served.server.faults.add(
            Fault(
                kind=Kind.FILLS_LIMITED, symbol=SYMBOL, fraction=0.5, until_ms=START_MS + 60_000
            )
        )
        task = asyncio.create_task(play(served.exchange, served.exchange.feed, served.clock))
        await served.clock.sleep(40)
        (order,) = served.exchange.books.open_orders_of(served.account)
        assert order.filled == D("0.005")
        await served.clock.sleep(60)
        assert served.account.position(SYMBOL).quantity == D("0.010")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    fall = [(10.0 * n, [traded("49800.0", "500")]) for n in range(1, 10)]
    on_exchange(scenario, ScriptedFeed(fall))


def test_the_key_of_another_account_is_left_alone() -> None:
    async def scenario(served: Served) -> None:
        await served.keyed("POST", "/fapi/v1/listenKey")
        await served.keyed("POST", "/fapi/v1/listenKey", "other")
        served.server.faults.add(Fault(kind=Kind.LISTEN_KEY_LOST, account=1))
        assert (await served.keyed("PUT", "/fapi/v1/listenKey", KEY)).status == 200
        assert (await served.keyed("PUT", "/fapi/v1/listenKey", "other")).code == -1125

    on_exchange(scenario)
