"""How good a forecast was, and how sure that figure is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.bars import Floats
from rusy_tui.ensemble.manifest import Calibration, Estimate, Scores

RESAMPLES = 500
Weights = Floats
Statistic = Callable[[Weights], float]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Resamples of whole UTC days, all coins of a day together.

    Coins move together and outcomes overlap within the hour: rows are not independent,
    days nearly are. ``counts (resamples, days)`` says how often a day was drawn; ``day
    (rows,)`` is each row's day.
    """

    counts: Floats
    day: NDArray[np.int64]

    @classmethod
    def of(cls, days: NDArray[np.int64], seed: int = 20250101) -> "Bootstrap":
        """Resamples for rows with the given days, any integers."""
        names, day = np.unique(days, return_inverse=True)
        draws = np.random.default_rng(seed).integers(0, len(names), (RESAMPLES, len(names)))
        counts = np.stack([np.bincount(draw, minlength=len(names)) for draw in draws])
        return cls(counts.astype(np.float64), day.astype(np.int64))

    def estimate(self, statistic: Statistic) -> Estimate:
        """A statistic of row weights: its value with all 1, and its 95 % interval."""
        value = statistic(np.ones(len(self.day)))
        again = [statistic(count[self.day]) for count in self.counts]
        low, high = np.quantile(again, [0.025, 0.975])
        return Estimate(value=_rounded(value), low=_rounded(low), high=_rounded(high))

    def mean(self, values: Floats) -> Estimate:
        """The mean of row values."""
        return self.estimate(lambda weights: float(weights @ values / weights.sum()))


def _rounded(value: float) -> float:
    return round(float(value), 6)


def auc_statistic(score: Floats, rose: NDArray[np.bool_]) -> Statistic:
    """Area under the ROC curve as a function of row weights; ties count half.

    P(score of a bar that rose > score of one that fell), Mann and Whitney (1947).
    """
    levels, place = np.unique(score, return_inverse=True)

    def statistic(weights: Weights) -> float:
        up = np.bincount(place, weights * rose, minlength=len(levels))
        down = np.bincount(place, weights * ~rose, minlength=len(levels))
        below = np.cumsum(down) - 0.5 * down
        return float(up @ below / (up.sum() * down.sum()))

    return statistic


def brier_terms(probability: Floats, rose: NDArray[np.bool_]) -> Floats:
    """``(p - y)²`` of each row, Brier (1950)."""
    terms: Floats = (probability - rose) ** 2
    return terms


def log_loss_terms(probability: Floats, rose: NDArray[np.bool_]) -> Floats:
    """``-ln(p)`` of what came, of each row."""
    terms: Floats = -np.log(np.clip(np.where(rose, probability, 1 - probability), 1e-9, 1))
    return terms


def scores(probability: Floats, rose: NDArray[np.bool_], days: Bootstrap) -> Scores:
    """AUC, Brier score and log loss of a forecast."""
    return Scores(
        auc=days.estimate(auc_statistic(probability, rose)),
        brier=days.mean(brier_terms(probability, rose)),
        log_loss=days.mean(log_loss_terms(probability, rose)),
    )


def auc_difference(
    one: Floats, other: Floats, rose: NDArray[np.bool_], days: Bootstrap
) -> Estimate:
    """AUC of one score less that of another, both on the same resamples."""
    first, second = auc_statistic(one, rose), auc_statistic(other, rose)
    return days.estimate(lambda weights: first(weights) - second(weights))


def logistic(inputs: Floats, rose: NDArray[np.bool_], ridge: float = 1e-6) -> Floats:
    """Weights of a logistic regression, intercept last, by Newton's method.

    Args:
        inputs: ``(rows, columns)``.
        rose: what came.
        ridge: penalty on the squared weights a row, the intercept's excepted.
    """
    design = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
    penalty = np.full(design.shape[1], ridge * len(inputs))
    penalty[-1] = 0
    weights = np.zeros(design.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (p - rose) + penalty * weights
        curve = (design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-10:
            break
    return weights


def platt(score: Floats, rose: NDArray[np.bool_]) -> Calibration:
    """Platt's scaling of a score, fitted by maximum likelihood."""
    slope, intercept = logistic(score[:, None], rose)
    return Calibration(slope=float(slope), intercept=float(intercept))


def calibrated(calibration: Calibration, score: Floats) -> Floats:
    """:meth:`Calibration.probability` of many scores."""
    return 1 / (1 + np.exp(-(calibration.slope * score + calibration.intercept)))
