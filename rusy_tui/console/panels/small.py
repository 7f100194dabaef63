"""What a terminal that is too small shows."""

from rusy_tui.console.layout import MIN_HEIGHT, MIN_WIDTH
from rusy_tui.console.panels.header import venue_chip
from rusy_tui.console.text import EMPTY, Line, Span, fit
from rusy_tui.console.view import View


def small_lines(view: View, width: int, height: int) -> list[Line]:
    """Its size, the size that is needed, and that nothing is lost."""
    chip = (venue_chip(view.state.venue, words=False),) if view.state else ()
    lines: list[Line] = [
        chip,
        EMPTY,
        (Span(f" This terminal is {width} × {height}.", "bright"),),
        (Span(f" The console needs {MIN_WIDTH} × {MIN_HEIGHT}."),),
        EMPTY,
        (Span(" Make it larger: all comes back.", "dim"),),
        (Span(" The engine goes on; q quits.", "dim"),),
    ]
    return [fit(line, width) for line in lines[:height]]
