"""Ids that are never reused: ULIDs, and client order ids that carry our prefix."""

import random
import re

from ulid import ULID

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.order import Purpose

PREFIX = "rusy"
_LETTERS = {
    Purpose.ENTRY: "e",
    Purpose.STOP: "s",
    Purpose.TARGET: "t",
    Purpose.EXIT: "x",
    Purpose.FLATTEN: "f",
}
_PURPOSES = {letter: purpose for purpose, letter in _LETTERS.items()}
# 33 characters; the exchange takes up to 36 of [.A-Z:/a-z0-9_-].
_CLIENT_ID = re.compile(rf"{PREFIX}-([estxf])-([0-9A-HJKMNP-TV-Z]{{26}})")


class Ids:
    """Makes ids from the clock and a source of randomness.

    Args:
        clock: market time goes into each id, so that ids sort by age.
        randomness: seeded in lockstep, the system's elsewhere.
    """

    def __init__(self, clock: Clock, randomness: random.Random) -> None:
        self._clock = clock
        self._randomness = randomness

    def new(self) -> str:
        """A ULID: 48 bits of time, 80 of randomness."""
        stamp = self._clock.market_ms().to_bytes(6, "big")
        return str(ULID.from_bytes(stamp + self._randomness.randbytes(10)))

    def order(self, purpose: Purpose) -> str:
        """A client order id that says whose it is and what the order is for."""
        return f"{PREFIX}-{_LETTERS[purpose]}-{self.new()}"


def purpose_of(client_order_id: str) -> Purpose | None:
    """What an order of ours is for, read from its id; None when it is not ours."""
    match = _CLIENT_ID.fullmatch(client_order_id)
    return _PURPOSES[match.group(1)] if match else None


def short(client_order_id: str) -> str:
    """The last four characters of an id, as shown to people."""
    return client_order_id[-4:].lower()
