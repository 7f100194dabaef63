"""Candles built from the market's trades: the one source of all of them.

1m, 15m and 1h bars grow from the same prints, every longer or odd span is a sum of these, and
a recorded bar is the sum of finer ones wherever finer ones are recorded: so no two spans can
disagree. A bar in which nothing traded is flat at the last price, with no volume.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import ZERO, exact
from rusy_tui.simulator.digits import amount_unit, price_digits, quantity_digits
from rusy_tui.simulator.feeds import Print
from rusy_tui.simulator.spans import Span

if TYPE_CHECKING:
    from rusy_tui.simulator.feeds.deep import DeepPast
    from rusy_tui.simulator.feeds.figures import Figures

MOST_CLOSED = 45_000
"""Closed bars of play kept of one span: a month of minutes, a year of quarters.

The oldest are forgotten, and with them all that was before play.
"""


class Bar(msgspec.Struct):
    """A candle, closed or forming. ``first_trade`` and ``last_trade`` are -1 without one."""

    open_time_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    trades: int = 0
    taker_buy_volume: Decimal = ZERO
    taker_buy_quote_volume: Decimal = ZERO
    first_trade: int = -1
    last_trade: int = -1

    def add(self, traded: Print, trade_id: int) -> None:
        """Grow by a trade of the market."""
        price, quantity = traded.price, traded.quantity
        if self.first_trade < 0:
            self.open = self.high = self.low = price
            self.first_trade = trade_id
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.last_trade = trade_id
        self.volume += quantity
        self.quote_volume += price * quantity
        self.trades += traded.trades
        self.taker_buy_volume += traded.taker_buy_quantity
        self.taker_buy_quote_volume += price * traded.taker_buy_quantity


class Window(msgspec.Struct, frozen=True):
    """Which bars are asked for: of a span, by open time in [start, end], so many at most.

    With a start the first ones of these, without one the last ones: as the exchange does.
    """

    span: Span
    start_ms: int | None
    end_ms: int | None
    limit: int

    def within(self, oldest_ms: int | None, newest_ms: int | None) -> tuple[int, int] | None:
        """The open times of the first and the last of them; None where there are none.

        A first bar of which a part is missing is none.

        Args:
            oldest_ms: the open time of the oldest shorter bar there is, None without one.
            newest_ms: of the newest.
        """
        if oldest_ms is None or newest_ms is None:
            return None
        span = self.span
        first_ms = -(-oldest_ms // span.ms) * span.ms
        last_ms = span.floor(newest_ms)
        if self.end_ms is not None:
            last_ms = min(last_ms, span.floor(self.end_ms))
        reach_ms = (self.limit - 1) * span.ms
        if self.start_ms is None:
            first_ms = max(first_ms, last_ms - reach_ms)
        else:
            first_ms = max(first_ms, -(-self.start_ms // span.ms) * span.ms)
            last_ms = min(last_ms, first_ms + reach_ms)
        return (first_ms, last_ms) if first_ms <= last_ms else None


def flat_bar(open_time_ms: int, price: Decimal, contract: Instrument) -> Bar:
    """A bar in which nothing has traded yet."""
    none = quantity_digits(ZERO, contract)
    amount = ZERO.quantize(amount_unit(contract))
    return Bar(open_time_ms, price, price, price, price, none, amount, 0, none, amount)


def bar_of(candle: Candle, contract: Instrument) -> Bar:
    """A recorded candle; what is absent in it (NaN) is zero, as on the exchange's wire."""
    taker_buy = _or_zero(candle.taker_buy_volume)
    mean = candle.quote_volume / candle.volume if candle.volume else 0.0
    # Amounts are recorded as sums in binary, which end in noise.
    unit = amount_unit(contract)
    return Bar(
        candle.open_time_ms,
        price_digits(exact(candle.open), contract),
        price_digits(exact(candle.high), contract),
        price_digits(exact(candle.low), contract),
        price_digits(exact(candle.close), contract),
        quantity_digits(exact(candle.volume), contract),
        exact(_or_zero(candle.quote_volume)).quantize(unit),
        int(_or_zero(candle.trades)),
        quantity_digits(exact(taker_buy), contract),
        exact(_or_zero(mean) * taker_buy).quantize(unit),
    )


