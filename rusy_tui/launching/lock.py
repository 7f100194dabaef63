"""One engine an account: a lock that the kernel holds for as long as its process lives."""

import datetime
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from rusy_tui.domain.errors import RusyError, StorageError
from rusy_tui.link import paths

# Whoever looks for engines holds a lock too, for an instant: try again before believing it.
_TRIES = 10
_BETWEEN_TRIES_S = 0.03


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The engine that holds an account, as its lock file tells.

    ``started_ms`` is wall time; ``socket`` is where it listens.
    """

    account: str
    pid: int
    started_ms: int
    socket: str
    venue: str
    directory: str
    version: str

    @property
    def since(self) -> str:
        """When it started, in the operator's own time zone."""
        started = datetime.datetime.fromtimestamp(self.started_ms / 1000, tz=datetime.UTC)
        return started.astimezone().strftime("%Y-%m-%d %H:%M:%S")

    @property
    def described(self) -> str:
        """One line that names it."""
        return f"{self.venue}, process {self.pid}, since {self.since}, socket {self.socket}"


class AccountHeldError(RusyError):
    """Another engine works on the account."""

    def __init__(self, holder: Holder | None, lock_file: Path) -> None:
        if holder is None:
            super().__init__(
                f"another engine is just starting on this account (it holds {lock_file}); "
                "try again in a moment"
            )
            return
        super().__init__(
            f"an engine works on this account already: {holder.described}\n"
            f"  look at it: rusy attach --socket {holder.socket}\n"
            f"  end it:     rusy stop --socket {holder.socket}"
        )


@dataclass
class AccountLock:
    """A lock that is held. The process's end frees it, however it ends."""

    _file: BinaryIO

    @classmethod
    def take(cls, folder: Path, holder: Holder) -> "AccountLock":
        """Take an account's lock and write down who holds it. Blocks for a moment at most.

        Raises:
            AccountHeldError: another engine has it; the text names it.
            StorageError: the folder can't be used.
        """
        try:
            paths.private_folder(folder)
        except StorageError as error:
            raise StorageError(f"{error}; RUSY_HOME can name another place") from error
        path = folder / f"{holder.account}.lock"
        file = _opened(path)
        for _ in range(_TRIES):
            if _locked(file, fcntl.LOCK_EX):
                file.seek(0)
                file.truncate()
                file.write(msgspec.json.encode(holder) + b"\n")
                file.flush()
                return cls(file)
            time.sleep(_BETWEEN_TRIES_S)
        other = _read(file)
        file.close()
        raise AccountHeldError(other, path)

    def release(self) -> None:
        """Give the account back."""
        self._file.truncate(0)
        self._file.close()


def holder_of(folder: Path, account: str) -> Holder | None:
    """The engine that holds an account now; None when none does, or it just starts."""
    path = folder / f"{account}.lock"
    try:
        file = path.open("rb")
    except OSError:
        return None
    with file:
        return None if _locked(file, fcntl.LOCK_SH) else _read(file)


def holders(folder: Path) -> tuple[Holder, ...]:
    """All engines that hold an account now, by account."""
    found = (holder_of(folder, path.stem) for path in sorted(folder.glob("*.lock")))
    return tuple(holder for holder in found if holder is not None)


def _opened(path: Path) -> BinaryIO:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(f"{path}: can't be opened: {error.strerror}") from error
    return os.fdopen(descriptor, "r+b")


def _locked(file: BinaryIO, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: BinaryIO) -> Holder | None:
    file.seek(0)
    try:
        return msgspec.json.decode(file.read(), type=Holder)
    except msgspec.DecodeError:
        return None  # taken a moment ago, and not written yet
