"""Whether two trainings, or a training and its card, agree."""

from pathlib import Path

from rusy_tui.ensemble import manifest as manifests
from rusy_tui.ensemble.manifest import Manifest
from training.dataset import build_pool, split
from training.evaluate import Choices, judge

AUC_TOLERANCE = 0.005
"""Other processors round otherwise, and training amplifies it: as far as AUC may differ."""


def differences(made: Manifest, other: Path) -> tuple[list[str], bool]:
    """What differs between a version just made and one in a folder, and if that is close."""
    path = other / manifests.FILE_NAME
    known = manifests.decode(path.read_bytes(), str(path))
    lines = []
    for member, graph in made.graphs.items():
        same = graph.sha256 == known.graphs[member].sha256
        lines.append(f"{graph.file}: sha256 {'equal' if same else 'differs'}")
    furthest = 0.0
    for name, scores in made.metrics.items():
        found, card = scores.auc.value, known.metrics[name].auc.value
        furthest = max(furthest, abs(found - card))
        lines.append(f"{name}: AUC {found:.4f}, card {card:.4f}")
    close = furthest <= AUC_TOLERANCE
    lines.append(f"largest difference of AUC: {furthest:.4f}, allowed {AUC_TOLERANCE}")
    return lines, close


def evaluate_again(data: Path, version: Path) -> tuple[list[str], bool]:
    """The test metrics of a version's graphs, computed anew, beside its manifest's."""
    path = version / manifests.FILE_NAME
    known = manifests.decode(path.read_bytes(), str(path))
    pool = build_pool(data)
    choices = Choices(
        weights=known.weights,
        calibrations=known.calibrations,
        thresholds=known.thresholds,
        quantiles=known.probability_quantiles,
    )
    judgement = judge(version, known.graphs, choices, pool, split(pool))
    lines, furthest = [], 0.0
    for name, scores in (judgement.metrics | judgement.baselines).items():
        card = (known.metrics | known.baselines)[name].auc.value
        furthest = max(furthest, abs(scores.auc.value - card))
        auc = scores.auc
        lines.append(
            f"{name:24} AUC {auc.value:.4f} [{auc.low:.4f}, {auc.high:.4f}], card {card:.4f}"
        )
    close = furthest <= AUC_TOLERANCE
    lines.append(f"largest difference of AUC: {furthest:.4f}, allowed {AUC_TOLERANCE}")
    return lines, close
