"""How long each stream of a connection may be silent, and what longer silence asks for. Pure.

A subscription may be accepted and stay silent, on the wrong route for one, while its connection
speaks: so each stream is watched by itself. A suspect is subscribed anew first, for that costs
nothing; if it stays silent its connection is replaced.
"""

from collections.abc import Iterable, Mapping

import msgspec

# The mark price comes once a second, traded or not. The others follow trades and orders: a
# quiet contract may be silent longer than this, and looking costs it nothing but a message.
_MARK_PRICE_S = 5.0
_TRADED_S = 90.0
# Such a contract is looked at less and less often, but never less than once an hour.
_MOST_PATIENCE_S = 3600.0


def normal_silence_s(stream: str, same_for_all_s: float | None) -> float | None:
    """Wall seconds for which a stream may be silent; None when that is no sign of anything.

    Args:
        stream: name as subscribed.
        same_for_all_s: instead of each kind's own, where the market moves in steps.
    """
    kind = stream.partition("@")[2]
    if not kind:
        # !contractInfo and its like tell of what happens once in weeks.
        return None
    if same_for_all_s is not None:
        return same_for_all_s
    return _MARK_PRICE_S if kind.startswith("markPrice") else _TRADED_S


class Verdict(msgspec.Struct, frozen=True):
    """What silence asks for: subscribe these anew, replace the connection because of those.

    ``dead`` is how long nothing at all was heard, in seconds; 0 while something is.
    """

    subscribe: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    dead: float = 0.0


class Silence:
    """The clocks of one route's streams. Times are monotonic wall seconds."""

    def __init__(self, limits_s: Mapping[str, float]) -> None:
        self._limits_s = dict(limits_s)
        self._allowed_s = dict(limits_s)
        self._last_s: dict[str, float] = {}
        self._any_s = 0.0
        # In order: what is said of several must come alike in every run.
        self._asked: dict[str, None] = {}
        self._lost: dict[str, None] = {}

    @property
    def watching(self) -> bool:
        """Whether any stream's silence means something."""
        return bool(self._limits_s)

    def restart(self, now_s: float) -> None:
        """A connection begins: every stream has its whole time again."""
        self._any_s = now_s
        self._last_s = dict.fromkeys(self._limits_s, now_s)
        self._asked.clear()

    def replaced(self, now_s: float) -> None:
        """Another connection took over: the suspects have their time again."""
        for stream in (*self._asked, *self._lost):
            self._last_s[stream] = now_s

    def change(self, limits_s: Mapping[str, float], gone: Iterable[str], now_s: float) -> None:
        """Watch these too, and those no longer."""
        for stream in gone:
            for known in (self._limits_s, self._allowed_s, self._last_s):
                known.pop(stream, None)
            self._asked.pop(stream, None)
            self._lost.pop(stream, None)
        self._limits_s.update(limits_s)
        self._allowed_s.update(limits_s)
        self._last_s.update(dict.fromkeys(limits_s, now_s))

    def heard(self, stream: str, now_s: float) -> bool:
        """A message came; whether its stream was lost until now."""
        self._any_s = self._last_s[stream] = now_s
        if not (self._asked or self._lost):
            return False
        self._asked.pop(stream, None)
        if stream not in self._lost:
            return False
        del self._lost[stream]
        self._allowed_s[stream] = self._limits_s[stream]
        return True

    def wait_s(self, now_s: float) -> float:
        """Until when nobody needs to look, in seconds from now."""
        first_s = self._any_s + min(self._limits_s.values())
        for stream, last_s in self._last_s.items():
            if stream in self._allowed_s:
                first_s = min(first_s, last_s + self._allowed_s[stream])
        return first_s - now_s

    def judge(self, now_s: float) -> Verdict:
        """What is to be done now. Suspects then have their time again."""
        # By the same sums as in wait_s: a difference in the last digit would leave the caller
        # with nothing to wait for and nothing to do, for ever.
        if now_s >= self._any_s + min(self._limits_s.values()):
            return Verdict(dead=now_s - self._any_s)
        subscribe, replace = [], []
        for stream, allowed_s in self._allowed_s.items():
            if now_s < self._last_s[stream] + allowed_s:
                continue
            self._last_s[stream] = now_s
            if stream in self._asked:
                del self._asked[stream]
                replace.append(stream)
                self._lost[stream] = None
                self._allowed_s[stream] = min(allowed_s * 2, _MOST_PATIENCE_S)
            else:
                subscribe.append(stream)
                self._asked[stream] = None
        return Verdict(tuple(subscribe), tuple(replace))
