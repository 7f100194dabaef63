"""Numbers of messages: those that the exchange writes, of a size that anything has."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from rusy_tui.exchange import wire


class _Amount(wire.Wire):
    amount: Decimal
    name: str = ""


class _Levels(wire.Wire):
    levels: list[tuple[Decimal, Decimal]]


_AMOUNT, _LEVELS = wire.decoder(_Amount), wire.decoder(_Levels)

NUMBERS = ["0", "7", "-7", "0.00000", "007", "12345678901234567890.12345678", "1e5", "1E-8"]
# All but the last six are numbers to Decimal() or to float().
NO_NUMBERS = [
    "1_000", "_1", "1_", " 7", "7 ", "7\n", "\t7", "\u00a07", "\uff11\uff12", "\u0661",
    "1e999999", "-1e999999", "1e41", "1e300", "9" * 41, "inf", "-Infinity", "nan", "sNaN",
    "NaN12", "1e400", "", " ", "-", "x", "0x10", "1,5",
]  # fmt: skip
# Written out without an exponent these would have as many digits.
TINY = ["1e-999999", "0e-999999", "-1E-400"]


def body_of(text: str) -> bytes:
    return msgspec.json.encode({"name": "x", "amount": text})


def escaped(text: str) -> bytes:
    # JSON writes any character either way.
    sent = "".join(f"\\u{ord(letter):04x}" for letter in text)
    return f'{{"name":"","amount":"{sent}"}}'.encode()


def of_levels(text: str) -> Decimal:
    body = msgspec.json.encode({"levels": [["1", text]]})
    return wire.finite_levels(wire.decode(_LEVELS, body).levels)[0][1]


READERS: dict[str, Callable[[str], Any]] = {
    "bytes": lambda text: wire.decode(_AMOUNT, body_of(text)).amount,
    "str": lambda text: wire.decode(_AMOUNT, body_of(text).decode()).amount,
    "escaped": lambda text: wire.decode(_AMOUNT, escaped(text)).amount,
    # An absent number may be sent as "".
    "number_or_zero": lambda text: wire.number_or_zero(text or "x"),
}
MEASURING = {**READERS, "measure": wire.measure}


@pytest.mark.parametrize("how", MEASURING)
@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_read_exactly(how: str, text: str) -> None:
    found = MEASURING[how](text)
    assert found == (float(text) if isinstance(found, float) else Decimal(text))


@pytest.mark.parametrize("how", [*MEASURING, "levels"])
@pytest.mark.parametrize("text", NO_NUMBERS, ids=ascii)
def test_nothing_else_is_read_as_a_number(how: str, text: str) -> None:
    with pytest.raises(wire.MalformedError):
        {**MEASURING, "levels": of_levels}[how](text)


@pytest.mark.parametrize("how", [*READERS, "levels"])
@pytest.mark.parametrize("text", TINY)
def test_what_is_too_small_to_be_written_out_is_no_number(how: str, text: str) -> None:
    with pytest.raises(wire.MalformedError):
        {**READERS, "levels": of_levels}[how](text)


@pytest.mark.parametrize("number", ["1e999999", "1e41", "1e-999999", "1E-400"])
def test_a_number_without_quotes_is_of_a_sane_size_as_well(number: str) -> None:
    with pytest.raises(wire.MalformedError):
        wire.decode(_AMOUNT, f'{{"amount":{number}}}')


def test_words_that_look_like_odd_numbers_are_words() -> None:
    body = msgspec.json.encode({"amount": "1.5", "name": "1_000"})
    assert wire.decode(_AMOUNT, body) == _Amount(Decimal("1.5"), "1_000")


def test_a_quotient_is_of_a_sane_size() -> None:
    assert wire.quotient(Decimal(1), Decimal(4)) == Decimal("0.25")
    for dividend, divisor in (("1e39", "1e-9"), ("1", "0")):
        with pytest.raises(wire.MalformedError):
            wire.quotient(Decimal(dividend), Decimal(divisor))
