"""What the desk must know of the rest to judge an approval."""

from typing import Protocol

from rusy_tui.decide.holdings import Holding, Holdings
from rusy_tui.domain.market import BookTop


class Outlook(Protocol):
    """The account and the market, as now."""

    def holdings(self, pending: tuple[Holding, ...]) -> Holdings:
        """What is held, with these pending ones beside it."""

    def book(self, symbol: str) -> BookTop | None:
        """Best bid and ask; None when there is none fresh enough to act on (promise P5)."""