def merged(open_time_ms: int, bars: Sequence[Bar]) -> Bar:
    """One bar of several that follow on one another; at least one.

    Where something traded, the open is the first trade's: a flat bar before it tells only
    where the price stood.
    """
    traded = [bar for bar in bars if bar.volume or bar.first_trade >= 0] or bars
    return Bar(
        open_time_ms,
        traded[0].open,
        max(bar.high for bar in traded),
        min(bar.low for bar in traded),
        traded[-1].close,
        sum((bar.volume for bar in bars), ZERO),
        sum((bar.quote_volume for bar in bars), ZERO),
        sum(bar.trades for bar in bars),
        sum((bar.taker_buy_volume for bar in bars), ZERO),
        sum((bar.taker_buy_quote_volume for bar in bars), ZERO),
        next((bar.first_trade for bar in bars if bar.first_trade >= 0), -1),
        next((bar.last_trade for bar in reversed(bars) if bar.last_trade >= 0), -1),
    )


def grouped(bars: Iterable[Bar], span_ms: int) -> list[Bar]:
    """Bars, ascending, as bars of a longer span; the first and the last may be parts."""
    groups = groupby(bars, key=lambda bar: bar.open_time_ms // span_ms)
    return [merged(number * span_ms, list(group)) for number, group in groups]


def layered(own: list[Bar], finer: list[Bar], span_ms: int, finer_ms: int) -> list[Bar]:
    """Bars of which those that finer ones cover wholly are the sums of these."""
    if not finer:
        return own
    first_ms = -(-finer[0].open_time_ms // span_ms) * span_ms
    end_ms = (finer[-1].open_time_ms + finer_ms) // span_ms * span_ms
    inner = [bar for bar in finer if first_ms <= bar.open_time_ms < end_ms]
    sums = {bar.open_time_ms: bar for bar in grouped(inner, span_ms)}
    return [sums.get(bar.open_time_ms, bar) for bar in own]


class CandleSeries:
    """The bars of one symbol and interval: recorded past, closed ones, the forming one.

    Args:
        interval: of the bars.
        load: the recorded past, called when somebody first asks for it.
        contract: what the bars are of, as it is now.
        finer: the series of the next shorter interval; None for the shortest.
        deep: all that was before play, where the feed tells it; None without.
    """

    def __init__(
        self,
        interval: Interval,
        load: Callable[[], Sequence[Candle]],
        contract: Callable[[], Instrument],
        finer: "CandleSeries | None" = None,
        deep: "DeepPast | None" = None,
    ) -> None:
        self.interval = interval
        self._load = load
        self._contract = contract
        self._finer = finer
        self._deep = deep
        self.closed: list[Bar] = []
        self.forming: Bar | None = None

    @cached_property
    def _candles(self) -> Sequence[Candle]:
        return self._load()

    @cached_property
    def past(self) -> list[Bar]:
        """The recorded bars; made when somebody asks, for a simulator starts faster without.

        The last of them, where there is a deep past: what is older stays in columns.
        """
        contract = self._contract()
        if self._deep is not None and self._finer is not None:
            return self._deep.latest_bars(self.interval)
        own = [bar_of(candle, contract) for candle in self._candles]
        del self._candles
        if self._finer is None:
            if self._deep is not None:
                self._deep.mend(own)
            return own
        finer = self._finer
        return layered(own, finer.past, self.interval.ms, finer.interval.ms)

    def open_bar(self, time_ms: int, price: Decimal) -> Bar:
        """The forming bar, begun at an instant where there is none."""
        if self.forming is None:
            open_time_ms = self.interval.floor(time_ms)
            self.forming = flat_bar(open_time_ms, price, self._contract())
        return self.forming

    def close_bar(self) -> Bar | None:
        """End the forming bar and begin the next one, flat; None before the first trade."""
        ended = self.forming
        if ended is None:
            return None
        self.closed.append(ended)
        if len(self.closed) > MOST_CLOSED + MOST_CLOSED // 8:
            del self.closed[:-MOST_CLOSED]
            self.past = []
            self._deep = None
        next_ms = ended.open_time_ms + self.interval.ms
        self.forming = flat_bar(next_ms, ended.close, self._contract())
        return ended

    def take(self, bar: Bar, *, closed: bool = False) -> None:
        """Take a bar that another exchange made in place of the forming one."""
        self.forming = bar
        if closed:
            self.close_bar()

    def first_open_ms(self) -> int | None:
        """The open time of the oldest bar; None without one."""
        if self._deep is not None and self._finer is not None:
            return self._deep.first_ms
        oldest = next((bars[0] for bars in (self.past, self.closed) if bars), self.forming)
        return None if oldest is None else oldest.open_time_ms

    def between(self, start_ms: int | None, end_ms: int | None, limit: int) -> list[Bar]:
        """Bars by open time in [start, end], ascending, at most ``limit``.

        With a start the first ones, without one the last ones: as the exchange does.
        """
        older = self._older
        count = older + len(self.past) + len(self.closed) + (self.forming is not None)
        low = 0 if start_ms is None else self._index(start_ms)
        high = count if end_ms is None else self._index(end_ms + 1)
        if start_ms is None:
            low = max(low, high - limit)
        else:
            high = min(high, low + limit)
        bars: list[Bar] = []
        if self._deep is not None and low < min(high, older):
            first_ms, span_ms = self._deep.first_ms, self.interval.ms
            end = min(high, older)
            bars = self._deep.bars(first_ms + low * span_ms, first_ms + end * span_ms, span_ms)
            low = end
        return bars + [self._bar(index - older) for index in range(low, high)]

    @property
    def _older(self) -> int:
        """How many bars of the deep past are older than :attr:`past`."""
        if self._deep is None or self._finer is None or not self.past:
            return 0
        return (self.past[0].open_time_ms - self._deep.first_ms) // self.interval.ms

    def _index(self, open_time_ms: int) -> int:
        """How many bars open before an instant."""
        older = self._older
        if older and self._deep is not None and open_time_ms <= self.past[0].open_time_ms:
            behind_ms = open_time_ms - self._deep.first_ms
            return max(0, -(-behind_ms // self.interval.ms))
        index = bisect_left(self.past, open_time_ms, key=_opening)
        if index < len(self.past):
            return older + index
        index += older + bisect_left(self.closed, open_time_ms, key=_opening)
        forming = self.forming
        return index + (forming is not None and forming.open_time_ms < open_time_ms)

    def _bar(self, index: int) -> Bar:
        if index < len(self.past):
            return self.past[index]
        index -= len(self.past)
        if index < len(self.closed):
            return self.closed[index]
        if self.forming is None:
            raise IndexError(index)
        return self.forming

    def last_close(self) -> Decimal | None:
        """The close of the recorded past; None where nothing is recorded."""
        if "past" in self.__dict__:
            return self.past[-1].close if self.past else None
        if not self._candles:
            return None
        return price_digits(exact(self._candles[-1].close), self._contract())

    # ── longer spans ──────────────────────────────────────────────────────────────────

    def spanned(self, window: Window) -> list[Bar]:
        """Bars of a span that this series is the base of, asked for as in :meth:`between`."""
        span = window.span
        if span.ms == self.interval.ms:
            return self.between(window.start_ms, window.end_ms, window.limit)
        opens = window.within(self.first_open_ms(), self._last_open_ms())
        if opens is None:
            return []
        return self._summed(opens[0], opens[1] + span.ms, span)

    def page(self, window: Window) -> "tuple[Figures | None, list[Bar]]":
        """The same as :meth:`spanned`, what was before play in columns: they come first."""
        deep, span = self._deep, window.span
        if deep is None or self._finer is None:
            return None, self.spanned(window)
        opens = window.within(self.first_open_ms(), self._last_open_ms())
        if opens is None:
            return None, []
        first_ms, end_ms = opens[0], opens[1] + span.ms
        split_ms = min(end_ms, span.floor(deep.end_ms))
        if split_ms <= first_ms:
            return None, self._summed(first_ms, end_ms, span)
        figures = deep.figures(first_ms, split_ms, span.ms)
        return figures, self._summed(split_ms, end_ms, span)

    def _summed(self, first_ms: int, end_ms: int, span: Span) -> list[Bar]:
        most = (end_ms - first_ms) // self.interval.ms
        bars = self.between(first_ms, end_ms - 1, most) if most else []
        return bars if span.ms == self.interval.ms else grouped(bars, span.ms)

    def current(self, span: Span, *, closed: bool) -> Bar | None:
        """The forming bar of a longer span, or the one that has ended just now."""
        parts = span.ms // self.interval.ms
        newest = self.closed[-1] if closed and self.closed else self.forming
        if newest is None:
            return None
        open_time_ms = span.floor(newest.open_time_ms)
        count = (newest.open_time_ms - open_time_ms) // self.interval.ms + 1
        bars = self.between(None, newest.open_time_ms, min(count, parts))
        bars = [bar for bar in bars if bar.open_time_ms >= open_time_ms]
        return merged(open_time_ms, bars)

    def _last_open_ms(self) -> int | None:
        newest = self.forming or (self.past[-1] if self.past else None)
        return None if newest is None else newest.open_time_ms


def _opening(bar: Bar) -> int:
    return bar.open_time_ms


def _or_zero(value: float) -> float:
    return 0.0 if value != value else value  # NaN is the one number unequal to itself
