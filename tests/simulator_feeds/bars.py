"""Bars built of a feed's steps, exactly and by the plainest code, to judge feeds with."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.feeds import Feed, Print, Step

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of one symbol in exact figures."""

    open_time_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_buy_volume: Decimal


def all_steps(feed: Feed) -> list[Step]:
    """The steps of a feed that ends."""
    return list(iter(feed.next_step, None))


def steps_until(feed: Feed, until_ms: int) -> Iterator[Step]:
    """The steps before a moment; the first one at or after it is taken and lost."""
    while (step := feed.next_step()) is not None and step.time_ms < until_ms:
        yield step


def bars_of(steps: list[Step], symbol: str, interval: Interval) -> list[Bar]:
    """The bars that the prints of one symbol make, ascending; none where nothing traded."""
    prints: dict[int, list[Print]] = {}
    for step in steps:
        for made in step.prints:
            if made.symbol == symbol:
                prints.setdefault(interval.floor(step.time_ms), []).append(made)
    return [
        Bar(
            open_time_ms,
            within[0].price,
            max(made.price for made in within),
            min(made.price for made in within),
            within[-1].price,
            sum((made.quantity for made in within), ZERO),
            sum((made.price * made.quantity for made in within), ZERO),
            sum(made.trades for made in within),
            sum((made.taker_buy_quantity for made in within), ZERO),
        )
        for open_time_ms, within in sorted(prints.items())
    ]
