"""What the exchange's documents leave open, decided one way or the other.

Nobody may rely on either way: suites pass with each of these set and unset.
"""

import msgspec


class Switches(msgspec.Struct, frozen=True, kw_only=True):
    """Open questions; each is set by its name (``--switch countdown_cancels_algos``).

    ``countdown_cancels_algos``: the countdown that cancels all open orders of a symbol also
    cancels its conditional orders. ``stops_need_position``: a conditional order that may only
    reduce is refused (−2022) while there is no position for it to reduce.
    ``accounts_start_isolated``: new accounts have isolated margin; by the documents theirs is
    crossed until they set it, and old accounts have what they once set.
    """

    countdown_cancels_algos: bool = False
    stops_need_position: bool = False
    accounts_start_isolated: bool = False


def names() -> tuple[str, ...]:
    """The switches there are."""
    return Switches.__struct_fields__


def switches(chosen: list[str]) -> Switches:
    """The switches of a list of names set, all others not."""
    return Switches(**dict.fromkeys(chosen, True))
