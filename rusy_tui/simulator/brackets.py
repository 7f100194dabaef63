"""Leverage brackets: how much leverage a position's size may have, and what it must keep.

One table for all contracts, in the manner of the exchange's large ones. Maintenance margin
is notional × rate − cumulative amount; the amount makes it continuous between brackets.
"""

from decimal import Decimal

import msgspec


class Bracket(msgspec.Struct, frozen=True):
    """Notional in [floor, cap), USDT, with its greatest leverage and maintenance rate."""

    number: int
    leverage: int
    floor: Decimal
    cap: Decimal
    rate: Decimal
    cumulative: Decimal


def _table() -> tuple[Bracket, ...]:
    rows = (
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
    brackets: list[Bracket] = []
    floor, rate, cumulative = Decimal(0), Decimal(0), Decimal(0)
    for number, (leverage, cap, next_rate) in enumerate(rows, start=1):
        cumulative += floor * (Decimal(next_rate) - rate)
        rate = Decimal(next_rate)
        brackets.append(Bracket(number, leverage, floor, Decimal(cap), rate, cumulative))
        floor = Decimal(cap)
    return tuple(brackets)


BRACKETS = _table()
MAX_LEVERAGE = BRACKETS[0].leverage


def bracket_of(notional: Decimal) -> Bracket:
    """The bracket that a position's notional falls into; the last one beyond all."""
    return next((b for b in BRACKETS if notional < b.cap), BRACKETS[-1])


def largest_notional(leverage: int) -> Decimal:
    """The largest position that a leverage allows, USDT."""
    return max(b.cap for b in BRACKETS if b.leverage >= leverage)


def maintenance_margin(notional: Decimal) -> Decimal:
    """What a position must keep so as not to be liquidated, USDT."""
    bracket = bracket_of(notional)
    return notional * bracket.rate - bracket.cumulative
