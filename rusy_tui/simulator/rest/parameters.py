"""The parameters of a request, as raw text first: numbers are judged as they were sent."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar
from urllib.parse import unquote_plus

from rusy_tui.simulator.refusals import refusal

T = TypeVar("T")

# Plain decimals in ASCII digits: what Python also reads as a number (1E-2, +1, 1_0, digits of
# other scripts, spaces around) is malformed on the exchange's wire.
_DECIMAL = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_INTEGER = re.compile(r"-?[0-9]+")


class Parameters:
    """Named values; query before body where both have a name."""

    def __init__(self, query: str, body: str) -> None:
        self._values: dict[str, str] = {}
        for part in (query, body):
            for name, value in _pairs(part):
                self._values.setdefault(name, value)

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "Parameters":
        """Of values that came another way than in a query or a form."""
        made = cls("", "")
        made._values = dict(values)
        return made

    def has(self, name: str) -> bool:
        """Whether it was sent with a value."""
        return bool(self._values.get(name))

    def text(self, name: str, default: str = "") -> str:
        """A value as sent."""
        return self._values.get(name) or default

    def required(self, name: str) -> str:
        """A value that must be there; −1102 when it is not."""
        value = self._values.get(name)
        if not value:
            raise refusal(-1102, name)
        return value

    def forbid(self, *names: str) -> None:
        """−1106 when one of them was sent."""
        for name in names:
            if self.has(name):
                raise refusal(-1106, name)

    def decimal(self, name: str) -> Decimal:
        """A number that must be there, with the digits it was sent with."""
        text = self.required(name)
        if not _DECIMAL.fullmatch(text):
            raise refusal(-1102, name)
        return Decimal(text)

    def integer(self, name: str) -> int | None:
        """A whole number, None when it was not sent."""
        text = self._values.get(name)
        if not text:
            return None
        if not _INTEGER.fullmatch(text):
            raise refusal(-1102, name)
        return int(text)

    def required_integer(self, name: str) -> int:
        """A whole number that must be there."""
        self.required(name)
        number = self.integer(name)
        if number is None:
            raise refusal(-1102, name)
        return number

    def flag(self, name: str) -> bool:
        """True or false, in any case of letters; false when it was not sent."""
        text = self.text(name, "false").lower()
        if text not in ("true", "false"):
            raise refusal(-1102, name)
        return text == "true"

    def word(self, name: str, words: Mapping[str, T], code: int) -> T:
        """What one of a few words means; the given refusal for any other."""
        found = words.get(self.required(name))
        if found is None:
            raise refusal(code)
        return found

    def limit(self, default: int, most: int) -> int:
        """How many rows are asked for; −1130 out of bounds."""
        limit = self.integer("limit")
        if limit is None:
            return default
        if not 1 <= limit <= most:
            raise refusal(-1130, "limit")
        return limit


def _pairs(raw: str) -> list[tuple[str, str]]:
    pairs = []
    for item in raw.split("&"):
        name, separator, value = item.partition("=")
        if separator:
            pairs.append((unquote_plus(name), unquote_plus(value)))
    return pairs
