"""Lockstep: simulated exchange and engine in one process and one event loop.

Time stands still while anything is at work and jumps when all is at rest, so a week of bars
takes as long as its work, and equal input gives equal results. The engine talks to the
exchange through the real adapter, HTTP and WebSocket on loopback, as everywhere else.
"""

import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from rusy_tui import __version__
from rusy_tui.clock import LockstepClock, new_lockstep_loop
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.domain_json import to_json
from rusy_tui.domain.errors import Defect, UsageError
from rusy_tui.domain.settings import Settings
from rusy_tui.domain.state import State
from rusy_tui.domain.trade import Trade
from rusy_tui.engine import Engine, Parts
from rusy_tui.ensemble import registry
from rusy_tui.ensemble.runtime import Ensemble
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.launching.job import Job
from rusy_tui.link.hub import Publisher
from rusy_tui.monitoring import logs
from rusy_tui.simulator.core import AccountSpec, SimulatedExchange
from rusy_tui.simulator.feeds import Feed
from rusy_tui.simulator.feeds.replay import ReplayFeed
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.server import SimulatorServer
from rusy_tui.store.embedded import temporary_server
from rusy_tui.store.store import Store

T = TypeVar("T")

# Keys of an account that exists in this process alone, and only while it runs.
_KEY, _SECRET, _TOKEN = "lockstep-key", "lockstep-secret", "lockstep-token"
# A recorded market moves once in 60 s: what is stale, and what is silence, begins later.
_STALE_AFTER_S = 150.0
_SILENCE_S = 600.0
_HEARTBEAT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A whole Rusy in one event loop: an exchange with its market, and an engine on it."""

    clock: LockstepClock
    exchange: SimulatedExchange
    store: Store
    engine: Engine
    publisher: Publisher


def in_lockstep(start_ms: int, main: Callable[[LockstepClock], Awaitable[T]]) -> T:
    """Run a coroutine in a lockstep loop that begins at a market time.

    SIGINT and SIGTERM cancel it, so that what it opened is closed.
    """
    loop, clock = new_lockstep_loop(start_ms)

    async def run() -> T:
        return await main(clock)

    try:
        task = loop.create_task(run())
        with contextlib.suppress(ValueError):  # not in the main thread, as under some runners
            for each in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(each, task.cancel)
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        clock.close()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@contextlib.asynccontextmanager
async def world(
    clock: LockstepClock,
    feed: Feed,
    settings: Settings,
    *,
    seed: int,
    balance: Decimal,
    ensemble: Ensemble | None = None,
) -> AsyncGenerator[World]:
    """A running engine on a simulated exchange whose market has not begun to move.

    Args:
        clock: of the loop this runs in.
        feed: the market; every contract that the settings' pairs name must be in it.
        settings: of the engine.
        seed: of the exchange's randomness, the latencies and the ids.
        balance: USDT in the account.
        ensemble: the networks; None loads those the settings name.

    Raises:
        RusyError: a part can't be had or the engine can't start.
    """
    async with contextlib.AsyncExitStack() as stack:
        account = AccountSpec(api_key=_KEY, api_secret=_SECRET, balance=balance)
        exchange = SimulatedExchange(feed, clock, [account], seed)
        server = SimulatorServer(exchange, clock, lockstep=True, control_token=_TOKEN)
        await server.start()
        stack.push_async_callback(server.stop)
        address = await stack.enter_async_context(temporary_server(clock))
        venue = settings.exchange.venue.value
        store = await Store.open(address, clock, venue, "lockstep")
        stack.push_async_callback(store.close)
        adapter = BinanceExchange(
            server.rest_url,
            server.ws_url,
            _KEY,
            _SECRET,
            clock,
            recv_window_ms=settings.exchange.recv_window_ms,
            request_timeout_s=settings.exchange.request_timeout_s,
            seed=seed,
            silence_s=_SILENCE_S,
            ping_interval_s=None,
        )
        networks = ensemble or Ensemble.load(registry.find(settings.ensemble.model))
        publisher = Publisher(
            State(
                venue=venue,
                version=__version__,
                model_version=networks.manifest.version,
                mode=settings.desk.mode,
                symbols=settings.data.symbols,
            )
        )
        engine = Engine(
            Parts(
                settings=settings,
                symbols=settings.data.symbols,
                clock=clock,
                exchange=adapter,
                store=store,
                ensemble=networks,
                publisher=publisher,
                randomness=random.Random(seed),
                stale_after_s=_STALE_AFTER_S,
                heartbeat_s=_HEARTBEAT_S,
            )
        )
        running = asyncio.create_task(engine.run())
        stack.push_async_callback(_stopped, engine, running)
        await _started(publisher, running)
        playing = asyncio.create_task(play(exchange, feed, clock))
        stack.push_async_callback(_cancelled, playing)
        yield World(
            clock=clock, exchange=exchange, store=store, engine=engine, publisher=publisher
        )


async def _started(publisher: Publisher, running: asyncio.Task[None]) -> None:
    """Wait until the engine runs; an engine that ends instead says why."""
    watcher = publisher.watch()

    async def until_running() -> None:
        async for _ in watcher:
            if publisher.state.phase == "running":
                return

    waiting = asyncio.create_task(until_running())
    await asyncio.wait([waiting, running], return_when=asyncio.FIRST_COMPLETED)
    watcher.close()
    if not waiting.done():
        await _cancelled(waiting)
        await running
        raise Defect("the engine ended before it ran")


async def _stopped(engine: Engine, running: asyncio.Task[None]) -> None:
    engine.request_stop()
    await asyncio.wait([running])


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


class TradeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One trade of a run; prices and amounts in USDT, quantities in the base asset."""

    trade_id: str
    symbol: str
    side: str
    quantity: Decimal
    entry_reason: str
    exit_reason: str
    entry_price: Decimal
    exit_price: Decimal
    opened_ms: int | None
    closed_ms: int | None
    realised_pnl: Decimal
    fees: Decimal
    funding: Decimal
    seconds_to_stop: float | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did. Bars and predictions count by open time in the played span.

    ``realised_pnl`` is price difference only: end equity = start + realised - fees + funding.
    ``open_orders`` and ``positions`` are what the exchange still held at the end, and the two
    equities what it says.
    """

    bars: dict[str, int]
    predictions: int
    votes: dict[str, int]
    proposals: int
    orders: int
    fills: int
    trades: tuple[TradeSummary, ...]
    fees: Decimal
    funding: Decimal
    realised_pnl: Decimal
    start_equity: Decimal
    end_equity: Decimal
    open_orders: int
    positions: int
    max_seconds_to_stop: float


async def play_to_end(
    here: World, from_ms: int, until_ms: int, balance: Decimal
) -> Summary:
    """Let the market play to its end, flatten, and say what happened.

    Args:
        here: a running world.
        from_ms: first open time that counts.
        until_ms: first open time that does not; the market's end.
        balance: what the account began with.
    """
    await here.exchange.finished.wait()
    await here.engine.decided(until_ms)
    await here.engine.flatten(None)
    store = here.store
    symbols = here.publisher.state.symbols
    bars = {
        str(interval): sum(
            [await store.candles.count(s, interval, from_ms, until_ms) for s in symbols]
        )
        for interval in (Interval.M15, Interval.H1)
    }
    trades = await store.trades.all()
    funding = [row.income.amount for row in await store.funding.since(0)]
    books = here.exchange.books.accounts[0]
    return Summary(
        bars=bars,
        predictions=await store.predictions.count(from_ms, until_ms),
        votes=await store.predictions.votes(from_ms, until_ms),
        proposals=len(await store.proposals.since(0)),
        orders=await store.orders.count(),
        fills=len(await store.fills.since(0)),
        trades=tuple(_trade_summary(trade) for trade in trades),
        fees=sum((trade.fees for trade in trades), Decimal(0)),
        funding=sum(funding, Decimal(0)),
        realised_pnl=sum((trade.realised_pnl for trade in trades), Decimal(0)),
        start_equity=balance,
        end_equity=books.wallet,
        open_orders=len(here.publisher.state.orders),
        positions=len(here.publisher.state.positions),
        max_seconds_to_stop=max((t.seconds_to_stop or 0.0 for t in trades), default=0.0),
    )


def _trade_summary(trade: Trade) -> TradeSummary:
    return TradeSummary(
        trade_id=trade.trade_id,
        symbol=trade.symbol,
        side=trade.side.direction,
        quantity=trade.entered_quantity,
        entry_reason=trade.entry_reason,
        exit_reason=trade.exit_reason.value if trade.exit_reason is not None else "",
        entry_price=trade.entry_average,
        exit_price=trade.exit_average,
        opened_ms=trade.opened_ms,
        closed_ms=trade.closed_ms,
        realised_pnl=trade.realised_pnl,
        fees=trade.fees,
        funding=trade.funding,
        seconds_to_stop=trade.seconds_to_stop,
    )
