"""The help screen, made from the table of keys."""

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from rusy_tui.console.keys import KEYS, Group
from rusy_tui.console.screens.dialogs import LinesPanel
from rusy_tui.console.text import EMPTY, Line, Span

_WORDS: tuple[tuple[str, str], ...] = (
    ("R", "the risk of a trade: what it loses at its stop, costs included"),
    ("vote +5.1", "edge in bp: (2p − 1) × one ATR(14), as the calibrated vote has it"),
    ("#a81c", "the end of an order's client id; a stop with one rests on the exchange"),
    ("╌ E S T", "entry, stop and target of the shown card or of the open trade"),
)


def help_lines(height: int) -> list[Line]:
    """All keys by chapter; the words are left out where there is no room."""
    lines: list[Line] = []
    for group in Group:
        lines.append((Span(group.value, "bold bright"),))
        for key in KEYS:
            if key.group is group:
                ink = "bold down" if key.danger else "bold ask"
                lines.append((Span(f"  {key.shown:<7}", ink), Span(key.help)))
    words: list[Line] = [EMPTY, (Span("Words", "bold bright"),)]
    words += [(Span(f"  {word:<11}", "bright"), Span(text)) for word, text in _WORDS]
    if len(lines) + len(words) <= height:
        lines += words
    return lines[:height]


class HelpScreen(ModalScreen[None], inherit_bindings=False):
    """Shows the keys until any key is pressed."""

    def compose(self) -> ComposeResult:
        room = self.app.size.height - 2
        with Vertical(classes="dialog"):
            yield LinesPanel("help", help_lines(room))

    def on_key(self, event: events.Key) -> None:
        """Close; the key does nothing else."""
        event.stop()
        self.dismiss(None)
