"""An engine as a background process: ``python -m rusy_tui.launching.worker FD JOB``.

Its output is its log; the console that started it is at the other end of the socket FD.
"""

import asyncio
import socket
import sys

import msgspec

from rusy_tui.domain.errors import RusyError
from rusy_tui.launching.host import EngineHost
from rusy_tui.launching.job import Job


def main(arguments: list[str]) -> int:
    """Run the engine; the exit code tells how it ended."""
    connected = socket.socket(fileno=int(arguments[0]))
    job = msgspec.json.decode(arguments[1], type=Job)
    try:
        host = EngineHost(job, job.settings(), connected, sys.stdout)
        asyncio.run(host.run())
    except RusyError as error:
        # Whoever started this process reads the last error of the log.
        line = {"level": "error", "event": str(error)}
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
