"""Running exported graphs over many rows: what is judged is what will be shipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from rusy_tui.domain.bars import Floats
from rusy_tui.ensemble.manifest import CNN, DNN, LSTM, MEMBERS, Graph
from rusy_tui.features.windows import FeatureTable, Rows, member_inputs

_BATCH = 2048


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Members' P(up) on the yardstick they share, ``(n,)`` each, and P(large move)."""

    probability: dict[str, Floats]
    large_move: Floats

    def score(self, weights: Mapping[str, float]) -> Floats:
        """The weighted vote, as :func:`rusy_tui.ensemble.vote.score` of each row."""
        return sum(
            (weights[member] * (2 * self.probability[member] - 1) for member in MEMBERS),
            start=np.zeros(len(self.large_move)),
        )


def forecast(
    folder: Path,
    graphs: Mapping[str, Graph],
    table: FeatureTable,
    rows: Rows,
    *,
    hide_flow: bool = False,
) -> Forecasts:
    """What the graphs in a folder say at the given rows."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = {
        member: ort.InferenceSession(
            (folder / graphs[member].file).read_bytes(),
            options,
            providers=["CPUExecutionProvider"],
        )
        for member in MEMBERS
    }
    answers: dict[str, list[Floats]] = {member: [] for member in MEMBERS}
    for start in range(0, len(rows), _BATCH):
        inputs = member_inputs(table, rows[start : start + _BATCH])
        shown = 0 if hide_flow else 1
        feeds = {
            LSTM: {"sequence": inputs.lstm},
            CNN: {"image": inputs.cnn},
            DNN: {
                "bar": inputs.dnn_bar,
                "flow": inputs.dnn_flow * np.float32(shown),
                "flow_present": inputs.dnn_flow_present * np.float32(shown),
            },
        }
        for member, feed in feeds.items():
            answer = sessions[member].run([graphs[member].output], feed)[0]
            answers[member].append(answer.astype(np.float64))
    classes = np.concatenate(answers[CNN])
    return Forecasts(
        probability={
            LSTM: np.concatenate(answers[LSTM]),
            CNN: (1 + classes[:, 0] - classes[:, 1]) / 2,
            DNN: (1 + np.concatenate(answers[DNN])) / 2,
        },
        large_move=classes[:, 0] + classes[:, 1],
    )
