"""Which bars of a lane are not in the table, and which of these for good."""

from rusy_tui.domain.history import Cure, FindingKind, Gap
from rusy_tui.market.pages import Lane, without
from rusy_tui.store.market_data import MarketData


async def gaps_of(data: MarketData, lane: Lane, from_ms: int, until_ms: int) -> list[Gap]:
    """What a lane lacks in a span, ascending; what a finding has settled is told apart.

    Raises:
        StorageError: the database is lost.
    """
    symbol, interval = lane
    missing = await data.candles.missing(*lane, from_ms, until_ms)
    if not missing:
        return []
    findings = await data.findings.listed(
        *lane,
        kinds=(FindingKind.MISSING, FindingKind.BROKEN),
        cures=(Cure.ACCEPTED, Cure.QUARANTINED),
    )
    found, unsettled = list[Gap](), missing
    for each in findings:
        span = (each.open_time_ms, each.until_ms)
        rest = without(unsettled, [span])
        found += [
            Gap(symbol=symbol, interval=interval, from_ms=a, until_ms=b, settled=each.detail)
            for a, b in without(unsettled, rest)
        ]
        unsettled = rest
    found += [
        Gap(symbol=symbol, interval=interval, from_ms=a, until_ms=b) for a, b in unsettled
    ]
    return sorted(found, key=lambda gap: gap.from_ms)


async def stored_gaps_of(data: MarketData, lane: Lane, until_ms: int) -> list[Gap]:
    """The same from the first stored bar on, for want of a better begin.

    Raises:
        StorageError: the database is lost.
    """
    gaps = await gaps_of(data, lane, 0, until_ms)
    return gaps[1:] if gaps and not gaps[0].from_ms else gaps
