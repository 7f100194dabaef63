"""Bars brought into the table: what is new is added, what is known compared.

Who is believed when two say different things of one bar:

* the exchange's archive replaces whatever else is stored, for it is published a day later or
  more and corrected in place; the former version is kept as a revision, with a finding. What
  an archive said in this very import stands: two of its files must not replace each other
  time and again;
* a file by anybody else never replaces the exchange's word (stream, REST, archive) nor
  another such file's: its row is set aside, with a finding. It replaces a bar that was built;
* a built bar replaces a built one alone; where it differs from another, that is a finding.

Figures that are absent in the stored bar and known to whoever agrees with the rest are filled
in; the exchange's own bars are filled from its archive alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.bars import COLUMNS, Bars, Times
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import StorageError
from rusy_tui.market import hours
from rusy_tui.store.bar_columns import SOURCES
from rusy_tui.store.market_data import MarketData

ARCHIVE, FILE, BUILT = "archive", "file", "built"

_CHUNK = 50_000
# Somebody else may write the same bars at the same time: looked at again this often.
_TRIES = 5

_REPLACED_BY = {
    ARCHIVE: frozenset({"stream", "rest", FILE, BUILT, "archive", ""}),
    FILE: frozenset({BUILT}),
    BUILT: frozenset({BUILT}),
}
_FILLED_BY = {
    ARCHIVE: frozenset({"stream", "rest", FILE, BUILT, ARCHIVE, ""}),
    FILE: frozenset({FILE, BUILT}),
    BUILT: frozenset({FILE, BUILT}),
}


@dataclass(frozen=True, slots=True)
class Unlike:
    """A bar that is stored with other figures: whose, and which differ (given for stored)."""

    row: int
    source: str
    detail: str


@dataclass(slots=True)
class Brought:
    """What became of bars: ``stored`` are added, replaced or filled in.

    ``replaced`` are stored ones, ``refused`` those that contradict a better source.
    """

    stored: int
    equal: int
    replaced: list[Unlike]
    refused: list[Unlike]


class BarTable:
    """Brings bars into ``market_data``, in whole chunks that are kept or not.

    Args:
        market: the tables of the venue.
    """

    def __init__(self, market: MarketData) -> None:
        self._market = market
        # What the archive has said in this import, by symbol and interval.
        self._said: dict[tuple[str, Interval], list[Times]] = {}

    async def bring(
        self, symbol: str, bars: Bars, source: str, went: Callable[[int], None]
    ) -> Brought:
        """Compare bars with the table and write what is due.

        Args:
            symbol: of the bars.
            bars: ascending, each open time once; sound.
            source: archive, file or built.
            went: told after each chunk how many bars it had.

        Raises:
            StorageError: the chunk at hand is not written; those before it are.
        """
        all_of_it = Brought(0, 0, [], [])
        for start in range(0, len(bars), _CHUNK):
            chunk = bars[start : start + _CHUNK]
            done = await self._bring_chunk(symbol, chunk, source)
            all_of_it.stored += done.stored
            all_of_it.equal += done.equal
            for mine, its in (
                (all_of_it.replaced, done.replaced),
                (all_of_it.refused, done.refused),
            ):
                mine += [Unlike(start + each.row, each.source, each.detail) for each in its]
            went(len(chunk))
        if source == ARCHIVE:
            self._said.setdefault((symbol, bars.interval), []).append(bars.open_time_ms)
        return all_of_it

    async def _bring_chunk(self, symbol: str, bars: Bars, source: str) -> Brought:
        for _ in range(_TRIES):
            first_ms, last_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1])
            kept, sources = await self._market.bar_columns.read(
                symbol, bars.interval, first_ms, last_ms + 1
            )
            new = ~np.isin(bars.open_time_ms, kept.open_time_ms, assume_unique=True)
            if await self._market.bar_columns.add(symbol, bars[new], source):
                added = int(np.count_nonzero(new))
                return await self._compare(symbol, bars, source, kept, sources, added)
        raise StorageError(
            f"{symbol} {bars.interval}: another program writes the same bars again and again; "
            "end it, or import later"
        )

    async def _compare(
        self,
        symbol: str,
        bars: Bars,
        source: str,
        kept: Bars,
        sources: NDArray[np.uint8],
        added: int,
    ) -> Brought:
        rows, at = hours.common(bars, kept)
        given, kept, sources = bars[rows], kept[at], sources[at]
        wrong = hours.unlike(given, kept)
        differs = np.logical_or.reduce(list(wrong.values()))
        whose = [SOURCES[number - 1] if number else "" for number in range(len(SOURCES) + 1)]
        may_replace = np.isin(sources, _numbers(whose, _REPLACED_BY[source]))
        may_replace &= ~self._said_before(symbol, bars.interval, given.open_time_ms)
        may_fill = np.isin(sources, _numbers(whose, _FILLED_BY[source]))
        fills = ~differs & may_fill & _knows_more(given, kept)
        replaces, refused = differs & may_replace, differs & ~may_replace

        await self._market.bar_columns.fill(symbol, given[fills])
        await self._market.candles.store_bars(symbol, given[replaces], source)

        def told(mask: NDArray[np.bool_]) -> list[Unlike]:
            return [
                Unlike(
                    int(rows[row]),
                    whose[sources[row]] or "another source",
                    ", ".join(hours.described(wrong, given, kept, row)),
                )
                for row in np.flatnonzero(mask).tolist()
            ]

        changed = int(np.count_nonzero(fills | replaces))
        equal = len(rows) - changed - int(np.count_nonzero(refused))
        return Brought(added + changed, equal, told(replaces), told(refused))

    def _said_before(self, symbol: str, interval: Interval, times: Times) -> NDArray[np.bool_]:
        found = np.zeros(len(times), bool)
        for said in self._said.get((symbol, interval), []):
            found |= np.isin(times, said, assume_unique=True)
        return found


def _numbers(whose: list[str], names: frozenset[str]) -> list[int]:
    return [number for number, name in enumerate(whose) if name in names]


def _knows_more(given: Bars, kept: Bars) -> NDArray[np.bool_]:
    more = np.zeros(len(given), bool)
    for name in COLUMNS[4:]:
        more |= np.isnan(getattr(kept, name)) & ~np.isnan(getattr(given, name))
    return more
