"""The public's trades of late: what trades and aggregated trades are answered from."""

from collections import deque
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from rusy_tui.domain.money import ZERO, floor_to
from rusy_tui.simulator.feeds import Print

_KEPT = 20_000
"""Aggregated trades kept of a symbol; the exchange keeps two days of them."""


class Aggregate(msgspec.Struct, frozen=True):
    """Trades at one price, of one taking side, at one instant, as the public is told of them.

    ``number`` counts aggregates; ``first`` and ``last`` are the ids of the trades.
    """

    number: int
    traded: Print
    first: int
    last: int
    time_ms: int

    @property
    def buyer_rested(self) -> bool:
        """Whether it was sold into the book."""
        return self.traded.taker_buy_quantity * 2 < self.traded.quantity


class PublicTrade(msgspec.Struct, frozen=True):
    """One trade of an aggregate."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    time_ms: int
    buyer_rested: bool


class Tape:
    """The last aggregated trades of one symbol, oldest first."""

    def __init__(self) -> None:
        self.number = 0
        self._kept: deque[Aggregate] = deque(maxlen=_KEPT)

    def add(self, traded: Print, first: int, last: int, time_ms: int) -> list[Aggregate]:
        """Put down what has traded just now: what was bought and what was sold, each alone."""
        made = []
        for part, count in _sides(traded, last - first + 1):
            self.number += 1
            made.append(Aggregate(self.number, part, first, first + count - 1, time_ms))
            first += count
        self._kept += made
        return made

    def aggregates(
        self, limit: int, from_number: int | None, start_ms: int | None, end_ms: int | None
    ) -> list[Aggregate]:
        """Aggregates from a number or between two moments, both inclusive, ascending.

        Without any of these the last ones; with an end alone the last ones up to it.
        """
        chosen = [
            each
            for each in self._kept
            if (from_number is None or each.number >= from_number)
            and (start_ms is None or each.time_ms >= start_ms)
            and (end_ms is None or each.time_ms <= end_ms)
        ]
        forward = from_number is not None or start_ms is not None
        return chosen[:limit] if forward else chosen[-limit:]

    def trades(
        self, limit: int, step: Decimal, from_id: int | None = None
    ) -> list[PublicTrade]:
        """Single trades, ascending: from an id, or else the last ones."""
        if from_id is not None:
            found = [
                trade
                for each in self._kept
                if each.last >= from_id
                for trade in split(each, step)
                if trade.trade_id >= from_id
            ]
            return found[:limit]
        latest: list[PublicTrade] = []
        for each in reversed(self._kept):
            latest[:0] = split(each, step)
            if len(latest) >= limit:
                break
        return latest[-limit:]

    @property
    def last(self) -> Aggregate | None:
        """The newest one; None before the first trade."""
        return self._kept[-1] if self._kept else None


def _sides(traded: Print, count: int) -> list[tuple[Print, int]]:
    """What takers bought and what they sold, each with how many of the trades it is.

    A feed tells how many there were and what they sum up to, not each of them: they are
    shared out like the volume, and a single trade is the larger side's.
    """
    bought = min(traded.taker_buy_quantity, traded.quantity)
    sold = traded.quantity - bought
    if count == 1 or not (bought and sold):
        return [(_side(traded, traded.quantity, count, bought=bought >= sold), count)]
    share = (bought / traded.quantity * count).to_integral_value(ROUND_HALF_EVEN)
    buys = min(max(int(share), 1), count - 1)
    return [
        (_side(traded, bought, buys, bought=True), buys),
        (_side(traded, sold, count - buys, bought=False), count - buys),
    ]


def _side(traded: Print, quantity: Decimal, count: int, *, bought: bool) -> Print:
    return msgspec.structs.replace(
        traded,
        quantity=quantity,
        taker_buy_quantity=quantity if bought else ZERO,
        trades=count,
    )


def split(aggregate: Aggregate, step: Decimal) -> Iterator[PublicTrade]:
    """The single trades that an aggregate stands for: its volume as evenly as steps allow.

    Args:
        aggregate: what is split.
        step: of quantities, base asset.
    """
    traded, rested = aggregate.traded, aggregate.buyer_rested
    count = aggregate.last - aggregate.first + 1
    for number, quantity in enumerate(_shares(traded.quantity, count, step), aggregate.first):
        yield PublicTrade(number, traded.price, quantity, aggregate.time_ms, rested)


def _shares(total: Decimal, count: int, step: Decimal) -> Iterator[Decimal]:
    """A total in so many parts, finer than the step where it is too small; the sum is exact."""
    unit = step
    while unit * count > total:
        unit = unit.scaleb(-1)
    each = floor_to(total / count, unit)
    for _ in range(count - 1):
        yield each
    yield total - each * (count - 1)
