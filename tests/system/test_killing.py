"""`kill -9`: the exchange outlives the engine, the engine its console; nothing is lost."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.domain.candle import Interval
from rusy_tui.store.embedded import EmbeddedServer
from rusy_tui.store.pool import Database
from tests.system.busy import SYMBOL, busy_options, with_position
from tests.system.driving import Engine, Exchange, Home, Terminal, wait_for

pytestmark = [pytest.mark.verify, pytest.mark.timeout(240)]

_CANDLES = """
SELECT open_time, open, high, low, close, volume, quote_volume, revision
FROM market_data WHERE symbol = $1 AND timeframe = $2 ORDER BY open_time
"""
_ORDERS = "SELECT client_order_id AS id FROM orders ORDER BY 1"


def _let_pass(exchange: Exchange, market_ms: int, speed: float) -> None:
    """Let the market go on until an instant, then in real time."""
    exchange.set_speed(speed)
    wait_for(lambda: exchange.state()["market_ms"] >= market_ms, 60.0, "market time passes")
    exchange.set_speed(1)


async def _kept(home: Home, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of a stopped engine's database."""
    (folder,) = home.folder.glob("demo/*/database")
    clock = SystemClock()
    async with EmbeddedServer(folder, clock) as address:
        database = await Database.open(address, clock, 1)
        try:
            return [tuple(row) for row in await database.rows(statement, *values)]
        finally:
            await database.close()


async def _candles_are_whole(home: Home, histories: dict[Interval, list[list[Any]]]) -> None:
    """Each bar of the exchange, from the first that was kept to the last, once and equal."""
    for interval, history in histories.items():
        rows = await _kept(home, _CANDLES, SYMBOL, interval.value)
        assert rows
        opened = [row[0] for row in rows]
        whole = list(range(opened[0], opened[-1] + interval.ms, interval.ms))
        assert opened == whole, "none missing, none twice"
        assert {row[-1] for row in rows} == {0}, "none was written twice with other figures"
        true = {bar[0]: [float(value) for value in (*bar[1:6], bar[7])] for bar in history}
        kept = {row[0]: list(row[1:7]) for row in rows}
        compared = {open_ms: kept[open_ms] for open_ms in true if open_ms <= opened[-1]}
        assert len(compared) >= (3 if interval is Interval.M15 else 0)
        for open_ms, figures in compared.items():
            assert figures == pytest.approx(true[open_ms], rel=1e-12), open_ms


def _entries(exchange: Exchange) -> list[str]:
    return [
        order["clientOrderId"]
        for order in exchange.orders(SYMBOL)
        if order["clientOrderId"].startswith("rusy-e-")
    ]


async def test_a_killed_engine_finds_its_position_guarded_and_goes_on(home: Home) -> None:
    engine, exchange = with_position(home)
    entries = _entries(exchange)
    (held,) = exchange.account()["positions"]
    (stop,) = exchange.stops()

    engine.kill()
    killed_ms = exchange.state()["market_ms"]
    assert home.rusy("status").returncode == 3
    # Two bars close while nobody looks.
    _let_pass(exchange, killed_ms + 2 * Interval.M15.ms, 300)
    assert exchange.lives
    assert [each["clientAlgoId"] for each in exchange.stops()] == [stop["clientAlgoId"]]

    again = home.start(*busy_options(home, "auto"))
    assert exchange.lives, "the same exchange"
    status = home.told("status")
    assert (status["phase"], status["pid"]) == ("running", again.pid)
    (position,) = home.told("positions")
    assert position["symbol"] == SYMBOL
    assert float(position["quantity"]) == float(held["positionAmt"])
    assert position["trade_id"], "it is known whose it is"
    assert position["protected_by"] == stop["clientAlgoId"][-4:].lower()
    (now,) = exchange.account()["positions"]
    assert now["positionAmt"] == held["positionAmt"]
    assert [each["clientAlgoId"] for each in exchange.stops()] == [stop["clientAlgoId"]]

    # One more bar comes while it runs.
    wait_for(
        lambda: any(event["event"] == "bar_closed" for event in again.events()),
        60.0,
        "a bar closes",
        or_say=lambda: str(again),
    )
    assert _entries(exchange) == entries, "no entry was sent again"
    assert home.rusy("stop").returncode == 0
    histories = {
        each: exchange.history(SYMBOL, each.value) for each in (Interval.M15, Interval.H1)
    }
    ours = {order["clientOrderId"] for order in exchange.orders(SYMBOL)}
    ours |= {order["clientAlgoId"] for order in exchange.algo_orders(SYMBOL)}
    kept = [row[0] for row in await _kept(home, _ORDERS)]
    assert len(kept) == len(set(kept))
    assert {each for each in ours if each.startswith("rusy-")} <= set(kept)
    assert sum(each.startswith("rusy-s-") for each in ours) == 1
    await _candles_are_whole(home, histories)


