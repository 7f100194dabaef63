import pytest
from hypothesis import given
from hypothesis import strategies as st

from rusy_tui.domain.errors import ModelError
from rusy_tui.ensemble import vote
from rusy_tui.ensemble.manifest import Calibration

probabilities = st.floats(0, 1)
shares = st.floats(0.01, 1)


def test_the_score_is_the_weighted_lean_of_the_members() -> None:
    votes = vote.cast(
        {"lstm": 0.6, "cnn": 0.5, "dnn": 0.3}, {"lstm": 0.5, "cnn": 0.3, "dnn": 0.2}
    )
    assert vote.score(votes) == pytest.approx(0.5 * 0.2 + 0 - 0.2 * 0.4)


def test_an_absent_member_leaves_its_weight_to_the_others() -> None:
    votes = vote.cast({"lstm": 0.6, "dnn": 0.6}, {"lstm": 0.5, "cnn": 0.25, "dnn": 0.25})
    assert [one.member for one in votes] == ["lstm", "dnn"]
    assert [one.weight for one in votes] == pytest.approx([2 / 3, 1 / 3])
    assert vote.score(votes) == pytest.approx(0.2)


def test_no_vote_at_all_is_an_error() -> None:
    with pytest.raises(ModelError, match="nothing to say"):
        vote.cast({}, {"lstm": 1.0})


@given(*(probabilities,) * 3, *(shares,) * 3)
def test_the_score_lies_between_the_members_and_within_one(
    a: float, b: float, c: float, x: float, y: float, z: float
) -> None:
    votes = vote.cast({"lstm": a, "cnn": b, "dnn": c}, {"lstm": x, "cnn": y, "dnn": z})
    assert sum(one.weight for one in votes) == pytest.approx(1)
    leans = [2 * p - 1 for p in (a, b, c)]
    assert min(leans) - 1e-9 <= vote.score(votes) <= max(leans) + 1e-9


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_higher_score_never_calibrates_to_a_lower_probability(a: float, b: float) -> None:
    calibration = Calibration(slope=2.5, intercept=0.1)
    low, high = sorted((a, b))
    assert 0 < calibration.probability(low) <= calibration.probability(high) < 1
