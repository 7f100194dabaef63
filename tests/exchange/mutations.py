"""Messages broken in every way that a valid one can be.

A message is a tree as of :mod:`json`; what JSON allows and such a tree can't hold has a type of
its own: :class:`Raw` for text that is written as it stands, :class:`Again` for a repeated key.
Hypothesis draws a number for each message and nothing else: drawing each choice from it would
take ten times as long, and a broken message is small as it is.
"""

import copy
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import strategies as st

_DEEP = 5_000
_DEEPEST = 50_000


class Raw(str):
    """A token that is written as it stands."""

    __slots__ = ()


class Again(str):
    """A key that may stand beside its equal."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


# Values that a field never has, or has in another writing.
_ODD: list[Any] = [
    None, True, False, 0, -1, 1, "", " ", "null", "true", "0", "-0", "-1.5", "x", "NaN", "nan",
    "sNaN123", "Infinity", "-inf", "1e5", "1E-8", "1e400", "1e999999999", "-1e-999999999",
    "1e-999999999", "1e-300", "1e300",
    "9" * 60, "0." + "1" * 60, "0x10", "1_000", " 7",
    "\uff11\uff12", "²", "\x00", "\ud800", "☃" * 3,
    2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30, 1.0, 1.5, -0.0, 1e16, 1e300, 5e-324,
    [], {}, [[]], [None], {"e": "kline"}, ["1", "2"], [1, 2, 3],
    Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e400"), Raw("-1e-400"), Raw("1E+2"),
    Raw("0.1000000000000000000000000001"), Raw("123456789012345678901234567890.5"),
    Raw("00"), Raw("01.5"), Raw("+1"), Raw(".5"), Raw("1."), Raw("0x1"), Raw("9" * 400),
    Raw("9" * 5000), Raw("tru"), Raw(""), Raw('"\\ud83d"'), Raw('"\\q"'), Raw('"' + "a" * 9999),
    Raw("[" * _DEEP + "]" * _DEEP), Raw('{"a":' * _DEEP + "1" + "}" * _DEEP),
    Raw("[" * _DEEPEST),
]  # fmt: skip
_TAGS = [
    "kline", "aggTrade", "bookTicker", "markPriceUpdate", "ORDER_TRADE_UPDATE", "ALGO_UPDATE",
    "ACCOUNT_UPDATE", "listenKeyExpired", "somethingNew", "", "KLINE",
]  # fmt: skip
_NAMES = ["e", "zz", "st", "é", ""]
_BYTES = [
    b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf", b'"', b"}", b",", b"1",
]  # fmt: skip


def broken(samples: Sequence[Any]) -> st.SearchStrategy[bytes]:
    """Valid messages with up to four things done to them."""
    return st.integers(0, 2**64).map(lambda number: _broken(samples, Random(number)))


def _broken(samples: Sequence[Any], chance: Random) -> bytes:
    tree = {"": copy.deepcopy(chance.choice(samples))}
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 4, 0])):
        places = list(_places(tree))
        if places:
            _change(*chance.choice(places), places, chance)
    return _damaged(_text(tree[""]).encode("utf-8"), chance)


def _change(where: Any, key: Any, places: Sequence[tuple[Any, Any]], chance: Random) -> None:
    """Do one thing to what stands at a place."""
    how = chance.randrange(12)
    if how <= 1 and "" not in where:
        del where[key]
    elif how <= 4:
        where[key] = _odd(chance)
    elif how <= 7:
        where[key] = _rewritten(where[key], chance)
    elif how == 8:
        other, other_key = chance.choice(places)
        where[key] = copy.deepcopy(other[other_key])
    elif isinstance(where, list):
        where.insert(key, copy.deepcopy(where[key]))
    elif how == 9:
        where[Again(key)] = chance.choice([_odd(chance), _rewritten(where[key], chance)])
    elif how == 10:
        where[chance.choice(_NAMES)] = chance.choice([chance.choice(_TAGS), _odd(chance)])
    elif "e" in where:
        where["e"] = chance.choice(_TAGS)


def _odd(chance: Random) -> Any:
    # Copied: what is put into one message must not be changed by what is done to it.
    return copy.deepcopy(chance.choice(_ODD))


def _number(chance: Random) -> int | Decimal | float:
    match chance.randrange(3):
        case 0:
            return chance.randrange(-(2**70), 2**70)
        case 1:
            return Decimal(chance.randrange(-(10**17), 10**17)).scaleb(-8)
    return chance.uniform(-1e9, 1e9) * 10.0 ** chance.randrange(-12, 12)


def _rewritten(value: Any, chance: Random) -> Any:
    """The same number in another writing, or another number."""
    if isinstance(value, bool):
        return chance.choice(["true", "false", 0, 1, "1", "0", None, "TRUE", not value])
    if isinstance(value, int):
        same = [str(value), float(value), f"{value}.0", Raw(f"{value}e0")]
        return chance.choice([*same, _number(chance), str(_number(chance))])
    try:
        number = Decimal(value)
        if not number.is_finite() or abs(number.adjusted()) > 1000:
            return _odd(chance)
    except (ArithmeticError, TypeError, ValueError):
        return _odd(chance)
    writings = [Raw(format(number, "f")), format(number, "e"), Raw(format(number, "E"))]
    return chance.choice([*writings, format(_number(chance), "f"), _number(chance)])


def _damaged(body: bytes, chance: Random) -> bytes:
    """Now and then: bytes cut off, put in, changed or added."""
    place = chance.randrange(len(body) + 1)
    match chance.randrange(20):
        case 0:
            return body[:place]
        case 1:
            return body[:place] + chance.choice(_BYTES) + body[place:]
        case 2:
            return body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]
        case 3:
            return body + chance.choice([b" ", b"\n", body, b"x", b"\x00"])
    return body


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key of a tree."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _places(tree[key])


def _text(tree: Any) -> str:
    if isinstance(tree, Raw):
        return str(tree)
    if isinstance(tree, dict):
        return "{" + ",".join(f"{json.dumps(str(k))}:{_text(v)}" for k, v in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(map(_text, tree)) + "]"
    return format(tree, "f") if isinstance(tree, Decimal) else json.dumps(tree)
