"""A chart as rows of cells: what is drawn where, worked out without a screen."""

from dataclasses import dataclass
from decimal import Decimal

from rusy_tui.console.charts.candles import (
    BLANK,
    Cell,
    candle_column,
    curve_cell,
    direction_ink,
    volume_column,
)
from rusy_tui.console.charts.scale import Scale, make_scale, ticks
from rusy_tui.console.format import base_asset, clock_minutes, compact, day, number
from rusy_tui.console.text import Line, Span
from rusy_tui.console.view import View
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.state import Chart, ChartBar

Column = tuple[Cell, ...]
DAY_MS = 86_400_000
_TIME_STEPS_H = (0.5, 1, 2, 3, 4, 6, 12, 24, 48, 96, 168)


@dataclass(frozen=True, slots=True)
class PlanLine:
    """A price of a plan or an open trade: the letter on the axis and its colour."""

    price: float
    letter: str
    ink: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All of a chart but its forming bar.

    ``bars`` are the closed bars shown, the last one left of the live column. ``scale`` is
    None while there is nothing to show.
    """

    bars: tuple[ChartBar, ...]
    columns: tuple[Column, ...]
    scale: Scale | None
    lines: tuple[PlanLine, ...]
    largest_volume: float
    price_rows: int
    volume_rows: int


def volume_rows(height: int) -> int:
    """How many of a chart's rows show volume."""
    if height < 13:
        return 0
    return 2 if height < 26 else 3


def plan_lines(view: View) -> tuple[PlanLine, ...]:
    """Entry, stop and target of the shown card, else of the trade that is open."""
    card = view.card if view.card_open else None
    if card is not None and card.plan.symbol == view.symbol:
        plan = card.plan
        targets = [target.price for target in plan.targets]
        return _lines(plan.entry_price, plan.stop_price, targets)
    trade = view.trade
    if trade is None:
        return ()
    entry = trade.entry_average or trade.planned_entry
    return _lines(entry, trade.stop_price, [trade.target_price])


def _lines(entry: Decimal, stop: Decimal, targets: list[Decimal]) -> tuple[PlanLine, ...]:
    drawn = [PlanLine(float(price), "T", "info") for price in targets]
    drawn.append(PlanLine(float(entry), "E", "ask"))
    drawn.append(PlanLine(float(stop), "S", "down"))
    return tuple(line for line in drawn if line.price > 0)


def make_picture(chart: Chart, width: int, height: int, lines: tuple[PlanLine, ...]) -> Picture:
    """The closed bars of a chart in cells, for a width without the live column."""
    bars = chart.bars[-width:] if width > 0 else ()
    below = volume_rows(height)
    rows = height - below
    shown = (*bars, chart.forming) if chart.forming else bars
    prices = [price for bar in shown for price in (bar.high, bar.low)]
    scale = make_scale(prices, (line.price for line in lines), rows)
    largest = max((bar.volume for bar in bars), default=0.0)
    if scale is None:
        return Picture((), (), None, (), 0.0, rows, below)
    seen = tuple(line for line in lines if scale.holds(line.price))
    columns = [_column(bar, scale, seen, largest, below) for bar in bars]
    _overlay(columns, chart.indicators.ema200, scale, "dim")
    _overlay(columns, chart.indicators.ema20, scale, "info")
    empty = _empty_column(scale, seen, below)
    padding = [empty] * max(0, width - len(columns))
    picture = (*padding, *(tuple(column) for column in columns))
    return Picture(bars, picture, scale, seen, largest, rows, below)


def live_column(picture: Picture, forming: ChartBar | None) -> Column:
    """The column of the forming bar."""
    if picture.scale is None:
        return (BLANK,) * (picture.price_rows + picture.volume_rows)
    if forming is None:
        return _empty_column(picture.scale, picture.lines, picture.volume_rows)
    return tuple(
        _column(
            forming,
            picture.scale,
            picture.lines,
            max(picture.largest_volume, forming.volume),
            picture.volume_rows,
        )
    )


