"""The exchange's time: how far it is from ours, measured by round trips, again and again."""

import logging
from collections.abc import Awaitable, Callable

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import RusyError

_log = logging.getLogger(__name__)

# Clocks of computers drift by some 10 ms in this time.
_MEASURE_EVERY_S = 10 * 60.0
_RETRY_S = 30.0
_SAMPLES = 3
# How often our clock is compared with the monotonic one, and what counts as set: more than a
# time server's slewing, less than a recvWindow can bear.
_LOOK_EVERY_S = 10.0
_STEP_MS = 500


class TimeUnknownError(RusyError):
    """The exchange's time could not be asked; the former offset is as good as it was."""


class ExchangeTime:
    """Exchange time as our market time and an offset.

    Args:
        clock: market time for stamps, wall time for spans.
        ask: one round trip to the exchange's clock: the least and the greatest offset (ms) that
            its answer leaves possible; raises TimeUnknownError.
    """

    def __init__(self, clock: Clock, ask: Callable[[], Awaitable[tuple[int, int]]]) -> None:
        self._clock = clock
        self._ask = ask
        self.offset_ms = 0
        self.error_ms = 0
        self._measured_at_s = float("-inf")
        self._read = self._reading()

    @property
    def age_s(self) -> float:
        """Wall seconds since the offset was measured; infinity before the first time."""
        return self._clock.monotonic_s() - self._measured_at_s

    def now_ms(self) -> int:
        """Exchange time now, ms."""
        return self._clock.market_ms() + self.offset_ms

    def sure_ms(self) -> int:
        """Exchange time that has passed for certain, ms.

        A clock that was set forward since it was measured proves nothing by what it gained; a
        machine that slept can't be told from that, and measures anew in a moment.
        """
        return self.now_ms() - self.error_ms - max(0, self._step_ms(self._read))

    async def measure(self, samples: int = _SAMPLES) -> None:
        """Narrow down the exchange's offset from our clock by round trips.

        Each one proves that the offset lies between two bounds. Where none contradicts our own
        clock it is taken for right: a paced market, shared by both ends, runs so fast that half
        a round trip of error would put a timestamp in the exchange's future.

        Raises:
            TimeUnknownError: no answer.
        """
        bounds = [await self._ask() for _ in range(samples)]
        least_ms, most_ms = max(low for low, _ in bounds), min(high for _, high in bounds)
        # One of the clocks was set between two samples: the last one knows best.
        if least_ms > most_ms:
            least_ms, most_ms = bounds[-1]
        self.offset_ms = 0 if least_ms <= 0 <= most_ms else (least_ms + most_ms) // 2
        self.error_ms = max(most_ms - self.offset_ms, self.offset_ms - least_ms)
        self._read = self._reading()
        self._measured_at_s = self._read[1]
        _log.info("exchange time is %+d ms off, known to %d ms", self.offset_ms, self.error_ms)

    async def keep(self) -> None:
        """Measure regularly, and at once when our clock was set; until cancelled."""
        due_s = self._clock.monotonic_s() + _MEASURE_EVERY_S
        before = self._reading()
        while True:
            await self._clock.sleep(_LOOK_EVERY_S)
            step_ms = self._step_ms(before)
            now = before = self._reading()
            if abs(step_ms) >= _STEP_MS:
                _log.warning(
                    "this machine's clock was set by %+d ms, or the machine slept: measuring "
                    "the exchange's time again",
                    step_ms,
                )
                due_s = now[1]
            if now[1] >= due_s:
                try:
                    await self.measure()
                    due_s = self._clock.monotonic_s() + _MEASURE_EVERY_S
                except TimeUnknownError as error:
                    _log.warning("%s; its offset is %.0f s old", error, self.age_s)
                    due_s = self._clock.monotonic_s() + _RETRY_S
                # What the measuring took is no step.
                before = self._reading()

    def _step_ms(self, before: tuple[int, float]) -> int:
        """By how much our clock was set forward since a reading."""
        wall_ms, monotonic_s = self._reading()
        return round((wall_ms - before[0]) - (monotonic_s - before[1]) * 1000)

    def _reading(self) -> tuple[int, float]:
        return self._clock.wall_ms(), self._clock.monotonic_s()
