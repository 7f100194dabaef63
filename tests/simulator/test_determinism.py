"""Lockstep: two runs say the same, to the byte and to the millisecond."""

import asyncio
from random import Random
from typing import Any

from rusy_tui.clock import LockstepClock
from rusy_tui.simulator.runner import play
from tests.simulator.serving import Served, served
from tests.simulator.support import SYMBOL, ScriptedFeed, lockstep, traded

_MINUTES = 120
_PATHS = (
    "/market/stream?streams=btcusdt@kline_1m/btcusdt@kline_15m/btcusdt@aggTrade",
    "/market/ws/ethusdt@markPrice@1s",
    "/public/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker",
)


def _feed() -> ScriptedFeed:
    random = Random(3)
    script, ticks = [], 500_000
    for second in range(0, _MINUTES * 60, 10):
        ticks += random.randint(-60, 60)
        prints = [traded(f"{ticks / 10}", f"{random.randint(1, 900) / 1000}")]
        if second % 30 == 0:
            prints.append(traded(f"{ticks / 10 + 1}", symbol="ETHUSDT"))
        script.append((second, prints))
    return ScriptedFeed(script, end_s=_MINUTES * 60, symbols=(SYMBOL, "ETHUSDT"))


async def _trade(served_: Served, replies: list[Any]) -> None:
    """Orders all the time, two requests at once, on connections of their own."""
    for number in range(40):
        side = "BUY" if number % 2 else "SELL"
        market: dict[str, Any] = {
            "symbol": SYMBOL,
            "side": side,
            "type": "MARKET",
            "quantity": "0.010",
        }
        price = f"{50_000 + (-100 if side == 'BUY' else 100)}.0"
        limit = market | {"type": "LIMIT", "timeInForce": "GTX", "price": price}
        both = await asyncio.gather(
            served_.signed("POST", "/fapi/v1/order", **market),
            served_.signed("POST", "/fapi/v1/order", **limit),
        )
        replies.extend((reply.status, reply.body) for reply in both)
        await served_.clock.sleep(150)


def _run(seed: int) -> list[Any]:
    async def scenario(clock: LockstepClock) -> list[Any]:
        async with served(clock, _feed(), seed=seed) as exchange:
            key = (await exchange.keyed("POST", "/fapi/v1/listenKey")).body["listenKey"]
            ears = [exchange.ear(path) for path in (*_PATHS, f"/private/ws/{key}")]
            for ear in ears:
                await ear.__aenter__()
            replies: list[Any] = []
            await asyncio.gather(
                play(exchange.exchange, exchange.exchange.feed, clock),
                _trade(exchange, replies),
            )
            await clock.sleep(1)
            state = (await exchange.control("GET", "state")).body
            for ear in ears:
                await ear.__aexit__()
            return [replies, state, [(ear.raw, ear.at_ms) for ear in ears]]

    return lockstep(scenario)


def test_two_runs_send_the_same_bytes_at_the_same_times() -> None:
    first, second = _run(1), _run(1)
    assert first == second
    _, state, heard = first
    assert all(len(raw) > 100 for raw, _ in heard)
    assert state["accounts"][0]["counts"]["fills"] > 20


def test_another_seed_is_another_run() -> None:
    assert _run(1) != _run(2)