def test_an_entry_that_filled_unseen_gets_its_stop_at_the_next_start(home: Home) -> None:
    """Killed between fill and stop: frozen while the entry rests, killed once filled."""
    for _ in range(5):
        engine = home.start(*busy_options(home, "approve"))
        exchange = home.exchange()
        account = _frozen_until_filled(home, engine, exchange)
        exchange.set_speed(1)
        if account is not None:
            break
        # The price went away from the entry: the next start cancels it, and proposes anew.
    assert account is not None, "no entry filled"
    assert exchange.stops() == []

    (held,) = account["positions"]
    again = home.start(*busy_options(home, "approve", speed=1))
    wait_for(
        exchange.open_and_protected, 10.0, "a stop for what filled", or_say=lambda: str(again)
    )
    (now,) = exchange.account()["positions"]
    assert now["positionAmt"] == held["positionAmt"]
    assert len(exchange.stops()) == 1
    assert home.told("positions")[0]["protected_by"]


def _frozen_until_filled(
    home: Home, engine: Engine, exchange: Exchange
) -> dict[str, Any] | None:
    """Approve, freeze the engine while its entry rests, and let the market take it."""

    def entry_rests() -> bool:
        orders = exchange.account()["open_orders"]
        return any(order["clientOrderId"].startswith("rusy-e-") for order in orders)

    (proposal,) = wait_for(
        lambda: home.told("proposals") or None, 60.0, "a proposal", or_say=lambda: str(engine)
    )
    asked = ("approve", str(proposal["proposal_id"]), proposal["revision"])
    with ThreadPoolExecutor(1) as pool:
        # The market runs in real time until it is decided, so the entry can be seen to rest.
        pool.submit(home.rusy, *asked)
        wait_for(entry_rests, 20.0, "an entry rests", or_say=lambda: str(engine), every_s=0)
        os.kill(engine.pid, signal.SIGSTOP)
        exchange.set_speed(300)
        deadline_s = time.monotonic() + 10.0
        while time.monotonic() < deadline_s:
            account = exchange.account()
            if account["positions"]:
                break
            time.sleep(0.02)
        else:
            account = None
        # Whoever waits for the frozen one's answer must not wait for ever.
        engine.kill()
    return account


@pytest.mark.needs("tmux")
def test_a_killed_console_leaves_its_engine_trading(
    home: Home, terminal: Callable[..., Terminal]
) -> None:
    console = terminal("demo", *busy_options(home, "auto"))
    console.wait("gates open", 30.0)
    exchange = home.exchange()
    pid = home.told("status")["pid"]
    os.kill(console.pid, signal.SIGKILL)
    wait_for(exchange.open_and_protected, 60.0, "the engine trades on without a console")
    assert home.told("status")["pid"] == pid

    attached = terminal("attach")
    attached.wait("gates open", 20.0)
    attached.wait(rf"{SYMBOL} +(long|short) ", 10.0, "the position")
    before = home.told("status")["market_ms"]
    os.kill(attached.pid, signal.SIGKILL)
    wait_for(lambda: home.told("status")["market_ms"] > before, 10.0, "the market goes on")
    assert exchange.open_and_protected()

    psutil.Process(pid).kill()
    assert exchange.lives


@pytest.mark.needs("tmux")
def test_a_console_offers_to_start_a_killed_engine_again(
    home: Home, terminal: Callable[..., Terminal]
) -> None:
    console = terminal("demo")
    console.wait("gates open", 30.0)
    simulator = home.exchange().pid
    first = home.told("status")["pid"]
    psutil.Process(first).kill()
    console.wait("NO ENGINE", 10.0)
    console.press("r")
    console.wait("gates open", 30.0)
    assert home.told("status")["pid"] != first
    assert home.exchange().pid == simulator, "the market went on"
    console.press("q")
    console.wait("detach", 5.0)
    console.press("s")
    assert console.ended(30.0) == 0
    assert home.rusy("status").returncode == 3
