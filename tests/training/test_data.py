"""Recordings, labels and splits."""

import datetime
from pathlib import Path

import numpy as np
import pytest

from rusy_tui.domain.candle import Interval
from tests.features.market import hours, market

pytest.importorskip("torch")

from training import dataset, labels, recordings


def test_longer_bars_are_what_the_shorter_ones_make() -> None:
    bars = market(402)
    made, expected = recordings.aggregate(bars, Interval.H1), hours(bars)
    assert len(made) == 100
    for name in ("open_time_ms", "open", "high", "low", "close", "volume", "trades"):
        np.testing.assert_array_equal(getattr(made, name), getattr(expected, name))


def test_a_part_of_an_hour_at_the_start_is_dropped() -> None:
    bars = market(50)[3:]
    made = recordings.aggregate(bars, Interval.H1)
    assert made.open_time_ms[0] % Interval.H1.ms == 0
    assert made.open_time_ms[0] > bars.open_time_ms[0]


def test_the_label_is_from_the_next_open_to_the_close_at_the_horizon() -> None:
    bars = market(20)
    found = labels.labels(bars, np.full(20, np.log(0.001)))
    assert found.log_return[5] == pytest.approx(np.log(bars.close[9] / bars.open[6]))
    assert np.isfinite(found.log_return).sum() == 16
    assert (found.pattern[16:] == -1).all()


def test_the_pattern_is_the_side_of_a_large_move_or_neither() -> None:
    bars = market(400)
    atr = 0.004
    found = labels.labels(bars, np.full(400, np.log(atr)))
    large = labels.LARGE_MOVE_ATR * atr
    known = found.log_return[:-4]
    assert set(found.pattern[:-4]) == {labels.UP, labels.DOWN, labels.NEITHER}
    np.testing.assert_array_equal(found.pattern[:-4] == labels.UP, known > large)
    np.testing.assert_array_equal(found.pattern[:-4] == labels.DOWN, known < -large)


@pytest.mark.timeout(120)
def test_spans_follow_in_time_with_an_embargo_and_keep_the_replay_week_unseen(
    recordings: Path,
) -> None:
    pool = dataset.build_pool(recordings)
    splits = dataset.split(pool)
    times = pool.table.open_time_ms
    gap = dataset.EMBARGO_MS
    assert times[splits.train].max() + gap <= times[splits.validation].min()
    assert times[splits.validation].max() + gap <= times[splits.test].min()
    week = [
        int(datetime.datetime(2025, 5, day, tzinfo=datetime.UTC).timestamp() * 1000)
        for day in (1, 8)
    ]
    for rows in (splits.train, splits.validation):
        assert not ((times[rows] >= week[0]) & (times[rows] < week[1])).any()
    assert np.isfinite(pool.table.sequence[splits.train]).all()
    assert np.isfinite(pool.log_return[splits.test]).all()


@pytest.mark.timeout(120)
def test_no_run_of_recorded_bars_spans_a_gap(recordings: Path) -> None:
    for run in load(recordings):
        assert (np.diff(run.bars_15m.open_time_ms) == Interval.M15.ms).all()
        assert (np.diff(run.bars_1h.open_time_ms) == Interval.H1.ms).all()
    symbols = {run.symbol for run in load(recordings)}
    assert symbols == {"BTCUSDT", "LINKUSDT", "FILUSDT", "NEARUSDT"}


def load(folder: Path) -> tuple[recordings.Run, ...]:
    return recordings.load_runs(folder)


def test_missing_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(recordings.RecordingsMissingError, match=r"BTCUSDT-15m\.parquet"):
        recordings.load_runs(tmp_path)
