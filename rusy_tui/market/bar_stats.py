"""The microstructure of bars, measured on the streams while they form. Pure.

Trades count into the bar of their own time, whatever the order they come in. They are kept by
the second, buys and sells apart: so much is bounded, however busy a market is, and an hour is
made of its four quarters. A bar that was closed never changes: what comes later is left out,
and counted (:attr:`BarStatistics.late`).

Best prices and nearest levels are sampled: the first that are told in each second of market
time. Seconds in which a book stands still have no sample.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.history import BarStats
from rusy_tui.domain.market import (
    BookDepth,
    BookTop,
    MarketEvent,
    MarketTrade,
    StreamInterrupted,
    StreamRestored,
)

# All that a bar's figures are made of comes by these; until both deliver nothing is covered.
ROUTES = ("public", "market")
# The single streams that they are made of, by how the exchange calls them.
_HEARD = ("aggTrade", "bookTicker", "depth")
# The parts of a bar's volume over which buys and sells are set against each other.
PARTS = 50
_QUARTER_MS = Interval.M15.ms
_SECOND_MS = 1000
_SECONDS = _QUARTER_MS // _SECOND_MS
_BPS = 10_000.0


class _Quarter:
    """What was seen of a quarter of an hour of one symbol."""

    __slots__ = (
        "buys", "depth_count", "depth_s", "depth_sum", "end_ms", "largest", "notional",
        "open_ms", "sells", "spread_count", "spread_sum", "top_s", "trades",
    )  # fmt: skip

    def __init__(self, open_ms: int) -> None:
        self.open_ms = open_ms
        self.end_ms = open_ms + _QUARTER_MS
        # Volume by the second, base asset.
        self.buys = [0.0] * _SECONDS
        self.sells = [0.0] * _SECONDS
        self.trades = 0
        self.notional = 0.0
        self.largest = 0.0
        self.spread_sum = self.depth_sum = 0.0
        self.spread_count = self.depth_count = 0
        # The last seconds that have a sample.
        self.top_s = self.depth_s = -1

    def trade(self, trade: MarketTrade) -> None:
        quantity = float(trade.quantity)
        side = self.sells if trade.buyer_is_maker else self.buys
        side[(trade.event_ms - self.open_ms) // _SECOND_MS] += quantity
        self.trades += trade.trades
        self.notional += quantity * float(trade.price)
        if quantity > self.largest:
            self.largest = quantity

    def top(self, top: BookTop) -> None:
        second = (top.event_ms - self.open_ms) // _SECOND_MS
        if second <= self.top_s:
            return
        bid, ask = float(top.bid), float(top.ask)
        if 0 < bid <= ask:
            self.top_s = second
            self.spread_sum += 2 * _BPS * (ask - bid) / (ask + bid)
            self.spread_count += 1

    def depth(self, depth: BookDepth) -> None:
        second = (depth.event_ms - self.open_ms) // _SECOND_MS
        total = depth.bids + depth.asks
        if second > self.depth_s and total > 0:
            self.depth_s = second
            self.depth_sum += (depth.bids - depth.asks) / total
            self.depth_count += 1


class _Symbol:
    """The quarters of one symbol that are open, and those of an hour that is."""

    def __init__(self) -> None:
        self.open: dict[int, _Quarter] = {}
        self.newest: _Quarter | None = None
        # Of its streams alone, those that are cut, by exchange time from when on.
        self.cut: dict[str, float] = {}
        self.gaps: list[tuple[float, float]] = []


class BarStatistics:
    """The figures of every bar of some symbols, quarters and hours.

    Args:
        symbols: of which anything is kept.
        from_ms: when listening begins, exchange time; bars that ended before are closed.
    """

    def __init__(self, symbols: Iterable[str], from_ms: int) -> None:
        self._symbols = {symbol: _Symbol() for symbol in symbols}
        self._closed_ms = Interval.M15.floor(from_ms)
        # Until the streams say that they deliver, they don't.
        self._cut = dict.fromkeys(ROUTES, -math.inf)
        self._gaps: list[tuple[float, float]] = []
        self.late = 0
        """Trades that came when their bar was closed already."""

    def see(self, event: MarketEvent) -> None:
        """Take an event, as it comes from the streams: every one, before any is replaced."""
        kind = type(event)
        if kind is MarketTrade or kind is BookTop or kind is BookDepth:
            self._see(event)  # type: ignore[arg-type]
        elif isinstance(event, StreamInterrupted):
            cut = self._cuts_of(event.route)[0]
            cut.setdefault(event.route, event.since_ms)
        elif isinstance(event, StreamRestored):
            cut, gaps = self._cuts_of(event.route)
            since_ms = min(cut.pop(event.route, event.since_ms), event.since_ms)
            gaps.append((since_ms, event.until_ms))

    def _see(self, event: MarketTrade | BookTop | BookDepth) -> None:
        known = self._symbols.get(event.symbol)
        if known is None:
            return
        quarter = known.newest
        if quarter is None or not quarter.open_ms <= event.event_ms < quarter.end_ms:
            found = self._quarter(known, event.event_ms)
            if found is None:
                self.late += isinstance(event, MarketTrade)
                return
            quarter = found
        if isinstance(event, MarketTrade):
            quarter.trade(event)
        elif isinstance(event, BookTop):
            quarter.top(event)
        else:
            quarter.depth(event)

    def _quarter(self, known: _Symbol, time_ms: int) -> _Quarter | None:
        """The quarter that an instant falls into; None when it is closed."""
        open_ms = Interval.M15.floor(time_ms)
        if open_ms < self._closed_ms:
            return None
        quarter = known.open.get(open_ms)
        if quarter is None:
            quarter = known.open[open_ms] = _Quarter(open_ms)
        if known.newest is None or open_ms > known.newest.open_ms:
            known.newest = quarter
        return quarter

    def _cuts_of(self, route: str) -> tuple[dict[str, float], list[tuple[float, float]]]:
        """The cuts and gaps that a route counts among: a single stream's are its symbol's."""
        symbol, at, kind = route.rpartition(" ")[2].partition("@")
        if not at:
            return self._cut, self._gaps
        known = self._symbols.get(symbol.upper())
        if known is None or not kind.startswith(_HEARD):
            # No figure is made of what it tells.
            return {}, []
        return known.cut, known.gaps

    def close(self, until_ms: int) -> list[BarStats]:
        """Close every bar that ended by an instant of exchange time, oldest first.

        Bars of which nothing was heard are left out.
        """
        closed: list[BarStats] = []
        while self._closed_ms + _QUARTER_MS <= until_ms:
            open_ms = self._closed_ms
            self._closed_ms = end_ms = open_ms + _QUARTER_MS
            for interval in (Interval.M15, Interval.H1):
                if end_ms % interval.ms:
                    continue
                for symbol, known in self._symbols.items():
                    made = self._made(symbol, known, interval, end_ms - interval.ms)
                    if made is not None:
                        closed.append(made)
            if end_ms % Interval.H1.ms == 0:
                self._forget(end_ms)
        for known in self._symbols.values():
            if known.newest is not None and known.newest.open_ms < self._closed_ms:
                known.newest = None
        return closed

    def _made(
        self, symbol: str, known: _Symbol, interval: Interval, open_ms: int
    ) -> BarStats | None:
        opens = range(open_ms, open_ms + interval.ms, _QUARTER_MS)
        quarters = [known.open[each] for each in opens if each in known.open]
        end_ms = open_ms + interval.ms
        covered = 1 - self._missed_ms(known, open_ms, end_ms) / interval.ms
        if not (quarters or covered > 0):
            return None
        return _stats(symbol, interval, open_ms, quarters, covered)

    def _missed_ms(self, known: _Symbol, open_ms: int, end_ms: int) -> float:
        """How much of a bar at least one of the symbol's streams was cut."""
        gaps = [*self._gaps, *known.gaps]
        gaps += [(since_ms, end_ms) for since_ms in self._cut.values()]
        gaps += [(since_ms, end_ms) for since_ms in known.cut.values()]
        missed_ms, reached_ms = 0.0, float(open_ms)
        for since_ms, until_ms in sorted(gaps):
            first_ms, last_ms = max(since_ms, reached_ms), min(until_ms, end_ms)
            if last_ms > first_ms:
                missed_ms += last_ms - first_ms
                reached_ms = last_ms
        return missed_ms

    def _forget(self, until_ms: int) -> None:
        """Leave what lies before an hour's end that was closed."""
        self._gaps = [gap for gap in self._gaps if gap[1] > until_ms]
        for known in self._symbols.values():
            known.gaps = [gap for gap in known.gaps if gap[1] > until_ms]
            known.open = {at: each for at, each in known.open.items() if at >= until_ms}


