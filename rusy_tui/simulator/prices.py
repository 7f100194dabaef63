"""Mark, index and premium of one symbol, minute by minute.

The exchange's relations (its help pages on mark price and funding): the premium index is how
far the contract trades above its index, and the funding rate of an interval is the mean
premium plus the interest rate less the premium, kept within ±0.05 %. Here the funding rate
comes from the feed, so the premium is the one that would lead to it, and the index is the mark
price without it. Of the time before play only candles are known: there the mark price begins
and ends each bar where the contract did, and strayed half as far.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.candles import Bar, CandleSeries, Window, grouped, layered
from rusy_tui.simulator.spans import Span

if TYPE_CHECKING:
    from rusy_tui.simulator.feeds.deep import DeepPast
    from rusy_tui.simulator.price_columns import PriceColumns

INTEREST_RATE = Decimal("0.00010000")
"""Of eight hours, on which most of the time the premium has no bearing."""

_INTEREST = float(INTEREST_RATE)
_DAMPER = 0.0005
_MOST_MINUTES = 45_000
_MINUTE_MS = Interval.M1.ms
_SAMPLES_A_MINUTE = 60

PremiumAt = Callable[[int], float]
Line = Literal["mark", "index", "premium"]


def premium_of(funding_rate: float) -> float:
    """The mean premium, a fraction of the index price, that leads to a funding rate."""
    if funding_rate > _INTEREST:
        return funding_rate + _DAMPER
    if funding_rate < _INTEREST:
        return funding_rate - _DAMPER
    return _INTEREST


class Track(msgspec.Struct):
    """A figure's way through one minute: first, highest, lowest, latest, and how often told."""

    open_time_ms: int
    first: float
    high: float
    low: float
    latest: float
    samples: int = 0

    def take(self, figure: float) -> None:
        """One more sample."""
        if figure > self.high:
            self.high = figure
        elif figure < self.low:
            self.low = figure
        self.latest = figure
        self.samples += 1


