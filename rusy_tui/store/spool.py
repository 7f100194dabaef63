"""Bars that wait on disk while the database is away: appended, synced, and read back in order.

Two files of frames: the older one is given up when the newer one is half of what is allowed, so
that no space is needed to make space. A frame is its length, its checksum and its content; a
tail that a kill tore is found by these and cut. All calls block: they are for a thread.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from rusy_tui.domain.candle import Candle
from rusy_tui.domain.errors import StorageError

# Quarters and hours of ten symbols for over two months; a bar takes 210 bytes or so.
MOST_ROWS = 100_000
MOST_BYTES = 32_000_000

_HEAD = struct.Struct("<II")
_OLDER, _NEWER, _LOCK = "older.bars", "newer.bars", "lock"


class SpoolFull(StorageError):
    """The disk takes no more: what was given is not kept."""


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """Bars that came together, and where they came from."""

    source: str
    candles: tuple[Candle, ...]


class Found(NamedTuple):
    """What a spool held when it was opened: bars, and bytes of a torn end that were cut."""

    rows: int
    torn_bytes: int


class Spool:
    """One program's spool. Use it from one thread at a time.

    Args:
        folder: private to it; made when missing.
        most_rows: bars that may wait; beyond, the older half is given up.
        most_bytes: the same in bytes.
    """

    def __init__(
        self, folder: Path, *, most_rows: int = MOST_ROWS, most_bytes: int = MOST_BYTES
    ) -> None:
        self._folder = folder
        self._most_rows = most_rows
        self._most_bytes = most_bytes
        self._older, self._newer = folder / _OLDER, folder / _NEWER
        self._older_rows = self._newer_rows = self._size = 0
        self._file: int | None = None
        self._lock: int | None = None

    @property
    def rows(self) -> int:
        """How many bars wait."""
        return self._older_rows + self._newer_rows

    def open(self) -> Found:
        """Take possession, and find what waits from a former run.

        Raises:
            StorageError: another program has it, or the folder can't be used.
        """
        self.close()
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._lock = os.open(self._folder / _LOCK, flags, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise StorageError(
                f"another program keeps its bars in {self._folder}; end it first"
            ) from error
        except OSError as error:
            raise StorageError(f"{self._folder} can't be used: {error}") from error
        torn_older, self._older_rows, _ = _mended(self._older)
        torn_newer, self._newer_rows, self._size = _mended(self._newer)
        return Found(self.rows, torn_older + torn_newer)

    def append(self, source: str, candles: Sequence[Candle]) -> int:
        """Keep bars; they are on disk when this returns.

        Returns:
            How many older ones were given up for them.

        Raises:
            SpoolFull: they are not kept; what was kept before is as it was.
        """
        content = msgspec.msgpack.encode(Frame(source, tuple(candles)))
        frame = _HEAD.pack(len(content), zlib.crc32(content)) + content
        given_up = 0
        full = self._newer_rows and (
            2 * (self._newer_rows + len(candles)) > self._most_rows
            or 2 * (self._size + len(frame)) > self._most_bytes
        )
        try:
            if full:
                given_up = self._turn_over()
            self._write(frame)
        except OSError as error:
            raise SpoolFull(f"bars can't be kept in {self._newer}: {error}") from error
        self._newer_rows += len(candles)
        return given_up

    def frames(self) -> list[Frame]:
        """All that waits, oldest first."""
        return [frame for path in (self._older, self._newer) for frame in _read(path)[0]]

    def clear(self) -> None:
        """Forget all: it is in the database.

        Raises:
            SpoolFull: the disk does not let it go; it will be written once more.
        """
        try:
            self._close_file()
            for path in (self._older, self._newer):
                path.unlink(missing_ok=True)
            self._sync_folder()
        except OSError as error:
            raise SpoolFull(f"{self._folder} can't be emptied: {error}") from error
        self._older_rows = self._newer_rows = self._size = 0

    def close(self) -> None:
        """Let go; what waits stays."""
        self._close_file()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _turn_over(self) -> int:
        """Give up the older file for the newer one; how many bars that loses."""
        self._close_file()
        given_up = self._older_rows
        self._newer.replace(self._older)
        self._sync_folder()
        self._older_rows, self._newer_rows, self._size = self._newer_rows, 0, 0
        return given_up

    def _write(self, frame: bytes) -> None:
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self._newer, flags, 0o600)
            self._sync_folder()
        try:
            rest, at = memoryview(frame), self._size
            while rest:
                written = os.pwrite(self._file, rest, at)
                rest, at = rest[written:], at + written
            os.fsync(self._file)
        except OSError:
            # The next frame must not follow half a one.
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size = at

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _mended(path: Path) -> tuple[int, int, int]:
    """Cut a torn end off: bytes cut, bars left, bytes left."""
    frames, whole = _read(path)
    torn = (path.stat().st_size if path.exists() else 0) - whole
    if torn:
        os.truncate(path, whole)
    return torn, sum(len(frame.candles) for frame in frames), whole


def _read(path: Path) -> tuple[list[Frame], int]:
    """The whole frames at a file's start, and how many bytes they are."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    frames, at = list[Frame](), 0
    while at + _HEAD.size <= len(content):
        length, checksum = _HEAD.unpack_from(content, at)
        body = content[at + _HEAD.size : at + _HEAD.size + length]
        if len(body) < length or zlib.crc32(body) != checksum:
            break
        try:
            frames.append(msgspec.msgpack.decode(body, type=Frame))
        except msgspec.DecodeError:
            # Whole, yet not ours: written by another version of this program.
            break
        at += _HEAD.size + length
    return frames, at
