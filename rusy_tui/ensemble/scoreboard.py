"""Who was right: each member's forecasts, judged when their horizon ends."""

from collections import deque
from dataclasses import dataclass, field

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.signal import Prediction

ENSEMBLE = "ensemble"
"""The name under which the calibrated vote of all is judged."""


class MemberRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One member over the last judged predictions.

    ``hit_rate`` is the share whose side was right. ``brier`` is the mean of ``(p - y)²``,
    0.25 for a coin toss, lower is better. ``drift`` is the mean probability less the share
    of bars that rose: how far the member leans too high.
    """

    member: str
    judged: int
    hit_rate: float
    brier: float
    drift: float


@dataclass(slots=True)
class _Pending:
    prediction: Prediction
    entry_price: float | None = None


@dataclass(slots=True)
class Scoreboard:
    """Running record of the last ``keep`` judged predictions of all symbols.

    The horizon is the label's: from the open of the bar after the prediction's to the close
    of the bar ``horizon_bars`` after it. A move of exactly nothing is not judged.
    """

    horizon_bars: int
    keep: int = 672
    _pending: dict[tuple[str, Interval], deque[_Pending]] = field(default_factory=dict)
    _judged: dict[str, deque[tuple[float, bool]]] = field(default_factory=dict)

    def predicted(self, prediction: Prediction) -> None:
        """Remember a prediction until its horizon ends."""
        key = (prediction.symbol, prediction.interval)
        waiting = self._pending.setdefault(key, deque())
        waiting.append(_Pending(prediction))

    def closed(self, candle: Candle) -> tuple[tuple[Prediction, bool], ...]:
        """Take in a closed bar; returns the predictions now judged, and whether price rose.

        Bars of other intervals are ignored. A prediction whose entry bar was missed is let
        go unjudged.
        """
        done: list[tuple[Prediction, bool]] = []
        waiting = self._pending.get((candle.symbol, candle.interval), deque())
        for entry in waiting:
            prediction = entry.prediction
            if candle.open_time_ms == prediction.bar_open_ms + candle.interval.ms:
                entry.entry_price = candle.open
            if candle.open_time_ms == self._exit_bar(prediction):
                done.extend(self._judge(entry, candle.close))
        while waiting and self._exit_bar(waiting[0].prediction) <= candle.open_time_ms:
            waiting.popleft()
        return tuple(done)

    def records(self) -> tuple[MemberRecord, ...]:
        """Each member's record, members by name, the ensemble's last."""
        names = sorted(self._judged, key=lambda name: (name == ENSEMBLE, name))
        return tuple(self._record(name) for name in names)

    def _exit_bar(self, prediction: Prediction) -> int:
        return prediction.bar_open_ms + self.horizon_bars * prediction.interval.ms

    def _judge(self, entry: _Pending, exit_price: float) -> list[tuple[Prediction, bool]]:
        if entry.entry_price is None or exit_price == entry.entry_price:
            return []
        rose = exit_price > entry.entry_price
        prediction = entry.prediction
        for member, probability in (
            *((member.member, member.probability) for member in prediction.members),
            (ENSEMBLE, prediction.probability),
        ):
            judged = self._judged.setdefault(member, deque(maxlen=self.keep))
            judged.append((probability, rose))
        return [(prediction, rose)]

    def _record(self, member: str) -> MemberRecord:
        judged = self._judged[member]
        count = len(judged)
        return MemberRecord(
            member=member,
            judged=count,
            hit_rate=sum((p > 0.5) == rose for p, rose in judged) / count,
            brier=sum((p - rose) ** 2 for p, rose in judged) / count,
            drift=sum(p - rose for p, rose in judged) / count,
        )
