"""What a round trip costs, and where a position would be liquidated."""

from decimal import Decimal

from rusy_tui.domain.account import FeeRates
from rusy_tui.domain.order import Side

# The first bracket of liquid contracts asks 0.4 % to 1 %; the larger figure puts the
# liquidation price nearer, which is the safe side for a rule on distance.
MAINTENANCE_MARGIN_RATE = Decimal("0.01")


def round_trip_cost_usd(
    entry_notional: Decimal, exit_notional: Decimal, fees: FeeRates
) -> Decimal:
    """Fees in USDT of a post-only entry and an exit at the market (the stop's case)."""
    return entry_notional * fees.maker + exit_notional * fees.taker


def liquidation_price(
    side: Side, entry_price: Decimal, leverage: int, maintenance_rate: Decimal
) -> Decimal:
    """Where an isolated one-way position with no added margin is liquidated.

    ``(wallet + cum - side*qty*entry) / (qty*(rate - side))`` of the exchange's rules with
    wallet = qty*entry/leverage and cum = 0, so the quantity cancels.
    """
    sign = side.sign
    return (entry_price / leverage - sign * entry_price) / (maintenance_rate - sign)
