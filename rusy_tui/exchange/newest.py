"""Nothing twice and nothing backwards, though two connections may tell the same. Pure."""

# An id that fell although the event is so much later: the exchange counts anew. ms.
_ANEW_MS = 60_000


class Newest:
    """The newest of each key that was let through."""

    def __init__(self) -> None:
        self._last: dict[object, tuple[int, int]] = {}
        self._closed_ms: dict[object, tuple[int, int]] = {}

    def admits(self, key: object, number: int, event_ms: int) -> bool:
        """Whether an event is newer than all of its key so far; it then counts as told.

        Args:
            key: of what is told of, such as a kind and a symbol.
            number: the exchange's own id or time, growing.
            event_ms: when, exchange time.
        """
        last = self._last.get(key)
        if last is not None and number <= last[0] and event_ms < last[1] + _ANEW_MS:
            return False
        self._last[key] = (number, event_ms)
        return True

    def admits_candle(self, key: object, open_ms: int, closed: bool, event_ms: int) -> bool:
        """The same of a candle. A closing one may come after the next has begun.

        Args:
            key: of symbol and interval.
            open_ms: when the candle began.
            closed: whether it ended.
            event_ms: when that was told, exchange time.
        """
        ended = self._closed_ms.get(key, (0, 0))
        if closed:
            if (open_ms, event_ms) <= ended:
                return False
            self._closed_ms[key] = (open_ms, event_ms)
            return True
        if open_ms <= ended[0] or (open_ms, event_ms) <= self._last.get(key, (0, 0)):
            return False
        self._last[key] = (open_ms, event_ms)
        return True
