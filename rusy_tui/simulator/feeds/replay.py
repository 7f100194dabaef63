"""A recorded market, played again."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import exact
from rusy_tui.simulator.feeds import Print, Step
from rusy_tui.simulator.feeds.columns import Columns
from rusy_tui.simulator.feeds.contracts import of_recording
from rusy_tui.simulator.feeds.past import HISTORY_BARS, candles_of
from rusy_tui.simulator.feeds.path import Amounts, step_ms, steps_in, walk
from rusy_tui.simulator.feeds.recording import read_funding, read_recording, utc

# The exchange's usual rate and rhythm, where no recording of it is given.
DEFAULT_FUNDING_RATE = Decimal("0.0001")
FUNDING_MS = 8 * Interval.H1.ms
# What a replay without `from` leaves as the market's past: the hours a warm-up may ask for.
_PAST_HOURS = 512


class ReplayFeed:
    """One recorded contract from a moment on, its earlier bars being the market's past.

    Every bar is played in steps of 60 s (a 1m bar in steps of 15 s), the first at its open,
    through open, low, high, close when it closed at or above its open and through open,
    high, low, close when it fell; in between the price moves evenly, on the tick. The bar's
    volume, trade count and taker volume are spread evenly, so their sums are the recorded
    figures exactly; what the recording lacks is 0 in every print.

    A bar without volume (the exchange stood still) has steps without prints: whoever builds
    candles of it keeps the last price, which is what recordings of such bars hold.

    Args:
        path: a Parquet or CSV file; :func:`.recording.read_recording` says what it may hold.
        symbol: in place of the one in the file's name.
        interval: in place of the one in the file's name.
        from_ms: the first moment played, on a full hour; by default 512 hours after the
            recording's beginning, in a short one half-way.
        until_ms: the first moment not played, on a bar's boundary; by default the end of the
            recording.
        funding_path: a file of recorded funding rates; without it 0.01 % each 8 hours.
        resume_ms: a former run got so far: begin at its hour, at the latest the last one.

    Raises:
        UsageError: the file, the span or the funding file can't be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        symbol: str | None = None,
        interval: Interval | None = None,
        from_ms: int | None = None,
        until_ms: int | None = None,
        funding_path: Path | None = None,
        resume_ms: int | None = None,
    ) -> None:
        recording = read_recording(path, symbol, interval)
        self._symbol = recording.symbol
        self._interval = recording.interval
        self._start_ms = _start(path, recording, from_ms)
        self._end_ms = _end(path, recording, until_ms, self._start_ms)
        if resume_ms is not None:
            hour_ms = Interval.H1.floor(min(resume_ms, self._end_ms - 1))
            self._start_ms = max(self._start_ms, hour_ms)
        first, end = map(recording.index_of, (self._start_ms, self._end_ms))
        self._played = recording.rows(slice(first, end))
        _check_whole(path, self._played, self._start_ms, self._end_ms)
        # One hour more, so that as many whole hours are left after cutting at a boundary.
        bars = (HISTORY_BARS + 1) * (Interval.H1.ms // self._interval.ms)
        past = recording.rows(slice(max(0, first - bars), first))
        self._past = _unbroken(past, self._start_ms)
        used = recording.rows(slice(max(0, first - len(self._past)), end))
        self._instrument = of_recording(
            self._symbol,
            np.unique([used.open, used.high, used.low, used.close]).tolist(),
            np.unique(used.volume).tolist(),
            int(recording.open_time_ms[0]),
        )
        self._funding = (
            {} if funding_path is None else _funding(funding_path, self._start_ms, self._end_ms)
        )
        self._funding_times = sorted(self._funding)
        self._steps = self._play()

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return {self._symbol: self._instrument}

    @property
    def start_ms(self) -> int:
        return self._start_ms

    @property
    def end_ms(self) -> int | None:
        return self._end_ms

    @property
    def update_ms(self) -> int:
        return step_ms(self._interval)

    def history(self, symbol: str, interval: Interval) -> Sequence[Candle]:
        """Recorded bars, or whole bars built of them, without a gap up to the start.

        At most 1,500, ascending; none where the interval is finer than the recording.
        ``trades`` and ``taker_buy_volume`` are 0 where the recording lacks them; a quote
        volume that it lacks is the one the bar would be played with.
        """
        if symbol != self._symbol or interval.ms < self._interval.ms:
            return ()
        return candles_of(self._past, interval)

    def deep_past(self, symbol: str) -> None:
        """:meth:`history` is all there is."""

    def funding_rate(self, symbol: str, funding_time_ms: int) -> Decimal:
        """The recorded rate of that time, or else the last one before it."""
        at = bisect_right(self._funding_times, funding_time_ms)
        return self._funding[self._funding_times[at - 1]] if at else DEFAULT_FUNDING_RATE

    def liquidity(self, symbol: str) -> None:
        """Recorded candles know of no levels."""

    def next_step(self) -> Step | None:
        return next(self._steps, None)

    def _play(self) -> Iterator[Step]:
        bars, tick = self._played, self._instrument.tick_size
        steps, pace_ms = steps_in(self._interval), step_ms(self._interval)
        prices = np.stack([bars.open, bars.high, bars.low, bars.close], axis=1) / float(tick)
        none = np.zeros(len(bars))
        rows = zip(
            bars.open_time_ms.tolist(),
            np.rint(prices).astype(np.int64).tolist(),
            bars.volume.tolist(),
            (none if bars.taker_buy_volume is None else bars.taker_buy_volume).tolist(),
            (none if bars.trades is None else bars.trades).tolist(),
            strict=True,
        )
        for open_time_ms, ohlc, volume, taken, trades in rows:
            if volume == 0:
                for step in range(steps):
                    yield Step(open_time_ms + step * pace_ms, ())
                continue
            amounts = Amounts(steps, self._instrument.step_size, volume, taken, int(trades))
            for step, ticks in enumerate(walk(steps, *ohlc)):
                made = Print(self._symbol, tick * ticks, *amounts.at(step))
                yield Step(open_time_ms + step * pace_ms, (made,))


def _start(path: Path, recording: Columns, from_ms: int | None) -> int:
    first = int(recording.open_time_ms[0])
    last = int(recording.open_time_ms[-1]) + recording.interval.ms
    if from_ms is None:
        from_ms = Interval.H1.floor(
            min(first + _PAST_HOURS * Interval.H1.ms, (first + last) // 2)
        )
        # A recording may begin in the middle of an hour, and be shorter than one.
        from_ms += Interval.H1.ms * (from_ms < first)
    if from_ms != Interval.H1.floor(from_ms):
        nearest = Interval.H1.floor(from_ms + Interval.H1.ms // 2)
        raise UsageError(
            f"from {utc(from_ms)}: play begins on a full hour; the nearest is {utc(nearest)}"
        )
    if not first <= from_ms < last:
        raise UsageError(f"from {utc(from_ms)}: {path} holds {utc(first)} to {utc(last)}")
    return from_ms


def _end(path: Path, recording: Columns, until_ms: int | None, start_ms: int) -> int:
    last = int(recording.open_time_ms[-1]) + recording.interval.ms
    # Play that ends within a quarter would leave a bar that never closes.
    grid = max(recording.interval, Interval.M15, key=lambda interval: interval.ms)
    if until_ms is None:
        until_ms = grid.floor(last)
    if until_ms != grid.floor(until_ms):
        raise UsageError(
            f"until {utc(until_ms)}: play ends on a boundary of {grid}; the nearest is "
            f"{utc(grid.floor(until_ms + grid.ms // 2))}"
        )
    if until_ms <= start_ms:
        raise UsageError(f"until {utc(until_ms)} is not after from {utc(start_ms)}")
    if until_ms > last:
        raise UsageError(
            f"until {utc(until_ms)}: {path} ends at {utc(last)}; play until then at most"
        )
    return until_ms


def _check_whole(path: Path, played: Columns, start_ms: int, end_ms: int) -> None:
    """Every bar from the start to the end is there."""
    opens = np.concatenate([[start_ms - played.interval.ms], played.open_time_ms, [end_ms]])
    gaps = np.flatnonzero(np.diff(opens) != played.interval.ms)
    if not len(gaps):
        return
    begin, end = int(opens[gaps[0]]) + played.interval.ms, int(opens[gaps[0] + 1])
    missing = (end - begin) // played.interval.ms
    choices = [f"from {utc(Interval.H1.floor(end + Interval.H1.ms - 1))} on"]
    if begin > start_ms:
        choices.insert(0, f"until {utc(begin)} at most")
    raise UsageError(
        f"{path}: {missing} bars are missing from {utc(begin)} to {utc(end)}; play "
        f"{' or '.join(choices)}"
    )


def _unbroken(past: Columns, start_ms: int) -> Columns:
    """The bars after the last gap: an exchange's past has none, and none could be filled."""
    opens = np.append(past.open_time_ms, start_ms)
    gaps = np.flatnonzero(np.diff(opens) != past.interval.ms)
    return past.rows(slice(int(gaps[-1]) + 1 if len(gaps) else 0, None))


def _funding(path: Path, start_ms: int, end_ms: int) -> dict[int, Decimal]:
    """Recorded rates by time, with one for every funding time that is played."""
    rates = {time_ms: exact(rate) for time_ms, rate in read_funding(path).items()}
    first = start_ms + -start_ms % FUNDING_MS
    for time_ms in range(first, end_ms, FUNDING_MS):
        if time_ms not in rates:
            raise UsageError(
                f"{path}: no funding rate of {utc(time_ms)}, which is played; give a file that "
                "covers the span, or none for 0.01 % each 8 hours"
            )
    return rates
