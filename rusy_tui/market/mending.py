"""What REST is for while bars are live: whatever did not come by stream, or came wrong.

A bar whose closing event is late, a span that was missed, a broken or contradicted bar: each is
asked for until the row is whole. What the exchange itself does not have is asked for twice, a
while apart, and then accepted as absent; what it gives broken is set aside, and the row does
not pass it (promise P5).
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, UnreachableError
from rusy_tui.domain.history import Cure, FindingKind
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.notebook import Notebook
from rusy_tui.market.pages import ROWS_A_CALL
from rusy_tui.market.rows import Row
from rusy_tui.market.validation import absent_made_nan, fault_of
from rusy_tui.market.writer import Writer

# How long after a bar's end its closing event may take before REST is asked, wall seconds.
CLOSE_GRACE_S = 2.0
# What is not given is asked for again after this, then after twice that, and so on, wall
# seconds; the next close begins it anew.
RETRY_S = 1.0
LONGEST_RETRY_S = 300.0
# Two answers without a bar count as two when they lie so far apart, wall seconds: replicas of
# the exchange's own that lag have caught up by then.
CONFIRM_S = 60.0

Passed = Callable[[Sequence[Candle]], None]


class Mender:
    """Makes rows whole over REST.

    Args:
        exchange: that is asked.
        clock: of all waits.
        notebook: for findings, and what was fetched.
        writer: writes what was fetched.
        passed: told of bars that may be passed on because one before them does not exist.
    """

    def __init__(
        self,
        exchange: ExchangePort,
        clock: Clock,
        notebook: Notebook,
        writer: Writer,
        passed: Passed,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._notebook = notebook
        self._writer = writer
        self._passed = passed
        self._locks: dict[Row, asyncio.Lock] = {}
        self._wanted: dict[Row, asyncio.Event] = {}
        self._unanswered: set[Row] = set()

    def want(self, row: Row) -> None:
        """Have a row looked after as soon as can be."""
        self._wanted.setdefault(row, asyncio.Event()).set()

    async def run(self, row: Row) -> None:
        """Look after a row: when it is wanted, and until it is whole; runs for ever."""
        wanted = self._wanted.setdefault(row, asyncio.Event())
        while True:
            await wanted.wait()
            wanted.clear()
            await self.catch_up(row)
            wait_s = RETRY_S
            while not wanted.is_set() and self._lacks(row):
                with suppress(TimeoutError):
                    await self._clock.within(wait_s, wanted.wait())
                wait_s = min(2 * wait_s, LONGEST_RETRY_S)
                if not wanted.is_set():
                    await self.catch_up(row)

    async def watch(self, row: Row) -> None:
        """See to each bar whose closing event is late, for ever.

        The closing event of a quiet symbol comes late or, across a reconnect, never.
        """
        while True:
            now_ms = self._exchange.exchange_ms()
            left_ms = row.interval.floor(now_ms) + row.interval.ms - now_ms
            # The exchange's time may be another than ours.
            await self._clock.sleep_until_market(self._clock.market_ms() + left_ms)
            await self._clock.sleep(CLOSE_GRACE_S)
            if row.broken or self._lacks(row):
                self.want(row)

    def _lacks(self, row: Row) -> bool:
        return bool(row.suspects or row.wanted(self._exchange.exchange_ms()))

    async def catch_up(self, row: Row) -> None:
        """Fetch what has closed and is not there, and look again at what is in doubt."""
        async with self._locks.setdefault(row, asyncio.Lock()):
            # What was received waits on the disk; all is looked after when it is written.
            if self._writer.away:
                return
            try:
                for from_ms, until_ms in row.wanted(self._exchange.exchange_ms()):
                    newest_ms = row.newest_ms() or 0
                    await self._fetch(row, from_ms, until_ms, newest_ms)
                for open_ms in row.doubtful():
                    await self._look_again(row, open_ms)
            except (ExchangeError, UnreachableError) as error:
                if row not in self._unanswered:
                    self._notebook.note(str(row), state="not answered", why=str(error))
                self._unanswered.add(row)
            else:
                self._unanswered.discard(row)

    async def _fetch(self, row: Row, from_ms: int, until_ms: int, newest_ms: int) -> None:
        """Fetch bars that open in [from, until), page by page, and keep the sound ones.

        The exchange has the bar at ``newest_ms``: what it does not give before it, or before
        another that it gives, is a hole.

        Raises:
            ExchangeError, UnreachableError: the exchange gave no answer.
        """
        start_ms = from_ms
        while start_ms < until_ms:
            given = await self._ask(row, start_ms, until_ms)
            if not await self._keep(row, given):
                return
            end_ms = given[-1].close_time_ms if given else until_ms
            newest_ms = max(newest_ms, given[-1].open_time_ms if given else 0)
            there = {candle.open_time_ms for candle in given}
            expected = range(start_ms, min(end_ms, newest_ms), row.interval.ms)
            self._absent(row, [open_ms for open_ms in expected if open_ms not in there])
            if not given:
                return
            start_ms = end_ms

    async def _look_again(self, row: Row, open_ms: int) -> None:
        """Ask for one bar, whose answer decides what is in the table."""
        await self._keep(row, await self._ask(row, open_ms, open_ms + row.interval.ms))

    async def _keep(self, row: Row, given: Sequence[Candle]) -> bool:
        """Keep what is sound; False when the database does not take it now."""
        sound = [each for candle in given if (each := await self._sound(row, candle))]
        if not sound:
            return True
        if not await self._writer.put(sound, "rest"):
            return False
        first_ms, end_ms = sound[0].open_time_ms, sound[-1].close_time_ms
        self._notebook.note(str(row), fetched=len(sound), from_ms=first_ms, until_ms=end_ms)
        return True

    async def _ask(self, row: Row, from_ms: int, until_ms: int) -> list[Candle]:
        page = await self._exchange.candles(
            row.symbol, row.interval, from_ms, until_ms - row.interval.ms, ROWS_A_CALL
        )
        return [
            absent_made_nan(candle)
            for candle in page
            if candle.closed and from_ms <= candle.open_time_ms < until_ms
        ]

    # What was given -----------------------------------------------------------------------

    async def _sound(self, row: Row, candle: Candle) -> Candle | None:
        """The bar, or the exchange's second word if the first was broken; None: set aside."""
        open_ms, end_ms = candle.open_time_ms, candle.close_time_ms
        fault = fault_of(candle)
        if fault is not None and open_ms not in row.broken:
            row.suspects[open_ms] = (FindingKind.BROKEN, fault)
            self._notebook.find_in(row, (open_ms, end_ms), FindingKind.BROKEN, Cure.OPEN, fault)
            again = await self._ask(row, open_ms, end_ms)
            candle = again[0] if again else candle
            fault = fault_of(candle)
        if fault is None:
            self._settle(row, open_ms)
            return candle
        row.suspects.pop(open_ms, None)
        if row.broken.get(open_ms) != fault:
            row.broken[open_ms] = fault
            self._notebook.find_in(
                row, (open_ms, end_ms), FindingKind.BROKEN, Cure.QUARANTINED, fault, candle
            )
        return None

    def _settle(self, row: Row, open_ms: int) -> None:
        """The exchange was asked for a bar, and gave a sound one: whatever was odd is over."""
        end_ms = open_ms + row.interval.ms
        if open_ms in row.suspects:
            kind, detail = row.suspects.pop(open_ms)
            cure = Cure.ACCEPTED if kind is FindingKind.REVISED else Cure.REFETCHED
            self._notebook.find_in(row, (open_ms, end_ms), kind, cure, detail)
        if open_ms in row.holes:
            del row.holes[open_ms]
            detail = "given at last"
            self._notebook.find_in(
                row, (open_ms, end_ms), FindingKind.MISSING, Cure.REFETCHED, detail
            )

    def _absent(self, row: Row, opens: Sequence[int]) -> None:
        """Bars that the exchange did not give though it has later ones."""
        now_s = self._clock.monotonic_s()
        new = [open_ms for open_ms in opens if open_ms not in row.holes]
        row.holes.update(dict.fromkeys(new, now_s))
        for from_ms, until_ms in _spans(new, row.interval):
            detail = "not given, though later ones are"
            self._notebook.find_in(
                row, (from_ms, until_ms), FindingKind.MISSING, Cure.OPEN, detail
            )
        sure = [each for each in opens if now_s - row.holes[each] >= CONFIRM_S]
        for from_ms, until_ms in _spans(sure, row.interval):
            detail = f"not given twice, {CONFIRM_S:.0f} s or more apart"
            self._notebook.find_in(
                row, (from_ms, until_ms), FindingKind.MISSING, Cure.ACCEPTED, detail
            )
        for open_ms in sure:
            self._passed(row.accept_absence(open_ms))


def _spans(opens: Iterable[int], interval: Interval) -> list[tuple[int, int]]:
    """Neighbouring bars as spans [from, until) of open times."""
    spans = list[tuple[int, int]]()
    for open_ms in opens:
        if spans and spans[-1][1] == open_ms:
            spans[-1] = (spans[-1][0], open_ms + interval.ms)
        else:
            spans.append((open_ms, open_ms + interval.ms))
    return spans
