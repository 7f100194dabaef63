"""An exchange with a long past, tables in memory, and a backfill between them."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import TypeVar, cast

import msgspec
import numpy as np

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.account import ExchangeStatus
from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import ExchangeError
from rusy_tui.domain.history import Cure, Finding, FindingKind
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.backfill import Backfill
from rusy_tui.store.candles import Stored
from rusy_tui.store.market_data import MarketData
from tests.lockstep import in_lockstep
from tests.market.row import START_MS, CandleExchange, CandleStore, candle

T = TypeVar("T")
STEP = Interval.M15.ms
LANES = (("BTCUSDT", Interval.M15), ("BTCUSDT", Interval.H1))


class PastExchange(CandleExchange):
    """Its candles begin at ``first_ms``; ``odd`` ones are given ``odd_times`` times."""

    def __init__(self, clock: LockstepClock, first_ms: int) -> None:
        super().__init__(clock)
        self.first_ms = first_ms
        self.odd_times = 1_000_000
        # What is given of an hour: one after the other, the last for ever.
        self.hours_given: dict[int, list[Candle]] = {}
        self.refusal: ExchangeError | None = None
        self.weight_used = 0
        self.under_way = 0
        self.most_under_way = 0

    def status(self) -> ExchangeStatus:
        return ExchangeStatus(
            weight_used=self.weight_used,
            weight_limit=2400,
            waiting=0,
            closed_for_s=0.0,
            offset_ms=0,
            offset_error_ms=0,
            offset_age_s=0.0,
        )

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
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.refusal is not None:
                raise self.refusal
            first_ms = -(-max(start_ms, self.first_ms) // interval.ms) * interval.ms
            while first_ms in self.missing:
                first_ms += interval.ms
            rows = await super().candles(symbol, interval, first_ms, end_ms, limit)
            if interval is not Interval.H1:
                return rows
            return [self._hour(row) for row in rows]
        finally:
            self.under_way -= 1

    def _hour(self, row: Candle) -> Candle:
        """The hour that its quarters make, unless it is an odd one."""
        odd = self.hours_given.get(row.open_time_ms)
        if odd:
            return odd.pop(0) if len(odd) > 1 else odd[0]
        parts = [candle(row.open_time_ms + n * STEP) for n in range(4)]
        return msgspec.structs.replace(
            row,
            open=parts[0].open,
            high=max(part.high for part in parts),
            low=min(part.low for part in parts),
            close=parts[-1].close,
            volume=40.0,
            quote_volume=4000.0,
            trades=20.0,
            taker_buy_volume=16.0,
        )

    async def bars(
        self,
        symbol: str,
        interval: Interval,
        start_ms: int,
        end_ms: int,
        limit: int,
        *,
        backfill: bool = False,
    ) -> Bars:
        rows = await self.candles(symbol, interval, start_ms, end_ms, limit)
        if any(row.open_time_ms in self.odd for row in rows):
            self.odd_times -= 1
            if not self.odd_times:
                self.odd.clear()
        return Bars.of(interval, [row for row in rows if row.closed])


class Tables(CandleStore):
    """Candles by the column, and findings."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[tuple[str, Interval | None, int, FindingKind], Finding] = {}
        self.pages: list[tuple[str, Interval, int, int]] = []
        # Whether a bar may come twice.
        self.again = False

    @property
    def candles(self) -> "Tables":
        return self

    @property
    def findings(self) -> "Tables":
        return self

    async def store_bars(
        self, symbol: str, bars: Bars, source: str, *, notify: bool = False
    ) -> Stored:
        assert (np.diff(bars.open_time_ms) > 0).all()
        for row, open_ms in enumerate(bars.open_time_ms.tolist()):
            values = {name: float(getattr(bars, name)[row]) for name in COLUMNS}
            made = candle(open_ms, bars.interval, symbol=symbol, **values)
            once = (symbol, bars.interval, open_ms) not in self.rows
            assert once or self.again, "fetched twice"
            self.rows[symbol, bars.interval, open_ms] = made
        if len(bars):
            first_ms, last_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1])
            self.pages.append((symbol, bars.interval, first_ms, last_ms + bars.interval.ms))
        return Stored(len(bars), (), 0)

    async def missing(
        self, symbol: str, interval: Interval, from_ms: int, until_ms: int
    ) -> list[tuple[int, int]]:
        # The span may begin in 1970.
        step = interval.ms
        have = [
            time
            for name, kind, time in sorted(self.rows)
            if (name, kind) == (symbol, interval) and from_ms <= time < until_ms
        ]
        around = [from_ms - step, *have, until_ms]
        return [(a + step, b) for a, b in pairwise(around) if b > a + step]

    async def range(self, symbol: str, interval: Interval, from_ms: int, until_ms: int) -> Bars:
        opens = [time for time in self.opens(interval) if from_ms <= time < until_ms]
        return Bars.of(interval, [self.rows[symbol, interval, time] for time in opens])

    async def keep(self, findings: Sequence[Finding]) -> int:
        for each in findings:
            self.found[each.symbol, each.interval, each.open_time_ms, each.kind] = each
        return len(findings)

    async def listed(
        self,
        symbol: str | None = None,
        interval: Interval | None = None,
        *,
        kinds: Sequence[FindingKind] | None = None,
        cures: Sequence[Cure] | None = None,
    ) -> list[Finding]:
        return [
            each
            for each in self.found.values()
            if (symbol, interval) in ((each.symbol, each.interval), (None, None))
            and (kinds is None or each.kind in kinds)
            and (cures is None or each.cure in cures)
        ]


class Past:
    """A backfill with what it stands on. ``said`` is what it told."""

    def __init__(self, clock: LockstepClock, bars: int) -> None:
        self.clock = clock
        self.first_ms = START_MS - bars * STEP
        self.exchange = PastExchange(clock, self.first_ms)
        self.tables = Tables()
        self.said: list[str] = []

    def backfill(
        self,
        lanes: Sequence[tuple[str, Interval]] = LANES,
        *,
        lookback_days: int | None = None,
        share: float = 1.0,
        calls_at_once: int = 4,
    ) -> Backfill:
        return Backfill(
            cast(ExchangePort, self.exchange),
            cast(MarketData, self.tables),
            self.clock,
            lanes,
            lookback_days=lookback_days,
            share=share,
            calls_at_once=calls_at_once,
            say=self.said.append,
        )

    def numbers(self, interval: Interval = Interval.M15) -> list[int]:
        """Which bars are stored, counted from the exchange's first."""
        return [(time - self.first_ms) // interval.ms for time in self.tables.opens(interval)]

    def finding(self, number: int, kind: FindingKind) -> Finding:
        """The one about a 15m bar, counted from the first."""
        open_ms = self.first_ms + number * STEP
        return self.tables.found["BTCUSDT", Interval.M15, open_ms, kind]

    def asked(self, interval: Interval = Interval.M15) -> list[tuple[int, int]]:
        """Spans of the exchange's calls, in bars from its first."""
        return [
            ((from_ms - self.first_ms) // STEP, (until_ms - self.first_ms) // STEP)
            for kind, from_ms, until_ms in self.exchange.calls
            if kind is interval
        ]


def play(scene: Callable[[Past], Awaitable[T]], bars: int = 1200) -> T:
    """Play a scene at an exchange that has so many quarters of an hour."""
    return in_lockstep(lambda clock: scene(Past(clock, bars)), START_MS)


def broken(open_ms: int) -> Candle:
    """A candle whose high is below its open."""
    return msgspec.structs.replace(candle(open_ms), high=1.0)
