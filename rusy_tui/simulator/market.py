"""One symbol's market: book, candles, mark price, funding times."""

import math
from collections import deque
from decimal import Decimal
from functools import partial

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.instrument import Instrument
from rusy_tui.simulator.brackets import STANDARD
from rusy_tui.simulator.candles import CandleSeries
from rusy_tui.simulator.feeds import Feed, Print
from rusy_tui.simulator.level_book import LevelBook, LevelsMoved
from rusy_tui.simulator.liquidity import SyntheticLiquidity
from rusy_tui.simulator.matching import Book

INTERVALS = (Interval.M1, Interval.M15, Interval.H1)
FUNDING_MS = 8 * 3_600_000
"""Funding is paid at 00, 08 and 16 UTC."""

MARK_HALF_LIFE_MS = 10_000
"""Market time in which the mark price halves its distance to the last price."""

_HISTORY = 4096
"""Last prices kept for whoever wants to compare a screen with the market."""


def next_funding_ms(time_ms: int) -> int:
    """The first funding time after an instant."""
    return (time_ms // FUNDING_MS + 1) * FUNDING_MS


class SymbolMarket:
    """Everything public about one symbol."""

    def __init__(self, feed: Feed, instrument: Instrument, seed: int) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.brackets = STANDARD
        self.book = Book(
            instrument, feed.liquidity(self.symbol) or SyntheticLiquidity(seed, instrument)
        )
        self.series = {
            interval: CandleSeries(interval, partial(feed.history, self.symbol, interval))
            for interval in INTERVALS
        }
        self.last_trade_id = 0
        self.update_id = 0
        self.recent: deque[tuple[int, int, Decimal]] = deque(maxlen=_HISTORY)
        """(market ms, wall ms, last price) of late, oldest first."""
        self._feed = feed
        self._mark = 0.0
        self._mark_ms = feed.start_ms
        self._mark_text = Decimal(0)
        self._funding: tuple[int, Decimal] | None = None
        self._begin(feed.start_ms)

    def _begin(self, time_ms: int) -> None:
        """Start at the close of the recorded past, where there is one."""
        closes = (self.series[interval].last_close() for interval in INTERVALS)
        last = next((close for close in closes if close is not None), None)
        if isinstance(self.book.liquidity, LevelBook):
            self.update_id = self.book.liquidity.update_id
            last = last or self.book.liquidity.last
        if last is not None:
            self.book.last, self.book.time_ms = last, time_ms
            self._set_mark(float(last), time_ms)
            for series in self.series.values():
                series.open_bar(time_ms, last)

    @property
    def last(self) -> Decimal | None:
        """The price last traded at; None before the market's first trade."""
        return self.book.last

    @property
    def mark(self) -> Decimal:
        """The mark price, eight digits."""
        return self._mark_text

    def grow(self, traded: Print, time_ms: int) -> tuple[int, int]:
        """Take a trade into the candles; the ids of the first and last trade it stands for."""
        first = traded.trade_id or self.last_trade_id + 1
        last = first + max(traded.trades, 1) - 1
        # Trades between our accounts and the market take ids of their own, which a recorded
        # market does not know.
        self.last_trade_id = max(self.last_trade_id, last)
        for series in self.series.values():
            bar = series.forming or series.open_bar(time_ms, traded.price)
            bar.add(traded, first)
            bar.last_trade = last
        return first, last

    def move_levels(self, moved: LevelsMoved, time_ms: int) -> None:
        """Take recorded levels as they now are."""
        levels = self.book.liquidity
        if not isinstance(levels, LevelBook):
            raise TypeError(f"{self.symbol} has no recorded book that could be moved")
        levels.move(moved)
        self.update_id = moved.update_id
        self.book.time_ms = time_ms
        self.book.levels_moved(price for price, _ in (*moved.bids, *moved.asks))

    def trade_id(self) -> int:
        """The id of a trade that only our accounts see."""
        self.last_trade_id += 1
        return self.last_trade_id

    def age_mark(self, time_ms: int) -> bool:
        """Draw the mark price towards the last one; whether it moved.

        An exponential average of the last price: distance halves every ten seconds of market
        time. The first trade of a market sets it.
        """
        last = self.book.last
        if last is None:
            return False
        target = float(last)
        elapsed_ms = time_ms - self._mark_ms
        if self._mark == 0.0:
            self._set_mark(target, time_ms)
            return True
        if elapsed_ms <= 0:
            return False
        kept = math.pow(0.5, elapsed_ms / MARK_HALF_LIFE_MS)
        self._set_mark(target + (self._mark - target) * kept, time_ms)
        return True

    def set_mark(self, mark: Decimal, time_ms: int) -> None:
        """Put the mark price where it was when a market was left."""
        self._set_mark(float(mark), time_ms)

    def _set_mark(self, mark: float, time_ms: int) -> None:
        self._mark, self._mark_ms = mark, time_ms
        self._mark_text = Decimal(f"{mark:.8f}")

    def funding_rate(self, time_ms: int) -> Decimal:
        """The rate paid at the next funding time after an instant."""
        funding_ms = next_funding_ms(time_ms)
        if self._funding is None or self._funding[0] != funding_ms:
            self._funding = (funding_ms, self._feed.funding_rate(self.symbol, funding_ms))
        return self._funding[1]
