"""Another exchange's market, mirrored: its prices, trades and bars as they happen.

The source is handed in: whoever starts the simulator has a client of an exchange. Nothing of
its wire is known here.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, UsageError
from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.market import (
    BookTop,
    CandleUpdate,
    InstrumentChanged,
    MarketEvent,
    MarketTrade,
    MarkPrice,
    StreamInterrupted,
    StreamRestored,
)
from rusy_tui.domain.money import ZERO
from rusy_tui.simulator.candles import Bar, bar_of
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds import Print, Step
from rusy_tui.simulator.feeds.contracts import as_written
from rusy_tui.simulator.liquidity import MirroredLiquidity
from rusy_tui.simulator.market import SETTLING, TRADING

INTERVALS = (Interval.M1, Interval.M15, Interval.H1)
HISTORY_BARS = 1500
"""Bars of each interval that are asked for at the start: more than any warm-up needs."""

_REPAIR_BARS = 499
_LATE_S = 5.0
"""A bar that the source has not ended so long after its time is asked for, wall time."""

_TRY_AGAIN_S = 2.0


class Source(Protocol):
    """What is needed of the exchange that is mirrored. Reads raise ExchangeError."""

    def exchange_ms(self) -> int:
        """Its time now, ms."""

    async def instruments(self) -> Mapping[str, Instrument]:
        """Every contract by symbol."""

    async def candles(
        self, symbol: str, interval: Interval, start_ms: int, end_ms: int, limit: int
    ) -> Sequence[Candle]:
        """Candles by open time in [start, end], ascending; the last may be forming."""

    async def book_top(self, symbol: str) -> BookTop:
        """The best bid and ask."""

    async def mark_price(self, symbol: str) -> MarkPrice:
        """Mark price and the next funding."""

    async def run_market_streams(
        self,
        symbols: Sequence[str],
        intervals: Sequence[Interval],
        sink: Callable[[MarketEvent], None],
    ) -> None:
        """Deliver market events until cancelled, reconnecting for ever."""


class MirrorFeed:
    """A market as its source shows it at a moment; :class:`Mirroring` keeps up with it.

    Use :meth:`open`.
    """

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        start_ms: int,
        candles: Mapping[tuple[str, Interval], Sequence[Candle]],
        tops: Mapping[str, BookTop],
        marks: Mapping[str, MarkPrice],
        seed: int,
    ) -> None:
        self._instruments = instruments
        self._start_ms = start_ms
        self.candles = candles
        self.tops = tops
        self.marks = dict(marks)
        self._rates: dict[tuple[str, int], Decimal] = {}
        self._liquidity = {
            symbol: MirroredLiquidity(seed, instrument)
            for symbol, instrument in instruments.items()
        }

    @classmethod
    async def open(cls, source: Source, symbols: Sequence[str], seed: int) -> "MirrorFeed":
        """Read what the market is and was.

        Args:
            source: connected.
            symbols: the contracts to mirror.
            seed: of what stands behind the best prices.

        Raises:
            UsageError: the source does not trade one of the symbols.
            ExchangeError: it does not answer.
        """
        listed = await source.instruments()
        for symbol in symbols:
            if symbol not in listed or not listed[symbol].trading:
                raise UsageError(
                    f"--symbols {symbol}: the mirrored exchange does not trade it; name "
                    "contracts that it lists"
                )
        now_ms = source.exchange_ms()
        candles: dict[tuple[str, Interval], Sequence[Candle]] = {}
        tops: dict[str, BookTop] = {}
        marks: dict[str, MarkPrice] = {}
        for symbol in symbols:
            for interval in INTERVALS:
                first_ms = interval.floor(now_ms) - (HISTORY_BARS - 1) * interval.ms
                candles[symbol, interval] = await source.candles(
                    symbol, interval, first_ms, now_ms, HISTORY_BARS
                )
            tops[symbol] = await source.book_top(symbol)
            marks[symbol] = await source.mark_price(symbol)
        instruments = {symbol: as_written(listed[symbol]) for symbol in symbols}
        # Time went on while it was read, and bars may have ended.
        return cls(instruments, source.exchange_ms(), candles, tops, marks, seed)

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._instruments

    @property
    def start_ms(self) -> int:
        return self._start_ms

    @property
    def end_ms(self) -> int | None:
        return None

    @property
    def update_ms(self) -> int:
        return 1000

    def history(self, symbol: str, interval: Interval) -> Sequence[Candle]:
        """The source's closed bars."""
        return [candle for candle in self.candles[symbol, interval] if candle.closed]

    def deep_past(self, symbol: str) -> None:
        """:meth:`history` is all there is."""

    def funding_rate(self, symbol: str, funding_time_ms: int) -> Decimal:
        """The rate the source last announced for that time; for others its latest."""
        return self._rates.get((symbol, funding_time_ms), self.marks[symbol].funding_rate)

    def show_mark(self, mark: MarkPrice) -> None:
        """Take the mark price, and the funding it announces."""
        self.marks[mark.symbol] = mark
        self._rates[mark.symbol, mark.next_funding_ms] = mark.funding_rate

    def liquidity(self, symbol: str) -> MirroredLiquidity:
        """The source's best prices, and invented levels behind them."""
        return self._liquidity[symbol]

    def next_step(self) -> Step | None:
        """Nothing is known ahead."""
        return None


