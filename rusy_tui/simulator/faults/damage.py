"""Breaking a text that was fine: cut, replaced by a page, or with values of wrong types."""

import random
from typing import Any

import msgspec

from rusy_tui.simulator.faults.fault import Damage

_PAGE = (
    b"<html><head><title>502 Bad Gateway</title></head>"
    b"<body><center><h1>502 Bad Gateway</h1></center></body></html>"
)


def damaged(text: bytes, how: Damage, source: random.Random) -> bytes:
    """A text (JSON) broken in one way; what is drawn comes from the source."""
    match how:
        case Damage.TRUNCATED:
            # Never whole, and never empty where there is anything to cut.
            return text[: source.randrange(1, max(len(text), 2))]
        case Damage.HTML:
            return _PAGE
        case Damage.TYPES:
            return msgspec.json.encode(_twisted(msgspec.json.decode(text)))


def _twisted(value: Any) -> Any:
    """The same shape, with a value of another type in the place of each."""
    match value:
        case dict():
            return {key: _twisted(each) for key, each in value.items()}
        case list():
            return [_twisted(each) for each in value]
        case bool():
            return str(value)
        case int() | float():
            return {"value": value}
        case str():
            return [value]
        case _:
            return 0
