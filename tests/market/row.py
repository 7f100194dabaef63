"""Candles of an invented market, an exchange that gives them, and a store in memory."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

import msgspec

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import Defect, UnreachableError
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.service import MarketService
from rusy_tui.store.candles import Candles
from tests.lockstep import in_lockstep

T = TypeVar("T")
HOUR_MS = Interval.H1.ms
# 2025-06-15 15:00 UTC, on the grid of both intervals.
START_MS = 1_749_999_600_000


def candle(open_ms: int, interval: Interval = Interval.M15, **changed: object) -> Candle:
    """A closed candle whose prices tell when it opened."""
    price = 100 + open_ms // Interval.M15.ms % 50
    made = Candle(
        symbol="BTCUSDT",
        interval=interval,
        open_time_ms=open_ms,
        open=float(price),
        high=price + 2.0,
        low=price - 2.0,
        close=price + 1.0,
        volume=10.0,
        quote_volume=1000.0,
        trades=5.0,
        taker_buy_volume=4.0,
        closed=True,
    )
    return msgspec.structs.replace(made, **changed)


class CandleExchange:
    """Gives the candles of any span; ``missing`` open times are not there yet."""

    def __init__(self, clock: LockstepClock) -> None:
        self._clock = clock
        self.missing: set[int] = set()
        self.odd: dict[int, Candle] = {}
        self.calls: list[tuple[Interval, int, int]] = []
        self.failures = 0

    def exchange_ms(self) -> int:
        return self._clock.market_ms()

    async def candles(
        self,
        symbol: str,
        interval: Interval,
        start_ms: int,
        end_ms: int,
        limit: int,
        *,
        backfill: bool = False,
    ) -> Sequence[Candle]:
        self.calls.append((interval, start_ms, end_ms))
        await self._clock.sleep(0.05)
        if self.failures:
            self.failures -= 1
            raise UnreachableError("no answer")
        now_ms, rows = self.exchange_ms(), list[Candle]()
        for open_ms in range(start_ms, end_ms + 1, interval.ms):
            if open_ms in self.missing or open_ms > now_ms:
                continue
            made = self.odd.get(open_ms) or candle(open_ms, interval, symbol=symbol)
            closed = open_ms + interval.ms <= now_ms
            rows.append(msgspec.structs.replace(made, closed=closed))
        return rows[:limit]


class CandleStore:
    """The table of candles, as far as the market service uses it."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, Interval, int], Candle] = {}
        self.written = 0

    async def store(self, candles: Sequence[Candle], source: str) -> int:
        if any(not each.closed for each in candles):
            raise Defect("a forming candle was given to be stored")
        for each in candles:
            self.written += 1
            self.rows[each.symbol, each.interval, each.open_time_ms] = each
        return len(candles)

    def opens(self, interval: Interval = Interval.M15) -> list[int]:
        """Open times of what is stored, ascending."""
        return sorted(time for _, kind, time in self.rows if kind is interval)

    async def window(self, symbol: str, interval: Interval, until_ms: int, bars: int) -> Bars:
        opens = [time for time in self.opens(interval) if time < until_ms][-bars:]
        return Bars.of(interval, [self.rows[symbol, interval, time] for time in opens])

    async def last_open_ms(self, symbol: str, interval: Interval) -> int | None:
        return max(self.opens(interval), default=None)

    async def missing(
        self, symbol: str, interval: Interval, from_ms: int, until_ms: int
    ) -> list[tuple[int, int]]:
        have = set(self.opens(interval))
        gaps = list[tuple[int, int]]()
        for time in range(from_ms, until_ms, interval.ms):
            if time in have:
                continue
            if gaps and gaps[-1][1] == time:
                gaps[-1] = (gaps[-1][0], time + interval.ms)
            else:
                gaps.append((time, time + interval.ms))
        return gaps


class Scene:
    """A market service with what it stands on, and the bars it has announced."""

    def __init__(self, clock: LockstepClock, warmup: dict[Interval, int]) -> None:
        self.clock = clock
        self.exchange = CandleExchange(clock)
        self.store = CandleStore()
        self.service = MarketService(
            cast(ExchangePort, self.exchange),
            cast(Candles, self.store),
            clock,
            symbols=["BTCUSDT"],
            warmup_bars=warmup,
        )

    async def backfill(self) -> None:
        await self.service.start(lambda text: None)

    def announced(self) -> list[Candle]:
        """What was passed on since the last look, oldest first."""
        queue, bars = self.service._closed, list[Candle]()
        while not queue.empty():
            bars.append(queue.get_nowait())
        return bars

    def opens(self) -> list[int]:
        """Open times of the announced 15m bars, counted in bars from the start."""
        return [
            (bar.open_time_ms - START_MS) // bar.interval.ms
            for bar in self.announced()
            if bar.interval is Interval.M15
        ]


def play(
    scene: Callable[[Scene], Awaitable[T]], warmup: dict[Interval, int] | None = None
) -> T:
    """Play a scene that begins at :data:`START_MS`."""
    kinds = warmup or {Interval.M15: 20, Interval.H1: 5}
    return in_lockstep(lambda clock: scene(Scene(clock, kinds)), START_MS)


def bar(number: int, **changed: object) -> Candle:
    """The 15m bar of a number, counted from the start."""
    return candle(START_MS + number * Interval.M15.ms, Interval.M15, **changed)
