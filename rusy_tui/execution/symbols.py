"""Symbols: which are not ours to trade, and how to name one that nobody knows."""

import difflib
from collections.abc import Container, Iterable

from rusy_tui.domain.order import OrderReport
from rusy_tui.execution.ids import purpose_of


def foreign_symbols(
    held: Iterable[str], orders: Iterable[OrderReport], ours: Container[str]
) -> tuple[str, ...]:
    """Symbols with a position no trade of ours explains, or an order without our prefix.

    Args:
        held: symbols with a position.
        orders: the open ones of both books.
        ours: symbols that have a trade.
    """
    unexplained = {symbol for symbol in held if symbol not in ours}
    ordered = {r.symbol for r in orders if purpose_of(r.client_order_id) is None}
    return tuple(sorted(unexplained | ordered))


def unknown_symbol(symbol: str, known: Iterable[str]) -> str:
    """What to tell somebody who configured a symbol that is not traded."""
    names = sorted(known)
    near = difflib.get_close_matches(symbol, names, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"traded are: {', '.join(names[:12])}"
    return f"symbol {symbol!r} is not traded on this exchange; {remedy}"
