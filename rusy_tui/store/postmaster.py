"""The server's main process: found, watched and ended."""

import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

_STATUS_LINE = 7
_SOCKET_LINE = 4


class Postmaster:
    """A running server on a data folder, told by the file it keeps there.

    Args:
        data: its data folder.
        pid: its process.
        process: that process as our child; None when another process started it.
    """

    def __init__(
        self, data: Path, pid: int, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self._data = data
        self.pid = pid
        self._process = process

    @classmethod
    def living(cls, data: Path) -> "Postmaster | None":
        """The server that runs on a data folder now, whoever started it."""
        pid = _recorded_pid(data)
        if pid is None or not _runs_on(pid, data):
            return None
        return cls(data, pid)

    @staticmethod
    def forget_dead(data: Path, sockets: Path) -> None:
        """Remove the files of a server that is gone, when none runs on this data folder.

        PostgreSQL does so itself, but not when the number in them was since given to another
        process of the same user, as happens after a restart of the machine.
        """
        (data / "postmaster.pid").unlink(missing_ok=True)
        for left in sockets.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def alive(self) -> bool:
        """Whether the process still runs."""
        if self._process is not None:
            return self._process.poll() is None
        return _runs_on(self.pid, self._data)

    def wait_ready(self, limit_s: float, poll_s: float) -> bool:
        """Wait until it takes connections; False when it ended or the time is up."""
        for _ in range(round(limit_s / poll_s)):
            if _lines(self._data)[_STATUS_LINE:] == ["ready"]:
                return True
            if not self.alive():
                return False
            self._pause(poll_s)
        return False

    def socket_folder(self) -> Path | None:
        """Where its socket is; None when it is gone."""
        lines = _lines(self._data)
        return Path(lines[_SOCKET_LINE]) if len(lines) > _SOCKET_LINE else None

    def stop(self, how: signal.Signals, limit_s: float, poll_s: float) -> bool:
        """Signal it and wait for its end; False when the time is up first.

        Args:
            how: SIGINT cuts connections and writes everything; SIGQUIT just ends.
            limit_s: how long to wait, seconds of real time.
            poll_s: between two looks.
        """
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, how)
        return self.gone(limit_s, poll_s)

    def gone(self, limit_s: float, poll_s: float) -> bool:
        """Wait for its end; False when the time is up first."""
        for _ in range(round(limit_s / poll_s)):
            if not self.alive():
                return True
            self._pause(poll_s)
        return False

    def _pause(self, span_s: float) -> None:
        # As a child its end is noticed at once; else there is nothing to wait on.
        if self._process is None:
            threading.Event().wait(span_s)
            return
        try:
            self._process.wait(span_s)
        except subprocess.TimeoutExpired:
            return


def _lines(data: Path) -> list[str]:
    try:
        text = (data / "postmaster.pid").read_text()
    except FileNotFoundError:
        return []
    # Its last line is padded with blanks.
    return [line.strip() for line in text.splitlines()]


def _recorded_pid(data: Path) -> int | None:
    lines = _lines(data)
    # A server in single-user mode writes its number with a minus sign.
    return abs(int(lines[0])) if lines and lines[0].lstrip("-").isdecimal() else None


def _runs_on(pid: int, data: Path) -> bool:
    """Whether a process is a server on this data folder: servers make it their own folder."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except PermissionError:
        return False  # another user's process: the number was given away
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    shown = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return str(data) in shown.stdout
