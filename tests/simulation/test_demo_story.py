"""The demo as shipped: what a newcomer sees in the first five minutes."""

import pytest

from rusy_tui import config
from tools.pick_demo_seed import MARGIN, tell


@pytest.mark.timeout(300)
def test_the_default_demo_proposes_soon_and_shows_a_win_and_a_loss() -> None:
    """Held with a margin; ``python -m tools.pick_demo_seed`` finds seeds that keep it."""
    story = tell(config.demo_settings())
    assert story.holds(MARGIN), story
