"""What the exchange is made to do on purpose: the acts that faults are built from.

Each holds until it is lifted, or the simulator ends.
"""

from collections.abc import Mapping
from decimal import Decimal

from rusy_tui.domain.order import OrderState
from rusy_tui.simulator.conditional import Conditionals
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.settlement import Settlement
from rusy_tui.simulator.state import Books, FillLimit
from rusy_tui.simulator.trading import Trading


class Acts:
    """Acts on orders. A symbol that is not traded is refused (−1121)."""

    def __init__(
        self,
        books: Books,
        markets: Mapping[str, SymbolMarket],
        settlement: Settlement,
        trading: Trading,
        conditionals: Conditionals,
    ) -> None:
        self._books = books
        self._markets = markets
        self._settlement = settlement
        self._trading = trading
        self._conditionals = conditionals

    def hold_triggers(self, symbol: str, held: bool, now_ms: int) -> None:
        """Keep triggered conditional orders in TRIGGERING, or let them go on."""
        self._trading.market(symbol)
        if held:
            self._books.trouble.held[symbol] = True
        elif self._books.trouble.held.pop(symbol, False):
            self._conditionals.release(symbol, now_ms)

    def expire_algo(self, algo_id: int, now_ms: int) -> None:
        """End a conditional order that waits for its trigger.

        Raises:
            LookupError: when no such order waits.
        """
        algo = self._books.open_algos.get(algo_id)
        if algo is None or not algo.is_waiting:
            raise LookupError(f"no conditional order {algo_id} waits for its trigger")
        self._settlement.move_algo(algo, OrderState.EXPIRED, now_ms)

    def bar_openings(self, symbol: str, code: int | None) -> None:
        """Refuse orders that are not reduce-only with a number; None lifts it.

        Raises:
            KeyError: for a number that the exchange does not know.
        """
        self._trading.market(symbol)
        if code is None:
            self._books.trouble.barred.pop(symbol, None)
        else:
            refusal(code)
            self._books.trouble.barred[symbol] = code

    def limit_fills(self, symbol: str, share: Decimal | None) -> None:
        """Cut the next fill of a resting order to a share of what remains of it.

        After it no resting order of the symbol fills, until None lifts it.
        """
        book = self._trading.market(symbol).book
        if book.fill_limit is not None and book.fill_limit.spent:
            self._books.trouble.meet("limited")
        if share is None:
            self._books.trouble.limited.pop(symbol, None)
            book.fill_limit = None
        else:
            book.fill_limit = self._books.trouble.limited[symbol] = FillLimit(share)

    def thin_book(self, symbol: str, thin: bool) -> None:
        """Let market orders, triggered ones too, be refused for want of a counterpart."""
        self._trading.market(symbol)
        if thin:
            self._books.trouble.thin[symbol] = True
        else:
            self._books.trouble.thin.pop(symbol, None)
