"""How a contract is changed, from plain values as files and requests hold them."""

from collections.abc import Mapping
from typing import Any, get_type_hints

import msgspec

from rusy_tui.domain.errors import UsageError
from rusy_tui.domain.instrument import Bracket, Instrument

_SPECIAL: Mapping[str, Any] = {
    "status": str,
    "brackets": list[Bracket],
    "funding_interval_h": int,
}
_FIELDS = {
    name: kind
    for name, kind in get_type_hints(Instrument).items()
    if name not in ("symbol", "trading")
}


def changes_of(plain: Mapping[str, Any]) -> dict[str, Any]:
    """What ``change_instrument`` takes.

    Raises:
        UsageError: for a field that there is not, or a value of a wrong type.
    """
    known = {**_FIELDS, **_SPECIAL}
    for name in plain:
        if name not in known:
            raise UsageError(f"change: {name} is nothing of a contract: {', '.join(known)}")
    try:
        return {
            name: msgspec.convert(value, known[name], strict=False)
            for name, value in plain.items()
        }
    except msgspec.ValidationError as error:
        raise UsageError(f"change: {error}") from None
