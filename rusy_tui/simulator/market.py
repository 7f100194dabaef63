"""One symbol's market: book, candles, mark price, funding times, and what its contract is."""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property, partial
from typing import TYPE_CHECKING

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import ZERO, exact
from rusy_tui.simulator.brackets import STANDARD, Brackets
from rusy_tui.simulator.candles import Bar, CandleSeries, Window, merged
from rusy_tui.simulator.digits import amount_unit, print_digits
from rusy_tui.simulator.feeds import Feed, Print
from rusy_tui.simulator.interest import OpenInterest
from rusy_tui.simulator.level_book import LevelBook, LevelsMoved
from rusy_tui.simulator.liquidity import MirroredLiquidity, SyntheticLiquidity
from rusy_tui.simulator.matching import BestPrices, Book
from rusy_tui.simulator.prices import PriceLines, premium_of
from rusy_tui.simulator.spans import BASES
from rusy_tui.simulator.tape import Aggregate, Tape

if TYPE_CHECKING:
    from rusy_tui.simulator.feeds.deep import DeepPast
    from rusy_tui.simulator.feeds.figures import Figures

INTERVALS = BASES
FUNDING_INTERVAL_H = 8
"""Hours between two fundings of most contracts: 00, 08 and 16 UTC."""

UPDATE_STEP = 2
"""How far a book's update number rises with each move.

A snapshot shows the number after the last move's: so it lies within the next diff, as the
exchange's procedure wants (first diff: U <= lastUpdateId <= u), also for whoever began to
listen after the last move.
"""

TRADING, SETTLING = "TRADING", "SETTLING"
_CLOSED_STATUSES = (SETTLING, "CLOSE", "DELIVERED")

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_FIRST_TRADE_ID = 5_000_000_000
"""An invented market's: trades before play have ids too, which nobody can ask for."""

MARK_HALF_LIFE_MS = 10_000
"""Market time in which the mark price halves its distance to the last price."""

_HISTORY = 4096
"""Last prices kept for whoever wants to compare a screen with the market."""


class MarketChange(msgspec.Struct, frozen=True):
    """What was changed of a symbol's market; the fields are those of :class:`SymbolMarket`."""

    instrument: Instrument
    status: str
    brackets: Brackets
    funding_intervals: tuple[tuple[int, int], ...]
    moves: tuple[tuple[int, Decimal], ...]


