"""Dialogs: one key out of a few, or a word typed out in full."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from rusy_tui.console.panels.line_panel import LinePanel
from rusy_tui.console.text import EMPTY, Line, Span, line_width

MOST_WIDTH = 76


class Choice(NamedTuple):
    """One key of a dialog and what it stands for."""

    key: str
    label: str
    note: str
    value: str
    danger: bool = False


class LinesPanel(LinePanel):
    """Lines that take just the room they need."""

    def __init__(self, panel_id: str, lines: Sequence[Line]) -> None:
        super().__init__(panel_id, "raised")
        self.styles.width = max((line_width(line) for line in lines), default=1)
        self.styles.height = len(lines)
        self.show(lines)


class ChoiceScreen(ModalScreen[str | None], inherit_bindings=False):
    """Asks for one key; escape answers None and all other keys do nothing."""

    def __init__(self, title: str, text: Sequence[str], choices: Sequence[Choice]) -> None:
        super().__init__()
        self._choices = {choice.key: choice.value for choice in choices}
        widest = max(len(choice.label) for choice in choices)
        self._lines: list[Line] = [(Span(title, "bold bright"),), EMPTY]
        self._lines += [(Span(line),) for line in text]
        if text:
            self._lines.append(EMPTY)
        for choice in choices:
            ink = "bold down" if choice.danger else "bold ask"
            label = Span(choice.label.ljust(widest + 2), "bright")
            self._lines.append((Span(f" {choice.key}  ", ink), label, Span(choice.note, "dim")))
        self._lines.append((Span("esc ", "bold ask"), Span("stay", "bright")))

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield LinesPanel("choices", self._lines)

    def on_key(self, event: events.Key) -> None:
        """Take one of the keys, or escape."""
        event.stop()
        if event.key == "escape":
            self.dismiss(None)
        elif event.character is not None and event.character in self._choices:
            self.dismiss(self._choices[event.character])


class TypedScreen(ModalScreen[str | None], inherit_bindings=False):
    """Asks for typed words. With a ``word``, only that word counts as an answer."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "stay")]

    def __init__(
        self, title: str, text: Sequence[str], *, word: str | None, value: str = ""
    ) -> None:
        super().__init__()
        self._word = word
        self._value = value
        self._lines: list[Line] = [(Span(title, "bold bright"),), EMPTY]
        self._lines += [(Span(line),) for line in text]
        if word is not None:
            self._lines += [
                EMPTY,
                (Span("type "), Span(word, "bold down"), Span(" and press enter; "),
                 Span("esc", "bold ask"), Span(" stays")),
            ]  # fmt: skip

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield LinesPanel("question", self._lines)
            yield Input(self._value, select_on_focus=False, compact=True)

    def action_leave(self) -> None:
        """Do nothing."""
        self.dismiss(None)

    @on(Input.Submitted)
    def answer(self, event: Input.Submitted) -> None:
        """Take the words, or leave without doing anything when they are not the word."""
        typed = event.value.strip()
        if self._word is None or typed.lower() == self._word:
            self.dismiss(typed)
            return
        event.input.value = ""
        self.query_one("#question", LinePanel).show(
            [*self._lines[:-1], (Span(f"{typed!r} is not the word; ", "ask"), *self._lines[-1])]
        )
