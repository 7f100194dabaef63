"""Shown while the engine stops: what it is doing, and that one may leave without it."""

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from rusy_tui.console.panels.line_panel import LinePanel
from rusy_tui.console.text import EMPTY, Line, Span
from rusy_tui.console.view import View

_WIDTH, _HEIGHT = 68, 5


class StoppingScreen(ModalScreen[None], inherit_bindings=False):
    """Follows the engine's last words; escape dismisses it, which leaves the console."""

    def __init__(self, *, flatten: bool) -> None:
        super().__init__()
        self._title = "Flattening, then stopping" if flatten else "Stopping the engine"
        self._panel = LinePanel("stopping", "raised")
        self._panel.styles.width = _WIDTH
        self._panel.styles.height = _HEIGHT

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield self._panel

    def paint(self, view: View) -> None:
        """Show what the engine is doing."""
        state = view.state
        progress = (state.progress if state else view.progress) or "waiting for its answer"
        lines: list[Line] = [
            (Span(self._title, "bold bright"),),
            EMPTY,
            (Span(progress),),
            EMPTY,
            (
                Span("esc", "bold ask"),
                Span(" leaves now; the engine finishes by itself", "dim"),
            ),
        ]
        self._panel.show(lines)

    def on_key(self, event: events.Key) -> None:
        """Escape leaves; all other keys wait with us."""
        event.stop()
        if event.key == "escape":
            self.dismiss(None)
