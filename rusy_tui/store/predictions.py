"""What the ensemble said of each bar, and what came of it."""

import asyncpg
import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import Defect
from rusy_tui.domain.signal import MemberVote, Prediction
from rusy_tui.store.pool import Database
from rusy_tui.store.rows import PredictionRow

# Each member has a column; votes are read back in this order.
MEMBERS = ("lstm", "cnn", "dnn")

_ADD = """
INSERT INTO model_predictions
    (venue, symbol, timeframe, bar_open_time, model_version, lstm, cnn, dnn, weights,
     score, probability, large_move, flow_present)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT DO NOTHING
"""

_OF_BAR = "venue = $1 AND symbol = $2 AND timeframe = $3"


class Predictions:
    """The table ``model_predictions`` of one venue."""

    def __init__(self, database: Database, venue: str) -> None:
        self._database = database
        self._venue = venue

    async def add(self, prediction: Prediction) -> bool:
        """Keep a prediction; False when that bar already has one of this model version.

        Raises:
            Defect: a member without a column voted.
            StorageError: not kept.
        """
        votes = {vote.member: vote for vote in prediction.members}
        if strangers := votes.keys() - set(MEMBERS):
            raise Defect(f"no column for the votes of {', '.join(sorted(strangers))}")
        outputs = [votes[name].probability if name in votes else None for name in MEMBERS]
        weights = {vote.member: vote.weight for vote in prediction.members}
        added = await self._database.execute(
            _ADD,
            self._venue,
            prediction.symbol,
            prediction.interval,
            prediction.bar_open_ms,
            prediction.model_version,
            *outputs,
            msgspec.json.encode(weights),
            prediction.score,
            prediction.probability,
            prediction.large_move,
            prediction.flow_present,
        )
        return added == 1

    async def set_outcome(self, prediction: Prediction, outcome: float, at_ms: int) -> bool:
        """Say what came of a prediction; False when that was said before.

        Args:
            prediction: the one that was added.
            outcome: return over its horizon, a fraction.
            at_ms: when the horizon ended, market ms.
        """
        changed = await self._database.execute(
            f"UPDATE model_predictions SET outcome = $6, outcome_at = $7 WHERE {_OF_BAR} "
            "AND bar_open_time = $4 AND model_version = $5 AND outcome IS NULL",
            self._venue,
            prediction.symbol,
            prediction.interval,
            prediction.bar_open_ms,
            prediction.model_version,
            outcome,
            at_ms,
        )
        return changed == 1

    async def between(
        self, symbol: str, interval: Interval, from_ms: int, until_ms: int
    ) -> list[PredictionRow]:
        """Those of bars that open in [from, until), ms; ascending."""
        rows = await self._database.rows(
            f"SELECT * FROM model_predictions WHERE {_OF_BAR} "
            "AND bar_open_time >= $4 AND bar_open_time < $5 "
            "ORDER BY bar_open_time, model_version",
            self._venue,
            symbol,
            interval,
            from_ms,
            until_ms,
        )
        return [_read(row) for row in rows]

    async def without_outcome(
        self, symbol: str, interval: Interval, until_ms: int
    ) -> list[Prediction]:
        """Those of bars that open before an instant and wait for their outcome; ascending."""
        rows = await self._database.rows(
            f"SELECT * FROM model_predictions WHERE {_OF_BAR} AND bar_open_time < $4 "
            "AND outcome IS NULL ORDER BY bar_open_time, model_version",
            self._venue,
            symbol,
            interval,
            until_ms,
        )
        return [_read(row).prediction for row in rows]

    async def count(self, from_ms: int, until_ms: int) -> int:
        """How many bars that open in [from, until) have a prediction, all symbols together."""
        number: int = await self._database.value(
            "SELECT count(DISTINCT (symbol, timeframe, bar_open_time)) FROM model_predictions "
            "WHERE venue = $1 AND bar_open_time >= $2 AND bar_open_time < $3",
            self._venue,
            from_ms,
            until_ms,
        )
        return number

    async def votes(self, from_ms: int, until_ms: int) -> dict[str, int]:
        """How often each member voted on bars that open in [from, until)."""
        counts = ", ".join(f"count({name}) AS {name}" for name in MEMBERS)
        row = await self._database.row(
            f"SELECT {counts} FROM model_predictions "
            "WHERE venue = $1 AND bar_open_time >= $2 AND bar_open_time < $3",
            self._venue,
            from_ms,
            until_ms,
        )
        return {name: row[name] if row else 0 for name in MEMBERS}


def _read(row: asyncpg.Record) -> PredictionRow:
    weights = msgspec.json.decode(row["weights"], type=dict[str, float])
    return PredictionRow(
        prediction=Prediction(
            symbol=row["symbol"],
            interval=Interval(row["timeframe"]),
            bar_open_ms=row["bar_open_time"],
            model_version=row["model_version"],
            members=tuple(
                MemberVote(member=name, probability=row[name], weight=weights[name])
                for name in MEMBERS
                if row[name] is not None
            ),
            score=row["score"],
            probability=row["probability"],
            large_move=row["large_move"],
            flow_present=row["flow_present"],
        ),
        outcome=row["outcome"],
        outcome_ms=row["outcome_at"],
    )
