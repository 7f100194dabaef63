"""What an import tells: while it goes on, and at its end."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import RusyError
from rusy_tui.domain.history import FindingKind, Gap


class FileRefused(RusyError):
    """A file can't be imported; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that was not stored: where it stands, what it breaks, and what it says.

    ``line`` counts lines of text, or rows of a Parquet file, from 1. ``open_time_ms`` is 0
    where the row tells no time that can be true.
    """

    line: int
    open_time_ms: int
    kind: FindingKind
    why: str
    candle: Candle | None = None


@dataclass(slots=True)
class FileReport:
    """What became of the rows of one file: ``read`` is the sum of the three others.

    ``error`` says why a file was refused as a whole; it then has no rows.
    """

    path: Path
    symbol: str
    kind: str
    interval: str
    read: int = 0
    stored: int = 0
    equal: int = 0
    set_aside: list[SetAside] = field(default_factory=list)
    error: str | None = None


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """Bars that were built of minutes: by number, new or changed, there already, differing."""

    symbol: str
    interval: Interval
    stored: int
    equal: int
    differing: int


class Differing(msgspec.Struct, frozen=True, kw_only=True):
    """A bar that is not what its parts make, with the figures."""

    symbol: str
    interval: Interval
    open_time_ms: int
    detail: str


@dataclass(slots=True)
class Report:
    """What an import did. ``unknown_ticks`` are symbols whose digits could not be judged."""

    files: list[FileReport] = field(default_factory=list)
    built: list[Built] = field(default_factory=list)
    compared: dict[str, int] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    differing: list[Differing] = field(default_factory=list)
    unknown_ticks: list[str] = field(default_factory=list)

    @property
    def read(self) -> int:
        """Rows that were read, of all files."""
        return sum(each.read for each in self.files)

    @property
    def stored(self) -> int:
        """Rows that are in the tables because of this import."""
        return sum(each.stored for each in self.files)

    @property
    def equal(self) -> int:
        """Rows that said what was there already."""
        return sum(each.equal for each in self.files)

    @property
    def set_aside(self) -> int:
        """Rows that break a rule, or contradict a better source."""
        return sum(len(each.set_aside) for each in self.files)

    @property
    def failed(self) -> list[FileReport]:
        """Files that were refused as a whole."""
        return [each for each in self.files if each.error is not None]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: files behind and in all, rows read so far, and what is at work."""

    done: int
    files: int
    rows: int
    doing: str
