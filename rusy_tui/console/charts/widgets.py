"""The chart's widgets: closed bars, the live column, the axis.

The forming bar has a widget of its own, one cell wide: Textual sends a changed row from the
widget's left edge, so a moving last column would otherwise send the whole chart again.
"""

from itertools import groupby
from operator import itemgetter

from rusy_tui.console.charts.picture import Column
from rusy_tui.console.panels.line_panel import LinePanel
from rusy_tui.console.text import Line, Span


def rows_of(columns: tuple[Column, ...]) -> list[Line]:
    """Columns of cells as lines; neighbours of one ink become one span."""
    if not columns:
        return []
    lines = []
    for row in range(len(columns[0])):
        cells = [column[row] for column in columns]
        lines.append(
            tuple(
                Span("".join(cell.glyph for cell in run), ink)
                for ink, run in groupby(cells, key=itemgetter(1))
            )
        )
    return lines


class CellPanel(LinePanel):
    """Shows columns of cells."""

    def show_columns(self, columns: tuple[Column, ...]) -> None:
        """Show these columns from now on."""
        self.show(rows_of(columns))
