"""The file of a dump: a zip of one text file a table, and a manifest that comes last.

Rows are in COPY's text form. Its binary one is smaller to parse and tied to the types' inner
layout, for which PostgreSQL promises nothing from one major version to the next; text is what
every version reads, and doubles written in their shortest form come back to the same bits. A
zip can be written in one pass without knowing sizes beforehand, tells a cut-off file by its
missing end, and can be looked into with any tool.
"""

import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError

FORMAT = 1
_MANIFEST = "manifest.json"
_PIECE_BYTES = 1 << 20
# Half the time of the default level for a tenth more bytes.
_LEVEL = 1

Grown = Callable[[int], None]


class Applied(msgspec.Struct, frozen=True):
    """A migration that had run: the schema's version is all of them."""

    number: int
    name: str
    checksum: str


class TableFile(msgspec.Struct, frozen=True, kw_only=True):
    """One table's rows in the archive. ``size`` is in bytes of text, not as compressed."""

    name: str
    columns: tuple[str, ...]
    rows: int
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds. ``made_ms`` is wall time; ``timescaledb``: its version there."""

    format: int
    made_ms: int
    program: str
    server: str
    timescaledb: str | None
    venues: tuple[str, ...]
    migrations: tuple[Applied, ...]
    tables: tuple[TableFile, ...]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables)


class Writer:
    """An archive that is being written. Made by :func:`written`."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, clock: Clock) -> None:
        self._path = path
        self._archive = archive
        self._clock = clock

    @contextmanager
    def table(self, name: str) -> "Generator[TableWriter]":
        """Write one table's rows; one table at a time."""
        with (
            _failing_as(self._path),
            self._archive.open(_entry(name), "w", force_zip64=True) as file,
        ):
            yield TableWriter(file, self._path, self._clock)

    def finish(self, manifest: Manifest) -> None:
        """Write down what is in it."""
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        with _failing_as(self._path):
            self._archive.writestr(zipfile.ZipInfo(_MANIFEST), text)


class TableWriter:
    """Takes rows as text, counts them, and sums up what they are."""

    def __init__(self, file: IO[bytes], path: Path, clock: Clock) -> None:
        self._file = file
        self._path = path
        self._clock = clock
        self._sum = hashlib.sha256()
        self._pieces = bytearray()
        self.rows = 0
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Add rows; a large piece at a time goes to the disk, in a thread."""
        # COPY writes a line end inside a value as two letters: each newline ends a row.
        self.rows += data.count(b"\n")
        self.size += len(data)
        self._pieces += data
        if len(self._pieces) >= _PIECE_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Have all that was given written."""
        piece, self._pieces = bytes(self._pieces), bytearray()
        if piece:
            await self._clock.in_thread(lambda: self._put(piece))

    @property
    def sha256(self) -> str:
        """Of all that was flushed."""
        return self._sum.hexdigest()

    def _put(self, piece: bytes) -> None:
        self._sum.update(piece)
        with _failing_as(self._path):
            self._file.write(piece)


@contextmanager
def written(path: Path, clock: Clock) -> Generator[Writer]:
    """Write an archive that appears under its name when it is whole, for its owner alone.

    Raises:
        StorageError: there is such a file already, or it can't be written.
    """
    if path.exists():
        raise StorageError(f"{path} exists already; name another file, or remove it")
    with _failing_as(path):
        # Made for its owner alone.
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".partial"
        )
    partial = Path(name)
    try:
        with _failing_as(path):
            with os.fdopen(descriptor, "wb") as file:
                with zipfile.ZipFile(
                    file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL
                ) as archive:
                    yield Writer(path, archive, clock)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)


class Reader:
    """An archive that was opened. Made by :func:`opened`."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, clock: Clock) -> None:
        self._path = path
        self._archive = archive
        self._clock = clock
        with _broken_as(path):
            text = archive.read(_MANIFEST)
        try:
            self.manifest = msgspec.json.decode(text, type=Manifest)
        except msgspec.DecodeError as error:
            raise StorageError(
                f"{path} is no dump that this Rusy can read: its manifest: {error}"
            ) from error
        if self.manifest.format != FORMAT:
            raise StorageError(
                f"{path} has the format {self.manifest.format}, this Rusy knows {FORMAT}; use "
                "a newer Rusy"
            )

    async def rows(self, table: TableFile) -> AsyncIterator[bytes]:
        """A table's rows in pieces.

        Raises:
            StorageError: they are not those that were dumped.
        """
        found = hashlib.sha256()
        size = 0
        with _broken_as(self._path):
            file = self._archive.open(_entry(table.name))

        def piece() -> bytes:
            with _broken_as(self._path):
                data = file.read(_PIECE_BYTES)
            found.update(data)
            return data

        with file:
            while data := await self._clock.in_thread(piece):
                size += len(data)
                yield data
        if (size, found.hexdigest()) != (table.size, table.sha256):
            raise StorageError(
                f"{self._path} is damaged: the rows of {table.name} are not those that were "
                "dumped (their checksum differs); take another copy"
            )

    async def check(self, grown: Grown) -> None:
        """Read all of it, and judge it by its checksums; nothing is written anywhere.

        Raises:
            StorageError: something in it was changed or is missing.
        """
        for table in self.manifest.tables:
            async for data in self.rows(table):
                grown(len(data))


@contextmanager
def opened(path: Path, clock: Clock) -> Generator[Reader]:
    """Read an archive.

    Raises:
        StorageError: it is none, or is cut off.
    """
    with _broken_as(path):
        archive = zipfile.ZipFile(path)
    with archive:
        yield Reader(path, archive, clock)


def _entry(table: str) -> str:
    return f"tables/{table}.copy"


@contextmanager
def _failing_as(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} can't be written: {error.strerror}; nothing is left of it. Free some "
            "space, or name a file elsewhere"
        ) from error


@contextmanager
def _broken_as(path: Path) -> Generator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:
        # Of a runtime error: it asks for a password, or is packed in another way.
        raise StorageError(
            f"{path} is no whole dump: {error}; take another copy of it"
        ) from error
    except OSError as error:
        raise StorageError(f"{path} can't be read: {error.strerror}") from error
