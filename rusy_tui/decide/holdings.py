"""What is open and what pends, as the risk rules see it."""

from decimal import Decimal

import msgspec

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import Side


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One trade that is open, entering, or may be: its whole planned size counts.

    ``notional_usd`` and ``risk_usd`` in USDT; ``pending`` for proposals that wait.
    """

    symbol: str
    side: Side
    notional_usd: Decimal
    risk_usd: Decimal
    pending: bool = False


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """The account as the risk rules see it; amounts in USDT.

    ``day_pnl_usd`` is the change of equity since 00:00 UTC of market time, and
    ``day_start_equity_usd`` what it began with. ``foreign`` names symbols with a position or
    order that is not ours; ``closed`` maps symbols that nobody may enter now to why.
    """

    equity_usd: Decimal
    day_start_equity_usd: Decimal
    day_pnl_usd: Decimal
    holdings: tuple[Holding, ...] = ()
    foreign: tuple[str, ...] = ()
    closed: dict[str, str] = {}

    def notional_usd(self, symbol: str | None = None) -> Decimal:
        """Notional of all holdings, or of those in one symbol."""
        return sum(
            (h.notional_usd for h in self.holdings if symbol is None or h.symbol == symbol),
            ZERO,
        )

    def risk_usd(self) -> Decimal:
        """What all holdings would lose together at their stops."""
        return sum((h.risk_usd for h in self.holdings), ZERO)
