"""Requests to a simulator that is a process, on the machine's own clock."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tests.simulator.serving import sign


def ask(at: Any, path: str) -> Any:
    """Ask for something public; ``at`` is what the program's first line says."""
    with urllib.request.urlopen(f"{at['rest_url']}{path}", timeout=10) as reply:
        return json.load(reply)


def control(at: Any, path: str, body: object = None, *, method: str | None = None) -> Any:
    """Ask the control endpoint, or with a body tell it."""
    request = urllib.request.Request(
        f"{at['control_url']}/{path}",
        headers={"X-Control-Token": at["control_token"]},
        data=None if body is None else json.dumps(body).encode(),
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def signed(at: Any, method: str, path: str, number: int = 0, **values: object) -> Any:
    """Send a signed request for one of the accounts, its parameters in the query."""
    keys = at["accounts"][number]
    stamp = ask(at, "/fapi/v1/time")["serverTime"]
    query = "&".join([f"{k}={v}" for k, v in values.items()] + [f"timestamp={stamp}"])
    request = urllib.request.Request(
        f"{at['rest_url']}{path}?{query}&signature={sign(query, keys['api_secret'])}",
        method=method,
        headers={"X-MBX-APIKEY": keys["api_key"]},
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


@contextmanager
def program(*options: str) -> Generator[tuple[Any, subprocess.Popen[str]]]:
    """`rusy simulator --json`: what its first line says, and its process."""
    command = [sys.executable, "-m", "rusy_tui.launching.exchange_process", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline()), process
        finally:
            process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    """End it at once: it gets to do nothing any more."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
