"""The account as the engine believes it to be: wallet, positions, prices, equity, the day.

Fed by the exchange's reads and events; asks nothing itself.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from rusy_tui.domain.account import AccountChanged, Balance, Position
from rusy_tui.domain.market import BookTop, MarkPrice
from rusy_tui.domain.money import ZERO

DAY_MS = 86_400_000


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A position as last told: signed quantity in the base asset, average entry price."""

    quantity: Decimal
    entry_price: Decimal


class AccountBook:
    """Wallet, positions and the prices that value them. Amounts in USDT."""

    def __init__(self, asset: str) -> None:
        self.asset = asset
        self.wallet = ZERO
        self.held: dict[str, Held] = {}
        self.marks: dict[str, MarkPrice] = {}
        self.tops: dict[str, BookTop] = {}
        self.tops_seen_s: dict[str, float] = {}
        self.day_ms = 0
        self.day_start_equity = ZERO

    def read(self, balance: Balance, positions: Iterable[Position]) -> None:
        """Take a whole reading of the account."""
        self.wallet = balance.wallet
        self.held = {
            p.symbol: Held(quantity=p.quantity, entry_price=p.entry_price) for p in positions
        }

    def take(self, change: AccountChanged) -> None:
        """Take an event of the account."""
        if self.asset in change.wallets:
            self.wallet = change.wallets[self.asset]
        for symbol, (quantity, entry_price) in change.positions.items():
            if quantity:
                self.held[symbol] = Held(quantity=quantity, entry_price=entry_price)
            else:
                self.held.pop(symbol, None)

    def see_mark(self, mark: MarkPrice) -> None:
        """Take a mark price."""
        self.marks[mark.symbol] = mark

    def see_top(self, top: BookTop, monotonic_s: float) -> None:
        """Take a best bid and ask, with when it was received."""
        self.tops[top.symbol] = top
        self.tops_seen_s[top.symbol] = monotonic_s

    def top(
        self,
        symbol: str,
        monotonic_s: float,
        exchange_ms: int,
        *,
        stale_after_s: float,
        speed: float = 1.0,
    ) -> BookTop | None:
        """Best bid and ask; None when there is none or it is too old to act on.

        Too old by when it was made, on the exchange's clock, or by when it was received: a
        backlog of a slow stream is received just now, and a clock may be wrong.

        Args:
            symbol: whose prices.
            monotonic_s: now.
            exchange_ms: the exchange's time now.
            stale_after_s: wall seconds.
            speed: seconds of the exchange's time a wall second.
        """
        seen_s = self.tops_seen_s.get(symbol)
        if seen_s is None or monotonic_s - seen_s > stale_after_s:
            return None
        top = self.tops[symbol]
        made_ago_s = (exchange_ms - top.event_ms) / 1000 / speed
        return top if made_ago_s <= stale_after_s else None

    def unrealised(self, symbol: str) -> Decimal:
        """The open result of a position at its mark price; zero without one."""
        held, mark = self.held.get(symbol), self.marks.get(symbol)
        if held is None or mark is None:
            return ZERO
        return held.quantity * (mark.price - held.entry_price)

    @property
    def equity(self) -> Decimal:
        """Wallet and the open result of all positions."""
        return self.wallet + sum((self.unrealised(symbol) for symbol in self.held), ZERO)

    def begin_day(self, now_ms: int, start_equity: Decimal | None = None) -> bool:
        """Start a UTC day of market time if one has begun; whether it did.

        Args:
            now_ms: market time.
            start_equity: what the day began with, where it is known from before.
        """
        day_ms = now_ms - now_ms % DAY_MS
        if day_ms == self.day_ms:
            return False
        self.day_ms = day_ms
        self.day_start_equity = self.equity if start_equity is None else start_equity
        return True

    @property
    def day_pnl(self) -> Decimal:
        """The change of equity since the UTC day began."""
        return self.equity - self.day_start_equity
