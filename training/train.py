"""From recordings to a model version: learn, export, choose, judge, write."""

import multiprocessing
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import sklearn
import talib
import torch

from rusy_tui.domain.candle import Interval
from rusy_tui.ensemble import manifest as manifests
from rusy_tui.ensemble.manifest import CNN, DNN, LSTM, MEMBERS, Graph, Horizon, Manifest, Span
from rusy_tui.features import catalogue
from rusy_tui.features.windows import Rows
from training.card import card
from training.dataset import (
    TEST_UNTIL,
    TRAIN_UNTIL,
    VALIDATION_UNTIL,
    Pool,
    build_pool,
    split,
)
from training.evaluate import Choices, Judgement, choose, judge
from training.export import export
from training.fit import Fitted, Job, fit_in_worker, network_inputs, prepare_worker, restored
from training.labels import HORIZON_BARS, LARGE_MOVE_ATR
from training.recordings import SYMBOLS

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to learn; ``every`` as :func:`training.dataset.split` takes it."""

    seeds: tuple[int, ...] = (1, 2, 3, 4)
    epochs: int = 3
    every: int = 1
    workers: int = 2

    def jobs(self) -> list[Job]:
        """All networks, the slowest first, so that no worker ends long after the others."""
        return [
            Job(member, seed, self.epochs, self.every)
            for member in (LSTM, CNN, DNN)
            for seed in self.seeds
        ]


def train(data: Path, out: Path, plan: Plan, say: Say) -> Manifest:
    """Make a version in the folder ``out``, whose name is the version's."""
    started = time.monotonic()
    pool = build_pool(data)
    splits = split(pool, plan.every)
    say(
        f"features: {len(splits.train)} training, {len(splits.validation)} validation, "
        f"{len(splits.test)} test bars of {', '.join(SYMBOLS)}"
    )
    fitted = _fit_all(data, plan, say)
    out.mkdir(parents=True, exist_ok=True)
    graphs = {member: _export(member, fitted, pool, splits.train, out) for member in MEMBERS}
    say("graphs exported; choosing weights, calibration and thresholds on validation data")
    choices = choose(out, graphs, pool, splits.validation)
    say("judging on test data")
    judgement = judge(out, graphs, choices, pool, splits)
    manifest = _manifest(
        out.name,
        plan,
        graphs,
        choices,
        judgement,
        tuple(
            _span(pool, rows, since, until)
            for rows, since, until in (
                (splits.train, "2023-01-01", TRAIN_UNTIL),
                (splits.validation, TRAIN_UNTIL, VALIDATION_UNTIL),
                (splits.test, VALIDATION_UNTIL, TEST_UNTIL),
            )
        ),
    )
    (out / manifests.FILE_NAME).write_bytes(manifests.encode(manifest))
    (out / "MODEL_CARD.md").write_text(card(manifest), encoding="utf-8")
    say(f"{out}: version {manifest.version} in {time.monotonic() - started:.0f} s")
    return manifest


def _fit_all(data: Path, plan: Plan, say: Say) -> dict[str, list[Fitted]]:
    """Learn each network in a process of its own thread, so that order changes nothing."""
    jobs = plan.jobs()
    say(f"learning {len(jobs)} networks, {plan.workers} at a time")
    fitted: dict[str, list[Fitted]] = {member: [] for member in MEMBERS}
    with ProcessPoolExecutor(
        plan.workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=prepare_worker,
        initargs=(data,),
    ) as executor:
        for done in executor.map(fit_in_worker, jobs):
            fitted[done.job.member].append(done)
            say(
                f"{done.job.member} seed {done.job.seed}: learnt in {done.seconds:.0f} s, "
                f"validation log loss {done.validation_loss:.5f}"
            )
    return fitted


def _export(
    member: str, fitted: dict[str, list[Fitted]], pool: Pool, train_rows: Rows, out: Path
) -> Graph:
    networks = [restored(one, pool.table, train_rows) for one in fitted[member]]
    example = network_inputs(member, pool.table, train_rows[:1])
    return export(member, networks, example, out)


def _span(pool: Pool, rows: Rows, since: str, until: str) -> Span:
    counts = np.bincount(pool.symbol[rows], minlength=len(SYMBOLS))
    return Span(
        since=since,
        until=until,
        rows={symbol: int(count) for symbol, count in zip(SYMBOLS, counts, strict=True)},
    )


def _manifest(
    version: str,
    plan: Plan,
    graphs: dict[str, Graph],
    choices: Choices,
    judgement: Judgement,
    spans: tuple[Span, ...],
) -> Manifest:
    train_span, validation, test = spans
    return Manifest(
        format=manifests.FORMAT,
        version=version,
        features_sha256=catalogue.digest(),
        sequence_columns=catalogue.SEQUENCE_COLUMNS,
        image_columns=catalogue.IMAGE_COLUMNS,
        bar_columns=catalogue.BAR_COLUMNS,
        flow_columns=catalogue.FLOW_COLUMNS,
        sequence_bars=catalogue.SEQUENCE_BARS,
        image_bars=catalogue.IMAGE_BARS,
        warmup_bars=catalogue.WARMUP_BARS,
        horizon=Horizon(
            interval=Interval.M15, bars=HORIZON_BARS, large_move_atr=LARGE_MOVE_ATR
        ),
        graphs=graphs,
        weights=choices.weights,
        calibrations=choices.calibrations,
        thresholds=choices.thresholds,
        probability_quantiles=choices.quantiles,
        seeds=dict.fromkeys(MEMBERS, plan.seeds),
        symbols=SYMBOLS,
        train=train_span,
        validation=validation,
        test=test,
        metrics=judgement.metrics,
        baselines=judgement.baselines,
        auc_over_rsi=judgement.auc_over_rsi,
        trading=judgement.trading,
        software={
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": str(torch.__version__),
            "onnx": onnx.__version__,
            "scikit-learn": sklearn.__version__,
            "ta-lib": talib.__version__,
        },
    )
