"""A local order book: a snapshot, and the differences since. Pure.

The exchange's procedure: drop differences whose last id ``u`` is below the snapshot's
``lastUpdateId``; the first one used has ``U <= lastUpdateId <= u``; each later one's ``pu`` is
the ``u`` of the one before it, or something was lost and all begins anew. (One that follows
the snapshot without overlap, ``pu == lastUpdateId``, is right as well.) Quantities are
absolute; zero takes a level away, and taking away what is not there is normal.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from rusy_tui.domain.market import BookTop

Level = tuple[Decimal, Decimal]


class BookSnapshot(msgspec.Struct, frozen=True):
    """The book at an update id: levels as (price, quantity), best first."""

    last_update_id: int
    bids: Sequence[Level]
    asks: Sequence[Level]
    event_ms: int


class BookDiff(msgspec.Struct, frozen=True):
    """What changed between two update ids (``U``, ``u``), and the last one before (``pu``)."""

    symbol: str
    first_id: int
    last_id: int
    previous_id: int
    bids: Sequence[Level]
    asks: Sequence[Level]
    event_ms: int


class GapError(Exception):
    """A difference is missing; the text says between which ids."""


class _Side:
    """One side's levels by price."""

    def __init__(self) -> None:
        self.quantities: dict[Decimal, Decimal] = {}
        self.prices: list[Decimal] = []

    def set(self, levels: Iterable[Level]) -> None:
        for price, quantity in levels:
            known = price in self.quantities
            if quantity:
                self.quantities[price] = quantity
                if not known:
                    insort(self.prices, price)
            elif known:
                del self.quantities[price]
                del self.prices[bisect_left(self.prices, price)]

    def level(self, index: int) -> Level:
        price = self.prices[index]
        return price, self.quantities[price]


class LocalBook:
    """The book of one symbol. It knows nothing until a snapshot was taken."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.last_update_id: int | None = None
        self.event_ms = 0
        self._fresh = False
        self._bids, self._asks = _Side(), _Side()

    def start(self, snapshot: BookSnapshot) -> None:
        """Begin anew from a snapshot."""
        self._bids, self._asks = _Side(), _Side()
        self._bids.set(snapshot.bids)
        self._asks.set(snapshot.asks)
        self.last_update_id = snapshot.last_update_id
        self.event_ms = snapshot.event_ms
        self._fresh = True

    def forget(self) -> None:
        """What is known is not right any more."""
        self.last_update_id = None

    def apply(self, diff: BookDiff) -> bool:
        """Take a difference; whether it changed anything.

        Raises:
            GapError: one before it is missing; the book must begin anew.
        """
        known = self.last_update_id
        if known is None or diff.last_id < known:
            return False
        if self._fresh:
            if diff.first_id > known and diff.previous_id != known:
                self.forget()
                raise GapError(f"snapshot {known}, first difference from {diff.first_id} on")
        elif diff.last_id == known:
            # The same again, over another connection.
            return False
        elif diff.previous_id != known:
            self.forget()
            raise GapError(f"after {known} comes {diff.previous_id} to {diff.last_id}")
        self._fresh = False
        self._bids.set(diff.bids)
        self._asks.set(diff.asks)
        self.last_update_id, self.event_ms = diff.last_id, diff.event_ms
        return True

    def top(self) -> BookTop | None:
        """Best bid and ask; None while unknown, or where a side is empty."""
        if self.last_update_id is None or not self._bids.prices or not self._asks.prices:
            return None
        bid, ask = self._bids.level(-1), self._asks.level(0)
        return BookTop(self.symbol, *bid, *ask, self.event_ms)

    def depth(self, levels: int) -> tuple[list[Level], list[Level]] | None:
        """So many bids and asks, best first; None while unknown."""
        if self.last_update_id is None:
            return None
        bids = [self._bids.level(-1 - n) for n in range(min(levels, len(self._bids.prices)))]
        asks = [self._asks.level(n) for n in range(min(levels, len(self._asks.prices)))]
        return bids, asks
