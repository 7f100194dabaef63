"""What is kept of a market beside its candles: funding, mark prices, open interest, ticks, and
the microstructure that the streams tell of each bar.

New rows are asked for when they are due: after each bar's close, after each funding time. The
past comes beside that, one page at a time, newest first, symbols in turn, behind all other
requests. A table has no hole between its oldest and its newest row but where the exchange has
none: new rows are added in their order, pages of the past each before the one that was stored
last. So after any end the table itself says what is missing.

A failure is said, once, and what failed is tried again for ever; nobody waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, StorageError, UnreachableError
from rusy_tui.domain.market import InstrumentChanged, MarketEvent, MarkPrice
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.lanes import Funding, Lane, Marks, OpenInterests
from rusy_tui.market.microstructure import Microstructure
from rusy_tui.store.market_data import MarketData

log = structlog.get_logger("market")
Say = Callable[[str], None]

INTERVALS = (Interval.M15, Interval.H1)
# How long after a start nothing is asked for, wall seconds: what trading needs is read then.
SETTLED_S = 30.0
# How long after a bar's end its rows are asked for, wall seconds; candles are asked for before.
AFTER_CLOSE_S = 5.0
# What is not there yet is asked for again after these, and then at the next close.
AGAIN_S = (10.0, 60.0, 240.0)
# Pauses after a failure double up to this, wall seconds.
LONGEST_PAUSE_S = 60.0
# The past leaves a half of the weight to what trading asks.
SHARE = 0.5
LOOK_AGAIN_S = 1.0
DAY_MS = 86_400_000
_FAILURES = (ExchangeError, UnreachableError, StorageError)


class Extras:
    """Keeps the tables beside the candles whole. :meth:`run` for ever, and :meth:`see` events.

    Args:
        exchange: that is asked; connected.
        data: one venue's tables.
        clock: for waiting.
        symbols: of which rows are kept.
        lookback_days: how far back; 0 for no past at all.
        say: told when something fails, and when it goes on; None for the log.
    """

    def __init__(
        self,
        exchange: ExchangePort,
        data: MarketData,
        clock: Clock,
        symbols: Sequence[str],
        *,
        lookback_days: int,
        say: Say | None = None,
    ) -> None:
        self._exchange = exchange
        self._data = data
        self._clock = clock
        self._symbols = tuple(symbols)
        self._lookback_ms = lookback_days * DAY_MS
        self._say = say or (lambda text: log.warning("extras", why=text))
        self._funding = {
            symbol: Funding(exchange, data.funding_rates, symbol) for symbol in symbols
        }
        self._lanes: tuple[Lane[Any], ...] = (
            *(
                Marks(exchange, data.mark_prices, symbol, interval)
                for interval in INTERVALS
                for symbol in symbols
            ),
            *(OpenInterests(exchange, data.open_interest, symbol) for symbol in symbols),
            *self._funding.values(),
        )
        self._troubles: set[str] = set()
        self._ticks_of_day = -1
        self._microstructure = Microstructure(
            exchange, data.microstructure, clock, symbols, self._say
        )

    def see(self, event: MarketEvent) -> None:
        """Take an event of the market streams: every one, and without waiting."""
        self._microstructure.see(event)
        if isinstance(event, MarkPrice):
            lane = self._funding.get(event.symbol)
            if lane is not None:
                lane.announced(event.next_funding_ms)
        elif isinstance(event, InstrumentChanged):
            self._ticks_of_day = -1

    async def run(self) -> None:
        """Keep all tables up to date, and fill in their past."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._microstructure.run())
            await self._clock.sleep(SETTLED_S)
            began = asyncio.Event()
            group.create_task(self._keep_new(began))
            if self._lookback_ms:
                await began.wait()
                group.create_task(self._history())

    # ── what is new ───────────────────────────────────────────────────────────────────

    async def _keep_new(self, began: asyncio.Event) -> None:
        while True:
            for pause_s in (*AGAIN_S, 0.0):
                whole = await self._add_new()
                began.set()
                if whole or not pause_s:
                    break
                await self._clock.sleep(pause_s)
            now_ms = self._exchange.exchange_ms()
            next_ms = Interval.M15.floor(now_ms) + Interval.M15.ms
            await self._clock.sleep_until_market(self._clock.market_ms() + next_ms - now_ms)
            await self._clock.sleep(AFTER_CLOSE_S)

    async def _add_new(self) -> bool:
        """Ask for all that is due; whether all of it is there."""
        whole = await self._once("ticks", self._note_ticks()) is not None
        for lane in self._lanes:
            # One that fails keeps nobody from the others.
            whole &= await self._once(lane.name, self._add_to(lane)) is True
        return whole

    async def _add_to(self, lane: Lane[Any]) -> bool:
        now_ms = self._exchange.exchange_ms()
        due_ms = lane.due_ms(now_ms)
        if lane.newest_ms is None:
            bounds = await lane.series.bounds_ms(lane.symbol, lane.interval)
            # With nothing on record the newest page is where the past goes on from.
            first_ms = now_ms - min(lane.page_ms, max(self._lookback_ms, DAY_MS))
            lane.newest_ms = bounds[1] if bounds else first_ms
        elif lane.newest_ms >= due_ms:
            return True
        from_ms = max(lane.newest_ms, lane.oldest_ms(now_ms)) + 1
        end_ms = lane.end_ms(now_ms)
        while from_ms < end_ms:
            until_ms = min(from_ms + lane.page_ms, end_ms)
            rows = await self._store(lane, from_ms, until_ms)
            if rows:
                lane.newest_ms = lane.time_ms(rows[-1])
            # Without any, the exchange has none of so long ago, or not yet.
            from_ms = until_ms
        return lane.newest_ms >= due_ms

    async def _note_ticks(self) -> bool:
        """Which steps of the price the contracts have today."""
        now_ms = self._exchange.exchange_ms()
        if now_ms // DAY_MS == self._ticks_of_day:
            return True
        instruments = await self._exchange.instruments()
        for symbol in self._symbols:
            if (one := instruments.get(symbol)) is not None:
                await self._data.ticks.note(symbol, float(one.tick_size), now_ms)
        self._ticks_of_day = now_ms // DAY_MS
        return True

    # ── what was ──────────────────────────────────────────────────────────────────────

    async def _history(self) -> None:
        """Page by page, each lane's in turn, until all have what the exchange has."""
        oldest_ms = self._exchange.exchange_ms() - self._lookback_ms
        left = [_Past(lane, oldest_ms) for lane in self._lanes]
        pause_s = 1.0
        while left:
            failed = 0
            for past in list(left):
                await self._leave_room()
                over = await self._once(past.lane.name, self._page(past))
                failed += over is None
                if over:
                    left.remove(past)
            if failed:
                await self._clock.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                pause_s = 1.0
        log.info("extras", what="the past is whole")

    async def _page(self, past: "_Past") -> bool:
        """Add the page before the oldest row; whether there is no more."""
        lane = past.lane
        if past.until_ms is None:
            bounds = await lane.series.bounds_ms(lane.symbol, lane.interval)
            until_ms = bounds[0] if bounds else lane.end_ms(self._exchange.exchange_ms())
            past.from_ms = await lane.first_ms(past.from_ms, until_ms)
            past.until_ms = until_ms
        if past.until_ms <= past.from_ms:
            return True
        from_ms = max(past.from_ms, past.until_ms - lane.page_ms)
        await self._store(lane, from_ms, past.until_ms)
        past.until_ms = from_ms
        return False

    async def _leave_room(self) -> None:
        while True:
            status = self._exchange.status()
            if status.weight_used < status.weight_limit * SHARE:
                return
            await self._clock.sleep(LOOK_AGAIN_S)

    # ── both ──────────────────────────────────────────────────────────────────────────

    async def _store(self, lane: Lane[Any], from_ms: int, until_ms: int) -> Sequence[Any]:
        """Ask for rows of [from, until) and write them, all or none."""
        rows = await lane.read(from_ms, until_ms)
        sound = [row for row in rows if lane.is_sound(row)]
        if len(sound) < len(rows):
            odd = [row for row in rows if not lane.is_sound(row)]
            log.warning("rows set aside", what=lane.name, count=len(odd), first=repr(odd[0]))
        await lane.series.store(sound)
        return rows

    async def _once(self, name: str, work: Awaitable[bool]) -> bool | None:
        """What comes of it; None when it failed, which is said once for all that fail."""
        try:
            done = await work
        except _FAILURES as error:
            if not self._troubles:
                self._say(f"{name} not kept, trying again: {error}")
            if name not in self._troubles:
                log.info("extras", what=name, why=str(error))
                self._troubles.add(name)
            return None
        if name in self._troubles:
            self._troubles.discard(name)
            if not self._troubles:
                self._say(f"{name}, and whatever else was not kept: goes on")
        return done


class _Past:
    """How far back a lane has come. ``until_ms`` None: nobody has looked yet."""

    def __init__(self, lane: Lane[Any], from_ms: int) -> None:
        self.lane = lane
        self.from_ms = from_ms
        self.until_ms: int | None = None
