"""Longer bars made of the table's minutes, and hours compared with their quarters."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from rusy_tui.domain.candle import Interval
from rusy_tui.market import hours
from rusy_tui.market.importing.bars import BUILT, BarTable
from rusy_tui.market.importing.report import Built, Differing
from rusy_tui.store.market_data import MarketData

Span = tuple[int, int]

# Minutes are read so many at a time, and quarters; whole hours both.
_MINUTES_SPAN_MS = 30 * 24 * Interval.H1.ms
_QUARTERS_SPAN_MS = 1000 * 24 * Interval.H1.ms


@dataclass(slots=True)
class Compared:
    """Bars that were held against their parts: all open times, and those that differ."""

    judged: dict[Interval, list[int]] = field(default_factory=dict)
    differing: list[Differing] = field(default_factory=list)


async def build(
    market: MarketData,
    table: BarTable,
    symbol: str,
    spans: Iterable[Span],
    went: Callable[[int], None],
) -> tuple[list[Built], Compared]:
    """Make quarters and hours of the minutes in these spans, where all minutes are there.

    Args:
        market: the tables.
        table: what writes them.
        symbol: of the bars.
        spans: of open times of minutes that were imported, [from, until) in ms.
        went: told after each chunk how many minutes it had.
    """
    counts = {interval: [0, 0, 0] for interval in (Interval.M15, Interval.H1)}
    compared = Compared()
    for from_ms, until_ms in _parts(joined(spans), _MINUTES_SPAN_MS):
        minutes, _ = await market.bar_columns.read(symbol, Interval.M1, from_ms, until_ms)
        for interval, count in counts.items():
            bars = hours.build(minutes, interval)
            if not len(bars):
                continue
            brought = await table.bring(symbol, bars, BUILT, _nobody)
            count[0] += brought.stored
            count[1] += brought.equal
            count[2] += len(brought.refused)
            compared.judged.setdefault(interval, []).extend(bars.open_time_ms.tolist())
            compared.differing += [
                Differing(
                    symbol=symbol,
                    interval=interval,
                    open_time_ms=int(bars.open_time_ms[each.row]),
                    detail=f"its minutes make {each.detail} of {each.source}",
                )
                for each in brought.refused
            ]
        went(len(minutes))
    built = [
        Built(symbol=symbol, interval=interval, stored=new, equal=equal, differing=differing)
        for interval, (new, equal, differing) in counts.items()
        if new or equal or differing
    ]
    return built, compared


async def compare_hours(market: MarketData, symbol: str, span: Span) -> Compared:
    """Hold the stored hours of a span against what their stored quarters make."""
    compared = Compared(judged={Interval.H1: []})
    for from_ms, until_ms in _parts([span], _QUARTERS_SPAN_MS):
        quarters, _ = await market.bar_columns.read(symbol, Interval.M15, from_ms, until_ms)
        whole, _ = await market.bar_columns.read(symbol, Interval.H1, from_ms, until_ms)
        built = hours.build(quarters, Interval.H1)
        both = np.intersect1d(whole.open_time_ms, built.open_time_ms, assume_unique=True)
        compared.judged[Interval.H1] += both.tolist()
        compared.differing += [
            Differing(
                symbol=symbol,
                interval=Interval.H1,
                open_time_ms=each.open_time_ms,
                detail=each.detail,
            )
            for each in hours.differing(whole, quarters)
        ]
    return compared


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans moved out to whole hours, those that touch made one; ascending."""
    hour_ms = Interval.H1.ms
    found: list[Span] = []
    for from_ms, until_ms in sorted(spans):
        first, end = from_ms // hour_ms * hour_ms, -(-until_ms // hour_ms) * hour_ms
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return found


def _parts(spans: Iterable[Span], longest_ms: int) -> Iterator[Span]:
    for from_ms, until_ms in spans:
        for start in range(from_ms, until_ms, longest_ms):
            yield start, min(until_ms, start + longest_ms)


def _nobody(rows: int) -> None:
    """Nobody is told."""
