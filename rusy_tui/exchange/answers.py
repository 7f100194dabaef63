"""What any answer of the exchange holds beside its subject: errors, time, limits' headers."""

import msgspec

from rusy_tui.exchange.wire import MalformedError, decode, decoder

# The longest ban that the exchange documents. Waiting longer would be waiting for a mistake.
_LONGEST_BAN_S = 3 * 86_400.0
_SHOWN = 200
# Error numbers have four digits and counts as many as a limit: this long is neither.
_DIGITS = 12


class _ErrorBody(msgspec.Struct):
    msg: str
    # Answers from before the exchange proper have a text and no number.
    code: int = 0


class _Time(msgspec.Struct):
    server_ms: int = msgspec.field(name="serverTime")


_ERROR = decoder(_ErrorBody)
_TIME = decoder(_Time)


def error_body(body: bytes) -> tuple[int, str]:
    """The exchange's error number and text; 0 and the body's beginning where it is neither.

    A proxy in front of the exchange answers errors as well, in words of its own.
    """
    try:
        read = decode(_ERROR, body)
    except MalformedError:
        return 0, body[:_SHOWN].decode(errors="replace")
    if abs(read.code) >= 10**_DIGITS:
        return 0, read.msg
    return read.code, read.msg


def server_time_ms(body: bytes) -> int:
    """The exchange's time, ms.

    Raises:
        MalformedError: the reply does not tell it.
    """
    return decode(_TIME, body).server_ms


def count(text: str | None) -> int | None:
    """A header's number; None for one that is absent or anything else than digits."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > _DIGITS:
        return None
    return int(text)


def retry_after_s(text: str | None) -> float | None:
    """Seconds that a Retry-After asks for, three days at most; None where it names none."""
    seconds = count(text)
    return None if seconds is None else min(float(seconds), _LONGEST_BAN_S)
