"""What fills make of a trade: exact, and the same whatever way a fill arrived."""

from decimal import Decimal

import msgspec

from rusy_tui.domain.errors import Defect
from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.domain.order import Fill
from rusy_tui.domain.trade import Trade


def after_fill(trade: Trade, fill: Fill) -> Trade:
    """The trade after a fill: on its own side it enters, on the other it exits.

    Cost basis is the sum of price × quantity of what is open. An exit's PnL is quantised to
    eight digits, half to even, and the basis is reduced by what is left of its proceeds, so
    that the sum over all fills is exact and nothing stays behind when the trade is flat.

    Raises:
        Defect: when an exit is larger than what is open.
    """
    fees = trade.fees + fill.fee
    notional = fill.price * fill.quantity
    if fill.side is trade.side:
        return msgspec.structs.replace(
            trade,
            fees=fees,
            quantity=trade.quantity + fill.quantity,
            cost_basis=trade.cost_basis + notional,
            entered_quantity=trade.entered_quantity + fill.quantity,
            entered_notional=trade.entered_notional + notional,
            opened_ms=trade.opened_ms if trade.opened_ms is not None else fill.time_ms,
        )
    if fill.quantity > trade.quantity:
        raise Defect(
            f"trade {trade.trade_id}: a fill of {fill.quantity} {fill.symbol} exits more than "
            f"the {trade.quantity} that is open"
        )
    pnl = exit_pnl(trade, fill)
    left = trade.quantity - fill.quantity
    basis = trade.cost_basis - (notional - trade.side.sign * pnl)
    return msgspec.structs.replace(
        trade,
        fees=fees,
        quantity=left,
        # Digits beyond the eighth of an odd price may be left; nothing is open that has them.
        cost_basis=basis if left else ZERO,
        exited_quantity=trade.exited_quantity + fill.quantity,
        exited_notional=trade.exited_notional + notional,
        realised_pnl=trade.realised_pnl + pnl,
    )


def exit_pnl(trade: Trade, fill: Fill) -> Decimal:
    """The price difference that a fill realises, in the quote asset, without its fee."""
    released = trade.cost_basis * fill.quantity / trade.quantity
    return to_ledger(trade.side.sign * (fill.price * fill.quantity - released))


def after_funding(trade: Trade, amount: Decimal) -> Trade:
    """The trade after a funding payment; negative when it was paid, positive when received."""
    return msgspec.structs.replace(trade, funding=trade.funding + amount)


def open_result(trade: Trade, mark_price: Decimal) -> Decimal:
    """What the open part would realise at a mark price, without fees."""
    if not trade.quantity:
        return ZERO
    return trade.side.sign * (mark_price * trade.quantity - trade.cost_basis)
