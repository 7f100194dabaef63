"""The market as the adapter's events tell it, and as the exchange has it."""

import asyncio
from collections import Counter
from decimal import Decimal

import msgspec

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import ExchangeError, UnreachableError
from rusy_tui.domain.market import (
    BookTop,
    CandleUpdate,
    MarketEvent,
    MarkPrice,
    StreamInterrupted,
    StreamRestored,
)
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.simulator.core import SimulatedExchange
from tests.faults.view import SYMBOL
from tests.simulator.support import START_MS

_REPAIR_AFTER_S = 3.0
"""So long a bar's end is waited for before the exchange is asked."""

_AGAIN_S = 0.5
_INTERVAL = Interval.M1


class MarketState(msgspec.Struct, frozen=True):
    """What is compared: closed bars by opening time, and the best prices."""

    closes: dict[int, tuple[float, float]]
    bid: Decimal
    ask: Decimal


def market_truth(exchange: SimulatedExchange) -> MarketState:
    """The exchange's own."""
    market = exchange.markets[SYMBOL]
    best = market.book.best()
    return MarketState(
        {
            bar.open_time_ms: (float(bar.close), float(bar.volume))
            for bar in market.series[_INTERVAL].closed
        },
        best.bid,
        best.ask,
    )


class MarketView:
    """Folds events, and asks for bars that may be missing."""

    def __init__(self, exchange: BinanceExchange, clock: LockstepClock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._bars: dict[int, Candle] = {}
        self._top: BookTop | None = None
        self.mark: MarkPrice | None = None
        self._newest_ms = 0
        self._doubtful = asyncio.Event()
        self.ends: Counter[int] = Counter()
        """How often the end of each bar was told, by its opening time."""
        self.repaired = 0
        self.interrupted: Counter[str] = Counter()

    def sink(self, event: MarketEvent) -> None:
        """Take one event."""
        match event:
            case CandleUpdate(candle=candle):
                self._see(candle)
            case BookTop():
                if self._top is None or event.event_ms >= self._top.event_ms:
                    self._top = event
            case MarkPrice():
                self.mark = event
            case StreamRestored():
                self._doubtful.set()
            case StreamInterrupted(route=route):
                self.interrupted[route] += 1

    def _see(self, candle: Candle) -> None:
        opened_ms = candle.open_time_ms
        if candle.closed:
            self.ends[opened_ms] += 1
            self._bars[opened_ms] = candle
        if opened_ms > self._newest_ms:
            self._newest_ms = opened_ms
            if opened_ms - _INTERVAL.ms not in self._bars:
                self._doubtful.set()

    async def keep(self) -> None:
        """Ask for what may be missing, until cancelled."""
        while True:
            await self._doubtful.wait()
            await self._clock.sleep(_REPAIR_AFTER_S)
            self._doubtful.clear()
            try:
                now_ms = self._exchange.exchange_ms()
                bars = await self._exchange.candles(SYMBOL, _INTERVAL, START_MS, now_ms, 99)
            except (ExchangeError, UnreachableError):
                await self._clock.sleep(_AGAIN_S)
                self._doubtful.set()
                continue
            for bar in bars:
                if bar.closed and bar.open_time_ms not in self._bars:
                    self._bars[bar.open_time_ms] = bar
                    self.repaired += 1

    @property
    def state(self) -> MarketState:
        """The market as it is believed to be."""
        assert self._top is not None
        return MarketState(
            {
                opened_ms: (bar.close, bar.volume)
                for opened_ms, bar in sorted(self._bars.items())
                if opened_ms >= START_MS
            },
            self._top.bid,
            self._top.ask,
        )
