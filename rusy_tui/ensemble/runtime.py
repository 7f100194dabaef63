"""Running the networks on closed bars."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ModelError
from rusy_tui.domain.signal import Prediction
from rusy_tui.ensemble import registry, vote
from rusy_tui.ensemble.manifest import CNN, DNN, LSTM, MEMBERS, Manifest
from rusy_tui.features import catalogue
from rusy_tui.features.windows import (
    FeatureTable,
    Float32,
    MemberInputs,
    complete_rows,
    feature_table,
    member_inputs,
)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the graphs say, ``float32``, one row a prediction.

    ``probability (n,)``: the LSTM's P(up). ``classes (n, 3)``: the CNN's P(up), P(down),
    P(neither). ``strength (n,)``: the DNN's signal in [-1, 1].
    """

    probability: Float32
    classes: Float32
    strength: Float32

    def probabilities(self, row: int) -> dict[str, float]:
        """P(up) of each member on the yardstick that they share."""
        up, down = float(self.classes[row, 0]), float(self.classes[row, 1])
        return {
            LSTM: float(self.probability[row]),
            CNN: (1 + up - down) / 2,
            DNN: (1 + float(self.strength[row])) / 2,
        }

    def large_move(self, row: int) -> float:
        """P(the move is a large one, either way)."""
        return float(self.classes[row, 0]) + float(self.classes[row, 1])


