"""The exchange's error table, classified once into what the caller must do.

The policy is ``docs/order-outcomes.md``. Numbers and texts of the exchange's errors appear
here and nowhere else; callers match on :class:`~rusy_tui.domain.order.Cause`.
"""

import re
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
# and UNKNOWN in the exchange's own table, and the two that say of a batch or of "all" only
# that something failed, not what of it.
_UNPROVEN = frozenset({-1000, -1001, -1006, -1007, -2012, -4083})


_BANNED_UNTIL = re.compile(r"banned until (\d{13})\b")


def _table(rows: Mapping[Cause, tuple[int, ...]]) -> dict[int, Cause]:
    return {code: cause for cause, codes in rows.items() for code in codes}


# Every number of the exchange's public list for these futures that a request of ours can meet.
_CAUSES = _table(
    {
        # -1016 shuts down; -5028 reached the engine too late, and the engine refused it.
        Cause.OVERLOADED: (-1008, -1016, -5028),
        Cause.LIMITS: (-1003, -1015),
        Cause.CLOCK: (-1021,),
        Cause.KEY: (*(-1002, -1011, -1022, -1099, -1109, -2014, -2015, -2017, -4056, -4057),),
        Cause.DEFECT: (
            *(-1013, -1014, -1020, -1023, -1100, -1101, -1102, -1103, -1104, -1105, -1106),
            *(-1108, -1110, -1111, -1114, -1115, -1116, -1117, -1118, -1119, -1120, -1121),
            *(-1122, -1126, -1127, -1128, -1130, -1136, -2026, -4001, -4002, -4003, -4004),
            *(-4005, -4006, -4007, -4013, -4014, -4015, -4020, -4021, -4022, -4023, -4031),
            *(-4055, -4060, -4062, -4082, -4104, -4120, -4135, -4137, -4138, -4139, -4144),
            *(-4164, -4165, -5025, -5029, -5037, -5038, -5039, -5040),
        ),
        Cause.PRICE_BAND: (-4016, -4024, -4131, -4183, -4184, -4210, -4211),
        # -4130: one closePosition order a side and type; another one rests there.
        Cause.TOO_MANY: (-2025, -4032, -4045, -4130),
        Cause.BARRED: (-4087, -4140, -4192, -4400, -4401, -4402),
        Cause.CLOSED: (-2023, -4088, -4109, -4141),
        Cause.TRIGGERING: (-4117, -4118),
        Cause.FUNDS: (-2010, -2018, -2019, -4050, -4051),
        Cause.UNKNOWN_ORDER: (-2011, -2013),
        Cause.WOULD_TAKE: (-5022,),
        Cause.WOULD_TRIGGER: (-2021, -4142),
        Cause.UNFILLABLE: (-1112, -2020, -5021, -5041),
        Cause.NOTHING_TO_REDUCE: (-2022, -2024),
        Cause.SETTING: (
            *(-2027, -2028, -4028, -4047, -4048, -4049, -4053, -4054, -4067, -4068, -4161),
            *(-4167, -4168, -4169, -4170, -4172, -4202, -4203, -4205, -4206, -4208, -4209),
            -4403,
        ),
        Cause.MODE: (-4061,),
        Cause.NOT_AMENDED: (-5024, -5026, -5043, -5047),
        Cause.NO_CHANGE: (-4046, -4052, -4059, -4171, -5027),
        Cause.LISTEN_KEY: (-1125,),
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


def is_unknown_listen_key(code: int) -> bool:
    """Whether the user stream's key is gone on the exchange's side."""
    return _CAUSES.get(code) is Cause.LISTEN_KEY


def banned_until_ms(message: str) -> int | None:
    """Exchange time until which a limit's text says that the address is banned; None: not."""
    found = _BANNED_UNTIL.search(message)
    return int(found[1]) if found else None


def _says_failed(message: str) -> bool:
    """Tell the 503 that failed for sure from the one whose status is unknown.

    The exchange documents both by text alone: "Service Unavailable." never reached the
    engine, "Unknown error, please check your request or try again later." may have.
    """
    return message.strip().rstrip(".").casefold() == "service unavailable"
