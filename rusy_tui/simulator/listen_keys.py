"""Listen keys: what opens an account's private stream, valid for 60 minutes of wall time."""

import asyncio
import random

import msgspec

from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.refusals import refusal

VALID_S = 3600.0
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LENGTH = 64


class ListenKey(msgspec.Struct):
    """A key, whose it is, and when it ends (seconds of the monotonic clock)."""

    key: str
    account: Account
    ends_s: float


class ListenKeys:
    """The keys given out; one an account at a time."""

    def __init__(self, clock: Clock, source: random.Random) -> None:
        self._clock = clock
        self._source = source
        self._keys: dict[str, ListenKey] = {}
        self._some = asyncio.Event()

    def open(self, account: Account) -> ListenKey:
        """A new key; asked again, the same one, valid for another 60 minutes."""
        for held in self._keys.values():
            if held.account is account and self._is_valid(held):
                held.ends_s = self._clock.monotonic_s() + VALID_S
                return held
        key = "".join(self._source.choices(_LETTERS, k=_LENGTH))
        held = ListenKey(key, account, self._clock.monotonic_s() + VALID_S)
        self._keys[key] = held
        self._some.set()
        return held

    def extend(self, account: Account) -> ListenKey:
        """60 more minutes; −1125 where the account has no valid key."""
        for held in self._keys.values():
            if held.account is account and self._is_valid(held):
                held.ends_s = self._clock.monotonic_s() + VALID_S
                return held
        raise refusal(-1125)

    def close(self, account: Account) -> None:
        """End the account's key; −1125 where it has none."""
        key = self.extend(account).key
        del self._keys[key]

    def end(self, account: Account) -> ListenKey | None:
        """End the account's key before its time, and say which; None where it has none."""
        for held in self._keys.values():
            if held.account is account and self._is_valid(held):
                return self._keys.pop(held.key)
        return None

    def account_of(self, key: str) -> Account | None:
        """Whose key it is; None when it is unknown or has ended."""
        held = self._keys.get(key)
        return held.account if held is not None and self._is_valid(held) else None

    def pop_ended(self) -> list[ListenKey]:
        """Forget the keys that have ended, and say which."""
        ended = [held for held in self._keys.values() if not self._is_valid(held)]
        for held in ended:
            del self._keys[held.key]
        return ended

    async def next_end_s(self) -> float:
        """When the next key ends, monotonic seconds; waits until there is one."""
        while not self._keys:
            self._some.clear()
            await self._some.wait()
        return min(held.ends_s for held in self._keys.values())

    def _is_valid(self, held: ListenKey) -> bool:
        return self._clock.monotonic_s() < held.ends_s