def _stats(
    symbol: str,
    interval: Interval,
    open_ms: int,
    quarters: Sequence[_Quarter],
    covered: float,
) -> BarStats:
    # One after the other, as they were: what lies between those that were not heard is nothing.
    buys = np.array([volume for each in quarters for volume in each.buys])
    sells = np.array([volume for each in quarters for volume in each.sells])
    bought, sold = float(buys.sum()), float(sells.sum())
    volume, trades = bought + sold, sum(each.trades for each in quarters)
    spreads = sum(each.spread_count for each in quarters)
    depths = sum(each.depth_count for each in quarters)
    heard = bool(trades) or covered > 0

    def mean(total: float, count: float) -> float:
        return total / count if count else math.nan

    # No price and no size is zero; one that would be is none.

    return BarStats(
        symbol=symbol,
        interval=interval,
        open_time_ms=open_ms,
        # None while all streams were cut is not known to be none.
        trades=float(trades) if heard else math.nan,
        taker_buy_volume=bought if heard else math.nan,
        taker_sell_volume=sold if heard else math.nan,
        vwap=mean(sum(each.notional for each in quarters), volume) or math.nan,
        mean_trade=mean(volume, trades) or math.nan,
        largest_trade=max((each.largest for each in quarters), default=0.0) or math.nan,
        spread_bps=mean(sum(each.spread_sum for each in quarters), spreads),
        depth_imbalance=mean(sum(each.depth_sum for each in quarters), depths),
        vpin=vpin(buys, sells),
        covered=min(max(covered, 0.0), 1.0),
    )


