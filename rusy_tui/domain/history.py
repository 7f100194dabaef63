"""What is kept of a market besides its candles, and what was found wrong with any of it.

All figures are market data: floats, NaN where a source has none, never 0 for it.
"""

import enum
from typing import TYPE_CHECKING, TypeVar

import msgspec

from rusy_tui.domain.candle import Candle, Interval

if TYPE_CHECKING:
    # One-shot commands, which know this module, do without numpy.
    from rusy_tui.domain.bars import Times

_MINUTE_MS = 60_000
_T = TypeVar("_T", int, "Times")


class FundingRate(msgspec.Struct, frozen=True, kw_only=True):
    """What was paid at one funding time, which is the key: see :func:`payment_ms`.

    ``rate`` is a fraction of notional, longs paid when it was positive; ``mark_price`` in the
    quote asset, NaN where the source does not tell it.
    """

    symbol: str
    time_ms: int
    rate: float
    mark_price: float


def payment_ms(time_ms: _T) -> _T:
    """The funding time that a payment is known by: its instant floored to the minute.

    The exchange stamps payments some milliseconds after the hour, and not alike in REST,
    archives and recordings. Contracts pay every hour at most, so that one minute never has
    two payments. Whoever writes funding rates takes their times from here.

    Args:
        time_ms: as it was told; one, or an array of them.
    """
    return time_ms - time_ms % _MINUTE_MS


class MarkCandle(msgspec.Struct, frozen=True, kw_only=True):
    """The mark price over a closed bar, quote asset."""

    symbol: str
    interval: Interval
    open_time_ms: int
    open: float
    high: float
    low: float
    close: float


class OpenInterest(msgspec.Struct, frozen=True, kw_only=True):
    """Contracts that are open at an instant: in the base asset, and their value in USDT."""

    symbol: str
    time_ms: int
    quantity: float
    value_usd: float


class BarStats(msgspec.Struct, frozen=True, kw_only=True):
    """The microstructure of one closed bar, measured live on the streams.

    Volumes and trade sizes in the base asset, ``vwap`` in the quote asset. ``spread_bps`` is
    the mean of samples of the best prices, ``depth_imbalance`` of (bids - asks) / (bids +
    asks) over the nearest levels, in [-1, 1]; ``vpin`` of |buys - sells| / volume over equal
    parts of the volume, in [0, 1]. ``covered`` is the share of the bar in which the streams
    were whole: below 1 the sums are too small.
    """

    symbol: str
    interval: Interval
    open_time_ms: int
    trades: float
    taker_buy_volume: float
    taker_sell_volume: float
    vwap: float
    mean_trade: float
    largest_trade: float
    spread_bps: float
    depth_imbalance: float
    vpin: float
    covered: float


class FindingKind(enum.StrEnum):
    """What can be wrong with market data."""

    BROKEN = "broken"
    """A candle breaks a rule of its own: order of prices, sign, taker above total, grid."""

    HALT = "halt"
    """A bar without volume: real, the exchange stood still."""

    JUMP = "jump"
    """A price far from the mark price of the same bar."""

    HOUR_DIFFERS = "hour differs"
    """An hour is not what its four quarters make."""

    REVISED = "revised"
    """The exchange's later answer was another one."""

    MISSING = "missing"
    """The exchange has no such bars, though it has some before and after."""

    DUPLICATE = "duplicate"
    """One source gave a bar twice, and not alike."""

    BROKEN_ROW = "broken row"
    """A row of an imported file breaks a rule: of the bar itself nothing is known by that."""

    BROKEN_MARK_PRICE = "broken mark price"
    """The mark price over a bar breaks a rule; of the bar's own candle that says nothing."""

    CONTRADICTED = "contradicted"
    """An imported file says otherwise than the exchange did, or an earlier file; that stays."""

    FINER_THAN_TICK = "finer than tick"
    """A price has more digits than the contract's tick allowed on that day."""

    UNKNOWN_TICK = "unknown tick"
    """No tick is on record for that day, so digits could not be judged."""


class Cure(enum.StrEnum):
    """What became of a finding."""

    OPEN = "open"
    """Nothing yet: the data is not to be used."""

    REFETCHED = "refetched"
    """Asked for again, and whole now."""

    ACCEPTED = "accepted"
    """Looked at, and real."""

    QUARANTINED = "quarantined"
    """Set aside: kept with the finding, not in the table."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was found wrong, or odd, and what became of it.

    A finding is about the bars of [open_time_ms, until_ms); ``interval`` is None where it is
    about no bars. Its key is symbol, interval, open time and kind: found again, it is the
    same one. ``candle`` is what was set aside.
    """

    symbol: str
    interval: Interval | None
    open_time_ms: int
    until_ms: int
    kind: FindingKind
    cure: Cure
    detail: str
    found_ms: int
    candle: Candle | None = None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Bars that are missing: open times [from_ms, until_ms).

    ``settled`` says why they are not asked for any more, "" where they are.
    """

    symbol: str
    interval: Interval
    from_ms: int
    until_ms: int
    settled: str = ""

    @property
    def bars(self) -> int:
        """How many."""
        return (self.until_ms - self.from_ms) // self.interval.ms


class BackfillProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far history is: bars that were missing when it was planned, and how many still are.

    ``rows_per_s`` since it began, wall seconds; ``seconds_left`` None as long as nobody knows.
    ``symbol`` and ``interval`` are of the page that came last, "" before the first.
    """

    rows_done: int
    rows_total: int
    rows_per_s: float = 0.0
    weight_used: int = 0
    weight_limit: int = 0
    seconds_left: float | None = None
    symbol: str = ""
    interval: str = ""

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return self.rows_done / self.rows_total if self.rows_total else 1.0

    @property
    def whole(self) -> bool:
        """Whether nothing is left."""
        return self.rows_done >= self.rows_total
