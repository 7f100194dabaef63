"""The market service: backfill, live bars, gaps, and the windows that models read.

Closed bars reach the rest of the engine through :meth:`MarketService.closed`, in order, each
once, and only when they are stored and nothing is missing before them.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import structlog

from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, StorageError, UnreachableError
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.sequence import Known, Missing, Next, place
from rusy_tui.market.source import Progress
from rusy_tui.market.validation import absent_made_nan, fault_of
from rusy_tui.store.candles import Candles

log = structlog.get_logger("market")

# 499 rows weigh 2, 1000 weigh 5: this call size gets the most rows for its weight.
ROWS_A_CALL = 499
# How long after a bar's end its closing event may take before REST is asked, wall seconds.
CLOSE_GRACE_S = 2.0
# A candle that the exchange has not closed yet is asked for again after this, wall seconds,
# and this often before it waits for the next close.
RETRY_S = 1.0
RETRIES = 10


class MarketService:
    """Keeps the candles of all configured pairs whole."""

    def __init__(
        self,
        exchange: ExchangePort,
        candles: Candles,
        clock: Clock,
        *,
        symbols: Sequence[str],
        warmup_bars: Mapping[Interval, int],
    ) -> None:
        self._exchange = exchange
        self._candles = candles
        self._clock = clock
        self._symbols = tuple(symbols)
        self._warmup = dict(warmup_bars)
        self._last: dict[tuple[str, Interval], int] = {}
        self._received: asyncio.Queue[Candle] = asyncio.Queue()
        self._closed: asyncio.Queue[Candle] = asyncio.Queue()
        self._waiters: list[tuple[str, Interval, int, asyncio.Future[None]]] = []
        self._lanes: dict[tuple[str, Interval], asyncio.Lock] = {
            (symbol, interval): asyncio.Lock()
            for symbol in self._symbols
            for interval in self._warmup
        }
        self.quarantined = 0

    async def start(self, progress: Progress) -> None:
        """Fetch and store the bars that the models need before they may score.

        Raises:
            ExchangeError: when the exchange refuses a read.
            StorageError: when the database is lost.
        """
        now_ms = self._exchange.exchange_ms()
        for symbol in self._symbols:
            for interval, bars in self._warmup.items():
                progress(f"fetching candles: {symbol} {interval}")
                until_ms = interval.floor(now_ms)
                from_ms = until_ms - bars * interval.ms
                gaps = await self._candles.missing(symbol, interval, from_ms, until_ms)
                for gap_from_ms, gap_until_ms in gaps:
                    await self._fetch(
                        symbol, interval, gap_from_ms, gap_until_ms, announce=False
                    )
                last = await self._candles.last_open_ms(symbol, interval)
                if last is not None:
                    self._last[symbol, interval] = last

    async def window(self, symbol: str, interval: Interval, until_ms: int) -> Bars:
        """The warm-up window of bars that had closed by an instant, ascending."""
        bars = self._warmup[interval]
        # The store counts by open time; one that opened before may close after.
        last_open_ms = until_ms - interval.ms
        return await self._candles.window(symbol, interval, last_open_ms + 1, bars)

    async def closed(self) -> AsyncIterator[Candle]:
        """Every closed bar, once, in order within its symbol and interval, for ever."""
        while True:
            yield await self._closed.get()

    async def run(self) -> None:
        """Write what is received, and ask for what is late, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write())
            group.create_task(self.watch_closes())

    async def _write(self) -> None:
        while True:
            candle = await self._received.get()
            try:
                await self._take(candle)
            except StorageError as error:
                # Nothing was taken: it is behind when the database is back.
                log.warning("bar not stored", why=str(error))

    def take(self, candle: Candle) -> None:
        """Take a closed candle from a stream; a second time does nothing."""
        self._received.put_nowait(candle)

    async def _take(self, candle: Candle) -> None:
        key = (candle.symbol, candle.interval)
        lane = self._lanes.get(key)
        if lane is None:
            return
        async with lane:
            step = place(self._last.get(key), candle, candle.interval)
            if isinstance(step, Missing):
                log.warning(
                    "gap",
                    symbol=candle.symbol,
                    interval=str(candle.interval),
                    from_ms=step.from_ms,
                    until_ms=step.until_ms,
                )
                await self._repair(candle.symbol, candle.interval, step)
                step = place(self._last.get(key), candle, candle.interval)
            if isinstance(step, Known):
                return
            if isinstance(step, Next):
                await self._accept([candle], source="stream", announce=True)

    async def await_bar(self, symbol: str, interval: Interval, open_ms: int) -> bool:
        """Wait until a bar is stored, asking REST when its closing event stays away.

        Returns:
            Whether it is stored; False when the exchange does not give it either.
        """
        if self._last.get((symbol, interval), -1) >= open_ms:
            return True
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((symbol, interval, open_ms, arrived))
        try:
            await self._clock.within(CLOSE_GRACE_S, asyncio.shield(arrived))
        except TimeoutError:
            await self._catch_up(symbol, interval)
        return self._last.get((symbol, interval), -1) >= open_ms

    async def catch_up(self) -> None:
        """Fetch whatever has closed since the last bars taken."""
        for lane in self._lanes:
            await self._catch_up(*lane)

    def behind(self) -> Mapping[tuple[str, Interval], int]:
        """Rows in which bars are missing that should be there: by how many ms they are late."""
        now_ms = self._exchange.exchange_ms()
        grace_ms = round(CLOSE_GRACE_S * 1000 * self._clock.speed)
        late = {
            (symbol, interval): now_ms - (last_ms + 2 * interval.ms)
            for (symbol, interval), last_ms in self._last.items()
        }
        return {lane: late_ms for lane, late_ms in late.items() if late_ms > grace_ms}

    async def _catch_up(self, symbol: str, interval: Interval) -> None:
        async with self._lanes[symbol, interval]:
            if self._is_behind(symbol, interval):
                from_ms = self._last[symbol, interval] + interval.ms
                until_ms = interval.floor(self._exchange.exchange_ms())
                await self._repair(symbol, interval, Missing(from_ms, until_ms))

    def _is_behind(self, symbol: str, interval: Interval) -> bool:
        """Whether a bar has closed after the last one taken."""
        last = self._last.get((symbol, interval))
        until_ms = interval.floor(self._exchange.exchange_ms())
        return last is not None and last + interval.ms < until_ms

    async def watch_closes(self) -> None:
        """Ask REST for each bar whose closing event is late; runs for ever.

        A closing event of a quiet symbol comes late or, across a reconnect, never.
        """
        while True:
            now_ms = self._exchange.exchange_ms()
            next_ms = Interval.M15.floor(now_ms) + Interval.M15.ms
            await self._clock.sleep_until_market(next_ms)
            await self._clock.sleep(CLOSE_GRACE_S)
            for _ in range(RETRIES):
                behind = [lane for lane in self._lanes if self._is_behind(*lane)]
                try:
                    for symbol, interval in behind:
                        await self._catch_up(symbol, interval)
                except StorageError as error:
                    # Nothing was taken: the same bars are behind when the database is back.
                    log.warning("bars not stored", why=str(error))
                if not any(self._is_behind(*lane) for lane in behind):
                    break
                await self._clock.sleep(RETRY_S)

    async def _repair(self, symbol: str, interval: Interval, gap: Missing) -> None:
        try:
            await self._fetch(symbol, interval, gap.from_ms, gap.until_ms, announce=True)
        except (ExchangeError, UnreachableError) as error:
            # The gap stays open: the next close, or watch_closes, finds and asks for it again.
            log.warning("gap not filled", symbol=symbol, why=str(error))

    async def _fetch(
        self, symbol: str, interval: Interval, from_ms: int, until_ms: int, *, announce: bool
    ) -> None:
        """Fetch bars into the row; live ones stop at a hole, which is asked for again."""
        start_ms = from_ms
        while start_ms < until_ms:
            page = await self._exchange.candles(
                symbol,
                interval,
                start_ms,
                until_ms - interval.ms,
                ROWS_A_CALL,
                backfill=not announce,
            )
            rows = [c for c in page if c.closed and start_ms <= c.open_time_ms < until_ms]
            row = _unbroken(rows, start_ms) if announce else rows
            if not row or not await self._accept(row, source="rest", announce=announce):
                return
            start_ms = row[-1].open_time_ms + interval.ms

    async def _accept(self, candles: Sequence[Candle], *, source: str, announce: bool) -> bool:
        """Validate, store, and pass on; a candle that breaks a rule ends the row there.

        Returns:
            Whether all of them were sound.
        """
        sound: list[Candle] = []
        for candle in map(absent_made_nan, candles):
            fault = fault_of(candle)
            if fault is not None:
                self.quarantined += 1
                log.error("candle refused", symbol=candle.symbol, why=fault)
                break
            sound.append(candle)
        if not sound:
            return False
        await self._candles.store(sound, source)
        for candle in sound if announce else []:
            self._last[candle.symbol, candle.interval] = candle.open_time_ms
            self._closed.put_nowait(candle)
        self._wake(sound[-1])
        return len(sound) == len(candles)

    def _wake(self, candle: Candle) -> None:
        still: list[tuple[str, Interval, int, asyncio.Future[None]]] = []
        for symbol, interval, open_ms, arrived in self._waiters:
            here = (symbol, interval) == (candle.symbol, candle.interval)
            if here and candle.open_time_ms >= open_ms:
                if not arrived.done():
                    arrived.set_result(None)
            elif not arrived.done():
                still.append((symbol, interval, open_ms, arrived))
        self._waiters = still


def _unbroken(candles: Sequence[Candle], from_ms: int) -> list[Candle]:
    """Those that follow each other without a hole from an open time on."""
    row: list[Candle] = []
    for candle in candles:
        if candle.open_time_ms != from_ms + len(row) * candle.interval.ms:
            break
        row.append(candle)
    return row
