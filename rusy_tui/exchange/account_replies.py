"""REST replies about orders and the account, and what they are in our words.

Field names are those of the exchange's own SDK (18.0.1). Unknown fields are ignored; a missing
required one makes the reply malformed, never a neutral default.
"""

from decimal import Decimal

from rusy_tui.domain.account import (
    AccountSettings,
    Balance,
    FeeRates,
    Income,
    KeyPermissions,
    Position,
    SymbolSettings,
)
from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import Fill, OrderBook, OrderReport
from rusy_tui.exchange.wire import (
    MalformedError,
    Wire,
    decode,
    decoder,
    number_or_zero,
    plain_order_id,
    quotient,
    side_of,
    state_of,
)


class _Order(Wire, rename="camel"):
    symbol: str
    client_order_id: str
    order_id: int
    side: str
    type: str
    status: str
    price: Decimal
    orig_qty: Decimal
    executed_qty: Decimal
    reduce_only: bool
    close_position: bool
    update_time: int
    stop_price: Decimal = ZERO
    # Replies to a cancel hold no average price, some not even the amount.
    avg_price: Decimal | None = None
    cum_quote: Decimal | None = None

    def report(self) -> OrderReport:
        """In our words."""
        return OrderReport(
            client_order_id=self.client_order_id,
            exchange_order_id=str(self.order_id),
            symbol=self.symbol,
            book=OrderBook.PLAIN,
            side=side_of(self.side),
            kind=self.type.lower(),
            state=state_of(self.status),
            quantity=self.orig_qty,
            filled_quantity=self.executed_qty,
            average_price=self._average_price(),
            price=self.price,
            trigger_price=self.stop_price,
            reduce_only=self.reduce_only,
            close_position=self.close_position,
            update_ms=self.update_time,
        )

    @property
    def lacks_price(self) -> bool:
        """Whether it has fills and says nothing of what they traded at."""
        return self.executed_qty != 0 and not self.avg_price and not self.cum_quote

    def _average_price(self) -> Decimal:
        if self.executed_qty == 0:
            return ZERO
        if self.avg_price is not None and self.avg_price > 0:
            return self.avg_price
        if self.cum_quote is not None and self.cum_quote > 0:
            return quotient(self.cum_quote, self.executed_qty)
        raise MalformedError(f"order {self.client_order_id} has fills and no average price")


class _AlgoOrder(Wire, rename="camel"):
    symbol: str
    client_algo_id: str
    algo_id: int
    side: str
    order_type: str
    algo_status: str
    trigger_price: Decimal
    close_position: bool
    reduce_only: bool
    update_time: int
    # "" or absent with closePosition, and before the order has triggered.
    quantity: str | None = None
    price: str | None = None
    actual_order_id: str | int | None = None
    actual_price: str | None = None
    actual_qty: str | None = None

    def report(self) -> OrderReport:
        """In our words."""
        return OrderReport(
            client_order_id=self.client_algo_id,
            exchange_order_id=str(self.algo_id),
            symbol=self.symbol,
            book=OrderBook.CONDITIONAL,
            side=side_of(self.side),
            kind=self.order_type.lower(),
            state=state_of(self.algo_status),
            quantity=number_or_zero(self.quantity),
            filled_quantity=number_or_zero(self.actual_qty),
            average_price=number_or_zero(self.actual_price),
            price=number_or_zero(self.price),
            trigger_price=self.trigger_price,
            reduce_only=self.reduce_only,
            close_position=self.close_position,
            update_ms=self.update_time,
            triggered_order_id=plain_order_id(self.actual_order_id),
        )


class _AccountConfig(Wire, rename="camel"):
    dual_side_position: bool
    multi_assets_margin: bool
    can_trade: bool


class _Balance(Wire, rename="camel"):
    asset: str
    balance: Decimal
    available_balance: Decimal


class _Position(Wire, rename="camel"):
    symbol: str
    position_amt: Decimal
    entry_price: Decimal
    mark_price: Decimal
    un_realized_profit: Decimal
    liquidation_price: Decimal
    isolated_wallet: Decimal
    notional: Decimal
    position_initial_margin: Decimal
    update_time: int

    def position(self) -> Position:
        """In our words.

        This reply has no leverage any more: it is what the margin is held at, and 0 where none
        is. A position must be readable whatever its margin, or nothing could close it.
        """
        margin = self.position_initial_margin
        leverage = round(quotient(abs(self.notional), margin)) if margin > 0 else 0
        return Position(
            symbol=self.symbol,
            quantity=self.position_amt,
            entry_price=self.entry_price,
            mark_price=self.mark_price,
            unrealised_pnl=self.un_realized_profit,
            liquidation_price=self.liquidation_price,
            leverage=leverage,
            isolated=self.isolated_wallet != 0,
            update_ms=self.update_time,
        )


class _UserTrade(Wire, rename="camel"):
    symbol: str
    id: int
    order_id: int
    side: str
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    realized_pnl: Decimal
    maker: bool
    time: int

    def fill(self) -> Fill:
        """In our words."""
        return Fill(
            symbol=self.symbol,
            exchange_trade_id=self.id,
            exchange_order_id=str(self.order_id),
            client_order_id="",
            side=side_of(self.side),
            price=self.price,
            quantity=self.qty,
            fee=self.commission,
            fee_asset=self.commission_asset,
            realised_pnl=self.realized_pnl,
            is_maker=self.maker,
            time_ms=self.time,
        )


class _Income(Wire, rename="camel"):
    income_type: str
    income: Decimal
    asset: str
    time: int
    tran_id: int | str
    symbol: str = ""

    def entry(self) -> Income:
        """In our words; the exchange's id is unique within its kind only, ours holds both."""
        kind = self.income_type.lower()
        return Income(
            income_id=f"{kind}:{self.tran_id}",
            symbol=self.symbol,
            kind=kind,
            amount=self.income,
            asset=self.asset,
            time_ms=self.time,
        )


