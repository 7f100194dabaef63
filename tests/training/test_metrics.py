import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from training import metrics
from training.metrics import Bootstrap


def forecast(rows: int, skill: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    score = rng.normal(size=rows).round(2)
    rose = rng.random(rows) < 1 / (1 + np.exp(-skill * score))
    return score, rose


def test_figures_agree_with_scikit_learn_also_where_scores_tie() -> None:
    score, rose = forecast(4_000, 0.3)
    probability = 1 / (1 + np.exp(-score))
    assert len(np.unique(score)) < 1_000
    found = metrics.scores(probability, rose, Bootstrap.of(np.arange(4_000) // 100))
    assert found.brier is not None
    assert found.log_loss is not None
    assert found.auc.value == pytest.approx(roc_auc_score(rose, probability), abs=1e-6)
    assert found.brier.value == pytest.approx(brier_score_loss(rose, probability), abs=1e-6)
    assert found.log_loss.value == pytest.approx(log_loss(rose, probability), abs=1e-6)
    assert found.auc.low < found.auc.value < found.auc.high


def test_a_constant_forecast_has_an_auc_of_one_half() -> None:
    _, rose = forecast(500, 0.3)
    statistic = metrics.auc_statistic(np.full(500, 0.5), rose)
    assert statistic(np.ones(500)) == pytest.approx(0.5)


def test_days_that_repeat_each_other_widen_the_interval() -> None:
    _, rose = forecast(1_000, 0.3)
    days = np.arange(1_000) // 10
    alone = Bootstrap.of(np.arange(1_000)).mean(rose.astype(float))
    sorted_rose = np.sort(rose)
    together = Bootstrap.of(days).mean(sorted_rose.astype(float))
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_weight_is_the_same_as_repeating_the_row() -> None:
    score, rose = forecast(300, 0.5)
    counts = np.random.default_rng(1).integers(0, 3, 300)
    weighted = metrics.auc_statistic(score, rose)(counts.astype(float))
    repeated = roc_auc_score(np.repeat(rose, counts), np.repeat(score, counts))
    assert weighted == pytest.approx(repeated)


def test_platts_scaling_agrees_with_scikit_learn() -> None:
    score, rose = forecast(5_000, 0.4)
    found = metrics.platt(score, rose)
    other = LogisticRegression(C=1e9).fit(score[:, None], rose)
    assert found.slope == pytest.approx(other.coef_[0, 0], abs=1e-3)
    assert found.intercept == pytest.approx(other.intercept_[0], abs=1e-3)
