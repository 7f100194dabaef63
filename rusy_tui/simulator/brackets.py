"""Leverage brackets: how much leverage a position's size may have, and what it must keep.

Each symbol has a table of its own; they all begin with one in the manner of the exchange's
large contracts. Maintenance margin is notional × rate − cumulative amount; the amount makes
it continuous between brackets.
"""

from collections.abc import Iterable
from decimal import Decimal

from rusy_tui.domain.instrument import Bracket
from rusy_tui.domain.money import ZERO

Brackets = tuple[Bracket, ...]


def table(rows: Iterable[tuple[int, str, str]]) -> Brackets:
    """A table of rows of (greatest leverage, notional cap in USDT, maintenance rate)."""
    brackets: list[Bracket] = []
    floor, rate, cumulative = ZERO, ZERO, ZERO
    for leverage, cap, next_rate in rows:
        cumulative += floor * (Decimal(next_rate) - rate)
        rate = Decimal(next_rate)
        brackets.append(
            Bracket(
                floor=floor,
                cap=Decimal(cap),
                max_leverage=leverage,
                maintenance_rate=rate,
                cumulative=cumulative,
            )
        )
        floor = Decimal(cap)
    return tuple(brackets)


STANDARD = table(
    (
        (125, "50000", "0.004"),
        (100, "600000", "0.005"),
        (75, "3000000", "0.0065"),
        (50, "12000000", "0.01"),
        (25, "70000000", "0.02"),
        (20, "100000000", "0.025"),
        (10, "230000000", "0.05"),
        (5, "480000000", "0.1"),
        (4, "600000000", "0.125"),
        (3, "800000000", "0.15"),
        (2, "1200000000", "0.25"),
        (1, "1800000000", "0.5"),
    )
)


def bracket_of(brackets: Brackets, notional: Decimal) -> Bracket:
    """The bracket that a position's notional falls into; the last one beyond all."""
    return next((b for b in brackets if notional < b.cap), brackets[-1])


def greatest_leverage(brackets: Brackets) -> int:
    """The greatest leverage that any size may have."""
    return max(b.max_leverage for b in brackets)


def largest_notional(brackets: Brackets, leverage: int) -> Decimal:
    """The largest position that a leverage allows, USDT; zero for one beyond the table."""
    return max((b.cap for b in brackets if b.max_leverage >= leverage), default=ZERO)


def maintenance_margin(brackets: Brackets, notional: Decimal) -> Decimal:
    """What a position must keep so as not to be liquidated, USDT."""
    bracket = bracket_of(brackets, notional)
    return notional * bracket.maintenance_rate - bracket.cumulative
