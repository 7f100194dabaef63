"""What the exchange's documents leave open, both ways, for the files that ask for it."""

import pytest

from rusy_tui.simulator.switches import Switches
from tests.faults import world


@pytest.fixture(params=world.SWITCHES, ids=["unset", "set"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test under either decision of each open question."""
    assert isinstance(request.param, Switches)
    monkeypatch.setattr(world, "in_force", request.param)
