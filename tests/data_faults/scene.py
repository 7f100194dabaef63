"""Live bars from a served exchange through the real adapter into a real database.

Faults strike the database, the disk, the streams or the clock; then the table must equal what
the exchange has, each bar was passed on once and in order, and the journal says what happened.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.bars import COLUMNS
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.history import FindingKind
from rusy_tui.domain.market import CandleUpdate, MarketEvent, StreamRestored
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.market.service import MarketService
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.server import SimulatorServer
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.spool import Spool
from rusy_tui.store.store import Store
from tests.lockstep import in_lockstep

T = TypeVar("T")
START_MS = 1_709_539_200_000  # 2024-03-04 08:00 UTC
SYMBOLS = ("BTCUSDT", "ETHUSDT")
WARMUP = {Interval.M15: 40, Interval.H1: 12}
STEP = Interval.M15.ms
_TABLE = f"""
SELECT symbol, timeframe, open_time, {", ".join(COLUMNS)}, source, revision FROM market_data
WHERE open_time >= $1 ORDER BY symbol, timeframe, open_time
"""

Key = tuple[str, str, int]


class Scene:
    """A market service at work; started again it is a new one on the same database and disk."""

    def __init__(
        self,
        clock: LockstepClock,
        own_clock: Clock,
        exchange: SimulatedExchange,
        server: SimulatorServer,
        adapter: BinanceExchange,
        address: DatabaseAddress,
        folder: Path,
        history_days: int | None,
    ) -> None:
        self.clock = clock
        self.own_clock = own_clock
        self.exchange = exchange
        self.server = server
        self.adapter = adapter
        self.address = address
        self.folder = folder
        self.history_days = history_days
        self.passed: list[Candle] = []
        self._tasks: list[asyncio.Task[Any]] = []

    async def start(self) -> None:
        """Open the database, warm up, and listen."""
        self.store = await Store.open(self.address, self.own_clock, "demo", "faults")
        self.spool = Spool(self.folder)
        self.service = MarketService(
            self.adapter,
            self.store.market_data,
            self.own_clock,
            symbols=SYMBOLS,
            warmup_bars=WARMUP,
            spool=self.spool,
            journal=self.store.journal.append,
            history_days=self.history_days,
        )
        await self.service.start(lambda text: None)
        streams = self.adapter.run_market_streams(SYMBOLS, tuple(WARMUP), self._hear)
        for work in (self.service.run(), self._listen(), streams):
            self._tasks.append(asyncio.ensure_future(work))

    async def stop(self) -> None:
        """End the service as a kill would: nothing is said or written any more."""
        if not self._tasks:
            return
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self.spool.close()
        await self.store.close()

    def _hear(self, event: MarketEvent) -> None:
        match event:
            case CandleUpdate(candle=candle) if candle.closed:
                self.service.take(candle)
            case StreamRestored():
                self._tasks.append(asyncio.ensure_future(self.service.catch_up()))

    async def _listen(self) -> None:
        async for candle in self.service.closed():
            self.passed.append(candle)

    async def minute(self, number: float) -> None:
        """Wait until so many minutes after the start."""
        await self.clock.sleep_until_market(START_MS + round(number * 60_000))

    # What must hold ---------------------------------------------------------------------

    def truth(self, since_ms: int = START_MS - 40 * STEP) -> dict[Key, tuple[float, ...]]:
        """What the exchange has of closed bars from an instant on."""
        now_ms, found = self.clock.market_ms(), dict[Key, tuple[float, ...]]()
        for symbol in SYMBOLS:
            for interval in WARMUP:
                end_ms = interval.floor(now_ms) - 1
                series = self.exchange.markets[symbol].series[interval]
                for bar in series.between(since_ms, end_ms, 100_000):
                    figures = tuple(float(getattr(bar, name)) for name in COLUMNS)
                    found[symbol, str(interval), bar.open_time_ms] = figures
        return found

    async def table(self, since_ms: int = START_MS - 40 * STEP) -> dict[Key, tuple[float, ...]]:
        """What the database has."""
        rows = await self.store.database.rows(_TABLE, since_ms)
        return {tuple(row)[:3]: tuple(row)[3:11] for row in rows}

    async def sources(self) -> list[str]:
        """Where the bars since the start came from."""
        rows = await self.store.database.rows(
            "SELECT DISTINCT source FROM market_data WHERE open_time >= $1 ORDER BY source",
            START_MS,
        )
        return [row["source"] for row in rows]

    async def must_hold(self) -> None:
        """The table equals the truth, each bar was passed on once, in order, none is late."""
        truth, table = self.truth(), await self.table()
        assert table.keys() ^ truth.keys() == set()
        assert table == truth
        for symbol in SYMBOLS:
            for interval in WARMUP:
                passed = [
                    bar.open_time_ms
                    for bar in self.passed
                    if (bar.symbol, bar.interval) == (symbol, interval)
                ]
                end_ms = interval.floor(self.clock.market_ms())
                assert passed == list(range(START_MS, end_ms, interval.ms)), (symbol, interval)
        assert self.service.behind() == {}
        assert self.spool.rows == 0

    async def noted(self, **payload: object) -> list[dict[str, Any]]:
        """The journal's lines that say all of this, in order."""
        return [
            entry.payload
            for entry in await self.store.journal.since(0)
            if entry.kind == "bars"
            and all(entry.payload.get(name) == value for name, value in payload.items())
        ]

    async def cures(self, kind: FindingKind) -> list[str]:
        """What became of findings of a kind."""
        found = await self.store.market_data.findings.listed(kinds=[kind])
        return [str(each.cure) for each in found]


def under(
    act: Callable[[Scene], Awaitable[T]],
    address: DatabaseAddress,
    folder: Path,
    *,
    history_days: int | None = None,
    clock_of: Callable[[LockstepClock], Clock] = lambda clock: clock,
) -> T:
    """Play a scene: a market of two symbols that moves once a minute.

    Args:
        act: what happens; the service is not started yet.
        address: of a fresh database.
        folder: of the bars that wait.
        history_days: of the past that is fetched beside.
        clock_of: the service's and the adapter's clock, made of the exchange's.
    """

    async def main(clock: LockstepClock) -> T:
        async with AsyncExitStack() as stack:
            feed = SyntheticFeed(5, START_MS, SYMBOLS, step_ms=60_000)
            exchange = SimulatedExchange(feed, clock, [], 1)
            server = SimulatorServer(exchange, clock, lockstep=True, control_token="t")
            await server.start()
            stack.push_async_callback(server.stop)
            own_clock = clock_of(clock)
            adapter = BinanceExchange(
                server.rest_url,
                server.ws_url,
                "key",
                "secret",
                own_clock,
                seed=1,
                silence_s=600.0,
                ping_interval_s=None,
            )
            await adapter.connect()
            stack.push_async_callback(adapter.close)
            playing = asyncio.ensure_future(play(exchange, feed, clock))
            stack.callback(playing.cancel)
            scene = Scene(
                clock, own_clock, exchange, server, adapter, address, folder, history_days
            )
            stack.push_async_callback(scene.stop)
            return await act(scene)

    return in_lockstep(main, START_MS)
