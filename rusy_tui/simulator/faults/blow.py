"""What the faults do to one request."""

import random
from collections.abc import Iterable

import msgspec

from rusy_tui.simulator.faults.damage import damaged
from rusy_tui.simulator.faults.fault import UNKNOWN_CODES, Damage, Fault, Kind


class Blow(msgspec.Struct):
    """A request's fate; one of none is carried out and answered as ever.

    Attributes:
        late_s: the request arrives so much later.
        reply_late_s: its answer goes out so much later.
        lost_before: the connection ends before anything is carried out.
        lost_after: it ends instead of the answer.
        hang: a lost one is not cut, but never answered.
        retry_after_s: its address is told to wait, with 429 or, if ``banned``, 418.
        refused: the kind of refusal instead of carrying it out.
        unknown_after: it is carried out, and answered as if nobody knew.
        unknown_code: the number that it is then answered under, 0 for none.
        code: of a refused stop.
        damage: how the answer is broken.
        source: chance for the damage.
    """

    late_s: float = 0.0
    reply_late_s: float = 0.0
    lost_before: bool = False
    lost_after: bool = False
    hang: bool = False
    retry_after_s: int = 0
    banned: bool = False
    refused: Kind | None = None
    unknown_after: bool = False
    unknown_code: int = 0
    code: int = 0
    damage: Damage | None = None
    source: random.Random | None = None

    def break_body(self, body: bytes) -> bytes:
        """The answer as it goes out."""
        if self.damage is None or self.source is None:
            return body
        return damaged(body, self.damage, self.source)


def blow_of(struck: Iterable[tuple[Fault, random.Random]]) -> Blow:
    """Put together what several faults do to one request; the first refusal counts."""
    blow = Blow()
    for fault, source in struck:
        match fault.kind:
            case Kind.REQUEST_DELAYED:
                blow.late_s = fault.delay_s
            case Kind.REPLY_DELAYED:
                blow.reply_late_s = fault.delay_s
            case Kind.REPLY_LOST_BEFORE:
                blow.lost_before, blow.hang = True, fault.hang
            case Kind.REPLY_LOST_AFTER:
                blow.lost_after, blow.hang = True, fault.hang
            case Kind.TOO_MANY_REQUESTS | Kind.BANNED:
                blow.retry_after_s = fault.retry_after_s
                blow.banned = blow.banned or fault.kind is Kind.BANNED
            case Kind.STATUS_UNKNOWN:
                blow.unknown_code = fault.code if fault.code in UNKNOWN_CODES else 0
                if source.random() < 0.5:
                    blow.unknown_after = True
                else:
                    blow.refused = blow.refused or fault.kind
            case Kind.STOP_REFUSED:
                blow.refused, blow.code = blow.refused or fault.kind, fault.code
            case Kind.UNAVAILABLE | Kind.OVERLOADED:
                blow.refused = blow.refused or fault.kind
            case Kind.BROKEN_REPLY:
                blow.damage, blow.source = fault.damage, source
    return blow
