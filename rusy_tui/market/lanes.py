"""The tables beside the candles: how each one's rows are asked for, and when they are due."""

import abc
import math
from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.history import (
    Finding,
    FindingKind,
    FundingRate,
    MarkCandle,
    OpenInterest,
    payment_ms,
)
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.pages import Span
from rusy_tui.market.validation import fault_of
from rusy_tui.store.series import Series

R = TypeVar("R", bound=msgspec.Struct)

# 499 rows weigh 2, 1000 weigh 5: this call size gets the most rows for its weight.
MARK_ROWS = 499
# The most that the exchange gives at once; neither counts by its rows.
FUNDING_ROWS = 1000
INTEREST_ROWS = 500
# Most contracts pay every eight hours, some every four or every one: never less often.
_FUNDING_EVERY_MS = 8 * Interval.H1.ms
# The exchange keeps a month, and refuses a question for more.
_INTEREST_KEPT_MS = 29 * 86_400_000


class Lane(abc.ABC, Generic[R]):
    """One symbol's rows of one table.

    Args:
        exchange: that is asked.
        series: where rows are kept.
        symbol: of the rows.
        interval: of bars; None where the table is not about bars.
        step_ms: the least time between two rows; on a grid, the time.
        page_ms: what one page spans.
        apart_ms: the most between two rows where none is missing; None: as the step.
    """

    table = ""
    """What its rows are, for whoever is told of trouble with them."""
    broken: FindingKind | None = None
    """What a finding about a row that breaks a rule is called; None: it is in the log alone."""

    def __init__(
        self,
        exchange: ExchangePort,
        series: Series[R],
        symbol: str,
        interval: Interval | None,
        step_ms: int,
        page_ms: int,
        apart_ms: int | None = None,
    ) -> None:
        self._exchange = exchange
        self.series = series
        self.symbol = symbol
        self.interval = interval
        self.step_ms = step_ms
        self.page_ms = page_ms
        self._apart_ms = apart_ms or step_ms
        self.newest_ms: int | None = None
        """Where what is new begins, and what is past ends; None: nobody has looked."""
        self.set_aside: dict[int, Finding] = {}
        """By time: findings about rows that broke a rule when they were asked for last."""

    @property
    def name(self) -> str:
        """For logs."""
        interval = "" if self.interval is None else f" {self.interval}"
        return f"{self.table} {self.symbol}{interval}"

    @abc.abstractmethod
    async def _page(self, from_ms: int, last_ms: int) -> Sequence[R]:
        """Rows in [from, last], ascending, as many as the exchange gives at once."""

    @abc.abstractmethod
    def time_ms(self, row: R) -> int:
        """Its place in time."""

    @abc.abstractmethod
    def due_ms(self, now_ms: int) -> int:
        """The time of the newest row that must be there by now; 0 where nobody knows."""

    def end_ms(self, now_ms: int) -> int:
        """From this on the exchange has no row yet."""
        return self.due_ms(now_ms) + 1

    @abc.abstractmethod
    def fault(self, row: R) -> str | None:
        """Which rule it breaks, so that the table does not take it; None when sound."""

    def candle(self, row: R) -> Candle | None:
        """A row as findings keep what was set aside."""
        return None

    def floor(self, time_ms: int) -> int:
        """The latest step that is not after an instant."""
        return time_ms - time_ms % self.step_ms

    async def holes(self, from_ms: int, until_ms: int) -> list[Span]:
        """Where rows are missing in [from, until), ascending.

        Raises:
            StorageError: the database is lost.
        """
        return await self.series.holes(
            self.symbol,
            self.interval,
            -self.floor(-from_ms),
            -self.floor(-until_ms),
            step_ms=self.step_ms,
            apart_ms=self._apart_ms,
        )

    def oldest_ms(self, now_ms: int) -> int:
        """Before this the exchange has nothing to give."""
        return 0

    async def first_ms(self, from_ms: int, until_ms: int) -> int:
        """The time of the first row that the exchange has in [from, until)."""
        found = await self._page(from_ms, until_ms - 1) if from_ms < until_ms else ()
        return self.time_ms(found[0]) if found else until_ms

    async def read(self, from_ms: int, until_ms: int) -> list[R]:
        """All rows of [from, until), ascending.

        Raises:
            ExchangeError, UnreachableError: they can't be had.
        """
        rows: list[R] = []
        # A page may be short although more follows: what is no row of ours is left out of it.
        while from_ms < until_ms:
            page = await self._page(from_ms, until_ms - 1)
            if not page:
                break
            rows += page
            from_ms = self.time_ms(page[-1]) + self.step_ms
        return rows


