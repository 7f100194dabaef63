"""Requests to a simulator that is a process, on the machine's own clock."""

import json
import urllib.request
from typing import Any

from tests.simulator.serving import sign


def ask(at: Any, path: str) -> Any:
    """Ask for something public; ``at`` is what the program's first line says."""
    with urllib.request.urlopen(f"{at['rest_url']}{path}", timeout=10) as reply:
        return json.load(reply)


def control(at: Any, path: str) -> Any:
    """Ask the control endpoint."""
    request = urllib.request.Request(
        f"{at['control_url']}/{path}", headers={"X-Control-Token": at["control_token"]}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
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
