"""Rows, medians and the table: no input, no output, no clock."""

from collections.abc import Sequence

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement and its bound, in the same unit and measured in the same run.

    ``ratio`` is what ours costs in bounds: 1 would be as cheap as the bound itself.
    """

    what: str
    figure: float
    unit: str
    bound_by: str
    bound: float
    ratio: float


def row_of_rates(what: str, figure: float, unit: str, bound_by: str, bound: float) -> Row:
    """A row of things a second, of which more is better."""
    return Row(
        what=what,
        figure=figure,
        unit=unit,
        bound_by=bound_by,
        bound=bound,
        ratio=bound / figure,
    )


def row_of_costs(what: str, figure: float, unit: str, bound_by: str, bound: float) -> Row:
    """A row of times, of which less is better."""
    return Row(
        what=what,
        figure=figure,
        unit=unit,
        bound_by=bound_by,
        bound=bound,
        ratio=figure / bound,
    )


def median(values: Sequence[float]) -> float:
    """The middle value, the mean of the middle two of an even number.

    Raises:
        ValueError: of nothing there is no median.
    """
    return quantile(values, 0.5)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of all lie, between two of them by their distance.

    Raises:
        ValueError: of nothing there is no quantile.
    """
    if not values:
        raise ValueError("no values were measured")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def number(value: float) -> str:
    """Three digits that count, thousands apart: nobody should believe more of them."""
    for limit, decimals in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= limit:
            return f"{value:,.{decimals}f}"
    return f"{value:.3g}"


def table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown, aligned so that it reads well as plain text."""
    cells = [("what", "figure", "bound, in the same run", "bound's figure", "ratio")]
    cells += [
        (
            row.what,
            f"{number(row.figure)} {row.unit}",
            row.bound_by,
            f"{number(row.bound)} {row.unit}",
            f"{row.ratio:.2f}",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [_line(cells[0], widths), "| " + " | ".join("-" * w for w in widths) + " |"]
    return "\n".join([*lines, *(_line(line, widths) for line in cells[1:])])


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "| " + " | ".join(padded) + " |"
