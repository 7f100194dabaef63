"""The second look: after each hour, bars are held against what the exchange says by now.

The exchange corrects candles now and then and tells nobody, so the last day is asked for again
each hour, for a weight of 1 a row. In the same look each hour is held against its four
quarters, and each price against the mark price of its bar. What is odd, and still odd after the
exchange was asked again, is the exchange's own word and real: models were trained on such bars
as they are, and other figures would be invented.
"""

from collections.abc import Sequence

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, StorageError, UnreachableError
from rusy_tui.domain.history import Cure, FindingKind
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market import hours
from rusy_tui.market.notebook import Notebook
from rusy_tui.market.rows import Row
from rusy_tui.market.validation import absent_made_nan, alike, fault_of, jumps
from rusy_tui.market.writer import Writer
from rusy_tui.store.market_data import MarketData

# The most rows that weigh 1: a day of quarters and a little.
BARS = 99
# After the hour, wall seconds: all that closed with it is there by then.
AFTER_S = 60.0

_Key = tuple[FindingKind, Interval, int]


class Review:
    """Looks at the rows of each symbol once more after every hour.

    Args:
        exchange: that is asked.
        data: what is stored.
        clock: of all waits.
        notebook: for findings.
        writer: writes what the exchange says otherwise.
        symbols: each with its rows.
    """

    def __init__(
        self,
        exchange: ExchangePort,
        data: MarketData,
        clock: Clock,
        notebook: Notebook,
        writer: Writer,
        symbols: Sequence[Sequence[Row]],
    ) -> None:
        self._exchange = exchange
        self._data = data
        self._clock = clock
        self._notebook = notebook
        self._writer = writer
        self._symbols = symbols
        # What was told before is not told again each hour.
        self._told: dict[tuple[str, _Key], str] = {}

    async def run(self) -> None:
        """Look after each hour, for ever."""
        while True:
            now_ms = self._exchange.exchange_ms()
            left_ms = Interval.H1.floor(now_ms) + Interval.H1.ms - now_ms
            await self._clock.sleep_until_market(self._clock.market_ms() + left_ms)
            await self._clock.sleep(AFTER_S)
            for rows in self._symbols:
                try:
                    await self.look(rows)
                except (ExchangeError, UnreachableError, StorageError) as error:
                    # Nothing is lost: the next look covers the same bars.
                    self._notebook.note(rows[0].symbol, state="not reviewed", why=str(error))

    async def look(self, rows: Sequence[Row]) -> None:
        """Look at the rows of one symbol.

        Raises:
            ExchangeError, UnreachableError, StorageError: not looked at.
        """
        if self._writer.away:
            return
        before = await self._odd(rows)
        for row in rows:
            await self._ask_again(row)
        after = await self._odd(rows)
        for key, detail in before.items():
            if key not in after:
                self._tell(rows[0].symbol, key, Cure.REFETCHED, detail)
        for key, detail in after.items():
            self._tell(rows[0].symbol, key, Cure.ACCEPTED, detail)

    async def _ask_again(self, row: Row) -> None:
        """Have the exchange's present answer in the table, whatever was there."""
        if row.front_ms is None:
            return
        stored = {bar.open_time_ms: bar for bar in _candles(row, await self._stored(row))}
        if not stored:
            return
        # What is older than all that is kept is not wanted here.
        from_ms = max(row.front_ms - (BARS - 1) * row.interval.ms, min(stored))
        page = await self._exchange.candles(
            row.symbol, row.interval, from_ms, row.front_ms, BARS, backfill=True
        )
        otherwise = list[Candle]()
        for candle in map(absent_made_nan, page):
            known = stored.get(candle.open_time_ms)
            if not candle.closed or (known is not None and alike(known, candle)):
                continue
            key = (FindingKind.BROKEN, row.interval, candle.open_time_ms)
            fault = fault_of(candle)
            if fault is None:
                otherwise.append(candle)
            elif known is not None:
                self._tell(row.symbol, key, Cure.QUARANTINED, fault, candle)
        if otherwise:
            await self._writer.put(otherwise, "rest")

    async def _odd(self, rows: Sequence[Row]) -> dict[_Key, str]:
        """What is odd about the bars that are stored, and how."""
        found, stored = dict[_Key, str](), dict[Interval, Bars]()
        for row in rows:
            bars = stored[row.interval] = await self._stored(row)
            if not len(bars):
                continue
            first_ms, end_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1]) + 1
            marks = await self._data.mark_prices.between(
                row.symbol, str(row.interval), first_ms, end_ms
            )
            for open_ms, detail in jumps(_candles(row, bars), marks).items():
                found[FindingKind.JUMP, row.interval, open_ms] = detail
        if Interval.H1 in stored and Interval.M15 in stored:
            for open_ms, detail in hours.differing(stored[Interval.H1], stored[Interval.M15]):
                found[FindingKind.HOUR_DIFFERS, Interval.H1, open_ms] = detail
        return found

    async def _stored(self, row: Row) -> Bars:
        until_ms = (row.front_ms or 0) + 1
        return await self._data.candles.window(row.symbol, row.interval, until_ms, BARS)

    def _tell(
        self, symbol: str, key: _Key, cure: Cure, detail: str, candle: Candle | None = None
    ) -> None:
        text = f"{cure}: {detail}"
        if self._told.get((symbol, key)) == text:
            return
        self._told[symbol, key] = text
        kind, interval, open_ms = key
        span_ms = (open_ms, open_ms + interval.ms)
        self._notebook.find(symbol, interval, span_ms, kind, cure, detail, candle)


def _candles(row: Row, bars: Bars) -> list[Candle]:
    columns = [getattr(bars, name).tolist() for name in COLUMNS]
    return [
        Candle(
            symbol=row.symbol,
            interval=row.interval,
            open_time_ms=int(open_ms),
            closed=True,
            **dict(zip(COLUMNS, figures, strict=True)),
        )
        for open_ms, *figures in zip(bars.open_time_ms, *columns, strict=True)
    ]
