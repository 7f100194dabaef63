"""Candles, volume and curves as columns of cells."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from rusy_tui.console.charts.scale import Scale
from rusy_tui.domain.state import ChartBar


class Cell(NamedTuple):
    """One glyph in one ink."""

    glyph: str
    ink: str


BLANK = Cell(" ", "text")

# What the upper and the lower half of a cell hold: nothing, wick or body.
_NOTHING, _WICK, _BODY = range(3)
_GLYPHS = {
    (_NOTHING, _NOTHING): " ",
    (_WICK, _WICK): "│",
    (_BODY, _BODY): "┃",
    (_WICK, _BODY): "╽",
    (_BODY, _WICK): "╿",
    (_BODY, _NOTHING): "╹",
    (_NOTHING, _BODY): "╻",
    (_WICK, _NOTHING): "╵",
    (_NOTHING, _WICK): "╷",
}
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_CURVE = "⠉⠒⠤⣀"


def direction_ink(bar: ChartBar) -> str:
    """The colour of a bar: up also where it ended where it began."""
    return "up" if bar.close >= bar.open else "down"


def candle_column(bar: ChartBar, scale: Scale) -> list[Cell | None]:
    """One candle, a cell a row; None where it has nothing."""
    top, bottom = scale.half(max(bar.open, bar.close)), scale.half(min(bar.open, bar.close))
    high, low = scale.half(bar.high), scale.half(bar.low)
    ink = direction_ink(bar)

    def part(half: int) -> int:
        if top <= half <= bottom:
            return _BODY
        return _WICK if high <= half <= low else _NOTHING

    column: list[Cell | None] = []
    for row in range(scale.rows):
        halves = (part(2 * row), part(2 * row + 1))
        empty = halves == (_NOTHING, _NOTHING)
        column.append(None if empty else Cell(_GLYPHS[halves], ink))
    return column


def volume_column(volume: float, largest: float, rows: int, ink: str) -> list[Cell]:
    """A bar of volume in eighths of a cell, the top row first."""
    share = volume / largest if largest > 0 else 0.0
    eighths = round(min(1.0, share) * rows * 8)
    if volume > 0:
        eighths = max(1, eighths)
    column = []
    for row in range(rows):
        filled = min(8, max(0, eighths - 8 * (rows - 1 - row)))
        column.append(Cell(_EIGHTHS[filled], ink))
    return column


def curve_cell(value: float, scale: Scale, ink: str) -> tuple[int, Cell] | None:
    """The row and the cell of a curve at one bar, in quarters of a cell."""
    if not math.isfinite(value) or not scale.holds(value):
        return None
    place = (scale.high - value) / (scale.high - scale.low) * scale.rows
    row = min(scale.rows - 1, max(0, math.floor(place)))
    quarter = min(3, max(0, math.floor((place - row) * 4)))
    return row, Cell(_CURVE[quarter], ink)


def sparkline(values: Sequence[float], width: int) -> str:
    """The last values as bars between their lowest and highest; blanks where unknown."""
    tail = list(values)[-width:]
    known = [value for value in tail if math.isfinite(value)]
    if not known:
        return " " * width
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    bars = [
        _EIGHTHS[1 + round((value - low) / span * 7)] if math.isfinite(value) else " "
        for value in tail
    ]
    return "".join(bars).rjust(width)