class SymbolMarket:
    """Everything public about one symbol."""

    def __init__(self, feed: Feed, instrument: Instrument, seed: int) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.brackets = STANDARD
        self.book = Book(
            instrument, feed.liquidity(self.symbol) or SyntheticLiquidity(seed, instrument)
        )
        self.series: dict[Interval, CandleSeries] = {}
        self.last_trade_id = 0 if self.book.liquidity.recorded else _FIRST_TRADE_ID
        self.mirrored = isinstance(self.book.liquidity, MirroredLiquidity)
        """Whether mark price and bars come from another exchange."""
        self.update_id = 0
        self.told_best: BestPrices | None = None
        self.tape = Tape()
        self.moves: list[tuple[int, Decimal]] = []
        """(from when on, ms since the epoch; factor on the feed's prices), ascending."""
        self.status = TRADING if instrument.trading else SETTLING
        self.lines = PriceLines(self.series, self._premium_at)
        self.deep: DeepPast | None = None
        self.interest = OpenInterest(seed, self.symbol, instrument.step_size)
        self.funding_intervals: list[tuple[int, int]] = [(0, FUNDING_INTERVAL_H)]
        """(from when on, ms since the epoch; hours between two fundings), ascending."""
        self.recent: deque[tuple[int, int, Decimal]] = deque(maxlen=_HISTORY)
        """(market ms, wall ms, last price) of late, oldest first."""
        self._feed = feed
        self._is_new_contract = False
        self._mark = 0.0
        self._mark_ms = feed.start_ms
        self._mark_text = Decimal(0)
        self._seed = seed
        self._rates: dict[int, Decimal] = {}
        self._premium: tuple[int, float] | None = None
        self._next_funding = (0, 0)
        self._begin(feed.start_ms)

    def _begin(self, time_ms: int) -> None:
        """Start at the close of the recorded past, where there is one."""
        self.deep = self.lines.deep = self._feed.deep_past(self.symbol)
        if self.deep is not None and self.moves:
            self.deep.reprice(self._repriced)
        finer: CandleSeries | None = None
        for interval in INTERVALS:
            load = partial(self._history, interval)
            finer = self.series[interval] = CandleSeries(
                interval, load, lambda: self.instrument, finer, self.deep
            )
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

    def grow(self, traded: Print, time_ms: int) -> list[Aggregate]:
        """Take trades into the candles and the tape; what the public is told of them."""
        first = traded.trade_id or self.last_trade_id + 1
        last = first + max(traded.trades, 1) - 1
        # Trades between our accounts and the market take ids of their own, which a recorded
        # market does not know.
        self.last_trade_id = max(self.last_trade_id, last)
        for series in () if self.mirrored else self.series.values():
            bar = series.forming or series.open_bar(time_ms, traded.price)
            bar.add(traded, first)
            bar.last_trade = last
        return self.tape.add(traded, first, last, time_ms)

    def move_levels(self, moved: LevelsMoved, time_ms: int) -> None:
        """Take recorded levels as they now are."""
        levels = self.book.liquidity
        if not isinstance(levels, LevelBook):
            raise TypeError(f"{self.symbol} has no recorded book that could be moved")
        levels.move(moved)
        self.update_id = moved.update_id
        self.book.time_ms = time_ms
        self.book.levels_moved(price for price, _ in (*moved.bids, *moved.asks))

    @property
    def snapshot_id(self) -> int:
        """The update number that a snapshot of the book shows."""
        return self.update_id + (0 if self.book.liquidity.recorded else 1)

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
        if last is None or self.mirrored:
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
        if mark and self.book.last is not None:
            self.lines.take(time_ms, mark, float(self.book.last))

    # ── price moves ───────────────────────────────────────────────────────────────────

    def move(self, factor: Decimal, time_ms: int) -> None:
        """Play the feed's prices times a factor from a moment on, on top of former ones."""
        before = self.moves[-1][1] if self.moves else Decimal(1)
        self.moves.append((time_ms, before * factor))

    def scaled(self, traded: Print, time_ms: int) -> Print:
        """A trade of the feed as it trades here."""
        if self.moves:
            price = self.on_tick(traded.price * self._factor(time_ms))
            traded = msgspec.structs.replace(traded, price=price)
        return print_digits(traded, self.instrument)

    def on_tick(self, price: Decimal) -> Decimal:
        """The nearest price that the contract can trade at, at or below."""
        return max(self.instrument.price_down(price), self.instrument.tick_size)

    def _factor(self, time_ms: int) -> Decimal:
        at = bisect_right(self.moves, time_ms, key=lambda move: move[0])
        return self.moves[at - 1][1] if at else Decimal(1)

    def _history(self, interval: Interval) -> Sequence[Candle]:
        """The feed's past at the prices that it had here.

        A bar within which the price was moved counts as wholly after it.
        """
        candles = self._feed.history(self.symbol, interval)
        if not self.moves:
            return candles
        return [self._scaled_candle(candle) for candle in candles]

    def _scaled_candle(self, candle: Candle) -> Candle:
        factor = self._factor(candle.close_time_ms - 1)
        if factor == 1:
            return candle
        prices = {
            name: float(self.on_tick(exact(getattr(candle, name)) * factor))
            for name in ("open", "high", "low", "close")
        }
        quote_volume = candle.quote_volume * float(factor)
        return msgspec.structs.replace(candle, **prices, quote_volume=quote_volume)

    def _repriced(self, bar: Bar, span_ms: int) -> Bar:
        """The same of a bar of the deep past."""
        factor = self._factor(bar.open_time_ms + span_ms - 1)
        if factor == 1:
            return bar
        unit = amount_unit(self.instrument)
        return msgspec.structs.replace(
            bar,
            open=self.on_tick(bar.open * factor),
            high=self.on_tick(bar.high * factor),
            low=self.on_tick(bar.low * factor),
            close=self.on_tick(bar.close * factor),
            quote_volume=(bar.quote_volume * factor).quantize(unit),
            taker_buy_quote_volume=(bar.taker_buy_quote_volume * factor).quantize(unit),
        )

    # ── funding ───────────────────────────────────────────────────────────────────────

    @property
    def funding_interval_h(self) -> int:
        """Hours between two fundings, from now on."""
        return self.funding_intervals[-1][1]

    def is_funding_time(self, time_ms: int) -> bool:
        """Whether funding is paid at a moment."""
        # What was in force before it: a change at the very moment holds afterwards.
        return time_ms % self._funding_ms(time_ms - 1) == 0

    def next_funding_ms(self, time_ms: int) -> int:
        """The first funding time after an instant."""
        # Asked for several times a step, of nearly the same instant.
        known_from_ms, known_ms = self._next_funding
        if known_from_ms <= time_ms < known_ms:
            return known_ms
        span_ms = self._funding_ms(time_ms)
        next_ms = (time_ms // span_ms + 1) * span_ms
        if len(self.funding_intervals) == 1:
            self._next_funding = (next_ms - span_ms, next_ms)
        return next_ms

    def funding_times(self, first_ms: int, last_ms: int) -> list[int]:
        """Funding times from one moment to another, both inclusive, ascending."""
        hours = range(-(-first_ms // _HOUR_MS) * _HOUR_MS, last_ms + 1, _HOUR_MS)
        return [time_ms for time_ms in hours if self.is_funding_time(time_ms)]

    def funding_rate(self, time_ms: int) -> Decimal:
        """The rate paid at the next funding time after an instant."""
        return self.rate_at(self.next_funding_ms(time_ms))

    def rate_at(self, funding_ms: int) -> Decimal:
        """The rate paid at a funding time."""
        if self.mirrored:
            # Announced anew all the time, until it is paid.
            return self._feed.funding_rate(self.symbol, funding_ms)
        rate = self._rates.get(funding_ms)
        if rate is None:
            if len(self._rates) >= _HISTORY:
                self._rates.clear()
            rate = self._rates[funding_ms] = self._feed.funding_rate(self.symbol, funding_ms)
        return rate

    def set_funding_interval(self, hours: int, time_ms: int) -> None:
        """Pay funding each so many hours from a moment on."""
        self.funding_intervals.append((time_ms, hours))
        self._premium = None
        self._next_funding = (0, 0)

    def _funding_ms(self, time_ms: int) -> int:
        intervals = self.funding_intervals
        if len(intervals) == 1:
            return intervals[0][1] * _HOUR_MS
        at = bisect_right(intervals, time_ms, key=lambda interval: interval[0])
        return intervals[max(at - 1, 0)][1] * _HOUR_MS

    def _premium_at(self, time_ms: int) -> float:
        funding_ms = self.next_funding_ms(time_ms)
        if self._premium is None or self._premium[0] != funding_ms:
            self._premium = (funding_ms, premium_of(float(self.rate_at(funding_ms))))
        return self._premium[1]

    @property
    def premium(self) -> float:
        """How far the mark price stands above the index price, a fraction of the latter."""
        return self._premium_at(self._mark_ms)

    @property
    def index(self) -> Decimal:
        """The index price, eight digits; the mark price stands a premium above it."""
        return self.lines.index(self._mark_ms, self._mark_text)

    # ── statistics ────────────────────────────────────────────────────────────────────

    def bars(self, window: Window) -> list[Bar]:
        """Candles of any span, ascending; the newest one is forming."""
        return self.series[window.span.base].spanned(window)

    def page(self, window: Window) -> "tuple[Figures | None, list[Bar]]":
        """The same; what was before play in columns, where it is so kept, and first."""
        return self.series[window.span.base].page(window)

    def day(self, now_ms: int) -> Bar | None:
        """The last 24 hours as one bar, whole minutes of them; None before the first trade.

        Of the finest candles that reach so far back, or else of those that reach farthest.
        """
        first_ms = now_ms // 60_000 * 60_000 - _DAY_MS + 60_000
        reached = []
        for interval in INTERVALS:
            oldest_ms = self.series[interval].first_open_ms()
            if oldest_ms is not None:
                reached.append((max(oldest_ms, first_ms), interval.ms, interval))
        if not reached:
            return None
        interval = min(reached)[2]
        bars = self.series[interval].between(first_ms, None, _DAY_MS // interval.ms + 1)
        return merged(bars[0].open_time_ms, bars) if bars else None

    def open_interest(self, time_ms: int) -> Decimal:
        """What is held open at a moment, base asset."""
        return self.interest.at(time_ms, self.usual_day)

    @cached_property
    def usual_day(self) -> Decimal:
        """What the contract traded in the last day before play, base asset.

        Of a market taken up again: before it was first played, so that it stays what it was.
        """
        if self.deep is not None:
            begin_ms = self.deep.begin_ms
            day = self.deep.bars(begin_ms - _DAY_MS, begin_ms, _HOUR_MS)
            return sum((bar.volume for bar in day), ZERO)
        for interval in reversed(INTERVALS):
            past = self.series[interval].past[-_DAY_MS // interval.ms :]
            if past:
                volume = sum((bar.volume for bar in past), ZERO)
                return volume * _DAY_MS / interval.ms / len(past)
        return self.instrument.max_quantity

    # ── what a restart must not lose ──────────────────────────────────────────────────

    @property
    def changed(self) -> bool:
        """Whether contract, funding times or prices are other than the feed's."""
        changed = self._is_new_contract or len(self.funding_intervals) > 1
        return changed or bool(self.moves)

    def to_keep(self) -> MarketChange:
        """What was changed, for a journal."""
        return MarketChange(
            self.instrument,
            self.status,
            self.brackets,
            tuple(self.funding_intervals),
            tuple(self.moves),
        )

    def put_back(self, change: MarketChange) -> None:
        """Take up what was changed in a former run; before anything is played or recalled."""
        self.moves = list(change.moves)
        self.funding_intervals = list(change.funding_intervals)
        self.brackets = change.brackets
        self.series.clear()
        self.lines = PriceLines(self.series, self._premium_at)
        self._begin(self._feed.start_ms)
        self.change(change.instrument, change.status)

    # ── what the contract is ──────────────────────────────────────────────────────────

    @property
    def opens(self) -> bool:
        """Whether orders that open a position are taken."""
        return self.status == TRADING

    @property
    def is_closed(self) -> bool:
        """Whether no order is taken at all."""
        return self.status in _CLOSED_STATUSES

    def change(self, instrument: Instrument, status: str) -> None:
        """Put other filters, another end or another status in force, at once."""
        self.instrument = instrument
        self.status = status
        self._is_new_contract = True
        book = self.book
        book.instrument = instrument
        if isinstance(book.liquidity, SyntheticLiquidity):
            book.liquidity = SyntheticLiquidity(self._seed, instrument)
            if book.last is not None:
                book.last = self.on_tick(book.last)
