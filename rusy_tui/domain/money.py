"""Exact arithmetic where money is."""

from decimal import ROUND_HALF_EVEN, Decimal

ZERO = Decimal(0)
_EIGHT_DIGITS = Decimal("0.00000001")


def to_ledger(amount: Decimal) -> Decimal:
    """An amount quantised to the eight digits a ledger keeps, half to even."""
    return amount.quantize(_EIGHT_DIGITS, rounding=ROUND_HALF_EVEN)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of a step that is not above a value.

    A quotient that was rounded could end above: the whole number of steps is taken instead.
    """
    steps, rest = divmod(value, step)
    return (steps - 1 if rest < ZERO else steps) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of a step that is not below a value."""
    steps, rest = divmod(value, step)
    return (steps + 1 if rest > ZERO else steps) * step


def exact(value: float) -> Decimal:
    """A float of market data as the decimal a person would read, never its binary tail."""
    return Decimal(repr(float(value)))
