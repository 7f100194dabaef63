"""What was wrong or odd with market data, and what became of it."""

from collections.abc import Sequence

import asyncpg
import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.history import Cure, Finding, FindingKind
from rusy_tui.store.pool import Database

# Found again, a finding keeps the time it was first found at.
_KEEP = """
INSERT INTO findings AS kept
    (venue, symbol, timeframe, open_time, until_time, kind, cure, detail, found_at, candle)
SELECT $1, given.* FROM unnest(
    $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[],
    $8::text[], $9::timestamptz[], $10::jsonb[]
) AS given
ON CONFLICT (venue, symbol, timeframe, open_time, kind) DO UPDATE
SET until_time = excluded.until_time, cure = excluded.cure, detail = excluded.detail,
    candle = excluded.candle
WHERE (kept.until_time, kept.cure, kept.detail, kept.candle)
    IS DISTINCT FROM (excluded.until_time, excluded.cure, excluded.detail, excluded.candle)
"""

_SELECT = """
SELECT symbol, timeframe, open_time, until_time, kind, cure, detail, found_at, candle
FROM findings
WHERE venue = $1 AND ($2::text IS NULL OR symbol = $2) AND ($3::text IS NULL OR timeframe = $3)
    AND ($4::text[] IS NULL OR kind = ANY($4)) AND ($5::text[] IS NULL OR cure = ANY($5))
ORDER BY symbol, timeframe, open_time, kind
"""


class Findings:
    """The table ``findings`` of one venue."""

    def __init__(self, database: Database, venue: str) -> None:
        self._database = database
        self._venue = venue

    async def keep(self, findings: Sequence[Finding]) -> int:
        """Keep findings; how many were new or changed. Of two with one key the last counts."""
        unique = {_key(each): each for each in findings}
        ordered = [unique[key] for key in sorted(unique)]
        if not ordered:
            return 0
        return await self._database.execute(
            _KEEP,
            self._venue,
            [each.symbol for each in ordered],
            [_timeframe(each) for each in ordered],
            [each.open_time_ms for each in ordered],
            [each.until_ms for each in ordered],
            [str(each.kind) for each in ordered],
            [str(each.cure) for each in ordered],
            [each.detail for each in ordered],
            [each.found_ms for each in ordered],
            [None if each.candle is None else _as_json(each.candle) for each in ordered],
        )

    async def listed(
        self,
        symbol: str | None = None,
        interval: Interval | None = None,
        *,
        kinds: Sequence[FindingKind] | None = None,
        cures: Sequence[Cure] | None = None,
    ) -> list[Finding]:
        """Findings by symbol, interval and time; None stands for all."""
        rows = await self._database.rows(
            _SELECT,
            self._venue,
            symbol,
            None if interval is None else str(interval),
            None if kinds is None else [str(kind) for kind in kinds],
            None if cures is None else [str(cure) for cure in cures],
        )
        return [_read(row) for row in rows]


def _key(finding: Finding) -> tuple[str, str, int, str]:
    return finding.symbol, _timeframe(finding), finding.open_time_ms, str(finding.kind)


def _timeframe(finding: Finding) -> str:
    return "" if finding.interval is None else str(finding.interval)


def _as_json(candle: Candle) -> bytes:
    # JSON knows no NaN and no infinity: what was set aside may hold any of them, as text.
    fields = msgspec.structs.asdict(candle)
    return msgspec.json.encode(
        {k: str(v) if isinstance(v, float) else v for k, v in fields.items()}
    )


def _read(row: asyncpg.Record) -> Finding:
    candle = row["candle"]
    return Finding(
        symbol=row["symbol"],
        interval=Interval(row["timeframe"]) if row["timeframe"] else None,
        open_time_ms=row["open_time"],
        until_ms=row["until_time"],
        kind=FindingKind(row["kind"]),
        cure=Cure(row["cure"]),
        detail=row["detail"],
        found_ms=row["found_at"],
        candle=(
            None
            if candle is None
            else msgspec.convert(msgspec.json.decode(candle), Candle, strict=False)
        ),
    )
