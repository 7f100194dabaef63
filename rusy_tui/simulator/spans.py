"""The spans of the exchange's candles.

A table of the simulator's own: the domain's intervals are those Rusy itself works with, the
exchange serves more. Three are built from trades, every other one is a sum of one of them.
"""

import enum

from rusy_tui.domain.candle import Interval


class Span(enum.StrEnum):
    """A candle's span as the exchange spells it."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H8 = "8h"
    H12 = "12h"
    D1 = "1d"

    @property
    def ms(self) -> int:
        """The span in milliseconds."""
        return _SPAN_MS[self]

    @property
    def base(self) -> Interval:
        """The longest span built from trades that this one is a whole number of."""
        return _BASES[self]

    def floor(self, time_ms: int) -> int:
        """The open time of the bar that an instant falls into, ms since the epoch."""
        return time_ms - time_ms % self.ms


BASES = (Interval.M1, Interval.M15, Interval.H1)
"""The spans built from trades, shortest first."""

_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN_MS = {span: int(span.value[:-1]) * _UNITS_MS[span.value[-1]] for span in Span}
_BASES = {
    span: max((base for base in BASES if span.ms % base.ms == 0), key=lambda base: base.ms)
    for span in Span
}
