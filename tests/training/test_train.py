"""A trial training from end to end, and the shipped version against its own card."""

from pathlib import Path

import pytest

from rusy_tui.ensemble import registry
from rusy_tui.ensemble.runtime import Ensemble
from tests.features.market import hours, market
from training.train import Plan, train


@pytest.mark.timeout(600)
def test_a_second_training_gives_the_same_graphs_and_they_vote(
    recordings: Path, tmp_path: Path
) -> None:
    # Enough rows for some skill: a version whose scores mislead is refused.
    plan = Plan(seeds=(1,), epochs=2, every=12)
    said: list[str] = []
    made = [
        train(recordings, tmp_path / run / "trial", plan, said.append) for run in ("a", "b")
    ]
    hashes = [
        {member: graph.sha256 for member, graph in manifest.graphs.items()} for manifest in made
    ]
    assert hashes[0] == hashes[1]
    assert made[0] == made[1]
    assert any("judging" in line for line in said)
    ensemble = Ensemble.load(tmp_path / "a" / "trial")
    bars = market(1_920)
    assert ensemble.vote("X", bars, hours(bars)).model_version == "trial"
    card = (tmp_path / "a" / "trial" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "−RSI(14)" in card
    assert "2025-05-01" in card


@pytest.mark.timeout(600)
def test_the_shipped_graphs_reach_what_their_card_says(recordings: Path) -> None:
    from training.compare import evaluate_again

    lines, close = evaluate_again(recordings, registry.shipped())
    assert close, "\n".join(lines)
