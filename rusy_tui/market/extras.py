"""What is kept of a market beside its candles: funding, mark prices, open interest, ticks, and
the microstructure that the streams tell of each bar.

New rows are asked for when they are due: after each bar's close, after each funding time. The
past comes beside that, one page at a time, newest first, symbols in turn, behind all other
requests. What of it is missing the tables themselves say, after any end and after an import:
their holes are asked for at each start and every few hours.

What the exchange has answered for is not asked again in one run, whatever came: a hole that is
left then is the exchange's. The next run asks once more, for an exchange mends its history too,
and that costs a call or two.

A failure is said, once a table, and what failed is tried again for ever; nobody waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import structlog

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, StorageError, UnreachableError
from rusy_tui.domain.history import Cure, Finding
from rusy_tui.domain.market import InstrumentChanged, MarketEvent, MarkPrice
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.lanes import Funding, Lane, Marks, OpenInterests
from rusy_tui.market.microstructure import Microstructure
from rusy_tui.market.pages import Span, covering, without
from rusy_tui.store.market_data import MarketData

log = structlog.get_logger("market")
Say = Callable[[str, str], None]
"""Told what to say, and in which tone: as :meth:`rusy_tui.teller.Teller.say`."""

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
# How often it is looked for holes, wall seconds: an import beside this leaves some.
HOLES_EVERY_S = 6 * 3600.0
# What is younger the exchange may still have later.
SETTLED_AFTER_MS = 3_600_000
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
    """

    def __init__(
        self,
        exchange: ExchangePort,
        data: MarketData,
        clock: Clock,
        symbols: Sequence[str],
        *,
        lookback_days: int,
    ) -> None:
        self._exchange = exchange
        self._data = data
        self._clock = clock
        self._symbols = tuple(symbols)
        self._lookback_ms = lookback_days * DAY_MS
        self._say: Say = _log
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
        self._pasts = tuple(_Past(lane) for lane in self._lanes)
        # By table: what of it fails.
        self._troubles: dict[str, set[str]] = {}
        self._ticks_of_day = -1
        self._microstructure = Microstructure(exchange, data.microstructure, clock, symbols)

    def see(self, event: MarketEvent) -> None:
        """Take an event of the market streams: every one, and without waiting."""
        self._microstructure.see(event)
        if isinstance(event, MarkPrice):
            lane = self._funding.get(event.symbol)
            if lane is not None:
                lane.announced(event.next_funding_ms)
        elif isinstance(event, InstrumentChanged):
            self._ticks_of_day = -1

    async def run(self, say: Say | None = None) -> None:
        """Keep all tables up to date, and fill in their past.

        Args:
            say: told when something fails, and when it goes on; None for the log alone.
        """
        self._say = say or _log
        async with asyncio.TaskGroup() as group:
            group.create_task(self._microstructure.run(self._say))
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
        whole = await self._once("ticks", "ticks", self._note_ticks()) is not None
        for lane in self._lanes:
            # One that fails keeps nobody from the others.
            whole &= await self._once(lane.table, lane.name, self._add_to(lane)) is True
        return whole

    async def _add_to(self, lane: Lane[Any]) -> bool:
        now_ms = self._exchange.exchange_ms()
        due_ms = lane.due_ms(now_ms)
        newest_ms = lane.newest_ms
        if newest_ms is None:
            newest_ms = await self._look(lane)
        elif newest_ms >= due_ms:
            return True
        from_ms = max(newest_ms + lane.step_ms, lane.oldest_ms(now_ms))
        end_ms = lane.end_ms(now_ms)
        while from_ms < end_ms:
            until_ms = min(from_ms + lane.page_ms, end_ms)
            rows = await self._store(lane, from_ms, until_ms)
            if rows:
                lane.newest_ms = newest_ms = lane.time_ms(rows[-1])
            # Without any, the exchange has none of so long ago, or not yet.
            from_ms = until_ms
        return newest_ms >= due_ms

    async def _look(self, lane: Lane[Any]) -> int:
        """From where on rows are new: after the last one known, a page back at most."""
        if lane.broken is not None:
            kept = await self._data.findings.listed(
                lane.symbol, lane.interval, kinds=[lane.broken], cures=[Cure.QUARANTINED]
            )
            lane.set_aside = {each.open_time_ms: each for each in kept}
        now_ms = self._exchange.exchange_ms()
        bounds = await lane.series.bounds_ms(lane.symbol, lane.interval)
        back_ms = min(lane.page_ms, max(self._lookback_ms, DAY_MS))
        first_ms = lane.floor(now_ms - back_ms)
        lane.newest_ms = first_ms if bounds is None else max(bounds[1], first_ms)
        return lane.newest_ms

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
        """Page by page, each lane's in turn, until all have what the exchange has; for ever."""
        pause_s = 1.0
        while True:
            failed = False
            for past in self._pasts:
                if past.again_s > self._clock.monotonic_s():
                    continue
                await self._leave_room()
                over = await self._once(past.lane.table, past.lane.name, self._page(past))
                failed |= over is None
                if over:
                    past.again_s = self._clock.monotonic_s() + HOLES_EVERY_S
            if failed:
                await self._clock.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            pause_s = 1.0
            again_s = min(past.again_s for past in self._pasts)
            await self._clock.sleep(max(0.0, again_s - self._clock.monotonic_s()))

    async def _page(self, past: "_Past") -> bool:
        """Fill the newest hole, or a page of it; whether there is no more."""
        lane = past.lane
        if past.pages is None:
            past.holes = await self._holes(past)
            past.pages = covering(past.holes, lane.page_ms)
        if past.pages:
            await self._store(lane, *past.pages[0])
            del past.pages[0]
        if past.pages:
            return False
        if past.holes:
            log.info("extras", what=lane.name, holes=len(past.holes), why="asked for all")
        past.answer(past.holes)
        past.pages, past.holes = None, []
        return True

    async def _holes(self, past: "_Past") -> list[Span]:
        """What is missing and was not asked for in this run."""
        lane, now_ms = past.lane, self._exchange.exchange_ms()
        newest_ms = lane.newest_ms
        if newest_ms is None:
            newest_ms = await self._look(lane)
        from_ms = max(now_ms - self._lookback_ms, lane.oldest_ms(now_ms))
        past.looked_ms = now_ms
        holes = without(await lane.holes(from_ms, newest_ms + 1), past.answered)
        if not holes:
            return []
        # As a rule the oldest one is of before the contract.
        begin_ms, until_ms = holes[0]
        first_ms = await lane.first_ms(begin_ms, until_ms)
        if first_ms > begin_ms:
            past.answer([(begin_ms, first_ms)])
        return [(first_ms, until_ms), *holes[1:]] if first_ms < until_ms else holes[1:]

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
        sound, found = [], list[Finding]()
        for row in rows:
            fault = lane.fault(row)
            if fault is None:
                sound.append(row)
                continue
            log.warning("row set aside", what=lane.name, why=fault, row=repr(row))
            if lane.broken is not None:
                at_ms = lane.time_ms(row)
                lane.set_aside[at_ms] = Finding(
                    symbol=lane.symbol,
                    interval=lane.interval,
                    open_time_ms=at_ms,
                    until_ms=at_ms + lane.step_ms,
                    kind=lane.broken,
                    cure=Cure.QUARANTINED,
                    detail=fault,
                    found_ms=self._clock.market_ms(),
                    candle=lane.candle(row),
                )
                found.append(lane.set_aside[at_ms])
        # First what is set aside, so that it is on record whenever this ends.
        await self._data.findings.keep(found)
        await lane.series.store(sound)
        mended = [at_ms for row in sound if (at_ms := lane.time_ms(row)) in lane.set_aside]
        await self._data.findings.keep(
            [
                msgspec.structs.replace(lane.set_aside[at_ms], cure=Cure.REFETCHED)
                for at_ms in mended
            ]
        )
        for at_ms in mended:
            del lane.set_aside[at_ms]
        return rows

    async def _once(self, table: str, name: str, work: Awaitable[bool]) -> bool | None:
        """What comes of it; None when it failed, which is said once a table."""
        troubles = self._troubles.setdefault(table, set())
        try:
            done = await work
        except _FAILURES as error:
            if not troubles:
                self._say(f"{name} not kept, trying again: {error}", "ask")
            if name not in troubles:
                log.info("extras", what=name, why=str(error))
                troubles.add(name)
            return None
        if name in troubles:
            troubles.discard(name)
            if not troubles:
                self._say(f"{table} kept again", "info")
        return done


class _Past:
    """How far a lane's past is filled: holes that are being filled, and the pages left of them.

    ``pages`` None: nobody has looked yet, or again; ``answered``: spans that the exchange was
    asked for in this run; ``looked_ms``, ``again_s``: when it was looked for holes, exchange
    time, and when it will be, monotonic.
    """

    def __init__(self, lane: Lane[Any]) -> None:
        self.lane = lane
        self.holes: list[Span] = []
        self.pages: list[Span] | None = None
        self.answered: list[Span] = []
        self.looked_ms = 0
        self.again_s = 0.0

    def answer(self, spans: Sequence[Span]) -> None:
        """The exchange was asked for these: not again, but for what it may have later."""
        young = (self.looked_ms - SETTLED_AFTER_MS, self.looked_ms + DAY_MS)
        self.answered += without(spans, [young])


def _log(text: str, tone: str) -> None:
    log.warning("extras", why=text)
