"""An account: wallet, positions, ledger. Exact arithmetic, no wire and no clock.

One-way positions, isolated margin (crossed until the account sets it, as new accounts are).
The cost basis of a position is kept as Σ price × quantity; the profit of a closing fill is
quantised to eight digits, half to even, and the basis reduced by the same, so that nothing
is ever lost between them. The wallet is the sum of the ledger, always.
"""

from decimal import Decimal

import msgspec

from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.domain.order import Side
from rusy_tui.simulator.brackets import bracket_of, maintenance_margin
from rusy_tui.simulator.orders import LedgerEntry, Trade

MAKER_RATE = Decimal("0.0002")
TAKER_RATE = Decimal("0.0005")
"""Commission, a fraction of notional, at the exchange's lowest tier (VIP 0)."""

DEFAULT_LEVERAGE = 20


class Position(msgspec.Struct, kw_only=True):
    """A position. ``quantity`` is signed; ``basis`` is Σ price × quantity of what is open,
    positive; ``isolated_wallet`` the margin set aside for it when isolated (USDT).
    """

    symbol: str
    quantity: Decimal = ZERO
    basis: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    realised: Decimal = ZERO
    updated_ms: int = 0

    @property
    def sign(self) -> int:
        """+1 long, -1 short, 0 flat."""
        return (self.quantity > ZERO) - (self.quantity < ZERO)

    @property
    def size(self) -> Decimal:
        """How much is open, whichever way."""
        return abs(self.quantity)

    @property
    def entry_price(self) -> Decimal:
        """Mean price paid for what is open; zero when flat."""
        return self.basis / self.size if self.quantity else ZERO

    def unrealised(self, mark: Decimal) -> Decimal:
        """Profit were it closed at a price, eight digits."""
        return to_ledger(self.quantity * mark - self.sign * self.basis)


class SymbolSettings(msgspec.Struct, kw_only=True):
    """What an account has set for a symbol."""

    leverage: int = DEFAULT_LEVERAGE
    isolated: bool = False


class Account(msgspec.Struct, kw_only=True):
    """One account with its keys. ``number`` is its place among the exchange's accounts."""

    number: int
    api_key: str
    api_secret: str
    wallet: Decimal = ZERO
    positions: dict[str, Position] = {}
    settings: dict[str, SymbolSettings] = {}
    ledger: list[LedgerEntry] = []
    trades: list[Trade] = []
    updated_ms: int = 0

    def position(self, symbol: str) -> Position:
        """The position of a symbol, flat if it never had one."""
        found = self.positions.get(symbol)
        if found is None:
            found = self.positions[symbol] = Position(symbol=symbol)
        return found

    def open_positions(self) -> list[Position]:
        """Every position that is not flat, by symbol."""
        return [self.positions[s] for s in sorted(self.positions) if self.positions[s].quantity]

    def setting(self, symbol: str) -> SymbolSettings:
        """Leverage and margin type of a symbol."""
        found = self.settings.get(symbol)
        if found is None:
            found = self.settings[symbol] = SymbolSettings()
        return found

    def book(self, entry: LedgerEntry) -> None:
        """Write a ledger entry and move the wallet by it."""
        self.ledger.append(entry)
        self.wallet += entry.amount
        self.updated_ms = entry.time_ms

    def closing(self, symbol: str, side: Side, quantity: Decimal) -> Decimal:
        """How much of a quantity would close what is open, rather than open more."""
        position = self.position(symbol)
        return min(quantity, position.size) if position.sign == -side.sign else ZERO

    def fill(
        self, symbol: str, side: Side, price: Decimal, quantity: Decimal, time_ms: int
    ) -> Decimal:
        """Trade, and return the realised profit: price difference only, eight digits.

        A quantity beyond what is open closes all of it and opens the rest the other way.
        """
        position = self.position(symbol)
        closing = self.closing(symbol, side, quantity)
        profit = ZERO
        if closing:
            profit = self._close(position, price, closing)
        opening = quantity - closing
        if opening:
            position.quantity += opening * side.sign
            position.basis += opening * price
            setting = self.setting(symbol)
            if setting.isolated:
                position.isolated_wallet += to_ledger(opening * price / setting.leverage)
        position.updated_ms = time_ms
        return profit

    @staticmethod
    def _close(position: Position, price: Decimal, closing: Decimal) -> Decimal:
        sign, size = position.sign, position.size
        # The whole basis when all is closed: a quotient could differ in its last digit.
        cost = position.basis if closing == size else position.basis * closing / size
        profit = to_ledger(sign * (price * closing - cost))
        kept = position.isolated_wallet * (size - closing) / size
        position.isolated_wallet = to_ledger(kept)
        position.basis -= price * closing - sign * profit
        position.quantity -= sign * closing
        position.realised += profit
        return profit


def position_margin(account: Account, position: Position, mark: Decimal) -> Decimal:
    """What a position keeps from being free for others, USDT."""
    setting = account.setting(position.symbol)
    if setting.isolated:
        return position.isolated_wallet
    return to_ledger(position.size * mark / setting.leverage)


def liquidation_price(
    account: Account, position: Position, marks: dict[str, Decimal]
) -> Decimal:
    """The mark price at which a position is closed by force; zero where there is none.

    (wallet + cum − side × quantity × entry) / (quantity × (mmr − side)); crossed, the wallet
    is what all other positions leave of the account's.
    """
    if not position.quantity:
        return ZERO
    mark = marks[position.symbol]
    if account.setting(position.symbol).isolated:
        wallet = position.isolated_wallet
    else:
        wallet = account.wallet
        for other in account.open_positions():
            if other.symbol == position.symbol:
                continue
            if account.setting(other.symbol).isolated:
                wallet -= other.isolated_wallet
            else:
                notional = other.size * marks[other.symbol]
                wallet += other.unrealised(marks[other.symbol]) - maintenance_margin(notional)
    bracket = bracket_of(position.size * mark)
    price = (wallet + bracket.cumulative - position.sign * position.basis) / (
        position.size * (bracket.rate - position.sign)
    )
    return max(price, ZERO)
