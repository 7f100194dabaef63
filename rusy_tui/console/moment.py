"""The two wall clocks of a console, read together and handed to whatever shows a time."""

import time
from collections.abc import Callable

import msgspec


class Moment(msgspec.Struct, frozen=True):
    """One reading: the machine's monotonic clock in seconds, and UTC in milliseconds."""

    monotonic_s: float
    wall_ms: int


Moments = Callable[[], Moment]
"""Reads the clocks; tests hand in one that stands still."""


def system_moment() -> Moment:
    """The clocks of this machine, now."""
    return Moment(time.monotonic(), time.time_ns() // 1_000_000)
