"""What a round trip costs, and where a position would be liquidated."""

from collections.abc import Sequence
from decimal import Decimal

from rusy_tui.domain.account import FeeRates
from rusy_tui.domain.errors import Defect
from rusy_tui.domain.instrument import Bracket
from rusy_tui.domain.order import Side


def round_trip_cost_usd(
    entry_notional: Decimal, exit_notional: Decimal, fees: FeeRates
) -> Decimal:
    """Fees in USDT of a post-only entry and an exit at the market (the stop's case)."""
    return entry_notional * fees.maker + exit_notional * fees.taker


def bracket_of(notional: Decimal, brackets: Sequence[Bracket]) -> Bracket:
    """The bracket that a position's notional (USDT) falls into; the last one beyond all."""
    if not brackets:
        raise Defect("a contract has no leverage brackets")
    return next((each for each in brackets if notional < each.cap), brackets[-1])


def liquidation_price(
    side: Side,
    quantity: Decimal,
    entry_price: Decimal,
    leverage: int,
    brackets: Sequence[Bracket],
) -> Decimal:
    """Where an isolated one-way position with no added margin is liquidated.

    ``(wallet + cum - side*qty*entry) / (qty*(rate - side))`` of the exchange's rules with
    wallet = qty*entry/leverage, in the bracket of the notional at entry.

    Args:
        side: of the position.
        quantity: base asset, above zero.
        entry_price: average, quote asset.
        leverage: that its margin is held at.
        brackets: of the contract, ascending.
    """
    notional = quantity * entry_price
    bracket = bracket_of(notional, brackets)
    margin = notional / leverage
    sign = side.sign
    above = margin + bracket.cumulative - sign * notional
    return above / (quantity * (bracket.maintenance_rate - sign))
