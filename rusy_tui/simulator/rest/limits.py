"""Rate limits: weight by address, orders by account; what follows when one is hit.

All windows count wall time and begin on its round minutes, tens of seconds and five minutes.
Whoever hits a limit of its address gets 429 until the window ends. Whoever goes on asking
after having been told is banned and gets 418: for 2 minutes, then longer each time, up to 3
days. How many requests the exchange lets pass before it bans is not documented.
"""

from collections import Counter

import msgspec

from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.rate_limits import RateLimits
from rusy_tui.simulator.refusals import TOO_MANY_REQUESTS, Refusal, refusal

BANNED = 418
FIRST_BAN_S = 120
LONGEST_BAN_S = 3 * 86_400
STRIKES = 3
"""So many requests sent after a 429 was told, and the address is banned."""

_MINUTE_MS = 60_000
_TEN_SECONDS_MS = 10_000
_FIVE_MINUTES_MS = 300_000
_FUNDING_PATHS = frozenset({"/fapi/v1/fundingRate", "/fapi/v1/fundingInfo"})


class LimitHit(Refusal):
    """Too much was asked. ``wait_s`` is when to ask again, seconds of wall time."""

    def __init__(self, why: Refusal, wait_s: int) -> None:
        super().__init__(why.code, why.message, why.status)
        self.wait_s = wait_s


class Pause(msgspec.Struct):
    """A span in which an address gets 429 or 418 (``status``); times are wall ms.

    ``told_ms`` is when the first answer that says so went out.
    """

    address: str
    status: int
    from_ms: int
    until_ms: int
    told_ms: int | None = None
    sent_since: int = 0


class Violation(msgspec.Struct, frozen=True):
    """A request sent although its address had been told to wait; times are wall ms."""

    at_ms: int
    address: str
    status: int
    told_ms: int
    what: str


