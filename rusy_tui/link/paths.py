"""The Unix socket's file: private to its user, and never taken from a living engine."""

import os
import socket
import stat
from pathlib import Path

from rusy_tui.domain.errors import StorageError

LONGEST_PATH = 100
"""Bytes; the kernel's own limit is 107 or 103, and it cuts without a word."""


def private_folder(folder: Path) -> None:
    """Make a folder that only its user can enter, or see to it that it is one.

    Raises:
        StorageError: when others can enter it, or it can't be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.getuid():
            raise StorageError(
                f"{folder}: belongs to uid {found.st_uid}, and yours is {os.getuid()}; a "
                "socket there could be somebody else's: remove the folder, or name another"
            )
        if (mode := stat.S_IMODE(found.st_mode)) & 0o077:
            # Not mended here: a folder that others use, such as /tmp, would be lost to them.
            raise StorageError(
                f"{folder}: others may enter it (mode {mode:04o}), and a socket needs a "
                f"private folder: `chmod 700 {folder}`, or name a folder of its own"
            )
    except OSError as error:
        raise StorageError(
            f"{folder}: can't be made or used as a private folder: {error.strerror}"
        ) from error


def check_length(path: Path) -> None:
    """Refuse a socket path that the kernel would cut.

    Raises:
        StorageError: naming the path, its length and the remedy.
    """
    if (length := len(os.fsencode(path))) > LONGEST_PATH:
        raise StorageError(
            f"{path}: {length} bytes are too long for a socket, {LONGEST_PATH} are the most; "
            "set link.socket in configuration.yaml to a shorter path"
        )


def bound(path: Path) -> tuple[socket.socket, int]:
    """A listening socket at a path, private to its user, and the inode of its file.

    Raises:
        StorageError: when the path is too long, in use, or no socket can be made there.
    """
    check_length(path)
    private_folder(path.parent)
    if path.is_socket():
        if _answers(path):
            raise StorageError(
                f"{path}: another engine listens there; stop it with "
                f"`rusy stop --socket {path}`, or set link.socket to another path"
            )
        path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
        inode = path.stat().st_ino
    except OSError as error:
        listener.close()
        raise StorageError(f"{path}: can't be a socket: {error.strerror}") from error
    listener.setblocking(False)
    return listener, inode


def remove(path: Path, inode: int) -> None:
    """Remove a socket's file, unless another engine has put its own there."""
    try:
        if path.stat().st_ino == inode:
            path.unlink()
    except FileNotFoundError:
        pass


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return True  # its owner lives and is slow: a dead one's is refused at once
        except OSError:
            return False
    return True
