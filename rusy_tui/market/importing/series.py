"""Funding rates and mark prices brought into their tables, compared with what is there.

As with bars, the exchange's archive replaces what differs, and anybody else's file never does.
These tables keep no former versions: the finding tells them.
"""

from dataclasses import dataclass, field

import msgspec
import numpy as np

from rusy_tui.domain.bars import Bars
from rusy_tui.domain.history import FundingRate, MarkCandle
from rusy_tui.market.importing.judging import JudgedFunding
from rusy_tui.market.importing.reading import PRICES
from rusy_tui.store.market_data import MarketData

_CHUNK = 50_000


@dataclass(slots=True)
class Written:
    """What became of rows, by place: ``unlike`` tells how a row differs from the stored."""

    stored: int = 0
    equal: int = 0
    unlike: dict[int, str] = field(default_factory=dict)


async def bring_funding(
    market: MarketData, symbol: str, judged: JudgedFunding, *, archive: bool
) -> Written:
    """Write funding rates, each known by its minute.

    Raises:
        StorageError: none of them is written.
    """
    written = Written()
    if not len(judged.time_ms):
        return written
    first_ms, last_ms = int(judged.time_ms[0]), int(judged.time_ms[-1])
    stored = await market.funding_rates.between(symbol, None, first_ms, last_ms + 1)
    kept = {each.time_ms: each for each in stored}
    due = []
    rows = zip(
        judged.time_ms.tolist(), judged.rate.tolist(), judged.mark_price.tolist(), strict=True
    )
    for row, (time_ms, rate, mark) in enumerate(rows):
        known = kept.get(time_ms)
        given = FundingRate(symbol=symbol, time_ms=time_ms, rate=rate, mark_price=mark)
        if known is None:
            written.stored += 1
            due.append(given)
        elif known.rate == rate:
            written.equal += 1
        else:
            written.unlike[row] = f"rate {rate:.12g} for {known.rate:.12g}"
            if archive:
                written.stored += 1
                due.append(msgspec.structs.replace(known, rate=rate))
    await market.funding_rates.store(due)
    return written


async def bring_mark_prices(
    market: MarketData, symbol: str, bars: Bars, *, archive: bool
) -> Written:
    """Write mark prices, in whole chunks.

    Raises:
        StorageError: the chunk at hand is not written; those before it are.
    """
    written = Written()
    for start in range(0, len(bars), _CHUNK):
        chunk = bars[start : start + _CHUNK]
        stored = await market.mark_prices.between(
            symbol,
            str(bars.interval),
            int(chunk.open_time_ms[0]),
            int(chunk.open_time_ms[-1]) + 1,
        )
        kept = {each.open_time_ms: each for each in stored}
        due = []
        prices = np.stack([getattr(chunk, name) for name in PRICES], axis=1).tolist()
        for row, (time_ms, figures) in enumerate(
            zip(chunk.open_time_ms.tolist(), prices, strict=True)
        ):
            given = MarkCandle(
                symbol=symbol,
                interval=bars.interval,
                open_time_ms=time_ms,
                **dict(zip(PRICES, figures, strict=True)),
            )
            known = kept.get(time_ms)
            if known == given:
                written.equal += 1
                continue
            if known is not None:
                written.unlike[start + row] = ", ".join(
                    f"{name} {getattr(given, name):.12g} for {getattr(known, name):.12g}"
                    for name in PRICES
                    if getattr(given, name) != getattr(known, name)
                )
            if known is None or archive:
                written.stored += 1
                due.append(given)
        await market.mark_prices.store(due)
    return written
