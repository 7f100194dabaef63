"""Out-of-sample judgement: what is chosen is chosen on validation data, then tested once."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from rusy_tui.domain.bars import Floats
from rusy_tui.ensemble.manifest import (
    MEMBERS,
    WITH_FLOW,
    WITHOUT_FLOW,
    Calibration,
    Estimate,
    Graph,
    Scores,
    Thresholds,
    Trading,
)
from rusy_tui.features import catalogue
from rusy_tui.features.windows import Rows
from training.dataset import Pool, Splits, day_of
from training.graphs import Forecasts, forecast
from training.labels import HORIZON_BARS, NEITHER
from training.metrics import (
    Bootstrap,
    auc_difference,
    auc_statistic,
    brier_terms,
    calibrated,
    log_loss_terms,
    logistic,
    platt,
    scores,
)

TAIL = 0.035
"""Share of validation bars beyond each threshold: the surest few percent of each side."""

QUANTILES = (0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.965, 0.98, 0.99)

BAR_MS = 900_000


@dataclass(frozen=True, slots=True)
class Choices:
    """What validation data decided."""

    weights: dict[str, float]
    calibrations: dict[str, Calibration]
    thresholds: Thresholds
    quantiles: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the test span said of it."""

    metrics: dict[str, Scores]
    baselines: dict[str, Scores]
    auc_over_rsi: Estimate
    trading: Trading


def rose(pool: Pool, rows: Rows) -> NDArray[np.bool_]:
    """Whether price was higher at the horizon's end, ``(n,)``."""
    return pool.log_return[rows] > 0


def flow_shown(pool: Pool, rows: Rows) -> NDArray[np.bool_]:
    """Whether the flow group was there, ``(n,)``."""
    shown: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(pool.table.flow[rows]), axis=1)
    return shown


def choose(folder: Path, graphs: Mapping[str, Graph], pool: Pool, rows: Rows) -> Choices:
    """Weights, calibrations and thresholds, from validation rows alone."""
    as_seen = forecast(folder, graphs, pool.table, rows)
    hidden = forecast(folder, graphs, pool.table, rows, hide_flow=True)
    y, shown = rose(pool, rows), flow_shown(pool, rows)
    weights = vote_weights(as_seen, y)
    calibrations = {
        WITH_FLOW: platt(as_seen.score(weights)[shown], y[shown]),
        WITHOUT_FLOW: platt(hidden.score(weights), y),
    }
    probability = ensemble_probability(as_seen, weights, calibrations, shown)
    blind = calibrated(calibrations[WITHOUT_FLOW], hidden.score(weights))
    return Choices(
        weights=weights,
        calibrations=calibrations,
        thresholds=Thresholds(
            long=max(round(float(np.quantile(probability, 1 - TAIL)), 4), 0.5001),
            short=min(round(float(np.quantile(probability, TAIL)), 4), 0.4999),
        ),
        quantiles={
            WITH_FLOW: _quantiles(probability[shown]),
            WITHOUT_FLOW: _quantiles(blind),
        },
    )


def vote_weights(forecasts: Forecasts, y: NDArray[np.bool_]) -> dict[str, float]:
    """Shares of the vote with the least log loss after calibration, half-way to equal.

    Three months can't tell apart weights that lie near each other; the pull to equal shares
    keeps chance from silencing a member.
    """
    best, chosen = float("inf"), (1 / 3, 1 / 3, 1 / 3)
    for a, b in itertools.product(range(11), repeat=2):
        if a + b > 10:
            continue
        shares = (a / 10, b / 10, (10 - a - b) / 10)
        score = forecasts.score(dict(zip(MEMBERS, shares, strict=True)))
        loss = float(log_loss_terms(calibrated(platt(score, y), score), y).mean())
        if loss < best:
            best, chosen = loss, shares
    halved = [round((share + 1 / 3) / 2, 4) for share in chosen]
    halved[-1] = round(1 - sum(halved[:-1]), 4)
    return dict(zip(MEMBERS, halved, strict=True))


def ensemble_probability(
    forecasts: Forecasts,
    weights: Mapping[str, float],
    calibrations: Mapping[str, Calibration],
    shown: NDArray[np.bool_],
) -> Floats:
    """Calibrated P(up), each row by the calibration of the inputs that it had."""
    score = forecasts.score(weights)
    with_flow = calibrated(calibrations[WITH_FLOW], score)
    return np.where(shown, with_flow, calibrated(calibrations[WITHOUT_FLOW], score))


