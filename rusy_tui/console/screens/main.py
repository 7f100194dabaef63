"""The main screen: the board, and the table's keys, which the app carries out."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from rusy_tui.console.keys import bindings
from rusy_tui.console.screens.board import Board
from rusy_tui.console.view import View


class MainScreen(Screen[None], inherit_bindings=False):
    """Shows views; the app holds the memory and the link."""

    BINDINGS: ClassVar[list[BindingType]] = bindings()
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._board = Board()

    def compose(self) -> ComposeResult:
        yield from self._board.widgets()

    def paint(self, view: View) -> None:
        """Show this moment."""
        self._board.paint(view, self.app.size)
