"""From members' probabilities to one score."""

from collections.abc import Mapping

from rusy_tui.domain.errors import ModelError
from rusy_tui.domain.signal import MemberVote


def cast(
    probabilities: Mapping[str, float], weights: Mapping[str, float]
) -> tuple[MemberVote, ...]:
    """The votes of the members that spoke, in order of the weights, which then sum to 1.

    Raises:
        ModelError: when no member spoke that has a weight.
    """
    present = [member for member in weights if member in probabilities]
    whole = sum(weights[member] for member in present)
    if whole <= 0:
        raise ModelError("no network with a weight voted: the ensemble has nothing to say")
    return tuple(
        MemberVote(
            member=member,
            probability=probabilities[member],
            weight=weights[member] / whole,
        )
        for member in present
    )


def score(votes: tuple[MemberVote, ...]) -> float:
    """``Σ weight (2 probability - 1)``, in [-1, 1]: how far up the members lean."""
    return sum(vote.weight * (2 * vote.probability - 1) for vote in votes)
