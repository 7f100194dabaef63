"""The limits that the exchange announces; they can be changed while it runs."""

import msgspec


class RateLimits(msgspec.Struct):
    """How much may be asked; the usual numbers.

    ``funding_in_5_min`` counts requests for funding rates and intervals by address, in a pool
    of their own that is documented but not announced.
    """

    weight_a_minute: int = 2400
    orders_in_10_s: int = 300
    orders_a_minute: int = 1200
    funding_in_5_min: int = 500
