"""What the market service has to say: findings, and lines of the journal.

Written after the bars they are about, in order; while the database is away they wait here.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import structlog

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.history import Cure, Finding, FindingKind
from rusy_tui.market.rows import Row
from rusy_tui.store.errors import DatabaseRefused
from rusy_tui.store.findings import Findings

log = structlog.get_logger("market")

# What may wait while the database is away; beyond, the oldest are in the log alone.
MOST_WAITING = 10_000
# The journal's name for what is noted here.
KIND = "bars"

Append = Callable[[str, str, object, int], Awaitable[object]]
"""Adds to a journal: kind, subject, payload, market time in ms."""


class Note(msgspec.Struct, frozen=True):
    """A line of the journal."""

    subject: str
    payload: Mapping[str, object]
    at_ms: int


class Notebook:
    """Keeps findings and notes until they are written.

    Args:
        findings: where findings go.
        journal: where notes go; None: to the log alone.
        clock: stamps all with market time.

    Attributes:
        changed: told that there is something to write.
    """

    def __init__(self, findings: Findings, journal: Append | None, clock: Clock) -> None:
        self._findings = findings
        self._journal = journal
        self._clock = clock
        self._waiting: deque[Finding | Note] = deque(maxlen=MOST_WAITING)
        self.changed: Callable[[], None] = _nobody

    def __len__(self) -> int:
        return len(self._waiting)

    def find(
        self,
        symbol: str,
        interval: Interval,
        span_ms: tuple[int, int],
        kind: FindingKind,
        cure: Cure,
        detail: str,
        candle: Candle | None = None,
    ) -> None:
        """Something is wrong or odd, or has found its cure; the journal hears of it too.

        Args:
            symbol: of the bars.
            interval: of the bars.
            span_ms: open times [from, until) of the bars it is about.
            kind: what is wrong.
            cure: what became of it.
            detail: with the figures.
            candle: what was set aside.
        """
        now_ms, (from_ms, until_ms) = self._clock.market_ms(), span_ms
        self._waiting.append(
            Finding(
                symbol=symbol,
                interval=interval,
                open_time_ms=from_ms,
                until_ms=until_ms,
                kind=kind,
                cure=cure,
                detail=detail,
                found_ms=now_ms,
                candle=candle,
            )
        )
        subject = f"{symbol} {interval}"
        self.note(
            subject, finding=kind, cure=cure, from_ms=from_ms, until_ms=until_ms, detail=detail
        )

    def find_in(
        self,
        row: Row,
        span_ms: tuple[int, int],
        kind: FindingKind,
        cure: Cure,
        detail: str,
        candle: Candle | None = None,
    ) -> None:
        """The same of a row's bars."""
        self.find(row.symbol, row.interval, span_ms, kind, cure, detail, candle)

    def note(self, subject: str, **payload: object) -> None:
        """Something happened."""
        log.info("bars", subject=subject, **payload)
        if self._journal is not None:
            self._waiting.append(Note(subject, payload, self._clock.market_ms()))
        self.changed()

    async def write(self) -> None:
        """Write what waits.

        Raises:
            DatabaseLost: the rest waits on.
        """
        while self._waiting:
            each = self._waiting[0]
            try:
                if isinstance(each, Finding):
                    await self._findings.keep([each])
                elif self._journal is not None:
                    await self._journal(KIND, each.subject, dict(each.payload), each.at_ms)
            except DatabaseRefused:
                # The answer is no, and will be no.
                log.exception("can not be written", what=repr(each))
            # More than may wait came meanwhile: then the oldest is gone already.
            if self._waiting and self._waiting[0] is each:
                self._waiting.popleft()


def _nobody() -> None:
    """Nobody is told."""
