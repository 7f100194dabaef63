"""Lines of styled text as plain values, so that panels are pure functions.

A *line* is a tuple of spans; a span is text and an *ink*: the words ``bold``, a colour token
and, after ``on``, a ground token. What a token looks like is the theme's business.
All glyphs used by panels are one cell wide.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """Text in one ink."""

    text: str
    ink: str = "text"


Line = tuple[Span, ...]
EMPTY: Line = ()


def line_width(line: Sequence[Span]) -> int:
    """How many cells a line takes."""
    return sum(len(span.text) for span in line)


def plain(line: Sequence[Span]) -> str:
    """The text of a line without its inks."""
    return "".join(span.text for span in line)


def fit(line: Sequence[Span], width: int) -> Line:
    """The line cut to a width; a cut is shown by an ellipsis."""
    if line_width(line) <= width:
        return tuple(line)
    kept: list[Span] = []
    room = width - 1
    for span in line:
        if len(span.text) >= room:
            kept.append(Span(span.text[: max(0, room)] + "…", span.ink))
            break
        kept.append(span)
        room -= len(span.text)
    return tuple(kept)


def spread(left: Sequence[Span], right: Sequence[Span], width: int) -> Line:
    """Left part at the left edge, right part at the right one; the left part gives way."""
    room = width - line_width(right)
    if room <= 0:
        return fit(right, width)
    shown = fit(left, room)
    return (*shown, Span(" " * (room - line_width(shown))), *right)


def heading(title: str, right: Sequence[Span], width: int) -> Line:
    """A thin rule with a title in it, and a note at its right end."""
    left = (Span("─ ", "rule"), Span(title, "bold dim"), Span(" ", "rule"))
    note = (Span(" "), *right, Span(" ─", "rule")) if right else ()
    filler = width - line_width(left) - line_width(note)
    if filler < 1:
        note = ()
        filler = max(0, width - line_width(left))
    return (*left, Span("─" * filler, "rule"), *note)


class Field(NamedTuple):
    """A part of a line that may be left out when room is short.

    ``rank`` 0 is never left out; the highest rank goes first.
    """

    spans: Line
    rank: int = 0


def field(rank: int, *spans: Span) -> Field:
    """A field of some spans."""
    return Field(spans, rank)


def pack(fields: Sequence[Field], width: int, gap: int = 3, least_gap: int = 2) -> Line:
    """As many fields as fit, the more important ones first, in their own order.

    The gap between them shrinks before a field is left out.
    """
    kept = list(fields)
    room = gap
    while kept and _packed_width(kept, room) > width:
        if room > least_gap:
            room -= 1
            continue
        dropped = max(kept, key=lambda item: item.rank)
        if dropped.rank == 0:
            break
        kept.remove(dropped)
    # A gap that is too narrow only with the dropped fields gets its full width back.
    for wider in range(gap, room, -1):
        if _packed_width(kept, wider) <= width:
            room = wider
            break
    line: list[Span] = []
    for number, item in enumerate(kept):
        if number:
            line.append(Span(" " * room))
        line.extend(item.spans)
    return fit(line, width)


def _packed_width(fields: Sequence[Field], gap: int) -> int:
    return sum(line_width(item.spans) for item in fields) + gap * (len(fields) - 1)


class Column(NamedTuple):
    """A column of a small table: its head, its least width, and which way it leans.

    ``rank`` 0 is never left out; the highest rank goes first where room is short.
    """

    head: str
    width: int
    right: bool = True
    rank: int = 0


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[Span]], width: int
) -> tuple[Line, ...]:
    """A head and rows in columns, each as wide as its widest cell, cut at the width."""
    head = [Span(column.head, "dim") for column in columns]
    widths = [
        max(column.width, *(len(row[place].text) for row in (head, *rows)))
        for place, column in enumerate(columns)
    ]
    if sum(widths) + len(widths) > width and any(column.rank for column in columns):
        least = max(range(len(columns)), key=lambda place: columns[place].rank)
        kept = [place for place in range(len(columns)) if place != least]
        fewer = [columns[place] for place in kept]
        return table(fewer, [[row[place] for place in kept] for row in rows], width)
    gap = 2 if 1 + sum(widths) + 2 * (len(widths) - 1) <= width else 1
    return tuple(fit(_row(columns, widths, row, gap), width) for row in (head, *rows))


def _row(
    columns: Sequence[Column], widths: Sequence[int], row: Sequence[Span], gap: int
) -> Line:
    line: list[Span] = []
    for column, width, span in zip(columns, widths, row, strict=True):
        text = span.text.rjust(width) if column.right else span.text.ljust(width)
        line.append(Span(" " * (gap if line else 1)))
        line.append(Span(text, span.ink))
    return tuple(line)