class Limits:
    """Counts what is used in the windows now open."""

    def __init__(self, clock: Clock, announced: RateLimits) -> None:
        self._clock = clock
        self._announced = announced
        self._used: dict[tuple[str, int], tuple[int, int]] = {}
        self.weight_by_path: Counter[str] = Counter()
        """All that was ever asked, by the endpoint's path."""
        self.calls_by_path: Counter[str] = Counter()
        """How many requests that were."""
        self._pauses: dict[str, Pause] = {}
        self._bans: dict[str, int] = {}
        self.pauses: list[Pause] = []
        """Every pause there was, oldest first."""
        self.violations: list[Violation] = []

    def weigh(self, address: str, path: str, weight: int) -> int:
        """Count a request's weight, and what its address has used this minute; −1003."""
        if path in _FUNDING_PATHS:
            asked = self._add(f"funding {address}", _FIVE_MINUTES_MS, 1)
            if asked > self._announced.funding_in_5_min:
                why = refusal(-1003, self._announced.funding_in_5_min)
                raise LimitHit(why, self._wait_s(_FIVE_MINUTES_MS))
            return self.used(address)
        self.weight_by_path[path] += weight
        self.calls_by_path[path] += 1
        used = self._add(address, _MINUTE_MS, weight)
        if used > self._announced.weight_a_minute:
            wait_s = self._wait_s(_MINUTE_MS)
            self._pauses[address] = self._begin(address, TOO_MANY_REQUESTS, wait_s)
            raise LimitHit(refusal(-1003, self._announced.weight_a_minute), wait_s)
        return used

    def count_order(self, account: Account, in_10_s: int = 1) -> tuple[int, int]:
        """Count an order, and what its account has used in 10 s and this minute; −1015.

        A batch counts as five in the 10 s and as one in the minute, as the SDK documents.
        """
        name = f"account {account.number}"
        most = self._announced
        used_in_10_s = self._add(name, _TEN_SECONDS_MS, in_10_s)
        in_minute = self._add(name, _MINUTE_MS, 1)
        if used_in_10_s > most.orders_in_10_s:
            why = refusal(-1015, most.orders_in_10_s, "10 seconds")
            raise LimitHit(why, self._wait_s(_TEN_SECONDS_MS))
        if in_minute > most.orders_a_minute:
            why = refusal(-1015, most.orders_a_minute, "minute")
            raise LimitHit(why, self._wait_s(_MINUTE_MS))
        return used_in_10_s, in_minute

    def used(self, address: str) -> int:
        """The weight an address has used this minute."""
        return self._add(address, _MINUTE_MS, 0)

    # ── pauses and bans ───────────────────────────────────────────────────────────────

    def stop(self, address: str, wait_s: int, *, banned: bool) -> None:
        """Answer an address with 429 or 418 for so many wall seconds; no ban is lifted."""
        pause = self._pauses.get(address)
        if pause is not None and self._clock.wall_ms() < pause.until_ms:
            return
        if banned:
            self.ban(address, wait_s)
        else:
            self._pauses[address] = self._begin(address, TOO_MANY_REQUESTS, wait_s)

    def ban(self, address: str, wait_s: int | None = None) -> None:
        """Answer an address with 418; without a span, for as long as its past deserves."""
        if wait_s is None:
            before = self._bans.get(address, 0)
            wait_s = min(FIRST_BAN_S * 2 ** min(before, 16), LONGEST_BAN_S)
            self._bans[address] = before + 1
        former = self._pauses.get(address)
        self._pauses[address] = self._begin(address, BANNED, wait_s)
        if former is not None:
            # It knew already that it had to wait.
            self._pauses[address].told_ms = former.told_ms

    def knows(self, address: str) -> bool:
        """Whether an address has been told to wait, and the wait is not over."""
        pause = self._pauses.get(address)
        if pause is None or pause.told_ms is None:
            return False
        return self._clock.wall_ms() < pause.until_ms

    def admit(self, address: str, what: str, *, knew: bool) -> None:
        """Refuse whatever an address asks during a pause, and note what it should not have.

        Args:
            address: who asks.
            what: the request, for the record.
            knew: whether it had been told to wait when the request came in; before that it
                is no fault of its.
        """
        pause = self._pauses.get(address)
        if pause is None:
            return
        if self._clock.wall_ms() >= pause.until_ms:
            del self._pauses[address]
            return
        if knew and pause.told_ms is not None:
            now_ms = self._clock.wall_ms()
            self.violations.append(
                Violation(now_ms, address, pause.status, pause.told_ms, what)
            )
            pause.sent_since += 1
            if pause.sent_since >= STRIKES:
                self.ban(address)
                pause = self._pauses[address]
        raise self._hit(pause)

    def told(self, address: str) -> None:
        """An answer that says 429 or 418 goes out to an address now."""
        pause = self._pauses.get(address)
        if pause is not None and pause.told_ms is None:
            pause.told_ms = self._clock.wall_ms()

    def _begin(self, address: str, status: int, wait_s: int) -> Pause:
        now_ms = self._clock.wall_ms()
        pause = Pause(address, status, now_ms, now_ms + wait_s * 1000)
        self.pauses.append(pause)
        return pause

    def _hit(self, pause: Pause) -> LimitHit:
        wait_s = -(-(pause.until_ms - self._clock.wall_ms()) // 1000)
        why = refusal(-1003, self._announced.weight_a_minute)
        if pause.status == BANNED:
            text = (
                f"Way too many requests; IP({pause.address}) banned until {pause.until_ms}. "
                "Please use the websocket for live updates to avoid bans."
            )
            why = Refusal(-1003, text, BANNED)
        return LimitHit(why, wait_s)

    def _add(self, who: str, window_ms: int, amount: int) -> int:
        number = self._clock.wall_ms() // window_ms
        window, used = self._used.get((who, window_ms), (number, 0))
        used = (used if window == number else 0) + amount
        self._used[who, window_ms] = (number, used)
        return used

    def _wait_s(self, window_ms: int) -> int:
        return -(-(window_ms - self._clock.wall_ms() % window_ms) // 1000)
