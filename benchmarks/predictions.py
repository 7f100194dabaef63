"""A closed bar's vote, against the three networks alone on inputs that are ready."""

import time

import numpy as np
import onnxruntime as ort

from benchmarks.measuring import Row, quantile, row_of_costs
from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.ensemble import registry
from rusy_tui.ensemble.manifest import CNN, DNN, LSTM
from rusy_tui.ensemble.runtime import Ensemble
from rusy_tui.features.windows import feature_table, member_inputs
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed

VOTES = 200
_SYMBOL = "BTCUSDT"
_START_MS = 1_709_539_200_000


def measure() -> list[Row]:
    """Milliseconds of each, taken in turn."""
    feed = SyntheticFeed(5, _START_MS, (_SYMBOL,))
    quarters, hours = (
        Bars.of(interval, feed.history(_SYMBOL, interval))
        for interval in (Interval.M15, Interval.H1)
    )
    manifest, graphs = registry.verify(registry.shipped())
    ensemble = Ensemble.load()
    need = manifest.warmup_bars
    table = feature_table(
        quarters[slice(-need[Interval.M15], None)], hours[slice(-need[Interval.H1], None)]
    )
    inputs = member_inputs(table, np.array([len(table.open_time_ms) - 1]))
    ready = (
        (_session(graphs[LSTM]), {"sequence": inputs.lstm}),
        (_session(graphs[CNN]), {"image": inputs.cnn}),
        (
            _session(graphs[DNN]),
            {
                "bar": inputs.dnn_bar,
                "flow": inputs.dnn_flow,
                "flow_present": inputs.dnn_flow_present,
            },
        ),
    )
    voted, bare = [], []
    for _ in range(VOTES):
        began_s = time.perf_counter()
        ensemble.vote(_SYMBOL, quarters, hours)
        voted.append(time.perf_counter() - began_s)
        began_s = time.perf_counter()
        for session, feed_of in ready:
            session.run(None, feed_of)
        bare.append(time.perf_counter() - began_s)
    return [
        row_of_costs(
            f"closed bar to prediction, {name}",
            quantile(voted, share) * 1000,
            "ms",
            f"three bare onnxruntime runs, inputs ready, {name}",
            quantile(bare, share) * 1000,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


def _session(graph: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