def _session(member: str, graph: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # One thread, and none that spins while it waits: the engine shares its two cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"the {member} graph can't be loaded: {error}") from error


class Ensemble:
    """A verified model version, ready to vote. Use :meth:`load`."""

    def __init__(self, manifest: Manifest, graphs: Mapping[str, bytes]) -> None:
        self.manifest = manifest
        self._sessions = {member: _session(member, graphs[member]) for member in MEMBERS}
        for member, session in self._sessions.items():
            _judge_graph(manifest, member, session)

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Verify and load a version's folder; the shipped one when none is named.

        Raises:
            ModelError: naming the file and the remedy.
        """
        manifest, graphs = registry.verify(path or registry.shipped())
        return cls(manifest, graphs)

    async def judge(
        self, symbol: str, bars_15m: Bars, bars_1h: Bars, clock: Clock
    ) -> tuple[Prediction, dict[str, float | None]]:
        """The vote at the last 15m bar and the features behind it, for the journal.

        As :meth:`predict` and :meth:`feature_vector`, with the features made once.
        """

        def job() -> tuple[Prediction, dict[str, float | None]]:
            table = self._table(symbol, bars_15m, bars_1h)
            return self._vote(symbol, table), _named_features(table)

        return await clock.in_thread(job)

    async def predict(
        self, symbol: str, bars_15m: Bars, bars_1h: Bars, clock: Clock
    ) -> Prediction:
        """Vote at the last 15m bar, in a worker thread.

        Args:
            symbol: whose bars these are.
            bars_15m: closed bars up to the one to vote at, at least ``warmup_bars["15m"]``.
            bars_1h: closed hours, at least ``warmup_bars["1h"]`` of them up to the last that
                had closed by that bar's close; later ones are not looked at.
            clock: lends the thread and counts it as outside work.

        Raises:
            ModelError: when bars are too few, gapped, late, or not finite.
        """
        return await clock.in_thread(lambda: self.vote(symbol, bars_15m, bars_1h))

    def vote(self, symbol: str, bars_15m: Bars, bars_1h: Bars) -> Prediction:
        """The same in the calling thread; takes some milliseconds."""
        return self._vote(symbol, self._table(symbol, bars_15m, bars_1h))

    def _vote(self, symbol: str, table: FeatureTable) -> Prediction:
        inputs = member_inputs(table, np.array([len(table.open_time_ms) - 1]))
        outputs = self.run(inputs)
        flow_present = bool(inputs.dnn_flow_present[0, 0] == 1)
        votes = vote.cast(outputs.probabilities(0), self.manifest.weights)
        score = vote.score(votes)
        calibration = self.manifest.calibration(flow_present)
        return Prediction(
            symbol=symbol,
            interval=Interval.M15,
            bar_open_ms=int(table.open_time_ms[-1]),
            model_version=self.manifest.version,
            members=votes,
            score=score,
            probability=calibration.probability(score),
            large_move=outputs.large_move(0),
            flow_present=flow_present,
        )

    def feature_vector(
        self, symbol: str, bars_15m: Bars, bars_1h: Bars
    ) -> dict[str, float | None]:
        """The last bar's features by name, for the journal; None where absent.

        Raises:
            ModelError: as :meth:`predict`.
        """
        return _named_features(self._table(symbol, bars_15m, bars_1h))

    def run(self, inputs: MemberInputs) -> Outputs:
        """The graphs' outputs for a batch."""
        probability = self._infer(LSTM, {"sequence": inputs.lstm})
        classes = self._infer(CNN, {"image": inputs.cnn})
        strength = self._infer(
            DNN,
            {
                "bar": inputs.dnn_bar,
                "flow": inputs.dnn_flow,
                "flow_present": inputs.dnn_flow_present,
            },
        )
        return Outputs(probability=probability, classes=classes, strength=strength)

    def _infer(self, member: str, feed: dict[str, Float32]) -> Float32:
        output: Float32 = self._sessions[member].run(
            [self.manifest.graphs[member].output], feed
        )[0]
        if not np.isfinite(output).all():
            raise ModelError(f"the {member} network's output is not finite; no vote")
        return output

    def _table(self, symbol: str, bars_15m: Bars, bars_1h: Bars) -> FeatureTable:
        # Always the same number of bars, however many were given: the vote at a bar must
        # not depend on how much history happened to be at hand.
        need = self.manifest.warmup_bars
        recent = _last(symbol, bars_15m, need[Interval.M15])
        close_ms = int(recent.open_time_ms[-1]) + Interval.M15.ms
        known = bars_1h[: _closed_by(bars_1h, close_ms)]
        hours = _last(symbol, known, need[Interval.H1])
        wanted = Interval.H1.floor(close_ms) - Interval.H1.ms
        if int(hours.open_time_ms[-1]) != wanted:
            raise ModelError(
                f"{symbol}: the 1h bar that opened at {wanted} has not arrived, the last is "
                f"{int(hours.open_time_ms[-1])} (ms); no vote until it is fetched"
            )
        table = feature_table(recent, hours)
        if not complete_rows(table)[-1]:
            raise ModelError(
                f"{symbol}: a feature is not finite at the bar that opened at "
                f"{int(recent.open_time_ms[-1])} ms, or in the window before it; no vote"
            )
        return table


def _named_features(table: FeatureTable) -> dict[str, float | None]:
    """The last bar's features by name; None where absent."""
    named = zip(
        (*catalogue.BAR_COLUMNS, *catalogue.FLOW_COLUMNS),
        (*table.bar[-1], *table.flow[-1]),
        strict=True,
    )
    return {name: float(value) if np.isfinite(value) else None for name, value in named}


def _closed_by(bars: Bars, time_ms: int) -> int:
    """How many leading bars have closed by an instant."""
    opened = time_ms - bars.interval.ms
    return int(np.searchsorted(bars.open_time_ms, opened, side="right"))


def _last(symbol: str, bars: Bars, count: int) -> Bars:
    """The last ``count`` bars, proven to be enough, gap-free and finite."""
    if len(bars) < count:
        raise ModelError(
            f"{symbol}: {len(bars)} closed {bars.interval} bars, the networks need {count}; "
            "no vote until history is filled"
        )
    recent = bars[slice(len(bars) - count, len(bars))]
    steps: NDArray[np.int64] = np.diff(recent.open_time_ms)
    holes = np.flatnonzero(steps != bars.interval.ms)
    if len(holes):
        after = int(recent.open_time_ms[holes[0]])
        raise ModelError(
            f"{symbol}: a gap in the {bars.interval} bars after {after} ms; "
            "no vote until it is filled"
        )
    for name in ("open", "high", "low", "close", "volume"):
        if not np.isfinite(getattr(recent, name)).all():
            raise ModelError(
                f"{symbol}: a {bars.interval} bar's {name} is not a number; no vote"
            )
    return recent


def _judge_graph(manifest: Manifest, member: str, session: ort.InferenceSession) -> None:
    graph = manifest.graphs[member]
    found = {entry.name: tuple(entry.shape[1:]) for entry in session.get_inputs()}
    if found != graph.inputs:
        raise ModelError(
            f"{graph.file}: inputs: expected {graph.inputs} as the manifest says, found {found}"
        )
