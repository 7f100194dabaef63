"""What replies and stream messages have in common: checked decoding, states, sides."""

import json
import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import NoReturn, TypeVar, get_args, get_type_hints

import msgspec

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderState, Side

T = TypeVar("T")
# As the exchange sends what we keep as floats: in a string, but for counts.
Measure = str | float


class MalformedError(Exception):
    """The exchange sent something that can't be read; the text says what and where."""


# Beyond this nothing is counted, and no number begins farther behind the point; arithmetic with
# such numbers would overflow, and written without an exponent they would fill the memory.
_MOST = Decimal("1e40")
_MOST_MEASURED = float(_MOST)
_FARTHEST = -60
# What Decimal() and float() take besides is no number of the exchange's: "1_000", " 7", digits
# of other scripts.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")


class Wire(msgspec.Struct):
    """Base of everything decoded: NaN, Infinity, absurdly large and small ones are refused."""

    def __post_init__(self) -> None:
        # For every message of the busiest streams, so by a getter made once a class.
        numbers, others = _GETTERS.get(type(self)) or _getters(type(self))
        if numbers is not None and not _are_sane(numbers(self)):
            self._refuse()
        for name in others:
            value = getattr(self, name)
            if isinstance(value, Decimal | float) and not _is_sane(value):
                self._refuse()

    def _refuse(self) -> NoReturn:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal | float) and not _is_sane(value):
                raise ValueError(f"{name} is no finite number of a sane size")
        raise ValueError("a number is not finite or of no sane size")


_Getter = Callable[[Wire], tuple[Decimal, ...]]
_GETTERS: dict[type[Wire], tuple[_Getter | None, tuple[str, ...]]] = {}


def _getters(kind: type[Wire]) -> tuple[_Getter | None, tuple[str, ...]]:
    """What gets the Decimals of a class, and the fields that may hold one or a float."""
    hints = get_type_hints(kind)
    always = [name for name in kind.__struct_fields__ if hints[name] is Decimal]
    others = tuple(
        name
        for name in kind.__struct_fields__
        if name not in always and {Decimal, float} & {hints[name], *get_args(hints[name])}
    )
    # Of one name alone it would not give a tuple.
    numbers = attrgetter(*always, always[0]) if always else None
    _GETTERS[kind] = numbers, others
    return numbers, others


def _are_sane(numbers: tuple[Decimal, ...]) -> bool:
    try:
        return all(map(_MOST.__gt__, map(Decimal.copy_abs, numbers)))
    except ArithmeticError:
        # NaN is not compared with anything.
        return False


def _is_sane(value: Decimal | float) -> bool:
    return math.isfinite(value) and -_MOST < value < _MOST


def _number(text: str) -> Decimal:
    """A number in a text.

    Raises:
        MalformedError: none, or none of a sane size.
    """
    if _NUMBER.fullmatch(text) is None:
        raise MalformedError(f"{text!r} is no number")
    number = Decimal(text)
    if not (_is_sane(number) and number.adjusted() > _FARTHEST):
        raise MalformedError(f"{text!r} is no number of a sane size")
    return number


def decode(decoder: "msgspec.json.Decoder[T]", body: bytes | str) -> T:
    """Decode, with one error for whatever is wrong.

    Raises:
        MalformedError: not JSON, or not of the expected shape.
    """
    try:
        found = decoder.decode(body)
        if _is_odd(body):
            # With words for odd numbers it can't be decoded, if one was read as a number.
            text = body if isinstance(body, str) else body.decode("utf-8", "replace")
            decoder.decode(_TOKEN.sub(_without_odd_number, text))
        return found
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # RecursionError: nested deeper than anything that the exchange says.
        raise MalformedError(str(error)) from error


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][-+.eE0-9]*', re.DOTALL)
# Such as "1_000", and not such as "kline_15m".
_UNDERSCORED = re.compile(r'_[-+.eE0-9_ ]*"')
_UNDERSCORED_BYTES = re.compile(rb'_[-+.eE0-9_ ]*"')


def _is_odd(body: bytes | str) -> bool:
    """Whether what a decoder reads out of a body as a number may be none of the exchange's.

    Decimals are read by ``Decimal()``, which is more lenient than we are. Hardly a message of
    the exchange's holds what could be such a number, so that to look closer costs nothing.
    """
    if not body.isascii():
        return True
    if isinstance(body, str):
        return (
            "\\" in body
            or '" ' in body
            or ' "' in body
            or "e-" in body
            or "E-" in body
            or ("_" in body and _UNDERSCORED.search(body) is not None)
        )
    return (
        b"\\" in body
        or b'" ' in body
        or b' "' in body
        or b"e-" in body
        or b"E-" in body
        or (b"_" in body and _UNDERSCORED_BYTES.search(body) is not None)
    )


