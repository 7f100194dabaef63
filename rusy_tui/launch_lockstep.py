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
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from rusy_tui import __version__
from rusy_tui.clock import LockstepClock, new_lockstep_loop
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import Defect, UsageError
from rusy_tui.domain.settings import DataSource, Settings
from rusy_tui.domain.state import State
from rusy_tui.engine import Engine, Parts
from rusy_tui.ensemble import registry
from rusy_tui.ensemble.runtime import Ensemble
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.launching.job import Job
from rusy_tui.launching.summary import Result, result_of
from rusy_tui.link.hub import Publisher
from rusy_tui.market.extras import Extras
from rusy_tui.market.from_database import DatabaseBars
from rusy_tui.market.service import MarketService
from rusy_tui.market.source import BarSource
from rusy_tui.monitoring import logs
from rusy_tui.resources import sql_dir
from rusy_tui.simulator.core import AccountSpec, SimulatedExchange
from rusy_tui.simulator.feeds import Feed
from rusy_tui.simulator.feeds.replay import ReplayFeed
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.server import SimulatorServer
from rusy_tui.store.embedded import temporary_server
from rusy_tui.store.migrations import migrate
from rusy_tui.store.pool import Database
from rusy_tui.store.retention import Upkeep
from rusy_tui.store.spool import Spool
from rusy_tui.store.store import Store

T = TypeVar("T")

# Keys of an account that exists in this process alone, and only while it runs.
_KEY, _SECRET, _TOKEN = "lockstep-key", "lockstep-secret", "lockstep-token"
# A recorded market moves once in 60 s: what is stale, and what is silence, begins later.
_STALE_AFTER_S = 150.0
_SILENCE_S = 600.0
_HEARTBEAT_S = 60.0
# Nothing is lost on the way but by faults: comparing more often would only take time.
_CHECK_S = 3600.0
_LAST_NEWS_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A whole Rusy in one event loop: an exchange with its market, and an engine on it."""

    parts: Parts
    engine: Engine
    exchange: SimulatedExchange
    server: SimulatorServer


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
    flush_s: float | None = None,
    check_s: float = _CHECK_S,
) -> AsyncGenerator[World]:
    """A running engine on a simulated exchange whose market has not begun to move.

    Args:
        clock: of the loop this runs in.
        feed: the market; every contract that the settings' pairs name must be in it.
        settings: of the engine.
        seed: of the exchange's randomness, the latencies and the ids.
        balance: USDT in the account.
        ensemble: the networks; None loads those the settings name.
        flush_s: market streams send each symbol's latest this often; None sends every event.
        check_s: wall seconds between two comparisons of the account with a reading by REST;
            what is lost on the way is found by these, so faults want them as often as in life.

    Raises:
        RusyError: a part can't be had or the engine can't start.
    """
    async with contextlib.AsyncExitStack() as stack:
        ground = await stack.enter_async_context(
            grounds(clock, feed, [balance], seed=seed, flush_s=flush_s)
        )
        here = await stack.enter_async_context(
            engine_on(ground, settings, ensemble=ensemble, check_s=check_s)
        )
        await stack.enter_async_context(ground.playing())
        yield here


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What engines and collectors stand on: an exchange with its market, and a database.

    The database has one connection for all of them, so that their calls are done in the
    order in which they were made, in every run.
    """

    clock: LockstepClock
    feed: Feed
    exchange: SimulatedExchange
    server: SimulatorServer
    database: Database
    seed: int

    def adapter(
        self, settings: Settings, account: int = 0, check_s: float = _CHECK_S
    ) -> BinanceExchange:
        """A client of the exchange with the keys of one of its accounts."""
        key, secret = _keys(account)
        return BinanceExchange(
            self.server.rest_url,
            self.server.ws_url,
            key,
            secret,
            self.clock,
            recv_window_ms=settings.exchange.recv_window_ms,
            request_timeout_s=settings.exchange.request_timeout_s,
            seed=self.seed,
            silence_s=_SILENCE_S,
            check_s=check_s,
            ping_interval_s=None,
        )

    @contextlib.asynccontextmanager
    async def playing(self) -> AsyncGenerator[None]:
        """Let the market move."""
        playing = asyncio.create_task(play(self.exchange, self.feed, self.clock))
        try:
            yield
        finally:
            await _cancelled(playing)


@contextlib.asynccontextmanager
async def grounds(
    clock: LockstepClock,
    feed: Feed,
    balances: Sequence[Decimal],
    *,
    seed: int,
    flush_s: float | None = None,
) -> AsyncGenerator[Ground]:
    """An exchange with an account for each balance, and a database. Arguments as of a world."""
    async with contextlib.AsyncExitStack() as stack:
        accounts = []
        for number, balance in enumerate(balances):
            key, secret = _keys(number)
            accounts.append(AccountSpec(api_key=key, api_secret=secret, balance=balance))
        exchange = SimulatedExchange(feed, clock, accounts, seed)
        server = SimulatorServer(
            exchange, clock, lockstep=True, control_token=_TOKEN, flush_s=flush_s
        )
        await server.start()
        stack.push_async_callback(server.stop)
        address = await stack.enter_async_context(temporary_server(clock))
        database = await Database.open(address, clock)
        stack.push_async_callback(database.close)
        await migrate(database, sql_dir())
        yield Ground(
            clock=clock,
            feed=feed,
            exchange=exchange,
            server=server,
            database=database,
            seed=seed,
        )