class Mirroring:
    """Keeps a simulated exchange like its source.

    Trades, best prices, marks and bars are taken as they come. What was missed while a stream
    was cut is never invented: bars are asked for anew, trades of that span fill nothing.

    Args:
        source: connected.
        feed: opened from it; the exchange plays it.
        exchange: what is kept.
        clock: of the exchange; its market time runs as the source's.
    """

    def __init__(
        self, source: Source, feed: MirrorFeed, exchange: SimulatedExchange, clock: Clock
    ) -> None:
        self._source = source
        self._feed = feed
        self._exchange = exchange
        self._clock = clock
        self._events: asyncio.Queue[MarketEvent] = asyncio.Queue()
        self._changed: asyncio.Queue[str] = asyncio.Queue()
        self._missing: dict[tuple[str, Interval], None] = {}
        self._something_missing = asyncio.Event()
        for symbol in feed.instruments:
            for interval in INTERVALS:
                forming = [c for c in feed.candles[symbol, interval] if not c.closed]
                if forming:
                    exchange.markets[symbol].series[interval].take(
                        bar_of(forming[-1], exchange.markets[symbol].instrument)
                    )
            self._take(feed.tops[symbol])
            self._take(feed.marks[symbol])

    async def run(self) -> None:
        """Mirror until cancelled."""
        async with asyncio.TaskGroup() as together:
            together.create_task(
                self._source.run_market_streams(
                    tuple(self._feed.instruments), INTERVALS, self._events.put_nowait
                ),
                name="mirrored streams",
            )
            together.create_task(self._take_events(), name="mirrored events")
            together.create_task(self._repair(), name="mirrored bars")
            together.create_task(self._reread(), name="mirrored contracts")
            together.create_task(self._watch_minutes(), name="minutes")

    def _now_ms(self) -> int:
        return max(self._exchange.played_ms, self._clock.market_ms())

    async def _take_events(self) -> None:
        while True:
            event = await self._events.get()
            self._take(event)

    def _take(self, event: MarketEvent) -> None:
        exchange, now_ms = self._exchange, self._now_ms()
        match event:
            case MarketTrade(symbol, price, quantity, buyer_is_maker, _, trades):
                bought = ZERO if buyer_is_maker else quantity
                printed = Print(symbol, price, quantity, bought, trades)
                exchange.apply(Step(now_ms, (printed,)))
            case BookTop(symbol):
                self._feed.liquidity(symbol).show(event)
                exchange.mirrored.top(symbol, now_ms)
            case MarkPrice(symbol, price, _, next_funding_ms):
                self._feed.show_mark(event)
                exchange.mirrored.mark(symbol, price, next_funding_ms, now_ms)
            case CandleUpdate(candle):
                self._take_bar(candle)
            case StreamRestored():
                self._ask_for(self._series())
            case InstrumentChanged(symbol):
                self._changed.put_nowait(symbol)
            case StreamInterrupted():
                pass  # what it may have missed is asked for when it is restored

    def _take_bar(self, candle: Candle, *, jump: bool = False) -> None:
        """Take a bar, told or read; what is missing before it is asked for first.

        Args:
            candle: of the source.
            jump: the source itself has nothing in between.
        """
        symbol, interval = candle.symbol, candle.interval
        bar = bar_of(candle, self._exchange.markets[symbol].instrument)
        forming = self._forming(symbol, interval)
        if forming is not None and not jump and bar.open_time_ms > forming.open_time_ms:
            self._ask_for([(symbol, interval)])
            return
        if forming is not None and bar.open_time_ms == forming.open_time_ms:
            # Read while the stream went on: it has told more already.
            if not candle.closed and bar.volume < forming.volume:
                return
        elif forming is not None and bar.open_time_ms < forming.open_time_ms:
            return
        self._exchange.mirrored.bar(symbol, interval, bar, self._now_ms(), closed=candle.closed)

    def _forming(self, symbol: str, interval: Interval) -> Bar | None:
        return self._exchange.markets[symbol].series[interval].forming

    # ── what was missed ───────────────────────────────────────────────────────────────

    def _series(self) -> list[tuple[str, Interval]]:
        return [(symbol, each) for symbol in self._feed.instruments for each in INTERVALS]

    def _ask_for(self, series: Sequence[tuple[str, Interval]]) -> None:
        self._missing.update(dict.fromkeys(series))
        if self._missing:
            self._something_missing.set()

    async def _repair(self) -> None:
        while True:
            await self._something_missing.wait()
            self._something_missing.clear()
            for symbol, interval in list(self._missing):
                try:
                    whole = await self._read_bars(symbol, interval)
                except ExchangeError:
                    # Its own client has said why. Nothing is lost: it is asked again.
                    whole = False
                if whole:
                    self._missing.pop((symbol, interval), None)
            if self._missing:
                await self._clock.sleep(_TRY_AGAIN_S)
                self._something_missing.set()

    async def _read_bars(self, symbol: str, interval: Interval) -> bool:
        """Take what the source has from the forming bar on; whether that was all."""
        forming = self._forming(symbol, interval)
        now_ms = self._source.exchange_ms()
        start_ms = interval.floor(now_ms) if forming is None else forming.open_time_ms
        candles = await self._source.candles(symbol, interval, start_ms, now_ms, _REPAIR_BARS)
        for candle in candles:
            self._take_bar(candle, jump=True)
        return len(candles) < _REPAIR_BARS and not self._is_late(symbol, interval)

    def _is_late(self, symbol: str, interval: Interval) -> bool:
        """Whether a bar should have ended a while ago and has not."""
        forming = self._forming(symbol, interval)
        late_ms = _LATE_S * 1000
        return (
            forming is not None
            and forming.open_time_ms + interval.ms + late_ms <= self._source.exchange_ms()
        )

    async def _watch_minutes(self) -> None:
        """Pay funding at its time; ask for bars that nobody told the end of."""
        boundary_ms = Interval.M1.floor(self._now_ms())
        while True:
            # One after the other, also after the machine has slept: none is left out.
            boundary_ms += Interval.M1.ms
            await self._clock.sleep_until_market(boundary_ms)
            self._exchange.close_bars(boundary_ms)
            await self._clock.sleep(_LATE_S)
            self._ask_for([each for each in self._series() if self._is_late(*each)])

    async def _reread(self) -> None:
        """Take contracts that changed as they now are; until the source answers, as before."""
        while True:
            symbol = await self._changed.get()
            try:
                listed = await self._source.instruments()
            except ExchangeError:
                await self._clock.sleep(_TRY_AGAIN_S)
                self._changed.put_nowait(symbol)
                continue
            if symbol in listed and symbol in self._feed.instruments:
                self._change(listed[symbol])

    def _change(self, listed: Instrument) -> None:
        instrument = as_written(listed)
        fields = msgspec.structs.asdict(instrument)
        symbol, trading = fields.pop("symbol"), fields.pop("trading")
        self._feed.liquidity(symbol).change(instrument)
        status = TRADING if trading else SETTLING
        self._exchange.change_instrument(symbol, status=status, **fields)
