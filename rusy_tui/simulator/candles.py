"""Candles built from the market's trades: the one source of all of them.

1m, 15m and 1h bars grow from the same prints, so that they can never disagree. A bar in
which nothing traded is flat at the last price, with no volume.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cached_property

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.money import ZERO, exact
from rusy_tui.simulator.feeds import Print


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


def flat_bar(open_time_ms: int, price: Decimal) -> Bar:
    """A bar in which nothing has traded yet."""
    return Bar(open_time_ms, price, price, price, price)


def bar_of(candle: Candle) -> Bar:
    """A recorded candle; what is absent in it (NaN) is zero, as on the exchange's wire."""
    taker_buy = _or_zero(candle.taker_buy_volume)
    mean = candle.quote_volume / candle.volume if candle.volume else 0.0
    return Bar(
        candle.open_time_ms,
        exact(candle.open),
        exact(candle.high),
        exact(candle.low),
        exact(candle.close),
        exact(candle.volume),
        exact(_or_zero(candle.quote_volume)),
        int(_or_zero(candle.trades)),
        exact(taker_buy),
        exact(round(_or_zero(mean) * taker_buy, 8)),
    )


class CandleSeries:
    """The bars of one symbol and interval: recorded past, closed ones, the forming one."""

    def __init__(self, interval: Interval, load: Callable[[], Sequence[Candle]]) -> None:
        self.interval = interval
        self._load = load
        self.closed: list[Bar] = []
        self.forming: Bar | None = None

    @cached_property
    def _past(self) -> Sequence[Candle]:
        # Made when somebody asks: a simulator starts faster without.
        return self._load()

    @cached_property
    def _past_times(self) -> list[int]:
        return [candle.open_time_ms for candle in self._past]

    def open_bar(self, time_ms: int, price: Decimal) -> Bar:
        """The forming bar, begun at an instant where there is none."""
        if self.forming is None:
            self.forming = flat_bar(self.interval.floor(time_ms), price)
        return self.forming

    def close_bar(self) -> Bar | None:
        """End the forming bar and begin the next one, flat; None before the first trade."""
        ended = self.forming
        if ended is None:
            return None
        self.closed.append(ended)
        self.forming = flat_bar(ended.open_time_ms + self.interval.ms, ended.close)
        return ended

    def last_close(self) -> Decimal | None:
        """The close of the recorded past; None where nothing is recorded."""
        return exact(self._past[-1].close) if self._past else None

    def between(self, start_ms: int | None, end_ms: int | None, limit: int) -> list[Bar]:
        """Bars by open time in [start, end], ascending, at most ``limit``.

        With a start the first ones, without one the last ones: as the exchange does.
        """
        count = len(self._past) + len(self.closed) + (self.forming is not None)
        low = 0 if start_ms is None else self._index(start_ms)
        high = count if end_ms is None else self._index(end_ms + 1)
        if start_ms is None:
            low = max(low, high - limit)
        else:
            high = min(high, low + limit)
        return [self._bar(index) for index in range(low, high)]

    def _index(self, open_time_ms: int) -> int:
        """How many bars open before an instant."""
        index = bisect_left(self._past_times, open_time_ms)
        if index < len(self._past_times):
            return index
        index += bisect_left(self.closed, open_time_ms, key=_opening)
        forming = self.forming
        return index + (forming is not None and forming.open_time_ms < open_time_ms)

    def _bar(self, index: int) -> Bar:
        if index < len(self._past):
            return bar_of(self._past[index])
        index -= len(self._past)
        if index < len(self.closed):
            return self.closed[index]
        if self.forming is None:
            raise IndexError(index)
        return self.forming


def _opening(bar: Bar) -> int:
    return bar.open_time_ms


def _or_zero(value: float) -> float:
    return 0.0 if value != value else value  # NaN is the one number unequal to itself
