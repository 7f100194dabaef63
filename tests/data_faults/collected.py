"""A collector and engines on its database, in one lockstep loop; what must be true after."""

import asyncio
import contextlib
import dataclasses
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.bars import COLUMNS
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.settings import DataSource, Settings
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.launch_lockstep import Ground, World, engine_on, grounds, in_lockstep
from rusy_tui.launching.collecting import collector_of
from rusy_tui.simulator.candles import Bar
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from rusy_tui.store.errors import DatabaseLost
from rusy_tui.store.journal import Journal
from rusy_tui.store.locks import Lock
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.pool import Session
from rusy_tui.store.spool import Spool
from rusy_tui.store.store import Store
from tests.simulation.worlds import BALANCE, settings

T = TypeVar("T")

START_MS = 1_709_539_200_000  # 2024-03-04 08:00 UTC
STEP = Interval.M15.ms
SYMBOL = "BTCUSDT"
BOTH = (Interval.M15, Interval.H1)
# As many days as 352 hours need.
LOOKBACK_DAYS = 16
_ALL = 1_000_000


def configured(symbols: tuple[str, ...] = (SYMBOL,)) -> Settings:
    """Settings of a busy engine that takes its bars from a database, and of its collector."""
    made = settings(symbols)
    data = dataclasses.replace(
        made.data, source=DataSource.DATABASE, lookback_days=LOOKBACK_DAYS
    )
    return dataclasses.replace(made, data=data)