def judge(
    folder: Path,
    graphs: Mapping[str, Graph],
    choices: Choices,
    pool: Pool,
    splits: Splits,
) -> Judgement:
    """Test metrics of members, vote and baselines; nothing here may change a choice."""
    rows = splits.test
    y, days = rose(pool, rows), Bootstrap.of(day_of(pool.table.open_time_ms[rows]))
    as_seen = forecast(folder, graphs, pool.table, rows)
    hidden = forecast(folder, graphs, pool.table, rows, hide_flow=True)
    probability = ensemble_probability(
        as_seen, choices.weights, choices.calibrations, flow_shown(pool, rows)
    )
    blind = calibrated(choices.calibrations[WITHOUT_FLOW], hidden.score(choices.weights))
    metrics = {member: scores(as_seen.probability[member], y, days) for member in MEMBERS} | {
        "ensemble": scores(probability, y, days),
        "ensemble without flow": scores(blind, y, days),
        "large move (CNN)": scores(as_seen.large_move, pool.pattern[rows] != NEITHER, days),
    }
    rsi = minus_rsi(pool, rows)
    return Judgement(
        metrics=metrics,
        baselines=baselines(pool, splits, days),
        auc_over_rsi=auc_difference(probability, rsi, y, days),
        trading=trading(pool, rows, probability, choices.thresholds),
    )


def minus_rsi(pool: Pool, rows: Rows) -> Floats:
    """The untrained score −RSI(14): what fell lately rises, in [-0.5, 0.5]."""
    column = catalogue.BAR_COLUMNS.index("rsi_14")
    score: Floats = -pool.table.bar[rows, column].astype(np.float64)
    return score


def baselines(pool: Pool, splits: Splits, days: Bootstrap) -> dict[str, Scores]:
    """What simple means reach on the same test rows, from the same features."""
    train, validation, test = splits.train, splits.validation, splits.test
    y_train, y_validation, y = (rose(pool, rows) for rows in (train, validation, test))
    rsi = platt(minus_rsi(pool, validation), y_validation)
    mean = pool.table.bar[train].mean(axis=0, dtype=np.float64)
    deviation = pool.table.bar[train].std(axis=0, dtype=np.float64)

    def scaled(rows: Rows) -> Floats:
        inputs: Floats = np.clip((pool.table.bar[rows] - mean) / deviation, -6, 6)
        return inputs

    linear = logistic(scaled(train), y_train, ridge=1e-4)
    margin = scaled(test) @ linear[:-1] + linear[-1]
    trees = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.04, max_leaf_nodes=15, min_samples_leaf=500,
        l2_regularization=10.0, early_stopping=False, random_state=0,
    ).fit(pool.table.bar[train], y_train)  # fmt: skip
    base_rate = np.full(len(test), float(y_train.mean()))
    large = pool.pattern[train] != NEITHER
    large_rate = np.full(len(test), float(large.mean()))
    was_large = pool.pattern[test] != NEITHER
    return {
        "−RSI(14)": scores(calibrated(rsi, minus_rsi(pool, test)), y, days),
        "logistic regression": scores(1 / (1 + np.exp(-margin)), y, days),
        "gradient boosting": scores(trees.predict_proba(pool.table.bar[test])[:, 1], y, days),
        "base rate": scores(base_rate, y, days),
        "large move: base rate": Scores(
            auc=days.estimate(auc_statistic(large_rate, was_large)),
            brier=days.mean(brier_terms(large_rate, was_large)),
            log_loss=days.mean(log_loss_terms(large_rate, was_large)),
        ),
    }


def trading(pool: Pool, rows: Rows, probability: Floats, thresholds: Thresholds) -> Trading:
    """The thresholds' trades before costs, one position at a time a coin."""
    side = np.where(
        probability >= thresholds.long, 1, np.where(probability <= thresholds.short, -1, 0)
    )
    times, symbols = pool.table.open_time_ms[rows], pool.symbol[rows]
    taken: list[int] = []
    free_at: dict[int, int] = {}
    for index in np.flatnonzero(side):
        symbol, time = int(symbols[index]), int(times[index])
        if time >= free_at.get(symbol, 0):
            taken.append(int(index))
            free_at[symbol] = time + HORIZON_BARS * BAR_MS
    trades = np.array(taken, dtype=np.int64)
    gross = side[trades] * np.expm1(pool.log_return[rows[trades]]) * 1e4
    return Trading(
        trades=len(trades),
        share_of_bars=round(float(np.mean(side != 0)), 4),
        hit_rate=round(float(np.mean(gross > 0)), 4),
        gross_bp=Bootstrap.of(day_of(times[trades])).mean(gross),
    )


def _quantiles(probability: Floats) -> dict[str, float]:
    return {f"{q:g}": round(float(np.quantile(probability, q)), 5) for q in QUANTILES}
