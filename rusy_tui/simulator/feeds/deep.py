"""All there is of an invented coin before play, from the day its contract was listed.

Three stretches that follow on one another: years that are invented when somebody first asks
for them, the recent past that the market began with, and what was played up to where it was
taken up again. One base of quarters serves every span, so no two can disagree, and a market
taken up again has the same past, row by row.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import exact
from rusy_tui.simulator.candles import Bar, bar_of, layered
from rusy_tui.simulator.digits import amount_unit
from rusy_tui.simulator.feeds.columns import Columns
from rusy_tui.simulator.feeds.figures import (
    Figures,
    digits_of,
    joined,
    of_bars,
)
from rusy_tui.simulator.feeds.invention import Invented
from rusy_tui.simulator.feeds.past import HISTORY_BARS, candles_of

_MINUTE_MS, _QUARTER_MS, _HOUR_MS = Interval.M1.ms, Interval.M15.ms, Interval.H1.ms
_ALL = 1 << 40

Reprice = Callable[[Bar, int], Bar]


class DeepPast:
    """The quarters of one coin up to where play begins.

    Args:
        contract: of the coin; its digits are those of every figure.
        invent: makes the years before ``minutes``; None where there are none.
        minutes: the recent past as the market began with it.
        played: quarters played since, up to where it is taken up again; None without.
        latest: the last minutes of both, as :func:`.past.candles_of` takes them.
    """

    def __init__(
        self,
        contract: Instrument,
        invent: Callable[[], Invented] | None,
        minutes: Columns,
        played: Figures | None,
        latest: Columns,
    ) -> None:
        self._contract = contract
        self._invent = invent
        self._minutes = minutes
        self._played = played
        self._latest = latest
        self._reprice: Reprice | None = None
        self.first_ms = contract.onboard_ms
        """When the first quarter opens."""
        self.recent_ms = int(minutes.open_time_ms[0])
        """Where the invented years end."""
        self.begin_ms = int(minutes.open_time_ms[-1]) + _MINUTE_MS
        """Where the market was first played from."""
        self.end_ms = int(latest.open_time_ms[-1]) + _MINUTE_MS
        """Where it is played from now."""

    def figures(self, first_ms: int, end_ms: int, span_ms: int) -> Figures:
        """Bars of a span, a quarter or longer, that open from one moment to before another.

        Both are on the span's grid, and no bar reaches beyond the ends of what there is.
        """
        split = min(max(first_ms, self.recent_ms), end_ms)
        parts = []
        if first_ms < split:
            first, end = (
                (time_ms - self.first_ms) // _QUARTER_MS for time_ms in (first_ms, split)
            )
            parts.append(self._invented.figures(first, end))
        if split < end_ms or not parts:
            first, end = (
                (time_ms - self.recent_ms) // _QUARTER_MS for time_ms in (split, end_ms)
            )
            parts.append(self._recent.rows(slice(first, end)))
        return joined(parts).merged(span_ms // _QUARTER_MS)

    def bars(self, first_ms: int, end_ms: int, span_ms: int) -> list[Bar]:
        """The same as single bars."""
        return self.figures(first_ms, end_ms, span_ms).bars()

    def latest_bars(self, interval: Interval) -> list[Bar]:
        """The last bars of the recent past and of what was played, of 15m or 1h."""
        first_ms = max(self.recent_ms, self.end_ms - HISTORY_BARS * interval.ms)
        return self.bars(first_ms, self.end_ms, interval.ms)

    def mend(self, minutes: Sequence[Bar]) -> None:
        """Put into minutes what a candle can't tell: what takers paid, where it is known."""
        paid = self._latest.taker_buy_quote_volume
        if paid is None:
            return
        unit, first_ms = amount_unit(self._contract), int(self._latest.open_time_ms[0])
        for bar in minutes:
            amount = float(paid[(bar.open_time_ms - first_ms) // _MINUTE_MS])
            if not np.isnan(amount):
                bar.taker_buy_quote_volume = exact(amount).quantize(unit)

    def reprice(self, reprice: Reprice) -> None:
        """Tell the past at other prices: those it was played at after a price was moved.

        ``reprice`` takes a bar and its span in ms. What was invented keeps its prices.
        """
        self._reprice = reprice
        self.__dict__.pop("_recent", None)

    @cached_property
    def _invented(self) -> Invented:
        if self._invent is None:
            raise IndexError(f"{self._contract.symbol} has no bars before {self.recent_ms} ms")
        return self._invent()

    @cached_property
    def _recent(self) -> Figures:
        digits = digits_of(self._contract)
        recent = of_bars(_quarters(self._minutes, self._contract), digits)
        if self._played is not None:
            recent = joined([recent, self._played])
        if self._reprice is not None:
            bars = [self._reprice(bar, _QUARTER_MS) for bar in recent.bars()]
            recent = of_bars(bars, digits)
        return recent


def _quarters(minutes: Columns, contract: Instrument) -> list[Bar]:
    """The quarters of the recent past, in the digits in which its spans are told.

    The newest are sums of minutes, as these are told; older ones, of which no minutes are told,
    are rounded by themselves. Where hours are rounded likewise, an hour's last quarter takes up
    what its four are apart from it: a few units of the last digit.
    """

    def told(interval: Interval, most: int = HISTORY_BARS) -> list[Bar]:
        return [bar_of(candle, contract) for candle in candles_of(minutes, interval, most)]

    fine = told(Interval.M1)
    quarters = layered(told(Interval.M15, _ALL), fine, _QUARTER_MS, _MINUTE_MS)
    summed_ms = quarters[-min(HISTORY_BARS, len(quarters))].open_time_ms
    number = {bar.open_time_ms: at for at, bar in enumerate(quarters)}
    for hour in told(Interval.H1):
        at = number[hour.open_time_ms]
        if hour.open_time_ms + _HOUR_MS <= summed_ms:
            parts = quarters[at : at + 4]
            apart = hour.quote_volume - sum((bar.quote_volume for bar in parts), start=0)
            parts[-1].quote_volume += apart
    return quarters
