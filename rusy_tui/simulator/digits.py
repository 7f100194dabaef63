"""How many digits numbers are shown with: those of the contract's tick and step.

The exchange shows a price as ``107285.00`` whoever sent ``107285``, and in a book, a bar and an
order alike. So numbers get their digits where they come in, and no client's text leaks out.
"""

from decimal import Decimal

import msgspec

from rusy_tui.domain.instrument import Instrument
from rusy_tui.simulator.feeds import Print


def digits(number: Decimal, step: Decimal) -> Decimal:
    """A number with the digits of a tick or step; one that has more keeps them: none is cut."""
    if number.same_quantum(step):
        return number
    shown = number.quantize(step)
    return shown if shown == number else number


def price_digits(price: Decimal, instrument: Instrument) -> Decimal:
    """A price with the digits of the contract's tick."""
    return digits(price, instrument.tick_size)


def quantity_digits(quantity: Decimal, instrument: Instrument) -> Decimal:
    """A quantity with the digits of the contract's step."""
    return digits(quantity, instrument.step_size)


def amount_unit(instrument: Instrument) -> Decimal:
    """The last digit of price times quantity, quote asset."""
    return Decimal(1).scaleb(_exponent(instrument.tick_size) + _exponent(instrument.step_size))


def print_digits(traded: Print, instrument: Instrument) -> Print:
    """Trades of a feed with the contract's digits."""
    price = price_digits(traded.price, instrument)
    quantity = quantity_digits(traded.quantity, instrument)
    taken = quantity_digits(traded.taker_buy_quantity, instrument)
    if (
        price is traded.price
        and quantity is traded.quantity
        and taken is traded.taker_buy_quantity
    ):
        return traded  # as nearly all feeds write them
    return msgspec.structs.replace(
        traded, price=price, quantity=quantity, taker_buy_quantity=taken
    )


def _exponent(step: Decimal) -> int:
    return int(step.as_tuple().exponent)
