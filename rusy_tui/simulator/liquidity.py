"""The orders of everybody else: what a book needs to know of them, and an invented kind.

A recorded book is the other kind (:mod:`rusy_tui.simulator.level_book`).
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

import msgspec

from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.market import BookTop
from rusy_tui.domain.money import ZERO, floor_to
from rusy_tui.simulator.randomness import mixed, name_number

LEVELS = 20
"""Levels on each side."""

_LEVEL_NOTIONAL = Decimal(100_000)
"""What stands at a level in the middle of its range, USDT."""

_WIDE_SPREAD_ODDS = 8
"""One moment in so many has a spread of more than one tick."""


class Level(msgspec.Struct, frozen=True):
    """A price and the quantity (base asset) that stands there."""

    price: Decimal
    quantity: Decimal


class Liquidity(Protocol):
    """Everybody else's levels in one symbol's book."""

    @property
    def recorded(self) -> bool:
        """Whether the public is told of these levels in recorded messages.

        Our accounts' orders are not among what is told then: no recorded message would ever
        take them out again.
        """

    def best(self, time_ms: int, last: Decimal) -> tuple[Decimal, Decimal]:
        """The best bid and ask price at a moment, the market having traded at ``last``."""

    def quantity_at(self, price: Decimal, time_ms: int) -> Decimal:
        """What stands at a price at a moment, base asset; zero where nothing does."""

    def ladder(self, best: Decimal, direction: int, time_ms: int) -> Iterable[Level]:
        """Levels from a price outwards, best first; direction +1 for asks, -1 for bids.

        Levels nearer than ``best`` are left out: an order of ours stands in their way.
        """


class SyntheticLiquidity:
    """Invented levels around the last price.

    A pure function of (seed, symbol, time, last price), so that the book needs no memory and
    is equal in every run. The spread is one tick most of the time; the last trade was at the
    best bid or at the best ask.
    """

    recorded = False

    def __init__(self, seed: int, instrument: Instrument) -> None:
        self._instrument = instrument
        self._key = mixed(seed, name_number(instrument.symbol))

    def best(self, time_ms: int, last: Decimal) -> tuple[Decimal, Decimal]:
        """The best synthetic bid and ask price at a moment."""
        bits = mixed(self._key, time_ms, self._ticks(last))
        spread_ticks = 1 if bits % _WIDE_SPREAD_ODDS else 2 + (bits >> 8) % 2
        spread = self._instrument.tick_size * spread_ticks
        if bits >> 16 & 1:
            return last, last + spread
        bid = last - spread
        # At the very bottom of the price range the last trade can only have been the bid.
        return (bid, last) if bid >= self._instrument.min_price else (last, last + spread)

    def quantity_at(self, price: Decimal, time_ms: int) -> Decimal:
        """What others have resting at a price at a moment, base asset."""
        bits = mixed(self._key, time_ms, self._ticks(price))
        # Between a quarter and two and a quarter times the middle size.
        notional = _LEVEL_NOTIONAL * (25 + bits % 200) / 100
        step = self._instrument.step_size
        return max(floor_to(notional / price, step), self._instrument.min_quantity)

    def ladder(self, best: Decimal, direction: int, time_ms: int) -> list[Level]:
        """A level on each tick from a best price outwards, at most :data:`LEVELS`."""
        tick = self._instrument.tick_size * direction
        prices = (best + tick * n for n in range(LEVELS))
        return [
            Level(price, self.quantity_at(price, time_ms))
            for price in prices
            if self._instrument.min_price <= price <= self._instrument.max_price
        ]

    def _ticks(self, price: Decimal) -> int:
        return int(price / self._instrument.tick_size)


class MirroredLiquidity:
    """Another exchange's best prices, and invented levels behind them."""

    recorded = False

    def __init__(self, seed: int, instrument: Instrument) -> None:
        self._seed = seed
        self._invented = SyntheticLiquidity(seed, instrument)
        self._top: BookTop | None = None

    def change(self, instrument: Instrument) -> None:
        """The contract has other filters."""
        self._invented = SyntheticLiquidity(self._seed, instrument)

    def show(self, top: BookTop) -> None:
        """Take the best prices as they now are."""
        self._top = top

    def best(self, time_ms: int, last: Decimal) -> tuple[Decimal, Decimal]:
        """The mirrored best bid and ask; invented ones before there are any."""
        if self._top is None:
            return self._invented.best(time_ms, last)
        return self._top.bid, self._top.ask

    def quantity_at(self, price: Decimal, time_ms: int) -> Decimal:
        """What stands at the best prices, nothing between them, invented ones behind."""
        top = self._top
        if top is not None and top.bid <= price <= top.ask:
            quantity_of = {top.bid: top.bid_quantity, top.ask: top.ask_quantity}
            return quantity_of.get(price, ZERO)
        return self._invented.quantity_at(price, time_ms)

    def ladder(self, best: Decimal, direction: int, time_ms: int) -> list[Level]:
        """A level on each tick from a price outwards, the first being the mirrored best."""
        return [
            Level(level.price, self.quantity_at(level.price, time_ms))
            for level in self._invented.ladder(best, direction, time_ms)
        ]
