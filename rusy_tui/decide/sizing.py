"""How large a trade may be: risk first, then the caps."""

from decimal import Decimal

import msgspec

from rusy_tui.domain.account import FeeRates
from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import ZERO

HUNDRED = Decimal(100)


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity in the base asset, what it was before caps, and the cap that bit ("")."""

    quantity: Decimal
    wanted: Decimal
    reduced_by: str


def loss_per_unit(entry: Decimal, stop: Decimal, fees: FeeRates) -> Decimal:
    """What one unit of the base asset loses at the stop, fees of both sides included."""
    return abs(entry - stop) + entry * fees.maker + stop * fees.taker


def size_for_risk(
    *,
    equity_usd: Decimal,
    risk_percent: Decimal,
    entry: Decimal,
    dearest: Decimal,
    stop: Decimal,
    fees: FeeRates,
    notional_caps_usd: dict[str, Decimal],
    instrument: Instrument,
) -> Size:
    """The quantity that loses the allowed share of equity at its stop, within the caps.

    Args:
        equity_usd: of the account, USDT.
        risk_percent: of equity that may be lost, costs included.
        entry: worst entry price, which risks most.
        dearest: entry price that makes the largest notional.
        stop: trigger price of the stop.
        fees: fractions of notional.
        notional_caps_usd: what notional is still allowed, by the rule's name.
        instrument: whose steps the quantity is fitted to, downwards.
    """
    risk_usd = equity_usd * risk_percent / HUNDRED
    wanted = risk_usd / loss_per_unit(entry, stop, fees)
    quantity, reduced_by = wanted, ""
    for rule, cap_usd in notional_caps_usd.items():
        if quantity * dearest > cap_usd:
            quantity, reduced_by = max(cap_usd, ZERO) / dearest, rule
    # A market exit must be able to close it in one piece, so both step rules hold.
    fitted = instrument.closable_quantity_down(quantity)
    return Size(quantity=fitted, wanted=wanted, reduced_by=reduced_by)
