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

import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.candles import Bar, CandleSeries, Window, grouped, layered
from rusy_tui.simulator.spans import Span

INTEREST_RATE = Decimal("0.00010000")
"""Of eight hours, on which most of the time the premium has no bearing."""

_INTEREST = float(INTEREST_RATE)
_DAMPER = 0.0005
_MOST_MINUTES = 45_000
_MINUTE_MS = Interval.M1.ms
_SAMPLES_A_MINUTE = 60

PremiumAt = Callable[[int], float]


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
        return self._bars(window, _past_mark, self._marks)

    def indices(self, window: Window) -> list[Bar]:
        """Bars of the index price."""
        return self._bars(window, self._past_index, self._marks, indexed=True)

    def premiums(self, window: Window) -> list[Bar]:
        """Bars of the premium index, a fraction."""
        return self._bars(window, self._past_premium, self._premiums)

    def mark_at(self, time_ms: int) -> Decimal | None:
        """The mark price at a past moment, to the finest bar there is; None before all."""
        for span in (Span.M1, Span.M15, Span.H1):
            open_time_ms = span.floor(time_ms)
            bars = self.marks(Window(span, open_time_ms, open_time_ms, 1))
            if bars:
                return bars[0].open
        return None

    # ── making bars ───────────────────────────────────────────────────────────────────

    def _bars(
        self,
        window: Window,
        of_candle: Callable[[Bar], Bar],
        played: list[Track],
        *,
        indexed: bool = False,
    ) -> list[Bar]:
        span, base = window.span, window.span.base
        past = self._past(base, of_candle)
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
        for track in played:
            if first_ms <= track.open_time_ms < end_ms:
                bar = _of_track(track)
                chosen.append(self._indexed(bar) if indexed else bar)
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
        Decimal(f"{first:.8f}"),
        Decimal(f"{high:.8f}"),
        Decimal(f"{low:.8f}"),
        Decimal(f"{latest:.8f}"),
        trades=samples,
    )
