"""What of an account's money is bound, and what is free for new orders."""

from collections.abc import Iterable
from decimal import Decimal

from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.domain.order import Side
from rusy_tui.simulator.account import Account, Markets, position_margin
from rusy_tui.simulator.orders import Order


def orders_margin(
    account: Account, symbol: str, orders: Iterable[Order], mark: Decimal
) -> Decimal:
    """What a symbol's open orders bind beyond its position, USDT.

    One way, an order that would close binds nothing: the worse of "all buys fill" and "all
    sells fill" counts, less what the position binds already. Conditional orders bind nothing.
    """
    bids = asks = ZERO
    for order in orders:
        if not order.reduce_only:
            notional = order.price * order.remaining
            bids, asks = (
                (bids + notional, asks) if order.side is Side.BUY else (bids, asks + notional)
            )
    held = account.position(symbol).quantity * mark
    worst = max(abs(held + bids), abs(held - asks), abs(held))
    return to_ledger((worst - abs(held)) / account.setting(symbol).leverage)


def available(account: Account, open_orders: Iterable[Order], markets: Markets) -> Decimal:
    """What is free for new orders, USDT; never below zero."""
    free = account.wallet
    for position in account.open_positions():
        mark = markets[position.symbol].mark
        free -= position_margin(account, position, mark)
        if not account.setting(position.symbol).isolated:
            free += position.unrealised(mark)
    by_symbol: dict[str, list[Order]] = {}
    for order in open_orders:
        by_symbol.setdefault(order.symbol, []).append(order)
    for symbol, orders in by_symbol.items():
        free -= orders_margin(account, symbol, orders, markets[symbol].mark)
    return max(free, ZERO)
