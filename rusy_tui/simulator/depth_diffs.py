"""What moved in a book between two of its update numbers, for the diff-depth streams."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from rusy_tui.domain.money import ZERO
from rusy_tui.simulator.happenings import BookMoved
from rusy_tui.simulator.liquidity import Level
from rusy_tui.simulator.matching import Book

_ALL = 1000
"""As many levels as the largest snapshot has; no book here has more."""

Side = dict[Decimal, Decimal]


class Diff(msgspec.Struct, frozen=True):
    """Levels that moved, each with its new quantity (base asset), zero where it is gone.

    ``first`` and ``last`` are the update numbers it covers, ``before`` the last one of the
    diff that came before it on the same stream.
    """

    first: int
    last: int
    before: int
    bids: Side
    asks: Side
    time_ms: int

    def joined(self, later: "Diff") -> "Diff":
        """One diff of it and the one that follows: what a level is in the end counts."""
        return Diff(
            self.first,
            later.last,
            self.before,
            self.bids | later.bids,
            self.asks | later.asks,
            later.time_ms,
        )


class BookDiffer:
    """Remembers a book as it was last told, from when somebody first listens."""

    def __init__(self, book: Book, update_id: int) -> None:
        self._book = book
        self._bids, self._asks = self._sides()
        self._told = update_id

    def move(self, moved: BookMoved) -> Diff:
        """What moved since the last call, up to an update number."""
        bids, asks = self._sides()
        made = Diff(
            self._told + 1,
            moved.update_id,
            self._told,
            _moved(self._bids, bids),
            _moved(self._asks, asks),
            moved.time_ms,
        )
        self._bids, self._asks, self._told = bids, asks, moved.update_id
        return made

    def _sides(self) -> tuple[Side, Side]:
        bids, asks = self._book.depth(_ALL)
        return _quantities(bids), _quantities(asks)


def _quantities(levels: Iterable[Level]) -> Side:
    return {level.price: level.quantity for level in levels}


def _moved(before: Side, after: Side) -> Side:
    gone = {price: ZERO for price in before if price not in after}
    moved = {price: held for price, held in after.items() if before.get(price) != held}
    return gone | moved
