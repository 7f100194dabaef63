"""How a trailing stop follows the price."""

from decimal import Decimal

from rusy_tui.domain.order import Side
from rusy_tui.simulator.orders import AlgoOrder

_HUNDRED = Decimal(100)


def follow(side: Side, best: Decimal, price: Decimal) -> Decimal:
    """The best price seen so far: a buy follows the price down, a sell follows it up."""
    return min(best, price) if side is Side.BUY else max(best, price)


def trailing_trigger(algo: AlgoOrder) -> Decimal | None:
    """The price that sets a trailing stop off now; None before its activation.

    A sell, once the highest price since it was placed has reached the activation price, goes
    off ``callback_percent`` below that highest price; a buy as much above the lowest.
    """
    sign = algo.side.sign
    if (algo.activate_price - algo.best_price) * sign < 0:
        return None
    return algo.best_price * (1 + sign * algo.callback_percent / _HUNDRED)
