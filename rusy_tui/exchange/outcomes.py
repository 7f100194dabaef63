"""The exchange's error table, classified once into what the caller must do.

The policy is ``docs/order-outcomes.md``. Numbers and texts of the exchange's errors appear
here and nowhere else; callers match on :class:`~rusy_tui.domain.order.Cause`.
"""

from collections.abc import Mapping

from rusy_tui.domain.order import Cause, Rejected, Unresolved

TOO_MANY_REQUESTS = 429
BANNED = 418
FORBIDDEN = 403
UNAVAILABLE = 503
# The gateway gave up waiting for the engine: as open as a time-out of our own.
_GATEWAY_TIMEOUT = 408
_CLIENT_ERRORS = 400
_SERVER_ERRORS = 500

# Execution status unknown, whatever the HTTP status: DISCONNECTED, UNEXPECTED_RESP, TIMEOUT
# and UNKNOWN in the exchange's own table.
_UNPROVEN = frozenset({-1000, -1001, -1006, -1007})

# Margin type, position side, and the amendment of an order to what it is already.
_NO_CHANGE_NEEDED = frozenset({-4046, -4059, -5027})


def _table(rows: Mapping[Cause, tuple[int, ...]]) -> dict[int, Cause]:
    return {code: cause for cause, codes in rows.items() for code in codes}


_CAUSES = _table(
    {
        Cause.OVERLOADED: (-1008,),
        Cause.LIMITS: (-1003, -1015),
        Cause.CLOCK: (-1021,),
        Cause.KEY: (-1002, -1022, -2014, -2015),
        Cause.DEFECT: (
            *(-1100, -1101, -1102, -1103, -1104, -1105, -1106, -1111, -1114, -1115),
            *(-1116, -1117, -1121, -1130, -4003, -4004, -4005, -4013, -4014, -4023),
            *(-4120, -4164),
        ),
        Cause.PRICE_BAND: (-4016, -4024, -4131, -4210, -4211),
        Cause.TOO_MANY: (-2025, -4045),
        Cause.BARRED: (-4087, -4140, -4192, -4400, -4401),
        Cause.CLOSED: (-2023, -4088, -4141),
        Cause.TRIGGERING: (-4117, -4118),
        Cause.FUNDS: (-2010, -2018, -2019, -4051),
        Cause.UNKNOWN_ORDER: (-2011, -2013),
        Cause.WOULD_TAKE: (-5022,),
        Cause.WOULD_TRIGGER: (-2021,),
        Cause.UNFILLABLE: (-2020, -5021),
        Cause.NOTHING_TO_REDUCE: (-2022,),
        Cause.SETTING: (-2027, -2028, -4028, -4047, -4048, -4061, -4161),
        Cause.DUPLICATE: (-4116,),
    }
)

_STATUS_CAUSES = {
    TOO_MANY_REQUESTS: Cause.LIMITS,
    BANNED: Cause.LIMITS,
    401: Cause.KEY,
    451: Cause.KEY,
}


def classify(http_status: int, code: int, message: str) -> Rejected | Unresolved:
    """What an error answer to an order command proves.

    Args:
        http_status: of the answer.
        code: the exchange's error number, 0 when the body held none.
        message: the error's text, or the body where it was not the exchange's JSON.
    """
    if code in _UNPROVEN:
        return Unresolved(f"HTTP {http_status}, {code}: {message}")
    cause = _CAUSES.get(code) or _STATUS_CAUSES.get(http_status)
    if cause is not None:
        return Rejected(cause, code, message)
    if http_status == UNAVAILABLE and _says_failed(message):
        return Rejected(Cause.OVERLOADED, code, message)
    fault_of_the_request = _CLIENT_ERRORS <= http_status < _SERVER_ERRORS
    if not fault_of_the_request or http_status == _GATEWAY_TIMEOUT:
        return Unresolved(f"HTTP {http_status}, {code}: {message}")
    if http_status == FORBIDDEN and code == 0:
        # The web firewall, in front of the exchange, when a limit of its own is broken.
        return Rejected(Cause.LIMITS, code, message)
    if code != 0 and "duplicat" in message.lower():
        # Conditional orders have a number of their own for a repeated client id.
        return Rejected(Cause.DUPLICATE, code, message)
    return Rejected(Cause.OTHER, code, message)


def is_no_change(code: int) -> bool:
    """Whether an error says that what was asked for is so already: that is success."""
    return code in _NO_CHANGE_NEEDED


def is_unknown_listen_key(code: int) -> bool:
    """Whether the user stream's key is gone on the exchange's side."""
    return code == -1125


def _says_failed(message: str) -> bool:
    """Tell the 503 that failed for sure from the one whose status is unknown.

    The exchange documents both by text alone: "Service Unavailable." never reached the
    engine, "Unknown error, please check your request or try again later." may have.
    """
    return message.strip().rstrip(".").casefold() == "service unavailable"
