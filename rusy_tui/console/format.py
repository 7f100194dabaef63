"""Figures as the operator reads them: thin separators, decimals by tick, a true minus."""

import math
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

MINUS = "\u2212"
ABSENT = "\u2013"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

Number = Decimal | float | int


def number(value: Number, decimals: int, *, sign: bool = False) -> str:
    """A figure with thousands separated; ``sign`` shows a plus as well."""
    if not math.isfinite(value):
        return ABSENT
    digits = f"{abs(value):,.{decimals}f}"
    if not any(digit in "123456789" for digit in digits):
        return digits  # a rounded zero has no sign
    if value < 0:
        return MINUS + digits
    return f"+{digits}" if sign else digits


def tick_decimals(tick: Decimal) -> int:
    """How many decimals a price of this tick has."""
    exponent = tick.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def quantity(value: Decimal) -> str:
    """A size with the decimals it was given, without trailing zeros."""
    exponent = value.normalize().as_tuple().exponent
    decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    return number(value, decimals)


def percent(fraction: Number, decimals: int, *, sign: bool = False) -> str:
    """A fraction in percent."""
    return f"{number(fraction * 100, decimals, sign=sign)} %"


def bare_probability(value: float) -> str:
    """A probability without its leading zero, for narrow places."""
    text = number(value, 3)
    return text.removeprefix("0")


def r_multiple(value: Number, *, sign: bool = False, decimals: int = 2) -> str:
    """A multiple of the risk, without its unit."""
    return number(value, decimals, sign=sign)


def compact(value: float) -> str:
    """A volume in at most five cells."""
    for limit, divisor, unit in ((1e4, 1, ""), (1e7, 1e3, "k"), (1e10, 1e6, "M")):
        if value < limit:
            scaled = value / divisor
            return number(scaled, 1 if scaled < 10 else 0) + unit
    return number(value / 1e9, 0) + "G"


def age(seconds: float) -> str:
    """How old something is: tenths while that matters."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def countdown(seconds: float) -> str:
    """Minutes and seconds left; hours and minutes from 100 minutes on."""
    whole = max(0, math.floor(seconds))
    if whole < 6000:
        return f"{whole // 60:02d}:{whole % 60:02d}"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}"


def hours_left(seconds: float) -> str:
    """Hours and minutes left, for things that are hours away."""
    minutes = max(0, math.floor(seconds)) // 60
    return f"{minutes // 60}h{minutes % 60:02d}"


def moment_of(time_ms: int, zone: tzinfo | None = UTC) -> datetime:
    """An instant as a date in a zone; None is the machine's own zone."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(zone)


def clock(time_ms: int, zone: tzinfo | None = UTC) -> str:
    """The time of day to the second."""
    return f"{moment_of(time_ms, zone):%H:%M:%S}"


def clock_minutes(time_ms: int) -> str:
    """The time of day to the minute, UTC."""
    return f"{moment_of(time_ms):%H:%M}"


def day(time_ms: int) -> str:
    """The day without its year, UTC, in English wherever the machine stands."""
    date = moment_of(time_ms)
    return f"{_MONTHS[date.month - 1]} {date.day}"


def base_asset(symbol: str) -> str:
    """What a pair's size is counted in."""
    for quote in ("USDT", "USDC"):
        if symbol.endswith(quote):
            return symbol.removesuffix(quote)
    return symbol


def short_id(client_order_id: str) -> str:
    """The end of a client order id: enough to tell a handful of orders apart."""
    return f"#{client_order_id[-4:].lower()}"


def pace(speed: float) -> str:
    """How fast market time runs against the wall."""
    return f"{speed:g}×"