def _keys(account: int) -> tuple[str, str]:
    """Key and secret of an account by its number."""
    number = f"-{account}" if account else ""
    return _KEY + number, _SECRET + number


@contextlib.asynccontextmanager
async def engine_on(
    ground: Ground,
    settings: Settings,
    *,
    account: int = 0,
    ensemble: Ensemble | None = None,
    check_s: float = _CHECK_S,
) -> AsyncGenerator[World]:
    """A running engine of one of the accounts. Arguments as of a world."""
    clock, venue = ground.clock, settings.exchange.venue.value
    async with contextlib.AsyncExitStack() as stack:
        name = f"lockstep-{account}" if account else "lockstep"
        store = Store(ground.database, venue, name)
        stack.push_async_callback(store.writes.close)
        adapter = ground.adapter(settings, account, check_s)
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
        parts = Parts(
            settings=settings,
            symbols=settings.data.symbols,
            clock=clock,
            exchange=adapter,
            store=store,
            bars=_bars(settings, adapter, store, clock, networks, stack),
            extras=_extras(settings, adapter, store, clock),
            ensemble=networks,
            publisher=publisher,
            randomness=random.Random(ground.seed + account),
            stale_after_s=_STALE_AFTER_S,
            heartbeat_s=_HEARTBEAT_S,
        )
        engine = Engine(parts)
        running = asyncio.create_task(engine.run())
        stack.push_async_callback(_stopped, engine, running)
        await _started(publisher, running)
        yield World(parts=parts, engine=engine, exchange=ground.exchange, server=ground.server)


def _bars(
    settings: Settings,
    adapter: BinanceExchange,
    store: Store,
    clock: LockstepClock,
    networks: Ensemble,
    stack: contextlib.AsyncExitStack,
) -> BarSource:
    """Where an engine's closed bars come from."""
    if settings.data.source is DataSource.DATABASE:
        return DatabaseBars(
            store.market_data,
            clock,
            adapter.exchange_ms,
            symbols=settings.data.symbols,
            warmup_bars=networks.manifest.warmup,
            journal=store.journal.append,
            # A notice comes when the server gets round to it, and no clock counts that.
            listen_at=None,
        )
    spool = Spool(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rusy-"))))
    stack.callback(spool.close)
    kept = settings.data.keep_days
    return MarketService(
        adapter,
        store.market_data,
        clock,
        symbols=settings.data.symbols,
        warmup_bars=networks.manifest.warmup,
        spool=spool,
        journal=store.journal.append,
        upkeep=Upkeep(store.database, store.market_data.venue, clock, kept) if kept else None,
    )


def _extras(
    settings: Settings, adapter: BinanceExchange, store: Store, clock: LockstepClock
) -> Extras | None:
    """What is kept beside the bars, by whoever collects them."""
    if settings.data.source is DataSource.DATABASE:
        return None
    # Of a database that lasts as long as the run, the past is of no use.
    symbols = settings.data.symbols
    return Extras(adapter, store.market_data, clock, symbols, lookback_days=0)


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


async def play_to_end(here: World, from_ms: int, until_ms: int) -> Result:
    """Let the market play to its end, flatten, and say what happened.

    Args:
        here: a running world.
        from_ms: first open time that counts.
        until_ms: first open time that does not; the market's end.
    """
    await here.exchange.finished.wait()
    await here.engine.decided(until_ms)
    flattened = await here.engine.flatten(None)
    if not flattened.flat:
        raise Defect(f"the run did not end flat: {flattened.in_words()}")
    # What the exchange still had to tell, such as funding at the very end, is told by then.
    await here.parts.clock.sleep(_LAST_NEWS_S)
    return await result_of(here.parts, from_ms, until_ms)


def run(job: Job, summary: str | None) -> int:
    """Play a recording as fast as it goes, and write what came of it.

    Args:
        job: with a replay.
        summary: a file for the result, "-" for standard output, None for neither. Logs go to
            standard error.

    Raises:
        RusyError: a part can't be had, or the result can't be written.
    """
    settings = job.settings()
    feed = _recording(job, settings)
    if feed.end_ms is None:
        raise Defect("a recording has an end")
    from_ms, until_ms = feed.start_ms, feed.end_ms

    async def main(clock: LockstepClock) -> Result:
        logs.set_up(sys.stderr, settings.monitoring.log_level.value, clock)
        demo = settings.demo
        async with world(clock, feed, settings, seed=demo.seed, balance=demo.balance) as here:
            return await play_to_end(here, from_ms, until_ms)

    result = in_lockstep(from_ms, main)
    text = msgspec.json.encode(result.summary, order="deterministic").decode() + "\n"
    if summary == "-":
        sys.stdout.write(text)
    elif summary is not None:
        try:
            Path(summary).write_text(text)
        except OSError as error:
            raise UsageError(f"--summary {summary}: can't be written: {error}") from error
    return 0


def _recording(job: Job, settings: Settings) -> Feed:
    replay = job.replay
    if replay is None:
        raise UsageError("--speed max plays a recording to its end: it needs --replay FILE")
    return ReplayFeed(
        Path(replay.file),
        symbol=settings.demo.symbols[0],
        interval=Interval(replay.interval) if replay.interval else None,
        from_ms=replay.from_ms,
        until_ms=replay.until_ms,
        funding_path=Path(replay.funding) if replay.funding else None,
    )