def _behind(scale: Scale, lines: tuple[PlanLine, ...]) -> list[Cell]:
    rows = [BLANK] * scale.rows
    for line in lines:
        rows[scale.row(line.price)] = Cell("╌", line.ink)
    return rows


def _empty_column(scale: Scale, lines: tuple[PlanLine, ...], below: int) -> Column:
    return (*_behind(scale, lines), *[BLANK] * below)


def _column(
    bar: ChartBar, scale: Scale, lines: tuple[PlanLine, ...], largest: float, below: int
) -> list[Cell]:
    column = _behind(scale, lines)
    for row, cell in enumerate(candle_column(bar, scale)):
        if cell is not None:
            column[row] = cell
    ink = f"volume_{direction_ink(bar)}"
    return [*column, *volume_column(bar.volume, largest, below, ink)]


def _overlay(
    columns: list[list[Cell]], values: tuple[float, ...], scale: Scale, ink: str
) -> None:
    """Draw a curve behind candles and before plan lines; its last value is the last bar's."""
    count = min(len(columns), len(values))
    for back in range(1, count + 1):
        found = curve_cell(values[-back], scale, ink)
        if found is None:
            continue
        row, cell = found
        if columns[-back][row].glyph in " ╌⠉⠒⠤⣀":
            columns[-back][row] = cell


def axis_labels(
    picture: Picture, last: float | None, decimals: int, width: int, symbol: str
) -> list[Line]:
    """The axis right of a chart: plan lines with their letter, the last price, round ticks.

    Where two fall on one row, what decides wins.
    """
    rows = picture.price_rows + picture.volume_rows
    labels: list[Line] = [()] * rows
    scale = picture.scale
    if scale is None:
        return labels

    def put(row: int, price: float, ink: str, mark: str) -> None:
        text = number(price, decimals).rjust(width - 3)
        labels[row] = (Span(" "), Span(text, ink), Span(f" {mark}", ink))

    taken: set[int] = set()
    for line in picture.lines:
        row = scale.row(line.price)
        put(row, line.price, line.ink, line.letter)
        taken.add(row)
    if last is not None and scale.holds(last) and scale.row(last) not in taken:
        put(scale.row(last), last, "bold bright", "◂")
        taken.add(scale.row(last))
    for price in ticks(scale, 10.0**-decimals):
        row = scale.row(price)
        if not taken & {row - 1, row, row + 1}:
            put(row, price, "dim", " ")
            taken.add(row)
    if picture.volume_rows:
        unit = base_asset(symbol)
        volume = compact(picture.largest_volume)
        text = f"{volume} {unit}"
        if len(text) > width - 3:
            text = volume
        labels[picture.price_rows] = (Span(" "), Span(text.rjust(width - 3), "dim"))
    return labels


def axis_width(view: View, lines: tuple[PlanLine, ...]) -> int:
    """Cells for the axis: the widest price it may have to show, the letter, a blank."""
    chart = view.chart
    highest = max((bar.high for bar in chart.bars), default=0.0) if chart else 0.0
    highest = max([highest, *(line.price for line in lines)])
    return max(10, len(number(highest, view.decimals(view.symbol))) + 3)


def time_labels(picture: Picture, width: int, interval: str) -> Line:
    """The row under a chart: days by name, hours between them, as close as they may stand."""
    bars = picture.bars
    step_ms = Interval(interval).ms
    chosen = DAY_MS * 7
    for hours in _TIME_STEPS_H:
        if hours * 3_600_000 / step_ms >= 11:
            chosen = round(hours * 3_600_000)
            break
    text = [" "] * width
    offset = width - len(bars)
    free_from = 0
    for place, bar in enumerate(bars):
        if bar.open_time_ms % chosen:
            continue
        at_midnight = bar.open_time_ms % DAY_MS == 0
        label = day(bar.open_time_ms) if at_midnight else clock_minutes(bar.open_time_ms)
        start = offset + place
        if start >= free_from and start + len(label) <= width:
            text[start : start + len(label)] = label
            free_from = start + len(label) + 2
    return (Span("".join(text), "dim"),)
