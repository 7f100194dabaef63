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
    """Trades at one price at one instant, as the public is told of them.

    ``number`` counts aggregates; ``first`` and ``last`` are the ids of the trades.
    """

    number: int
    traded: Print
    first: int
    last: int
    time_ms: int

    @property
    def buyer_rested(self) -> bool:
        """Whether most of the volume was sold into the book."""
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

    def add(self, traded: Print, first: int, last: int, time_ms: int) -> Aggregate:
        """Put down what has traded just now."""
        self.number += 1
        made = Aggregate(self.number, traded, first, last, time_ms)
        self._kept.append(made)
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


def split(aggregate: Aggregate, step: Decimal) -> Iterator[PublicTrade]:
    """The single trades that an aggregate stands for.

    A feed tells how many there were and what they sum up to, not each of them: those of the
    buyers come first, and each side's volume is spread as evenly as steps allow.

    Args:
        aggregate: what is split.
        step: of quantities, base asset.
    """
    traded = aggregate.traded
    count = aggregate.last - aggregate.first + 1
    bought = min(traded.taker_buy_quantity, traded.quantity)
    sold = traded.quantity - bought
    buys = int((bought / traded.quantity * count).to_integral_value(ROUND_HALF_EVEN))
    if bought and sold and count > 1:
        buys = min(max(buys, 1), count - 1)
    elif count == 1 or not (bought and sold):
        buys = count if bought >= sold else 0
    if count == 1:
        bought, sold = (traded.quantity, ZERO) if buys else (ZERO, traded.quantity)
    trade_id = aggregate.first
    for number, total, rested in ((buys, bought, False), (count - buys, sold, True)):
        for quantity in _shares(total, number, step):
            yield PublicTrade(trade_id, traded.price, quantity, aggregate.time_ms, rested)
            trade_id += 1


def _shares(total: Decimal, count: int, step: Decimal) -> Iterator[Decimal]:
    """A total in so many parts, finer than the step where it is too small; the sum is exact."""
    if not count:
        return
    unit = step
    while unit * count > total:
        unit = unit.scaleb(-1)
    each = floor_to(total / count, unit)
    for _ in range(count - 1):
        yield each
    yield total - each * (count - 1)
