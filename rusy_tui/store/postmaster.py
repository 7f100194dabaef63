"""The server's main process: found, watched and ended."""

import os
import signal
import subprocess
import threading
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
    def forget_dead(data: Path) -> None:
        """Remove the file of a server that is gone.

        PostgreSQL does so itself, but not when the number was since given to another process
        of the same user.
        """
        pid = _recorded_pid(data)
        if pid is not None and not _runs_on(pid, data):
            (data / "postmaster.pid").unlink(missing_ok=True)

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

    def socket_folder(self) -> Path:
        """Where its socket is."""
        return Path(_lines(self._data)[_SOCKET_LINE])

    def stop(self, how: signal.Signals, limit_s: float, poll_s: float) -> bool:
        """Signal it and wait for its end; False when the time is up first.

        Args:
            how: SIGINT cuts connections and writes everything; SIGQUIT just ends.
            limit_s: how long to wait, seconds of real time.
            poll_s: between two looks.
        """
        for step in range(round(limit_s / poll_s)):
            if not self.alive():
                return True
            if step == 0:
                os.kill(self.pid, how)
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
