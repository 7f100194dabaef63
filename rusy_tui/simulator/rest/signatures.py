"""Who asks, whether it was signed with the account's secret, and whether in time.

The signature is an HMAC-SHA256 over the raw bytes of query and body as sent, in the order
sent, without the signature itself: nothing is decoded or put in order before.
"""

import hashlib
import hmac

from rusy_tui.simulator.account import Account
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.rest.parameters import Parameters

DEFAULT_WINDOW_MS = 5000
LARGEST_WINDOW_MS = 60_000
_AHEAD_MS = 1000
"""A timestamp may lie this far ahead of the exchange's time."""

_NAME = b"signature="


def account_of_key(exchange: SimulatedExchange, api_key: str | None) -> Account:
    """The account of a key; −2014 without one, −2015 for an unknown one."""
    if not api_key:
        raise refusal(-2014)
    account = exchange.account_of(api_key)
    if account is None:
        raise refusal(-2015)
    return account


def check_signature(secret: str, query: bytes, body: bytes) -> None:
    """−1022 unless the raw bytes carry the right signature, −1102 without any."""
    signed_query, in_query = _without_signature(query)
    signed_body, in_body = _without_signature(body)
    given = in_query or in_body
    if given is None:
        raise refusal(-1102, "signature")
    expected = hmac.new(secret.encode(), signed_query + signed_body, hashlib.sha256)
    if not hmac.compare_digest(expected.hexdigest().encode(), given.lower()):
        raise refusal(-1022)


def check_timestamp(parameters: Parameters, now_ms: int, fastest: float) -> None:
    """−1021 unless the request was made within its window.

    The timestamp is exchange time, which is market time; the window counts wall milliseconds,
    so that a paced market does not make a client's clock look slow. ``now_ms`` is exchange
    time, ``fastest`` the greatest pace (market seconds a wall second) that held within the
    window.
    """
    stamp_ms = parameters.required_integer("timestamp")
    window_ms = parameters.integer("recvWindow")
    if window_ms is None:
        window_ms = DEFAULT_WINDOW_MS
    if not 0 < window_ms <= LARGEST_WINDOW_MS:
        raise refusal(-1130, "recvWindow")
    late_ms = (now_ms - stamp_ms) / fastest
    if late_ms > window_ms or late_ms < -_AHEAD_MS:
        raise refusal(-1021)


def _without_signature(raw: bytes) -> tuple[bytes, bytes | None]:
    """Raw parameters without their signature, and the signature, None without one."""
    parts = raw.split(b"&")
    given = next((part for part in parts if part.startswith(_NAME)), None)
    if given is None:
        return raw, None
    parts.remove(given)
    return b"&".join(parts), given[len(_NAME) :]
