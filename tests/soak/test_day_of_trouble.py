"""Whole systems through a day of faults: the engine believes what the exchange holds."""

import pytest

from tests.soak.trouble import FAULTS, Day, every_kind_but_the_rare, play_day

SEEDS = (1, 2, 3)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_day_of_200_faults_the_books_agree(seed: int, days: list[Day]) -> None:
    """Fills, positions and balances, to the last digit."""
    day = play_day(seed)
    days.append(day)
    assert day.violations == ()
    assert day.faults == FAULTS
    assert day.kinds >= every_kind_but_the_rare()
    assert day.fills > 0, f"seed {seed} traded nothing, so it showed nothing"
