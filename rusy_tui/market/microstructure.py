"""Closes the microstructure of bars when they have ended, and keeps it."""

from collections import deque
from collections.abc import Callable, Sequence

import structlog

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.history import BarStats
from rusy_tui.domain.market import MarketEvent
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.bar_stats import BarStatistics
from rusy_tui.store.series import Series

log = structlog.get_logger("market")

# How long after a bar's end its last trades may take to come, wall seconds.
GRACE_S = 2.0
# What the database did not take waits, the newest so many bars of it.
MOST_WAITING = 10_000


class Microstructure:
    """Statistics of bars into their table.

    Args:
        exchange: whose time bars end by.
        series: where rows are kept.
        clock: for waiting.
        symbols: of which rows are kept.
    """

    def __init__(
        self,
        exchange: ExchangePort,
        series: Series[BarStats],
        clock: Clock,
        symbols: Sequence[str],
    ) -> None:
        self._exchange = exchange
        self._series = series
        self._clock = clock
        self._symbols = tuple(symbols)
        self._statistics: BarStatistics | None = None
        self._waiting: deque[BarStats] = deque(maxlen=MOST_WAITING)
        self._in_trouble = False

    def see(self, event: MarketEvent) -> None:
        """Take an event of the market streams, without waiting."""
        if self._statistics is None:
            # The exchange's time is known when its streams tell the first.
            now_ms = self._exchange.exchange_ms()
            self._statistics = BarStatistics(self._symbols, now_ms)
        self._statistics.see(event)

    async def run(self, say: Callable[[str, str], None]) -> None:
        """Close every bar a little after its end, for ever.

        Args:
            say: told when the database takes none, when it does again, and in which tone.
        """
        while True:
            now_ms = self._exchange.exchange_ms()
            next_ms = Interval.M15.floor(now_ms) + Interval.M15.ms
            await self._clock.sleep_until_market(self._clock.market_ms() + next_ms - now_ms)
            # Several, where market time runs fast or stood still.
            ended_ms = max(next_ms, Interval.M15.floor(self._exchange.exchange_ms()))
            await self._clock.sleep(GRACE_S)
            await self._close(ended_ms, say)

    async def _close(self, until_ms: int, say: Callable[[str, str], None]) -> None:
        if self._statistics is not None:
            self._waiting.extend(self._statistics.close(until_ms))
        rows = list(self._waiting)
        try:
            await self._series.store(rows)
        except StorageError as error:
            if not self._in_trouble:
                self._in_trouble = True
                say(f"microstructure not stored, trying again: {error}", "ask")
            return
        self._waiting.clear()
        if self._in_trouble:
            self._in_trouble = False
            say("microstructure is stored again", "info")