class PriceLines:
    """The mark price and the premium of one symbol, from which its index follows.

    Args:
        series: the symbol's candles by interval, of which the time before play is made.
        premium_at: the mean premium in force at a moment (ms since the epoch).
    """

    def __init__(self, series: dict[Interval, CandleSeries], premium_at: PremiumAt) -> None:
        self._series = series
        self._premium_at = premium_at
        self._marks: list[Track] = []
        self._premiums: list[Track] = []
        self.deep: DeepPast | None = None
        """All that was before play, where the feed tells it."""

    def take(self, time_ms: int, mark: float, last: float) -> None:
        """The mark price moved while the contract last traded at a price."""
        mean = self._premium_at(time_ms)
        _append(self._marks, time_ms, mark)
        _append(self._premiums, time_ms, last / mark * (1 + mean) - 1)

    def index(self, time_ms: int, mark: Decimal) -> Decimal:
        """The index price that belongs to a mark price."""
        return Decimal(f"{float(mark) / (1 + self._premium_at(time_ms)):.8f}")

    def marks(self, window: Window) -> list[Bar]:
        """Bars of the mark price, ascending; asked for as candles are."""
        return self._bars("mark", window)

    def indices(self, window: Window) -> list[Bar]:
        """Bars of the index price."""
        return self._bars("index", window)

    def premiums(self, window: Window) -> list[Bar]:
        """Bars of the premium index, a fraction."""
        return self._bars("premium", window)

    def mark_at(self, time_ms: int) -> Decimal | None:
        """The mark price at a past moment, to the finest bar there is; None before all."""
        deep = self.deep
        if deep is not None and deep.first_ms <= time_ms < deep.end_ms:
            quarter_ms = Span.M15.floor(time_ms)
            if quarter_ms == time_ms:
                # As is where funding is paid.
                (bar,) = deep.bars(quarter_ms, quarter_ms + Span.M15.ms, Span.M15.ms)
                return _figure(float(bar.open))
        for span in (Span.M1, Span.M15, Span.H1):
            open_time_ms = span.floor(time_ms)
            bars = self.marks(Window(span, open_time_ms, open_time_ms, 1))
            if bars:
                return bars[0].open
        return None

    # ── making bars ───────────────────────────────────────────────────────────────────

    def page(self, line: Line, window: Window) -> "tuple[PriceColumns | None, list[Bar]]":
        """Bars of a line; what was before the recent minutes in columns where it is so told.

        These come first.
        """
        played = self._premiums if line == "premium" else self._marks
        base, span = window.span.base, window.span
        begin_ms = played[0].open_time_ms if played else None
        deep = None if base is Interval.M1 else self._deep_until(begin_ms)
        if deep is None:
            return None, self._past_and_played(line, window, played)
        newest_ms = played[-1].open_time_ms if played else deep.end_ms - base.ms
        opens = window.within(deep.first_ms, newest_ms)
        if opens is None:
            return None, []
        first_ms, end_ms = opens[0], opens[1] + span.ms
        minutes = self._series[Interval.M1].past
        told_ms = minutes[0].open_time_ms if minutes else deep.end_ms
        split_ms = min(end_ms, span.floor(told_ms))
        columns = None
        if first_ms < split_ms:
            columns = self._of_quarters(line, first_ms, split_ms, span.ms)
            first_ms = split_ms
        if first_ms == end_ms:
            return columns, []
        bars = []
        if first_ms < told_ms:
            quarters = self._of_quarters(line, first_ms, told_ms, Interval.M15.ms)
            bars = _of_columns(quarters)
        of_candle = self._of_candle(line)
        low, high = ((max(ms, told_ms) - told_ms) // _MINUTE_MS for ms in (first_ms, end_ms))
        bars += [of_candle(bar) for bar in minutes[low:high]]
        bars += self._of_tracks(line, played, first_ms, end_ms)
        return columns, grouped(bars, span.ms)

    def _bars(self, line: Line, window: Window) -> list[Bar]:
        columns, bars = self.page(line, window)
        return bars if columns is None else _of_columns(columns) + bars

    def _deep_until(self, begin_ms: int | None) -> "DeepPast | None":
        """The deep past, where what is told of play begins at its end."""
        deep = self.deep
        return deep if deep is None or begin_ms in (None, deep.end_ms) else None

    def _of_quarters(
        self, line: Line, first_ms: int, end_ms: int, span_ms: int
    ) -> "PriceColumns":
        from rusy_tui.simulator.price_columns import past_prices

        if self.deep is None:
            raise TypeError("the deep past of a market that has none")
        return past_prices(self.deep, line, self._premium_at, first_ms, end_ms, span_ms)

    def _of_candle(self, line: Line) -> Callable[[Bar], Bar]:
        makers = {
            "mark": _past_mark,
            "index": self._past_index,
            "premium": self._past_premium,
        }
        return makers[line]

    def _of_tracks(
        self, line: Line, played: list[Track], first_ms: int, end_ms: int
    ) -> list[Bar]:
        """What was told of play within a span of time; there is a track of each minute."""
        if not played:
            return []
        begin_ms = played[0].open_time_ms
        low, high = (max(0, -(-(ms - begin_ms) // _MINUTE_MS)) for ms in (first_ms, end_ms))
        bars = map(_of_track, played[low:high])
        return [self._indexed(bar) for bar in bars] if line == "index" else list(bars)

    def _past_and_played(self, line: Line, window: Window, played: list[Track]) -> list[Bar]:
        span, base = window.span, window.span.base
        past = self._past(base, self._of_candle(line))
        begin_ms = played[0].open_time_ms if played else None
        oldest_ms = past[0].open_time_ms if past else begin_ms
        newest_ms = (
            played[-1].open_time_ms if played else past[-1].open_time_ms if past else None
        )
        opens = window.within(oldest_ms, newest_ms)
        if opens is None:
            return []
        first_ms, end_ms = opens[0], opens[1] + span.ms
        chosen = [bar for bar in past if first_ms <= bar.open_time_ms < end_ms]
        if begin_ms is not None:
            # Play begins on a boundary of every base.
            chosen = [bar for bar in chosen if bar.open_time_ms + base.ms <= begin_ms]
        chosen += self._of_tracks(line, played, first_ms, end_ms)
        return grouped(chosen, span.ms)

    def _past(self, interval: Interval, of_candle: Callable[[Bar], Bar]) -> list[Bar]:
        """What was before play, made anew of candles each time: few ever ask."""
        bars: list[Bar] = []
        finer_ms = 0
        for each in sorted(self._series, key=lambda key: key.ms):
            own = [of_candle(bar) for bar in self._series[each].past]
            bars = layered(own, bars, each.ms, finer_ms) if bars else own
            finer_ms = each.ms
            if each is interval:
                break
        return bars

    def _past_index(self, bar: Bar) -> Bar:
        return self._indexed(_past_mark(bar))

    def _past_premium(self, bar: Bar) -> Bar:
        mean = self._premium_at(bar.open_time_ms)
        mark = _past_mark(bar)
        up, down = float(bar.high / mark.high) - 1, float(bar.low / mark.low) - 1
        return _bar(bar.open_time_ms, mean, mean + up, mean + down, mean)

    def _indexed(self, bar: Bar) -> Bar:
        factor = 1 + self._premium_at(bar.open_time_ms)
        first, high, low, latest = (
            float(price) / factor for price in (bar.open, bar.high, bar.low, bar.close)
        )
        return _bar(bar.open_time_ms, first, high, low, latest, samples=bar.trades)


def _past_mark(bar: Bar) -> Bar:
    above, below = max(bar.open, bar.close), min(bar.open, bar.close)
    high, low = float(above + bar.high) / 2, float(below + bar.low) / 2
    return _bar(bar.open_time_ms, float(bar.open), high, low, float(bar.close))


def _append(tracks: list[Track], time_ms: int, figure: float) -> None:
    open_time_ms = time_ms - time_ms % _MINUTE_MS
    if tracks and tracks[-1].open_time_ms >= open_time_ms:
        tracks[-1].take(figure)
        return
    while tracks and tracks[-1].open_time_ms < open_time_ms - _MINUTE_MS:
        # Nothing was told for a minute: the figure stood still.
        before = tracks[-1]
        still = before.latest
        tracks.append(Track(before.open_time_ms + _MINUTE_MS, still, still, still, still))
    tracks.append(Track(open_time_ms, figure, figure, figure, figure, 1))
    if len(tracks) > _MOST_MINUTES + _MOST_MINUTES // 8:
        del tracks[:-_MOST_MINUTES]


def _of_track(track: Track) -> Bar:
    return _bar(
        track.open_time_ms,
        track.first,
        track.high,
        track.low,
        track.latest,
        samples=track.samples,
    )


def _of_columns(prices: "PriceColumns") -> list[Bar]:
    return [
        _bar(time_ms, first, high, low, latest, samples=samples)
        for time_ms, samples, first, high, low, latest in zip(
            prices.open_time_ms.tolist(),
            prices.samples.tolist(),
            prices.open.tolist(),
            prices.high.tolist(),
            prices.low.tolist(),
            prices.close.tolist(),
            strict=True,
        )
    ]


def _bar(
    open_time_ms: int,
    first: float,
    high: float,
    low: float,
    latest: float,
    *,
    samples: int = _SAMPLES_A_MINUTE,
) -> Bar:
    return Bar(
        open_time_ms,
        _figure(first),
        _figure(high),
        _figure(low),
        _figure(latest),
        trades=samples,
    )


def _figure(figure: float) -> Decimal:
    return Decimal(f"{figure:.8f}")
