"""One line on a terminal that says how far something is, written over and over."""

import shutil
from typing import TextIO


class ProgressLine:
    """The last line of a terminal.

    Args:
        out: a terminal.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown = ""

    def show(self, text: str) -> None:
        """Put another text on the line, cut to its width."""
        text = text[: shutil.get_terminal_size().columns - 1]
        if text != self._shown:
            self._shown = text
            self._write(f"\r\x1b[K{text}")

    def say(self, text: str) -> None:
        """A line of its own, above."""
        self._write(f"\r\x1b[K{text}\n{self._shown}")

    def end(self) -> None:
        """Leave the cursor below."""
        if self._shown:
            self._write("\n")

    def _write(self, text: str) -> None:
        # A terminal that has gone must not end what it shows.
        try:
            self._out.write(text)
            self._out.flush()
        except OSError:
            self._shown = ""
