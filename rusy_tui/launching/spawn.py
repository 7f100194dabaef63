"""Starting processes that outlive the one that starts them."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from rusy_tui.domain.errors import RusyError, StorageError
from rusy_tui.launching import places
from rusy_tui.launching.job import Job

_LOG_LIMIT_BYTES = 4_000_000


class Worker:
    """An engine in a process of its own, with a socket that leads to it.

    Args:
        process: the engine's.
        connected: our half of the socket pair.
        log: what the engine prints.
        log_from: where in the log this engine begins.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        connected: socket.socket,
        log: Path,
        log_from: int,
    ) -> None:
        self.process = process
        self.connected = connected
        self.log = log
        self._log_from = log_from

    def last_words(self, within_s: float) -> str | None:
        """Why it ended, from its log; None when it did not end in time."""
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            return None
        with self.log.open("rb") as log:
            log.seek(self._log_from)
            lines = log.read().decode(errors="replace").strip().splitlines()
        for line in reversed(lines):
            if (said := _event(line)) is not None:
                return said
        last = lines[-1] if lines else "without a word"
        return f"the engine ended with exit code {code}: {last}; its log is {self.log}"


def engine(job: Job) -> Worker:
    """Start an engine in the background: its own session, so that no Ctrl-C reaches it.

    Raises:
        StorageError: its folder can't be written to.
    """
    log = job.folder / "engine.log"
    ours, theirs = socket.socketpair()
    try:
        with opened_log(log) as output, theirs:
            log_from = output.tell()
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "rusy_tui.launching.worker",
                    str(theirs.fileno()),
                    msgspec.json.encode(job).decode(),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
    except RusyError:
        ours.close()
        raise
    return Worker(process, ours, log, log_from)


def opened_log(path: Path) -> BinaryIO:
    """A log to append to, private to its user; a long one is put aside first.

    Raises:
        StorageError: it can't be written.
    """
    try:
        places.make_private(path.parent)
        if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(
            f"{path}: can't be written: {error.strerror}; name another folder with "
            "--directory, or set RUSY_HOME"
        ) from error
    log = os.fdopen(descriptor, "ab")
    log.seek(0, os.SEEK_END)
    return log


def _event(line: str) -> str | None:
    """The text of an error in the engine's log."""
    try:
        record = msgspec.json.decode(line.encode(), type=dict[str, object])
    except msgspec.DecodeError:
        return None
    return str(record.get("event")) if record.get("level") == "error" else None