class _ListenKey(Wire, rename="camel"):
    listen_key: str


class _ExtendedKey(Wire, rename="camel"):
    # Older descriptions of the exchange's show an empty reply.
    listen_key: str = ""


class _Leverage(Wire):
    leverage: int


_ORDER = decoder(_Order)
_ORDERS = decoder(list[_Order])
_ALGO_ORDER = decoder(_AlgoOrder)
_ALGO_ORDERS = decoder(list[_AlgoOrder])
_ACCOUNT_CONFIG = decoder(_AccountConfig)
_BALANCES = decoder(list[_Balance])
_POSITIONS = decoder(list[_Position])
_USER_TRADES = decoder(list[_UserTrade])
_INCOMES = decoder(list[_Income])
_LISTEN_KEY = decoder(_ListenKey)
_EXTENDED_KEY = decoder(_ExtendedKey)
_LEVERAGE = decoder(_Leverage)

# Every function below raises MalformedError for a body that can't be read.


def order_report(body: bytes, book: OrderBook) -> OrderReport:
    """One order."""
    if book is OrderBook.CONDITIONAL:
        return decode(_ALGO_ORDER, body).report()
    return decode(_ORDER, body).report()


def commanded(body: bytes, book: OrderBook) -> OrderReport | None:
    """One order as the answer to a command has it; None when only a query tells its price.

    The exchange documents neither average price nor amount in the answer to a command.
    """
    if book is OrderBook.PLAIN and decode(_ORDER, body).lacks_price:
        return None
    return order_report(body, book)


def order_reports(body: bytes, book: OrderBook) -> list[OrderReport]:
    """A list of orders."""
    if book is OrderBook.CONDITIONAL:
        return [order.report() for order in decode(_ALGO_ORDERS, body)]
    return [order.report() for order in decode(_ORDERS, body)]


def account_settings(body: bytes) -> AccountSettings:
    """How the account is set up."""
    config = decode(_ACCOUNT_CONFIG, body)
    return AccountSettings(
        hedge_mode=config.dual_side_position,
        multi_assets=config.multi_assets_margin,
        can_trade=config.can_trade,
    )


def balance(body: bytes, asset: str) -> Balance:
    """The wallet of one asset."""
    for one in decode(_BALANCES, body):
        if one.asset == asset:
            return Balance(asset=asset, wallet=one.balance, available=one.available_balance)
    raise MalformedError(f"the account's balances don't name {asset}")


def positions(body: bytes) -> list[Position]:
    """Every position that is not flat."""
    return [one.position() for one in decode(_POSITIONS, body) if one.position_amt != 0]


def fills(body: bytes) -> list[Fill]:
    """Executions, ascending by trade id."""
    return sorted(
        (one.fill() for one in decode(_USER_TRADES, body)), key=lambda f: f.exchange_trade_id
    )


def incomes(body: bytes) -> list[Income]:
    """Ledger entries in the reply's order."""
    return [one.entry() for one in decode(_INCOMES, body)]


def listen_key(body: bytes) -> str:
    """The key of the user stream."""
    return decode(_LISTEN_KEY, body).listen_key


def extended_key(body: bytes) -> str:
    """The key that was extended; "" where the reply does not name it."""
    return decode(_EXTENDED_KEY, body).listen_key


def leverage(body: bytes) -> int:
    """The leverage now in force."""
    return decode(_LEVERAGE, body).leverage


class _CommissionRate(Wire, rename="camel"):
    maker_commission_rate: Decimal
    taker_commission_rate: Decimal


_COMMISSION_RATE = decoder(_CommissionRate)


def fee_rates(body: bytes) -> FeeRates:
    """The reply of ``commissionRate``."""
    reply = decode(_COMMISSION_RATE, body)
    return FeeRates(maker=reply.maker_commission_rate, taker=reply.taker_commission_rate)


class _SymbolConfig(Wire, rename="camel"):
    symbol: str
    margin_type: str
    leverage: int


_SYMBOL_CONFIGS = decoder(list[_SymbolConfig])
_MARGIN_TYPES = {"ISOLATED": True, "CROSSED": False}


def all_symbol_settings(body: bytes) -> dict[str, SymbolSettings]:
    """What the account has set for each symbol: the reply of ``symbolConfig``."""
    found = {}
    for one in decode(_SYMBOL_CONFIGS, body):
        isolated = _MARGIN_TYPES.get(one.margin_type)
        if isolated is None:
            raise MalformedError(f"margin type {one.margin_type!r} is unknown")
        found[one.symbol] = SymbolSettings(
            symbol=one.symbol, leverage=one.leverage, isolated=isolated
        )
    return found


def symbol_settings(body: bytes, symbol: str) -> SymbolSettings:
    """What the account has set for one symbol."""
    found = all_symbol_settings(body).get(symbol)
    if found is None:
        raise MalformedError(f"the reply does not name {symbol}")
    return found


class _ApiRestrictions(Wire, rename="camel"):
    enable_withdrawals: bool
    enable_futures: bool
    ip_restrict: bool


_API_RESTRICTIONS = decoder(_ApiRestrictions)


def key_permissions(body: bytes) -> KeyPermissions:
    """What the key may do: the reply of ``apiRestrictions``."""
    reply = decode(_API_RESTRICTIONS, body)
    return KeyPermissions(
        may_withdraw=reply.enable_withdrawals,
        may_trade_futures=reply.enable_futures,
        bound_to_addresses=reply.ip_restrict,
    )