class Collecting:
    """A collector that can be killed and started again."""

    def __init__(self, ground: Ground, configured: Settings, spool: Path) -> None:
        self._ground = ground
        self._settings = configured
        self._spool_folder = spool
        self._task: asyncio.Task[None] | None = None
        self._lock: Lock | None = None
        self._exchange: BinanceExchange | None = None
        self._spool: Spool | None = None

    async def start(self) -> None:
        """As `rusy collect` does."""
        ground, clock = self._ground, self._ground.clock
        tables = MarketData(ground.database, "demo")
        lock = self._lock = await tables.lock(self._settings.data.symbols)
        exchange = self._exchange = ground.adapter(self._settings)
        await exchange.connect()
        spool = self._spool = Spool(self._spool_folder)
        collector = await collector_of(
            self._settings, ground.database, exchange, clock, lock, spool
        )
        running = collector.run(lambda text: None)
        self._task = asyncio.create_task(running)

    async def ended(self) -> str:
        """Wait until it has given up by itself; why."""
        assert self._task is not None
        await asyncio.wait([self._task])
        task, self._task = self._task, None
        return str(task.exception())

    @contextlib.contextmanager
    def cut_off(self) -> Generator[None]:
        """Its connection that holds the locks breaks, and it gets no other one."""
        assert self._lock is not None
        assert self._lock._session is not None
        lock, before = self._lock, self._lock._connect

        async def none() -> Session:
            raise DatabaseLost("no connection")

        lock._connect = none  # type: ignore[method-assign]
        self._lock._session.cut()
        try:
            yield
        finally:
            lock._connect = before  # type: ignore[method-assign]

    async def kill(self) -> None:
        """All that it was is gone; what it was at is left as it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.result()
            self._task = None
        if self._exchange is not None:
            await self._exchange.close()
        if self._spool is not None:
            self._spool.close()
        if self._lock is not None:
            await self._lock.release()


class Scene:
    """A ground with a collector, and engines when they are asked for."""

    def __init__(
        self, ground: Ground, collector: Collecting, stack: contextlib.AsyncExitStack
    ) -> None:
        self.ground = ground
        self.clock = ground.clock
        self.collector = collector
        self.stack = stack
        self.data = MarketData(ground.database, "demo")

    async def engine(self, configured: Settings, account: int = 0) -> World:
        """An engine that runs, its history whole."""
        return await self.stack.enter_async_context(
            engine_on(self.ground, configured, account=account)
        )

    async def another(self) -> Collecting:
        """A second collector of the same, not started."""
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="rusy-"))
        made = Collecting(self.ground, configured(), Path(folder))
        self.stack.push_async_callback(made.kill)
        return made

    @contextlib.contextmanager
    def database_away(self) -> Generator[None]:
        """The database answers nobody."""

        async def none() -> Session:
            raise DatabaseLost("the database is away")

        database = self.ground.database
        before = database._take
        database._take = none  # type: ignore[method-assign]
        try:
            yield
        finally:
            database._take = before  # type: ignore[method-assign]

    async def votes(self, bars: int) -> int:
        """How many of the first bars were voted on."""
        store = Store(self.ground.database, "demo", "lockstep")
        return await store.predictions.count(START_MS, START_MS + bars * STEP)

    async def proposals(self, account: str = "lockstep") -> list[int]:
        """When each proposal was made, in bars after the start."""
        store = Store(self.ground.database, "demo", account)
        made = await store.proposals.since(0)
        return [(each.created_ms - START_MS) // STEP for each in made]

    async def play(self) -> None:
        """Let the market move from now on."""
        await self.stack.enter_async_context(self.ground.playing())

    async def at(self, bars: float) -> None:
        """Wait until so many bars after the start."""
        await self.clock.sleep_until_market(START_MS + round(bars * STEP))
        await asyncio.sleep(0)

    async def noted(
        self, account: str, subject: str, kind: str = "bars"
    ) -> list[dict[str, Any]]:
        """What an account's journal has of a kind about a subject, oldest first."""
        entries = await Journal(self.ground.database, "demo", account).about(subject)
        return [each.payload for each in entries if each.kind == kind]

    async def differences(
        self, until_ms: int, symbols: tuple[str, ...] = (SYMBOL,)
    ) -> list[str]:
        """How the table differs from what the market was, all of its history included."""
        wrong = []
        for symbol in symbols:
            for interval in BOTH:
                from_ms = interval.floor(START_MS - LOOKBACK_DAYS * 86_400_000)
                # The last one of each closed by then.
                end_ms = interval.floor(until_ms)
                kept = await self.data.candles.window(symbol, interval, end_ms, _ALL)
                series = self.ground.exchange.markets[symbol].series[interval]
                true = np.array([_row(b) for b in series.between(from_ms, end_ms - 1, _ALL)])
                columns = [kept.open_time_ms, *(getattr(kept, name) for name in COLUMNS)]
                found = np.stack([np.asarray(each, float) for each in columns], axis=1)
                found = found[found[:, 0] >= from_ms]
                if len(true) < LOOKBACK_DAYS * 24:
                    wrong.append(f"{symbol} {interval}: the market has {len(true)} bars")
                if found.shape != true.shape or not np.array_equal(found, true):
                    wrong.append(f"{symbol} {interval}: {found.shape} is not {true.shape}")
        return wrong


def _row(bar: Bar) -> list[float]:
    return [float(bar.open_time_ms), *(float(getattr(bar, name)) for name in COLUMNS)]


@contextlib.asynccontextmanager
async def _scene(
    clock: LockstepClock, configured: Settings, accounts: int
) -> AsyncGenerator[Scene]:
    feed = SyntheticFeed(5, START_MS, configured.data.symbols, step_ms=60_000)
    async with contextlib.AsyncExitStack() as stack:
        ground = await stack.enter_async_context(
            grounds(clock, feed, [BALANCE] * accounts, seed=1)
        )
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rusy-"))
        collector = Collecting(ground, configured, Path(folder))
        stack.push_async_callback(collector.kill)
        yield Scene(ground, collector, stack)


def played(
    act: Callable[[Scene], Awaitable[T]],
    *,
    collected: Settings | None = None,
    accounts: int = 1,
) -> T:
    """Play a scene in lockstep, and return what came of it.

    ``collected``: the collector's settings, where they are not those of :func:`configured`.
    """

    async def main(clock: LockstepClock) -> T:
        async with _scene(clock, collected or configured(), accounts) as scene:
            return await act(scene)

    return in_lockstep(START_MS, main)
