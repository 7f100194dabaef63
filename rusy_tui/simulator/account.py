"""An account: wallet, positions, ledger. Exact arithmetic, no wire and no clock.

One-way positions, isolated margin (crossed until the account sets it, as new accounts are).
The cost basis of a position is kept as Σ price × quantity; the profit of a closing fill is
quantised to eight digits, half to even, and the basis reduced by the same, so that nothing
is ever lost between them. The wallet is the sum of the ledger, always.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

import msgspec

from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.domain.order import Side
from rusy_tui.simulator.brackets import Brackets, bracket_of, maintenance_margin
from rusy_tui.simulator.orders import LedgerEntry, Trade

MAKER_RATES = tuple(
    Decimal(rate) / 10_000
    for rate in ("2", "1.6", "1.4", "1.2", "1", "0.8", "0.6", "0.4", "0.2", "0")
)
TAKER_RATES = tuple(
    Decimal(rate) / 10_000
    for rate in ("5", "4", "3.5", "3.2", "3", "2.7", "2.5", "2.2", "2", "1.7")
)
"""Commission, a fraction of notional, by the exchange's tiers VIP 0 to VIP 9."""

TAKER_RATE = TAKER_RATES[0]
DEFAULT_LEVERAGE = 20


class Priced(Protocol):
    """What of a symbol's market an account is valued with."""

    @property
    def mark(self) -> Decimal:
        """The mark price."""

    @property
    def brackets(self) -> Brackets:
        """The leverage brackets."""


Markets = Mapping[str, Priced]


class Position(msgspec.Struct, kw_only=True):
    """A position. ``quantity`` is signed; ``basis`` is Σ price × quantity of what is open,
    positive; ``isolated_wallet`` the margin set aside for it when isolated (USDT).
    ``called``: a margin call was told and is not over yet.
    """

    symbol: str
    quantity: Decimal = ZERO
    basis: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    realised: Decimal = ZERO
    updated_ms: int = 0
    called: bool = False

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


class MarginMove(msgspec.Struct, frozen=True, kw_only=True):
    """Margin that went into an isolated position (positive) or out of it, USDT.

    ``by_user``: asked for; otherwise it went with a trade.
    """

    symbol: str
    amount: Decimal
    by_user: bool
    time_ms: int


class KeyRights(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do beyond reading."""

    trades_futures: bool = True
    withdraws: bool = False


class Account(msgspec.Struct, kw_only=True):
    """One account with its keys. ``number`` is its place among the exchange's accounts.

    ``public_key`` is the PEM text of the RSA or Ed25519 key that its requests are signed
    with; empty where they are signed with the secret. ``starts_isolated``: symbols it has
    set nothing for have isolated margin (the exchange's own new accounts: crossed).
    ``hedge`` is the mode with a long and a short position of each symbol: it can be set and
    read here, not traded in.
    """

    number: int
    api_key: str
    api_secret: str
    public_key: str = ""
    rights: KeyRights = KeyRights()
    opened_ms: int = 0
    fee_tier: int = 0
    starts_isolated: bool = False
    hedge: bool = False
    multi_assets: bool = False
    fee_burn: bool = False
    margin_moves: list[MarginMove] = []
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
            found = SymbolSettings(isolated=self.starts_isolated)
            self.settings[symbol] = found
        return found

    @property
    def crossed_wallet(self) -> Decimal:
        """What of the wallet is not set aside for isolated positions, USDT."""
        aside = sum((p.isolated_wallet for p in self.open_positions()), ZERO)
        return self.wallet - aside

    @property
    def maker_rate(self) -> Decimal:
        """Commission of a resting order's fill, a fraction of notional."""
        return MAKER_RATES[self.fee_tier]

    @property
    def taker_rate(self) -> Decimal:
        """Commission of a fill that took, a fraction of notional."""
        return TAKER_RATES[self.fee_tier]

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
        margin = position.isolated_wallet
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
        if not position.quantity:
            position.called = False
        position.updated_ms = time_ms
        self._note_margin(symbol, position.isolated_wallet - margin, False, time_ms)
        return profit

    def move_margin(self, symbol: str, amount: Decimal, time_ms: int) -> None:
        """Put margin into an isolated position, or, below zero, take some out of it."""
        position = self.position(symbol)
        position.isolated_wallet += amount
        position.updated_ms = self.updated_ms = time_ms
        self._note_margin(symbol, amount, True, time_ms)

    def _note_margin(self, symbol: str, amount: Decimal, by_user: bool, time_ms: int) -> None:
        if amount:
            self.margin_moves.append(
                MarginMove(symbol=symbol, amount=amount, by_user=by_user, time_ms=time_ms)
            )

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


def backing(account: Account, position: Position, markets: Markets) -> Decimal:
    """The money that a position's loss is taken from before it is liquidated, USDT.

    Isolated, the margin set aside for it; crossed, what all other positions leave of the
    account's wallet.
    """
    if account.setting(position.symbol).isolated:
        return position.isolated_wallet
    wallet = account.wallet
    for other in account.open_positions():
        if other.symbol == position.symbol:
            continue
        if account.setting(other.symbol).isolated:
            wallet -= other.isolated_wallet
        else:
            market = markets[other.symbol]
            wallet += other.unrealised(market.mark)
            wallet -= maintenance_margin(market.brackets, other.size * market.mark)
    return wallet


def liquidation_price(account: Account, position: Position, markets: Markets) -> Decimal:
    """The mark price at which a position is closed by force; zero where there is none.

    (wallet + cum − side × quantity × entry) / (quantity × (mmr − side)).
    """
    if not position.quantity:
        return ZERO
    market = markets[position.symbol]
    bracket = bracket_of(market.brackets, position.size * market.mark)
    wallet = backing(account, position, markets)
    price = (wallet + bracket.cumulative - position.sign * position.basis) / (
        position.size * (bracket.maintenance_rate - position.sign)
    )
    return max(price, ZERO)


def margin_used(account: Account, position: Position, markets: Markets) -> Decimal | None:
    """Maintenance margin as a share of what backs an open position, its profit included.

    At one and beyond the position is liquidated; None where nothing is left at all.
    """
    market = markets[position.symbol]
    left = backing(account, position, markets) + position.unrealised(market.mark)
    if left <= ZERO:
        return None
    return maintenance_margin(market.brackets, position.size * market.mark) / left
