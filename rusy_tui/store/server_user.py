"""Who runs the embedded server, and where that user can reach.

PostgreSQL refuses to run as root. Then it runs as a system user, with its files where that
user may go; no permission of any folder that is not ours is ever changed.
"""

import hashlib
import os
import pwd
import stat
from pathlib import Path

import msgspec

from rusy_tui.domain.errors import StorageError

# Where root's servers live when the place that was asked for is closed to the system user.
ROOT_HOME = Path("/var/lib/rusy")
_CANDIDATES = ("postgres", "nobody")


class ServerUser(msgspec.Struct, frozen=True, kw_only=True):
    """The user that the server's programs run as.

    Args:
        name: as in the system's list of users.
        uid: user number.
        gid: its main group.
        groups: all groups it is in.
        other: whether it is another user than the one we run as.
    """

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    other: bool

    def popen_arguments(self) -> dict[str, object]:
        """What makes ``subprocess`` run a program as this user."""
        if not self.other:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def may_enter(self, folder: Path) -> bool:
        """Whether this user may go through a folder, judged by its permission bits."""
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid in self.groups:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)

    def reaches(self, folder: Path) -> bool:
        """Whether this user may go into an existing folder, through all its parents."""
        whole = folder.resolve()
        return all(self.may_enter(each) for each in (whole, *whole.parents))

    def private_folder(self, folder: Path) -> None:
        """Make a folder that only this user (and root) can open, or check that it is one.

        Raises:
            StorageError: it exists and belongs to somebody else.
            OSError: it can't be made.
        """
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            # lstat: a link laid by somebody else in a shared folder must not be followed.
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(f"{folder} is not a folder") from None
            if status.st_uid not in (self.uid, os.geteuid()):
                raise StorageError(
                    f"{folder} belongs to another user (uid {status.st_uid}); "
                    "remove it or choose another data directory"
                ) from None
        if self.other:
            os.chown(folder, self.uid, self.gid)
        folder.chmod(0o700)


def server_user() -> ServerUser:
    """Ourselves, or as root a system user that PostgreSQL accepts.

    Raises:
        StorageError: no user to run as.
    """
    uid = os.geteuid()
    if uid != 0:
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            raise StorageError(
                f"user {uid} has no name on this machine, which PostgreSQL needs: add one to "
                "/etc/passwd, or set database.url to a server that runs elsewhere"
            ) from None
        groups = (os.getegid(), *os.getgroups())
        return ServerUser(name=name, uid=uid, gid=os.getegid(), groups=groups, other=False)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(
            name=name, uid=entry.pw_uid, gid=entry.pw_gid, groups=(entry.pw_gid,), other=True
        )
    raise StorageError(
        "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` "
        "to run it as: start Rusy as an ordinary user, or set database.url"
    )


def place(directory: Path, user: ServerUser) -> Path:
    """The folder that the server really uses for a data directory, made if need be.

    The one asked for, where the server's user can go there; else, as root, one of its own
    below ``/var/lib/rusy``, always the same for the same directory.

    Raises:
        OSError: the directory can't be made.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o711 if user.other else 0o700)
    if not user.other or user.reaches(directory):
        return directory.resolve()
    ROOT_HOME.mkdir(parents=True, exist_ok=True, mode=0o755)
    whole = str(directory.resolve())
    home = ROOT_HOME / f"{directory.name}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"
    home.mkdir(exist_ok=True, mode=0o711)
    (directory / "moved-to").write_text(f"{home}\n")
    return home