def vpin(buys: np.ndarray, sells: np.ndarray, parts: int = PARTS) -> float:
    """How one-sided trading was: sum of |buys - sells| over equal parts of the volume, by all.

    With the bar's volume V cut into n equal parts, in the order of time, that is

        1/n * sum over the parts of |buys - sells| / (V/n),

    in [0, 1]; NaN without volume. After Easley, López de Prado and O'Hara, "Flow Toxicity and
    Liquidity in a High-frequency World", Review of Financial Studies 25 (2012), whose VPIN is
    the mean of |buys - sells| / V over n buckets of one volume. Here the buckets are parts of
    one bar's own volume instead of a fixed share of a day's that rolls on, and buys are told
    by the exchange's own flag instead of guessed from moves of the price. A bar of few trades
    is near 1 by itself.

    Args:
        buys: volume by which takers bought, in equal steps of time.
        sells: the same by which they sold. Within a step both count as evenly mixed.
        parts: n.
    """
    traded = np.concatenate(([0.0], np.cumsum(buys + sells)))
    if not traded[-1] > 0:
        return math.nan
    ahead = np.concatenate(([0.0], np.cumsum(buys - sells)))
    at_edges = np.interp(np.linspace(0.0, traded[-1], parts + 1), traded, ahead)
    return min(float(np.abs(np.diff(at_edges)).sum() / traded[-1]), 1.0)
