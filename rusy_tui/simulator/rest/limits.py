"""Rate limits: weight a minute by address, orders in 10 s and a minute by account.

All windows count wall time and begin on its round minutes and tens of seconds.
"""

from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.refusals import Refusal, refusal
from rusy_tui.simulator.wire.rules import ORDERS_A_MINUTE, ORDERS_IN_10_S, WEIGHT_A_MINUTE

_MINUTE_MS = 60_000
_TEN_SECONDS_MS = 10_000


class LimitHit(Refusal):
    """Too much was asked. ``wait_s`` is when to ask again, seconds of wall time."""

    def __init__(self, why: Refusal, wait_s: int) -> None:
        super().__init__(why.code, why.message, why.status)
        self.wait_s = wait_s


class Limits:
    """Counts what is used in the windows now open."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used: dict[tuple[str, int], tuple[int, int]] = {}

    def weigh(self, address: str, weight: int) -> int:
        """Count a request's weight, and what its address has used this minute; −1003."""
        used = self._add(address, _MINUTE_MS, weight)
        if used > WEIGHT_A_MINUTE:
            raise LimitHit(refusal(-1003, WEIGHT_A_MINUTE), self._wait_s(_MINUTE_MS))
        return used

    def count_order(self, account: Account) -> tuple[int, int]:
        """Count an order, and what its account has used in 10 s and this minute; −1015."""
        name = f"account {account.number}"
        in_10_s = self._add(name, _TEN_SECONDS_MS, 1)
        in_minute = self._add(name, _MINUTE_MS, 1)
        if in_10_s > ORDERS_IN_10_S:
            why = refusal(-1015, ORDERS_IN_10_S, "10 seconds")
            raise LimitHit(why, self._wait_s(_TEN_SECONDS_MS))
        if in_minute > ORDERS_A_MINUTE:
            raise LimitHit(refusal(-1015, ORDERS_A_MINUTE, "minute"), self._wait_s(_MINUTE_MS))
        return in_10_s, in_minute

    def used(self, address: str) -> int:
        """The weight an address has used this minute."""
        return self._add(address, _MINUTE_MS, 0)

    def _add(self, who: str, window_ms: int, amount: int) -> int:
        number = self._clock.wall_ms() // window_ms
        window, used = self._used.get((who, window_ms), (number, 0))
        used = (used if window == number else 0) + amount
        self._used[who, window_ms] = (number, used)
        return used

    def _wait_s(self, window_ms: int) -> int:
        return -(-(window_ms - self._clock.wall_ms() % window_ms) // 1000)
