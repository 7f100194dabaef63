"""The one widget behind all panels: lines of spans, of which only changed rows are sent."""

from collections.abc import Sequence

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from rusy_tui.console.text import EMPTY, Line
from rusy_tui.console.theme import Inks, inks_of


def strip_of(line: Line, width: int, inks: Inks, ground: str) -> Strip:
    """A line as what the screen takes, exactly as wide as asked."""
    segments = [Segment(span.text, inks.style(span.ink, ground)) for span in line if span.text]
    return Strip(segments).adjust_cell_length(width, inks.style("text", ground))


class LinePanel(Widget, can_focus=False):
    """Shows lines on a ground ("ground" or "raised")."""

    ALLOW_SELECT = False

    def __init__(self, panel_id: str, ground: str = "ground") -> None:
        super().__init__(id=panel_id)
        self.ground = ground
        self._lines: tuple[Line, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is shown."""
        return self._lines

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines from now on; rows that are the same are left alone."""
        new, old = tuple(lines), self._lines
        if new == old:
            return
        self._lines = new
        width = self.size.width
        longest = max(len(new), len(old))
        changed = [
            Region(0, row, width, 1) for row in range(longest) if _at(new, row) != _at(old, row)
        ]
        self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        line = _at(self._lines, y)
        return strip_of(line, self.size.width, inks_of(self.app.theme), self.ground)


def _at(lines: tuple[Line, ...], row: int) -> Line:
    return lines[row] if row < len(lines) else EMPTY
