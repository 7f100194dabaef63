"""A recorded book: everybody else's levels as the exchange's own messages move them."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from rusy_tui.domain.money import ZERO
from rusy_tui.simulator.liquidity import Level

Rows = tuple[tuple[Decimal, Decimal], ...]
"""Price and quantity of levels; a quantity of zero takes the level away."""


class LevelsMoved(msgspec.Struct, frozen=True):
    """Levels of one symbol's book have other quantities; ``update_id`` is the book's then."""

    symbol: str
    bids: Rows
    asks: Rows
    update_id: int


class LevelBook:
    """Everybody else's levels, moved from outside.

    Args:
        bids: price and quantity of each.
        asks: likewise.
        update_id: of the book as given.
        last: the price last traded at; None where nobody knows.
        highest: what stands for the best ask where there is no ask at all.
    """

    recorded = True

    def __init__(
        self, bids: Rows, asks: Rows, update_id: int, last: Decimal | None, highest: Decimal
    ) -> None:
        self.update_id = update_id
        self.last = last
        self._highest = highest
        self._bids = _Side(bids)
        self._asks = _Side(asks)

    def move(self, moved: LevelsMoved) -> None:
        """Take levels as they now are."""
        self._bids.move(moved.bids)
        self._asks.move(moved.asks)
        self.update_id = moved.update_id

    def best(self, time_ms: int, last: Decimal) -> tuple[Decimal, Decimal]:
        """The best bid and ask; zero and the highest price there is for an empty side."""
        del time_ms, last
        bids, asks = self._bids.prices, self._asks.prices
        return bids[-1] if bids else ZERO, asks[0] if asks else self._highest

    def quantity_at(self, price: Decimal, time_ms: int) -> Decimal:
        """What stands at a price, on whichever side."""
        del time_ms
        return self._bids.quantity.get(price) or self._asks.quantity.get(price) or ZERO

    def ladder(self, best: Decimal, direction: int, time_ms: int) -> Iterator[Level]:
        """All levels from a price outwards."""
        del time_ms
        side = self._asks if direction > 0 else self._bids
        return side.upwards(best) if direction > 0 else side.downwards(best)


class _Side:
    """One side's levels, their prices ascending."""

    def __init__(self, rows: Iterable[tuple[Decimal, Decimal]]) -> None:
        self.quantity = dict(rows)
        self.prices = sorted(self.quantity)

    def move(self, rows: Rows) -> None:
        for price, quantity in rows:
            there = price in self.quantity
            if quantity:
                self.quantity[price] = quantity
                if not there:
                    insort(self.prices, price)
            elif there:  # the exchange also tells of levels that never were
                del self.quantity[price]
                del self.prices[bisect_left(self.prices, price)]

    def upwards(self, price: Decimal) -> Iterator[Level]:
        for index in range(bisect_left(self.prices, price), len(self.prices)):
            yield Level(self.prices[index], self.quantity[self.prices[index]])

    def downwards(self, price: Decimal) -> Iterator[Level]:
        for index in range(bisect_right(self.prices, price) - 1, -1, -1):
            yield Level(self.prices[index], self.quantity[self.prices[index]])
