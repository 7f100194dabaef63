"""Who asks, whether it was signed with the account's key, and whether in time.

The signature is made over the raw bytes of query and body as sent, in the order sent, without
the signature itself: nothing is decoded or put in order before. It is an HMAC-SHA256 with the
account's secret in hexadecimal digits or, for an account with a public key, an RSA signature
(PKCS #1 v1.5 over SHA-256) or an Ed25519 one, in base64 and encoded like any other value.
"""

import binascii
import functools
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

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


def check_signature(account: Account, query: bytes, body: bytes) -> None:
    """−1022 unless the raw bytes carry the right signature, −1102 without any."""
    signed_query, in_query = _without_signature(query)
    signed_body, in_body = _without_signature(body)
    given = in_query or in_body
    if given is None:
        raise refusal(-1102, "signature")
    if not _is_signature(account, given, signed_query + signed_body):
        raise refusal(-1022)


def check_rights(account: Account, method: str) -> None:
    """−2015 where the key may only read and the request would change something.

    A key without futures permission still reads: the exchange asks for the permission on its
    TRADE endpoints, which are those with other methods than GET.
    """
    if method != "GET" and not account.rights.trades_futures:
        raise refusal(-2015)


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


def _is_signature(account: Account, given: bytes, message: bytes) -> bool:
    if not account.public_key:
        expected = hmac.new(account.api_secret.encode(), message, hashlib.sha256)
        return hmac.compare_digest(expected.hexdigest().encode(), given.lower())
    try:
        signature = b64decode(unquote_to_bytes(given), validate=True)
    except binascii.Error:
        return False
    return _verifier(account.public_key)(message, signature)


@functools.lru_cache(maxsize=64)
def _verifier(public_key: str) -> Callable[[bytes, bytes], bool]:
    """What tells whether a message has a signature; raises ValueError for no such key."""
    # Loaded when such a key is used: most accounts have a secret.
    from Crypto.Hash import SHA256
    from Crypto.PublicKey import ECC, RSA
    from Crypto.Signature import eddsa, pkcs1_15

    try:
        rsa = pkcs1_15.new(RSA.import_key(public_key))
    except ValueError:
        ed25519 = eddsa.new(ECC.import_key(public_key), "rfc8032")
        return lambda message, signature: _passes(ed25519.verify, message, signature)
    return lambda message, signature: _passes(rsa.verify, SHA256.new(message), signature)


def _passes(verify: Callable[..., object], message: object, signature: bytes) -> bool:
    try:
        verify(message, signature)
    except ValueError:
        return False
    return True
