"""One chart on the screen: its five widgets, and what of it must be worked out again."""

from textual.geometry import Region, Size
from textual.widget import Widget

from rusy_tui.console.charts.picture import (
    Picture,
    PlanLine,
    axis_labels,
    live_column,
    make_picture,
    plan_lines,
    time_labels,
)
from rusy_tui.console.charts.widgets import CellPanel
from rusy_tui.console.panels.line_panel import LinePanel
from rusy_tui.console.text import EMPTY, Line, Span, fit, heading, line_width
from rusy_tui.console.view import View
from rusy_tui.domain.state import Chart


class ChartGroup:
    """Draws one timeframe of the shown pair into the places named with its prefix."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self._title = LinePanel(f"{prefix}chart_title")
        self._history = CellPanel(f"{prefix}chart")
        self._live = CellPanel(f"{prefix}live")
        self._axis = LinePanel(f"{prefix}axis")
        self._times = LinePanel(f"{prefix}times")
        self._picture: Picture | None = None
        self._of: tuple[Chart, Size, tuple[PlanLine, ...]] | None = None

    def widgets(self) -> tuple[Widget, ...]:
        """The widgets, to be mounted."""
        return (self._title, self._history, self._live, self._axis, self._times)

    def paint(self, view: View, interval: str, places: dict[str, Region]) -> None:
        """Show the chart of an interval."""
        area = places.get(f"{self.prefix}chart")
        if area is None:
            return
        title = places.get(f"{self.prefix}chart_title")
        if title is not None:
            self._title.show([_title(view, interval, title.width)])
        chart = view.chart_of(interval) or Chart(symbol=view.symbol, interval=interval)
        picture = self._renewed(chart, area.size, plan_lines(view))
        if picture.scale is None:
            self._history.show(_empty(view, area.size))
        self._live.show_columns((live_column(picture, chart.forming),))
        last = chart.forming.close if chart.forming else None
        if last is None and picture.bars:
            last = picture.bars[-1].close
        axis = places[f"{self.prefix}axis"]
        decimals = view.decimals(view.symbol)
        self._axis.show(axis_labels(picture, last, decimals, axis.width, view.symbol))
        times = places[f"{self.prefix}times"]
        self._times.show([time_labels(picture, times.width, interval)])

    def _renewed(self, chart: Chart, size: Size, lines: tuple[PlanLine, ...]) -> Picture:
        """The picture, worked out again only where the forming bar alone did not move."""
        picture = self._picture
        if picture is not None and self._of is not None:
            before, size_before, lines_before = self._of
            # The reducer keeps these very objects until a bar closes.
            same = before.bars is chart.bars and before.indicators is chart.indicators
            if same and size_before == size and lines_before == lines:
                forming, scale = chart.forming, picture.scale
                if forming is None or scale is None:
                    inside = (forming is None) == (before.forming is None)
                else:
                    inside = scale.holds(forming.high) and scale.holds(forming.low)
                if inside:
                    return picture
        picture = make_picture(chart, size.width, size.height, lines)
        self._picture = picture
        self._of = (chart, size, lines)
        self._history.show_columns(picture.columns)
        return picture


def _empty(view: View, size: Size) -> list[Line]:
    """What stands where a chart will be."""
    state = view.state
    if view.lost:
        said: Line = (Span(view.lost, "down"),)
    elif state is None or state.phase == "starting":
        progress = view.progress or (state.progress if state else "") or "the engine starts"
        said = (Span("starting … ", "bold bright"), Span(progress))
    else:
        said = (Span("the chart comes with its first bars", "dim"),)
    line = fit(said, size.width)
    indent = Span(" " * ((size.width - line_width(line)) // 2))
    return [EMPTY] * (size.height // 2) + [(indent, *line)]


def _title(view: View, interval: str, width: int) -> Line:
    note = (
        Span("EMA 20", "info"),
        Span(" · ", "dim"),
        Span("EMA 200", "dim"),
    )
    name = f"CHART {view.symbol} {interval}".strip() if view.symbol else "CHART"
    return heading(name, note, width)
