"""One row of bars: what is whole, what waits for a bar before it, what is missing. Pure.

The row of a symbol and interval is *whole* up to its front: every bar up to there is stored,
or known not to exist. Only whole bars are passed on. A bar that comes after a gap is stored at
once, and waits here for those before it.
"""

import enum
import math

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.history import FindingKind
from rusy_tui.market.validation import alike

# How many bars behind the front are remembered, so that a repeated one is known.
REMEMBERED = 200


class Seen(enum.Enum):
    """What a received bar is to a row."""

    NEW = enum.auto()
    """Not received yet."""
    SAME = enum.auto()
    """Received before, with the same figures."""
    OTHER = enum.auto()
    """Received before with other figures, or too long ago to tell."""


class Row:
    """The bars of one symbol and interval.

    Args:
        symbol: of the bars.
        interval: of the bars.
        window: how many bars anything stands on; what was broken before is no matter.

    Attributes:
        front_ms: open time of the last bar before which none is missing; None before any.
        suspects: bars of which something was told that the exchange must be asked about, by
            open time, and what.
        broken: bars that every answer so far gave broken, by open time, and how.
        holes: bars that the exchange did not give though it gave later ones, by open time,
            and when (monotonic s) that was first seen.
        revised_s: bars of which the exchange told other figures than before, by open time, and
            when it last did, monotonic.
    """

    def __init__(self, symbol: str, interval: Interval, window: int = REMEMBERED) -> None:
        self._window = window
        self.symbol = symbol
        self.interval = interval
        self.front_ms: int | None = None
        self.suspects: dict[int, tuple[FindingKind, str]] = {}
        self.broken: dict[int, str] = {}
        self.holes: dict[int, float] = {}
        self.revised_s: dict[int, float] = {}
        # Received: remembered until well behind the front.
        self._received: dict[int, Candle] = {}
        # Stored, and not passed on yet.
        self._ahead: dict[int, Candle] = {}
        self._absent: set[int] = set()
        self._halt: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval}"

    def begin(self, front_ms: int | None) -> None:
        """All that is stored up to an open time is whole, and was passed on or is history."""
        self.front_ms = front_ms
        reached_ms = math.inf if front_ms is None else front_ms
        self._ahead = {at: bar for at, bar in self._ahead.items() if at > reached_ms}

    def received(self, open_ms: int) -> Candle | None:
        """A bar as it was last received; None when it was not, or too long ago."""
        return self._received.get(open_ms)

    def see(self, candle: Candle) -> Seen:
        """What a bar from a stream is; a new one counts as received from now on."""
        open_ms = candle.open_time_ms
        former = self._received.get(open_ms)
        if former is not None:
            return Seen.SAME if alike(former, candle) else Seen.OTHER
        if self.front_ms is not None and open_ms <= self.front_ms:
            return Seen.OTHER
        self._received[open_ms] = candle
        return Seen.NEW

    def lacks_before(self, open_ms: int) -> bool:
        """Whether a bar between the front and this one was not even received."""
        if self.front_ms is None:
            return False
        between = range(self.front_ms + self.interval.ms, open_ms, self.interval.ms)
        return any(each not in self._received for each in between)

    def stored(self, candle: Candle) -> list[Candle]:
        """A bar is in the database: those that may be passed on now, in order."""
        open_ms = candle.open_time_ms
        self._received[open_ms] = candle
        self.holes.pop(open_ms, None)
        if self.front_ms is None:
            self.front_ms = open_ms - self.interval.ms
        if open_ms <= self.front_ms:
            return []
        self._ahead[open_ms] = candle
        return self._advance()

    def forget(self, candle: Candle) -> None:
        """A received bar was lost before it was stored."""
        self._received.pop(candle.open_time_ms, None)

    def accept_absence(self, open_ms: int) -> list[Candle]:
        """A bar does not exist: those that may be passed on now, in order."""
        self.holes.pop(open_ms, None)
        self._absent.add(open_ms)
        return self._advance()

    def wanted(self, now_ms: int) -> list[tuple[int, int]]:
        """Spans [from, until) of closed bars behind the front that are not stored."""
        if self.front_ms is None:
            return []
        step, spans = self.interval.ms, list[tuple[int, int]]()
        for open_ms in range(self.front_ms + step, self.interval.floor(now_ms), step):
            if open_ms in self._ahead or open_ms in self._absent:
                continue
            if spans and spans[-1][1] == open_ms:
                spans[-1] = (spans[-1][0], open_ms + step)
            else:
                spans.append((open_ms, open_ms + step))
        return spans

    def doubtful(self) -> list[int]:
        """Bars up to the front that the exchange must be asked about once more."""
        return sorted(
            open_ms
            for open_ms in {*self.suspects, *self.broken}
            if self.front_ms is not None and open_ms <= self.front_ms
        )

    def halted(self, from_ms: int, until_ms: int) -> int:
        """Bars without volume were passed on: where the run of such bars began."""
        if self._halt is not None and self._halt[1] == from_ms:
            from_ms = self._halt[0]
        self._halt = (from_ms, until_ms)
        return from_ms

    def newest_ms(self) -> int | None:
        """Open time of the newest bar that is stored."""
        return max(self._ahead, default=self.front_ms)

    def late_ms(self, now_ms: int) -> int:
        """How long ago the oldest bar closed that should be there and is not; 0: none."""
        due = [open_ms + self.interval.ms for open_ms in self.broken]
        if self.front_ms is not None:
            due.append(self.front_ms + 2 * self.interval.ms)
        return max(0, now_ms - min(due, default=now_ms))

    def _advance(self) -> list[Candle]:
        passed = list[Candle]()
        while self.front_ms is not None:
            following = self.front_ms + self.interval.ms
            if following in self._ahead:
                passed.append(self._ahead.pop(following))
            elif following in self._absent:
                self._absent.discard(following)
            else:
                break
            self.front_ms = following
        if passed and self.front_ms is not None:
            oldest_ms = self.front_ms - REMEMBERED * self.interval.ms
            for open_ms in [each for each in self._received if each < oldest_ms]:
                del self._received[open_ms]
            for open_ms in [each for each in self.revised_s if each < oldest_ms]:
                del self.revised_s[open_ms]
            first_ms = self.front_ms - self._window * self.interval.ms
            for open_ms in [each for each in self.broken if each < first_ms]:
                del self.broken[open_ms]
        return passed
