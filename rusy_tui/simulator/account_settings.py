"""What an account sets and moves by itself: leverage, margin types, modes, margin, money."""

from collections.abc import Mapping
from decimal import Decimal

from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.simulator.account import Account, Position
from rusy_tui.simulator.brackets import greatest_leverage, largest_notional
from rusy_tui.simulator.happenings import FundsMoved, LeverageSet, MultiAssetsSet
from rusy_tui.simulator.margin import available
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.settlement import Settlement
from rusy_tui.simulator.state import Books


class AccountSettings:
    """Changes that an account asks for, with the exchange's reasons to refuse them."""

    def __init__(
        self, books: Books, markets: Mapping[str, SymbolMarket], settlement: Settlement
    ) -> None:
        self._books = books
        self._markets = markets
        self._settlement = settlement

    def set_leverage(self, account: Account, symbol: str, leverage: int, now_ms: int) -> None:
        """Set a symbol's leverage.

        Raises:
            Refusal: −4028 beyond the symbol's table, −2027 where the position is larger than
                the leverage allows, −4161 to lower it under an isolated position, −2028
                without the margin that a lower one binds.
        """
        market = self._market(symbol)
        if not 1 <= leverage <= greatest_leverage(market.brackets):
            raise refusal(-4028, leverage)
        position = account.position(symbol)
        if position.size * market.mark > largest_notional(market.brackets, leverage):
            raise refusal(-2027)
        setting = account.setting(symbol)
        former = setting.leverage
        if position.quantity and setting.isolated and leverage < former:
            raise refusal(-4161)
        setting.leverage = leverage
        if leverage < former and self._overdrawn(account):
            setting.leverage = former
            raise refusal(-2028)
        self._settlement.tell(account, LeverageSet(symbol, leverage, now_ms))

    def set_margin_type(
        self, account: Account, symbol: str, *, isolated: bool, now_ms: int
    ) -> None:
        """Set a symbol's margin type.

        Raises:
            Refusal: −4046 where it is so already, −4168 isolated in multi-assets mode, −4047
                with open orders, −4048 with a position.
        """
        self._market(symbol)
        setting = account.setting(symbol)
        if setting.isolated is isolated:
            raise refusal(-4046)
        if isolated and account.multi_assets:
            raise refusal(-4168)
        if self._books.open_orders_of(account, symbol):
            raise refusal(-4047)
        if account.position(symbol).quantity != ZERO:
            raise refusal(-4048)
        setting.isolated = isolated
        moved = FundsMoved("MARGIN_TYPE_CHANGE", symbol, ZERO, now_ms)
        self._settlement.tell(account, moved)

    def set_hedge(self, account: Account, hedge: bool) -> None:
        """Set the position mode, of all symbols at once.

        Raises:
            Refusal: −4059 where it is so already, −4067 with open orders, −4068 with a
                position.
        """
        if account.hedge is hedge:
            raise refusal(-4059)
        # Whether a waiting conditional order stands in the way is not documented.
        if self._books.open_orders_of(account):
            raise refusal(-4067)
        if account.open_positions():
            raise refusal(-4068)
        account.hedge = hedge

    def set_multi_assets(self, account: Account, multi_assets: bool, now_ms: int) -> None:
        """Let all assets together be the margin, or each its own symbols' alone.

        Only the settlement asset is held here, so that the amounts stay what they are.

        Raises:
            Refusal: −4171 where it is so already, −4170 with open orders, −4167 with a symbol
                whose margin is isolated.
        """
        if account.multi_assets is multi_assets:
            raise refusal(-4171)
        if self._books.open_orders_of(account):
            raise refusal(-4170)
        if multi_assets and any(account.setting(s).isolated for s in self._markets):
            raise refusal(-4167)
        account.multi_assets = multi_assets
        self._settlement.tell(account, MultiAssetsSet(multi_assets, now_ms))

    def move_margin(self, account: Account, symbol: str, amount: Decimal, now_ms: int) -> None:
        """Put margin into an isolated position, or, with an amount below zero, take some out.

        Raises:
            Refusal: −4055 for nothing, −4049 where the margin is crossed, −4054 without a
                position, −4050 beyond what is free, −4051 beyond what the position can spare.
        """
        market = self._market(symbol)
        position = account.position(symbol)
        if amount == ZERO:
            raise refusal(-4055)
        if not account.setting(symbol).isolated:
            raise refusal(-4049)
        if not position.quantity:
            raise refusal(-4054)
        if amount > self._available(account):
            raise refusal(-4050)
        if -amount > removable(account, position, market.mark):
            raise refusal(-4051)
        account.move_margin(symbol, amount, now_ms)
        moved = FundsMoved("MARGIN_TRANSFER", symbol, ZERO, now_ms)
        self._settlement.tell(account, moved)

    def transfer(self, account: Account, amount: Decimal, now_ms: int) -> None:
        """Put money into the account, or, with an amount below zero, take some out.

        Raises:
            Refusal: −4050 beyond what is free.
        """
        if -amount > self._available(account):
            raise refusal(-4050)
        self._settlement.book(account, "TRANSFER", "", amount, now_ms)
        reason = "DEPOSIT" if amount > ZERO else "WITHDRAW"
        self._settlement.tell(account, FundsMoved(reason, "", amount, now_ms))

    def _market(self, symbol: str) -> SymbolMarket:
        if symbol not in self._markets:
            raise refusal(-1121)
        return self._markets[symbol]

    def _available(self, account: Account) -> Decimal:
        return available(account, self._books.open_orders_of(account), self._markets)

    def _overdrawn(self, account: Account) -> bool:
        """Whether nothing is free although the account binds something."""
        binds = account.open_positions() or self._books.open_orders_of(account)
        return bool(binds) and self._available(account) <= ZERO


def removable(account: Account, position: Position, mark: Decimal) -> Decimal:
    """How much margin may leave an isolated position, USDT.

    What the initial margin at the mark price leaves of it, a loss counted and a profit not:
    how the exchange reckons it is not documented, and this is the careful reading.
    """
    needed = to_ledger(position.size * mark / account.setting(position.symbol).leverage)
    loss = min(position.unrealised(mark), ZERO)
    return max(position.isolated_wallet + loss - needed, ZERO)