def _without_odd_number(found: "re.Match[str]") -> str:
    """A number or text of JSON; a word for what Decimal() takes for a number and we do not."""
    whole = found.group()
    try:
        text = json.loads(whole, strict=False) if whole.startswith('"') else whole
        Decimal(text)
    except (ArithmeticError, ValueError):
        return whole
    try:
        _number(text)
    except MalformedError:
        return '"?"'
    return whole


def decoder(kind: type[T]) -> "msgspec.json.Decoder[T]":
    """A decoder that takes nothing for what it is not.

    Decimals come as numbers or in strings, and are read exactly either way. An integer is one:
    a lenient decoder would take it from a float as well, and lose the end of a long id.
    """
    return msgspec.json.Decoder(kind)


def measure(sent: Measure) -> float:
    """Market data as a float, from the string it comes in.

    Raises:
        MalformedError: no number of a sane size.
    """
    try:
        value = float(sent)
    except ValueError as error:
        raise MalformedError(f"{sent!r} is no number") from error
    if isinstance(sent, str) and ("_" in sent or not sent.isascii() or sent.strip() != sent):
        # float() takes more than the exchange's numbers, see _NUMBER.
        raise MalformedError(f"{sent!r} is no number")
    if not -_MOST_MEASURED < value < _MOST_MEASURED:
        raise MalformedError(f"{sent!r} is no number of a sane size")
    return value


_STATES = {
    "NEW": OrderState.NEW,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "EXPIRED": OrderState.EXPIRED,
    # Self-trade prevention took it: gone all the same.
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
    "REJECTED": OrderState.REJECTED,
    # Conditional orders.
    "TRIGGERING": OrderState.TRIGGERING,
    "TRIGGERED": OrderState.TRIGGERED,
    "FINISHED": OrderState.FINISHED,
}


def state_of(word: str) -> OrderState:
    """An order's state.

    Raises:
        MalformedError: a state nobody has told us of; guessing one could cost a position.
    """
    state = _STATES.get(word)
    if state is None:
        raise MalformedError(f"order state {word!r} is unknown")
    return state


def side_of(word: str) -> Side:
    """An order's side.

    Raises:
        MalformedError: neither BUY nor SELL.
    """
    if word not in ("BUY", "SELL"):
        raise MalformedError(f"side {word!r} is unknown")
    return Side(word.lower())


def number_or_zero(text: str | None) -> Decimal:
    """A number that the exchange leaves out, or sends as "", where it has none.

    Raises:
        MalformedError: something else than a number of a sane size.
    """
    if text is None or text == "":
        return ZERO
    return _number(text)


def quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """What one number is of another.

    Raises:
        MalformedError: numbers between which no quotient can be written.
    """
    try:
        found = dividend / divisor
    except ArithmeticError as error:
        raise MalformedError(f"{dividend} of {divisor} is no number") from error
    if not _is_sane(found):
        raise MalformedError(f"{dividend} of {divisor} is no number of a sane size")
    return found


def finite_levels(
    levels: Sequence[tuple[Decimal, Decimal]],
) -> Sequence[tuple[Decimal, Decimal]]:
    """Levels of a book as they are.

    Raises:
        MalformedError: a price or quantity is not finite, of no sane size, or below zero.
    """
    for price, quantity in levels:
        if not (_are_sane((price, quantity)) and price > 0 <= quantity):
            raise MalformedError(f"{price}, {quantity} is no level of a book")
    return levels


def plain_order_id(raw: str | int | None) -> str:
    """The plain order a conditional one became; "" where there is none yet."""
    return "" if raw in (None, "", 0, "0") else str(raw)


class Unknown(msgspec.Struct):
    """A message that is well-formed and that we don't use; ``kind`` is its tag, "" if none."""

    kind: str = msgspec.field(default="", name="e")


def not_ours(found: Unknown, known: frozenset[str], error: MalformedError) -> Unknown:
    """Judge a message that did not decode: of a kind we don't use, or damaged.

    Raises:
        MalformedError: the error given, when the kind is one that we use.
    """
    if found.kind in known:
        raise error
    return found
