"""Whole systems through a day of faults: the engine believes what the exchange holds."""

import functools

import pytest

from tests.soak.trouble import FAULTS, Day, common_kinds, play_day

SEEDS = (1, 2, 3)
# Chance leaves some without anything to strike; a day whose faults do nothing shows nothing.
STRUCK_AT_LEAST = 170
KINDS_AT_LEAST = 28
FILLS_AT_LEAST = 100
STATES = {"barred", "held", "limited", "thin"}

played = functools.cache(play_day)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_day_of_200_faults_the_books_agree(seed: int, days: list[Day]) -> None:
    """Fills, positions and balances, to the last digit, though the faults struck."""
    day = played(seed)
    days.append(day)
    assert day.violations == ()
    assert day.faults == FAULTS
    assert day.struck >= STRUCK_AT_LEAST, day.in_one_line()
    assert len(day.kinds) >= KINDS_AT_LEAST, sorted(common_kinds() - set(day.kinds))
    assert day.fills > FILLS_AT_LEAST, f"seed {seed} hardly traded, so it showed little"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_common_kind_of_fault_struck_on_one_of_the_days() -> None:
    struck = {kind for seed in SEEDS for kind in played(seed).kinds}
    assert common_kinds() <= struck
    # States of the market begin without anybody: these must have met orders of ours.
    assert {name for seed in SEEDS for name in played(seed).met} == STATES
