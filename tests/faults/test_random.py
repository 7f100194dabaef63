"""Many faults of all kinds at once, drawn by a seed."""

import pytest

from rusy_tui.simulator.faults.draw import random_faults
from tests.faults.view import SYMBOL
from tests.faults.world import BEGIN_MS, SECONDS, must_hold, under

LASTS_S = 600


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_minutes_of_random_faults(seed: int) -> None:
    until_ms = BEGIN_MS + LASTS_S * SECONDS
    faults = random_faults(seed, 20, BEGIN_MS, until_ms, [SYMBOL])
    run = under(*faults, seed=seed, lasts_s=LASTS_S)
    must_hold(run)
    assert len(run.struck) >= 8
