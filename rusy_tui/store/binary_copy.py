"""PostgreSQL's binary COPY format, made and read by numpy: no Python object a row.

A file is a header, the rows and a trailer. A row is the number of its fields, then each field's
length and its bytes, all numbers big-endian (PostgreSQL's documentation of COPY, *Binary
Format*). Where every field of a column is as long as the others, and none is NULL, rows are as
long as each other, and a structured array is the file.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from rusy_tui.domain.bars import Floats, Times
from rusy_tui.domain.errors import Defect

# The signature, no flags, no extension of the header.
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

# While the server takes one piece, the next is made.
_PIECE_ROWS = 2048

# numpy's epoch, seen from PostgreSQL's (2000-01-01), in milliseconds.
_EPOCH_2000_MS = 946_684_800_000


def timestamps(times_ms: Times) -> Times:
    """Times as PostgreSQL counts them: microseconds since 2000."""
    return (times_ms - _EPOCH_2000_MS) * 1000


def milliseconds(timestamps_us: Times) -> Times:
    """PostgreSQL's count as times of ours, ms since 1970."""
    return timestamps_us // 1000 + _EPOCH_2000_MS


def packed(fields: Sequence[str | Floats | Times]) -> Iterator[bytes]:
    """Rows as a file, in pieces that are made when they are asked for.

    Args:
        fields: a column of numbers, or a text that is the same in every row.

    Raises:
        Defect: no column among them, or columns of different length.
    """
    columns = [field for field in fields if not isinstance(field, str)]
    if len({len(column) for column in columns}) != 1:
        raise Defect("columns of one length are needed to make rows of them")
    texts = {place: f.encode() for place, f in enumerate(fields) if isinstance(f, str)}
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for place, field in enumerate(fields):
        kind = f"V{len(texts[place])}" if isinstance(field, str) else f">{field.dtype.str[1:]}"
        layout += [(f"length{place}", ">i4"), (f"value{place}", kind)]
    return _pieces(fields, np.dtype(layout), len(columns[0]))


def _pieces(
    fields: Sequence[str | Floats | Times], dtype: "np.dtype[np.void]", count: int
) -> Iterator[bytes]:
    # What is the same in every row is written once.
    rows = np.empty(min(count, _PIECE_ROWS), dtype)
    rows["fields"] = len(fields)
    for place, field in enumerate(fields):
        rows[f"length{place}"] = dtype[f"value{place}"].itemsize
        if isinstance(field, str):
            rows[f"value{place}"] = np.void(field.encode())
    yield HEADER
    for start in range(0, count, _PIECE_ROWS):
        piece = rows[: count - start]
        for place, field in enumerate(fields):
            if not isinstance(field, str):
                piece[f"value{place}"] = field[start : start + _PIECE_ROWS]
        yield piece.tobytes()
    yield TRAILER


def unpacked(file: bytes, figures: int) -> tuple[Times, list[Floats]]:
    """The columns of a file, in the machine's byte order.

    Args:
        file: all of it. A row is a timestamp and then figures in double precision.
        figures: how many.

    Returns:
        Times in ms since 1970, and the columns of figures.

    Raises:
        Defect: it isn't made of such rows: another query's, or a NULL among them.
    """
    layout = [("fields", ">i2"), ("length", ">i4"), ("time", ">i8")]
    for place in range(figures):
        layout += [(f"length{place}", ">i4"), (f"figure{place}", ">f8")]
    dtype = np.dtype(layout)
    body = len(file) - len(HEADER) - len(TRAILER)
    if body < 0 or not file.startswith(HEADER) or body % dtype.itemsize:
        raise Defect(f"{len(file)} bytes are no rows of a time and {figures} figures")
    rows = np.frombuffer(file, dtype, body // dtype.itemsize, len(HEADER))
    # A NULL is shorter, so that what follows it is out of place, the next count of fields too.
    if (rows["fields"] != figures + 1).any():
        raise Defect(f"there are rows of other than a time and {figures} figures")
    columns = [rows[f"figure{place}"].astype(np.float64) for place in range(figures)]
    return milliseconds(rows["time"].astype(np.int64)), columns
