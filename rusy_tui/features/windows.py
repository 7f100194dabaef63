"""Each network's input at a bar, from 15m bars and the hours closed by that bar's close."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rusy_tui.domain.bars import Bars, Floats, Times
from rusy_tui.domain.candle import Interval
from rusy_tui.features import catalogue
from rusy_tui.features.indicators import indicators
from rusy_tui.features.microstructure import bar_group, flow_group
from rusy_tui.features.price_action import (
    H1_SPANS,
    M15_SPANS,
    calendar,
    price_action,
    return_lags,
)

Rows = NDArray[np.int64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Features of each bar of one gap-free run.

    Shapes: ``open_time_ms``, ``hour_row`` ``(bars,)``; ``sequence (bars, 28)``, ``image
    (bars, 14)``, ``bar (bars, 47)``, ``flow (bars, 7)``; ``hour_image (hours, 14)``. Columns
    as the catalogue orders them. ``hour_row`` is the hour that a bar sees, -1 where that
    hour is missing. NaN where there was too little past, or no flow.
    """

    open_time_ms: Times
    sequence: Floats
    image: Floats
    hour_image: Floats
    hour_row: Rows
    bar: Floats
    flow: Floats


@dataclass(frozen=True, slots=True)
class MemberInputs:
    """What the graphs take, ``float32``, one row a prediction.

    ``lstm (n, 32, 28)`` oldest bar first; ``cnn (n, 2, 32, 14)``, channel 0 of 15m bars and
    channel 1 of hours; ``dnn_bar (n, 47)``; ``dnn_flow (n, 7)``, 0 where absent;
    ``dnn_flow_present (n, 1)``, 1 or 0.
    """

    lstm: Float32
    cnn: Float32
    dnn_bar: Float32
    dnn_flow: Float32
    dnn_flow_present: Float32

    def __len__(self) -> int:
        return len(self.lstm)


def visible_hour_rows(bar_open_ms: Times, hour_open_ms: Times) -> Rows:
    """For each 15m bar the row of the last hour that has closed by the bar's close.

    ``hour_open_ms`` ascending. The hour must be the very one that the clock names: when it
    has not arrived the answer is -1, not the hour before; one that arrived early is not
    seen before its time.
    """
    close_ms = bar_open_ms + Interval.M15.ms
    wanted = close_ms - close_ms % Interval.H1.ms - Interval.H1.ms
    row = np.searchsorted(hour_open_ms, wanted)
    inside = np.minimum(row, max(len(hour_open_ms) - 1, 0))
    if not len(hour_open_ms):
        return np.full(len(wanted), -1, dtype=np.int64)
    return np.where(hour_open_ms[inside] == wanted, inside, -1).astype(np.int64)


def _columns(groups: dict[str, Floats], names: tuple[str, ...]) -> Floats:
    return np.stack([groups[name] for name in names], axis=1)


def feature_table(bars_15m: Bars, bars_1h: Bars) -> FeatureTable:
    """Every feature at every 15m bar; both runs must be free of gaps."""
    fast = price_action(bars_15m, M15_SPANS) | calendar(bars_15m)
    slow = price_action(bars_1h, H1_SPANS) | calendar(bars_1h) | indicators(bars_1h)
    hour_row = visible_hour_rows(bars_15m.open_time_ms, bars_1h.open_time_ms)
    context = {
        catalogue.HOUR_PREFIX + name: np.where(hour_row >= 0, slow[name][hour_row], np.nan)
        if len(bars_1h)
        else np.full(len(bars_15m), np.nan)
        for name in catalogue.HOUR_CONTEXT
    }
    classic = (
        fast
        | return_lags(bars_15m, M15_SPANS)
        | indicators(bars_15m)
        | bar_group(bars_15m)
        | context
    )
    return FeatureTable(
        open_time_ms=bars_15m.open_time_ms,
        sequence=_columns(classic, catalogue.SEQUENCE_COLUMNS),
        image=_columns(fast, catalogue.IMAGE_COLUMNS),
        hour_image=_columns(slow, catalogue.IMAGE_COLUMNS),
        hour_row=hour_row,
        bar=_columns(classic, catalogue.BAR_COLUMNS),
        flow=_columns(flow_group(bars_15m), catalogue.FLOW_COLUMNS),
    )


def _whole(rows: Floats) -> NDArray[np.bool_]:
    whole: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(rows), axis=1)
    return whole


def _run_lengths(whole: NDArray[np.bool_]) -> Rows:
    """How many rows in a row, up to and with each, are whole."""
    index = np.arange(1, len(whole) + 1)
    return index - np.maximum.accumulate(np.where(whole, 0, index))


def complete_rows(table: FeatureTable) -> NDArray[np.bool_]:
    """Bars whose every window is there and finite, ``(bars,)``; the flow group may lack."""
    fast = _run_lengths(_whole(table.sequence) & _whole(table.image) & _whole(table.bar))
    seen = table.hour_row >= 0
    slow = np.zeros(len(seen), dtype=np.int64)
    if len(table.hour_image):
        slow = np.where(seen, _run_lengths(_whole(table.hour_image))[table.hour_row], 0)
    need = max(catalogue.SEQUENCE_BARS, catalogue.IMAGE_BARS)
    enough: NDArray[np.bool_] = (fast >= need) & (slow >= catalogue.IMAGE_BARS)
    return enough


def _window(values: Floats, last: Rows, bars: int) -> Float32:
    """``values[last - bars + 1 .. last]`` for each of ``last``, ``(n, bars, columns)``."""
    view = sliding_window_view(values.astype(np.float32, copy=False), bars, axis=0)
    return np.ascontiguousarray(view[last - bars + 1].transpose(0, 2, 1))


def sequence_input(table: FeatureTable, rows: Rows) -> Float32:
    """The LSTM's input at the given bars, ``(n, 32, 28)``, oldest bar first."""
    return _window(table.sequence, rows, catalogue.SEQUENCE_BARS)


def image_input(table: FeatureTable, rows: Rows) -> Float32:
    """The CNN's input, ``(n, 2, 32, 14)``: channel 0 of 15m bars, channel 1 of hours."""
    image = _window(table.image, rows, catalogue.IMAGE_BARS)
    hours = _window(table.hour_image, table.hour_row[rows], catalogue.IMAGE_BARS)
    return np.stack([image, hours], axis=1)


def bar_input(table: FeatureTable, rows: Rows) -> Float32:
    """The DNN's first input, ``(n, 47)``."""
    return table.bar[rows].astype(np.float32, copy=False)


def flow_input(table: FeatureTable, rows: Rows) -> tuple[Float32, Float32]:
    """The DNN's other inputs: flow ``(n, 7)``, 0 where absent, and presence ``(n, 1)``."""
    flow = table.flow[rows]
    present = _whole(flow)[:, None]
    return np.where(present, flow, 0.0).astype(np.float32), present.astype(np.float32)


def member_inputs(table: FeatureTable, rows: Rows) -> MemberInputs:
    """All inputs at the given bars, each of which :func:`complete_rows` must allow."""
    flow, present = flow_input(table, rows)
    return MemberInputs(
        lstm=sequence_input(table, rows),
        cnn=image_input(table, rows),
        dnn_bar=bar_input(table, rows),
        dnn_flow=flow,
        dnn_flow_present=present,
    )