class Marks(Lane[MarkCandle]):
    """The mark price over closed bars."""

    table = "mark prices"
    broken = FindingKind.BROKEN_MARK_PRICE

    def __init__(
        self,
        exchange: ExchangePort,
        series: Series[MarkCandle],
        symbol: str,
        interval: Interval,
    ) -> None:
        super().__init__(
            exchange, series, symbol, interval, interval.ms, MARK_ROWS * interval.ms
        )
        self._interval = interval

    async def _page(self, from_ms: int, last_ms: int) -> Sequence[MarkCandle]:
        rows = min(MARK_ROWS, (last_ms - from_ms) // self.step_ms + 1)
        return await self._exchange.mark_price_candles(
            self.symbol, self._interval, from_ms, last_ms, rows, backfill=True
        )

    async def first_ms(self, from_ms: int, until_ms: int) -> int:
        if from_ms >= until_ms:
            return until_ms
        found = await self._exchange.mark_price_candles(
            self.symbol, self._interval, from_ms, until_ms - 1, 1, backfill=True
        )
        return found[0].open_time_ms if found else until_ms

    def time_ms(self, row: MarkCandle) -> int:
        return row.open_time_ms

    def due_ms(self, now_ms: int) -> int:
        return self._interval.floor(now_ms) - self._interval.ms

    def fault(self, row: MarkCandle) -> str | None:
        # Its prices and its place keep the rules of a candle's; volumes it has none.
        return fault_of(msgspec.structs.replace(self.candle(row), volume=0.0))

    def candle(self, row: MarkCandle) -> Candle:
        return Candle(
            symbol=self.symbol,
            interval=self._interval,
            open_time_ms=row.open_time_ms,
            open=row.open,
            high=row.high,
            low=row.low,
            close=row.close,
            volume=math.nan,
            quote_volume=math.nan,
            trades=math.nan,
            taker_buy_volume=math.nan,
            closed=True,
        )


class OpenInterests(Lane[OpenInterest]):
    """Open interest at the end of each quarter of an hour."""

    table = "open interest"

    def __init__(
        self, exchange: ExchangePort, series: Series[OpenInterest], symbol: str
    ) -> None:
        step_ms = Interval.M15.ms
        super().__init__(exchange, series, symbol, None, step_ms, INTEREST_ROWS * step_ms)

    async def _page(self, from_ms: int, last_ms: int) -> Sequence[OpenInterest]:
        return await self._exchange.open_interest(self.symbol, from_ms, last_ms, INTEREST_ROWS)

    async def first_ms(self, from_ms: int, until_ms: int) -> int:
        # It is not documented which rows are given where a span holds more than the most.
        return max(from_ms, self.oldest_ms(self._exchange.exchange_ms()))

    def oldest_ms(self, now_ms: int) -> int:
        return now_ms - _INTEREST_KEPT_MS

    def time_ms(self, row: OpenInterest) -> int:
        return row.time_ms

    def due_ms(self, now_ms: int) -> int:
        return Interval.M15.floor(now_ms)

    def fault(self, row: OpenInterest) -> str | None:
        if 0 <= row.quantity < math.inf and 0 <= row.value_usd < math.inf:
            return None
        return f"quantity {row.quantity}, value {row.value_usd}"


class Funding(Lane[FundingRate]):
    """Funding rates. When the next one comes is told by the stream of mark prices.

    How often a contract paid in its past is not known: a hole is more than the longest
    interval between two payments. Of contracts that pay more often one can be missing unseen.
    """

    table = "funding rates"

    def __init__(
        self, exchange: ExchangePort, series: Series[FundingRate], symbol: str
    ) -> None:
        page_ms = FUNDING_ROWS * _FUNDING_EVERY_MS
        super().__init__(
            exchange, series, symbol, None, Interval.H1.ms, page_ms, _FUNDING_EVERY_MS
        )
        self._next_ms = 0
        self._due_ms = 0

    def announced(self, next_ms: int) -> None:
        """The exchange says when it is paid next."""
        next_ms = payment_ms(next_ms)
        if next_ms > self._next_ms:
            self._due_ms, self._next_ms = self._next_ms, next_ms

    async def _page(self, from_ms: int, last_ms: int) -> Sequence[FundingRate]:
        found = await self._exchange.funding_rates(self.symbol, from_ms, last_ms, FUNDING_ROWS)
        return [
            msgspec.structs.replace(
                row,
                time_ms=payment_ms(row.time_ms),
                # Of no mark price, too, none is known.
                mark_price=row.mark_price if row.mark_price > 0 else math.nan,
            )
            for row in found
        ]

    def time_ms(self, row: FundingRate) -> int:
        return row.time_ms

    def due_ms(self, now_ms: int) -> int:
        if self._next_ms and now_ms >= self._next_ms:
            return self._next_ms
        return self._due_ms

    def end_ms(self, now_ms: int) -> int:
        return now_ms + 1

    def fault(self, row: FundingRate) -> str | None:
        return None if math.isfinite(row.rate) else f"rate {row.rate}"
