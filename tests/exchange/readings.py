"""What messages say, read a second time: by :mod:`json`, every number as the text it is.

A table names, for each value of an event, where in the message it stands. An event with one
that no table names fails, so that a new field is not forgotten.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from rusy_tui.domain.order import OrderState

Node = Any
Expected = Callable[[Node], Any]
Table = Mapping[str, Expected]

# The exchange's words for an order's state.
STATES = {
    "NEW": OrderState.NEW, "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED, "CANCELED": OrderState.CANCELED,
    "EXPIRED": OrderState.EXPIRED, "EXPIRED_IN_MATCH": OrderState.EXPIRED,
    "REJECTED": OrderState.REJECTED, "TRIGGERING": OrderState.TRIGGERING,
    "TRIGGERED": OrderState.TRIGGERED, "FINISHED": OrderState.FINISHED,
}  # fmt: skip

# In ASCII, without spaces and the like: what Decimal() takes besides is no number.
_NUMBER = re.compile(r"[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)
_MOST = 10**40
_MOST_PLACES = 400


class Wrong(AssertionError):
    """An event says something else than its message."""


def read(body: bytes) -> Node:
    """The message; of a repeated key the last.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply to be read.
    """
    return json.loads(body.decode("utf-8", "replace"), parse_float=Decimal, parse_int=Decimal)


def num(*path: str | int) -> Expected:
    """A number that must be there."""
    return lambda node: number(at(node, *path))


def num_or_zero(*path: str) -> Expected:
    """A number that may be left out or empty, and then is nothing."""

    def expected(node: Node) -> Decimal:
        found = at_or_none(node, *path)
        return Decimal(0) if found is None or found == "" else number(found)

    return expected


def flag(*path: str) -> Expected:
    """A truth value; anything else would differ from every event."""

    return lambda node: at(node, *path)


def word(key: str) -> Expected:
    """A text that must be there."""

    def expected(node: Node) -> str:
        found = at(node, key)
        if not isinstance(found, str):
            raise Wrong(f"{found!r} is no text")
        return found

    return expected


def lower(key: str) -> Expected:
    """A word of the exchange's, which is ours in small letters."""
    return lambda node: word(key)(node).lower()


def whole(key: str) -> Expected:
    """An id sent as a number, as the text that we keep it as."""

    def expected(node: Node) -> str:
        found = number(at(node, key))
        if found != int(found):
            raise Wrong(f"{found} is no id")
        return str(int(found))

    return expected


def id_or_none(key: str) -> Expected:
    """An id sent as a number or text; "" where there is none."""

    def expected(node: Node) -> str:
        found = at_or_none(node, key)
        if found is None or found in ("", "0"):
            return ""
        if isinstance(found, str):
            return found
        return whole(key)(node) if number(found) else ""

    return expected


def within(key: str, table: Table) -> Table:
    """A table of what stands inside."""

    def inside(expected: Expected) -> Expected:
        return lambda node: expected(at(node, key))

    return {name: inside(expected) for name, expected in table.items()}


def given(value: Any) -> Expected:
    """What the caller said, whatever the message."""
    return lambda _: value


def at(node: Node, *path: str | int) -> Any:
    """What stands at a place."""
    for key in path:
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError) as error:
            raise Wrong(f"{path} is not in the message") from error
    return node


def at_or_none(node: Node, *path: str) -> Any:
    """What stands at a place; None where nothing does."""
    for key in path:
        if not isinstance(node, dict):
            return None
        node = node.get(key)
    return node


def number(found: Any) -> Decimal:
    """A number in any writing, exactly."""
    if isinstance(found, bool) or not isinstance(found, int | str | Decimal):
        raise Wrong(f"{found!r} is no number")
    if isinstance(found, str) and _NUMBER.fullmatch(found) is None:
        raise Wrong(f"{found!r} is no number")
    try:
        exact = Decimal(found)
    except ArithmeticError as error:
        raise Wrong(f"{found!r} is no number") from error
    if not exact.is_finite():
        raise Wrong(f"{found!r} is not finite")
    return exact


def compare(event: Any, node: Node, table: Table) -> None:
    """Hold an event against its message.

    Raises:
        Wrong: a value is not what the message says, or of no size that anything has.
    """
    for name, value in leaves(event):
        if isinstance(value, str):
            # What can't be written can't be stored or shown.
            value.encode()
        if isinstance(value, Decimal | float) and not sane(value):
            raise Wrong(f"{name} is {value!r}")
        if name not in table:
            raise Wrong(f"no table says where {name} comes from")
        expected = table[name](node)
        if not same(value, expected):
            raise Wrong(f"{name} is {value!r}, the message says {expected!r}")


def sane(value: Decimal | float) -> bool:
    """Whether a number can be computed with, and be written out."""
    exact = Decimal(value)
    return exact.is_finite() and abs(exact) < _MOST and abs(exact.adjusted()) < _MOST_PLACES


def same(value: Any, expected: Any) -> bool:
    """Whether two values are one; market data is of floats, the nearest to what was sent."""
    if isinstance(value, float) and isinstance(expected, Decimal):
        return value == float(expected)
    return bool(value == expected) and isinstance(value, bool) == isinstance(expected, bool)


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside an event, by the path of its names."""
    before = f"{name}." if name else ""
    if isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from leaves(getattr(value, field), before + field)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from leaves(item, f"{before}{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{before}{key}")
    else:
        yield name, value
