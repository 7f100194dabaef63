"""Messages of the user stream as the exchange sends them, and what they are in our words.

Field names are those of the exchange's own SDK (18.0.1). Each message is tagged by its ``e``;
unknown fields are ignored.
"""

from decimal import Decimal

import msgspec

from rusy_tui.domain.account import (
    AccountChanged,
    LeverageChanged,
    MarginCalled,
    OrderChanged,
    TriggerRejected,
)
from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import Fill, OrderBook, OrderReport
from rusy_tui.exchange.wire import (
    MalformedError,
    Unknown,
    Wire,
    decode,
    decoder,
    not_ours,
    number_or_zero,
    plain_order_id,
    side_of,
    state_of,
)

# The fills of an ORDER_TRADE_UPDATE: CALCULATED is the execution of a liquidation.
_EXECUTIONS = ("TRADE", "CALCULATED")


class _Order(
    Wire,
    rename={
        "symbol": "s",
        "client_order_id": "c",
        "side": "S",
        "kind": "o",
        "quantity": "q",
        "price": "p",
        "average_price": "ap",
        "stop_price": "sp",
        "execution": "x",
        "state": "X",
        "order_id": "i",
        "last_quantity": "l",
        "filled_quantity": "z",
        "last_price": "L",
        "fee_asset": "N",
        "fee": "n",
        "time_ms": "T",
        "trade_id": "t",
        "is_maker": "m",
        "reduce_only": "R",
        "close_position": "cp",
        "realised_pnl": "rp",
    },
):
    symbol: str
    client_order_id: str
    side: str
    kind: str
    quantity: Decimal
    price: Decimal
    average_price: Decimal
    stop_price: Decimal
    execution: str
    state: str
    order_id: int
    last_quantity: Decimal
    filled_quantity: Decimal
    last_price: Decimal
    time_ms: int
    trade_id: int
    is_maker: bool
    reduce_only: bool
    close_position: bool
    realised_pnl: Decimal
    # Not sent when there is no commission.
    fee_asset: str | None = None
    fee: Decimal | None = None

    def report(self) -> OrderReport:
        return OrderReport(
            client_order_id=self.client_order_id,
            exchange_order_id=str(self.order_id),
            symbol=self.symbol,
            book=OrderBook.PLAIN,
            side=side_of(self.side),
            kind=self.kind.lower(),
            state=state_of(self.state),
            quantity=self.quantity,
            filled_quantity=self.filled_quantity,
            average_price=self.average_price,
            price=self.price,
            trigger_price=self.stop_price,
            reduce_only=self.reduce_only,
            close_position=self.close_position,
            update_ms=self.time_ms,
        )

    def fill(self) -> Fill | None:
        if self.execution not in _EXECUTIONS or self.last_quantity <= 0:
            return None
        return Fill(
            symbol=self.symbol,
            exchange_trade_id=self.trade_id,
            exchange_order_id=str(self.order_id),
            client_order_id=self.client_order_id,
            side=side_of(self.side),
            price=self.last_price,
            quantity=self.last_quantity,
            fee=self.fee if self.fee is not None else ZERO,
            fee_asset=self.fee_asset or "",
            realised_pnl=self.realised_pnl,
            is_maker=self.is_maker,
            time_ms=self.time_ms,
        )


class _OrderEvent(
    Wire, tag_field="e", tag="ORDER_TRADE_UPDATE", rename={"event_ms": "E", "order": "o"}
):
    event_ms: int
    order: _Order

    def event(self) -> OrderChanged:
        return OrderChanged(self.order.report(), self.order.fill(), self.event_ms)


class _AlgoOrder(
    Wire,
    rename={
        "client_algo_id": "caid",
        "algo_id": "aid",
        "kind": "o",
        "symbol": "s",
        "side": "S",
        "quantity": "q",
        "state": "X",
        "order_id": "ai",
        "average_price": "ap",
        "filled_quantity": "aq",
        "trigger_price": "tp",
        "price": "p",
        "close_position": "cp",
        "reduce_only": "R",
    },
):
    client_algo_id: str
    algo_id: int
    kind: str
    symbol: str
    side: str
    state: str
    trigger_price: Decimal
    close_position: bool
    reduce_only: bool
    # "" or absent with closePosition, and before the order has triggered.
    quantity: str | None = None
    price: str | None = None
    order_id: str | int | None = None
    average_price: str | None = None
    filled_quantity: str | None = None


class _AlgoEvent(
    Wire,
    tag_field="e",
    tag="ALGO_UPDATE",
    rename={"event_ms": "E", "time_ms": "T", "order": "o"},
):
    event_ms: int
    time_ms: int
    order: _AlgoOrder

    def event(self) -> OrderChanged:
        order = self.order
        report = OrderReport(
            client_order_id=order.client_algo_id,
            exchange_order_id=str(order.algo_id),
            symbol=order.symbol,
            book=OrderBook.CONDITIONAL,
            side=side_of(order.side),
            kind=order.kind.lower(),
            state=state_of(order.state),
            quantity=number_or_zero(order.quantity),
            filled_quantity=number_or_zero(order.filled_quantity),
            average_price=number_or_zero(order.average_price),
            price=number_or_zero(order.price),
            trigger_price=order.trigger_price,
            reduce_only=order.reduce_only,
            close_position=order.close_position,
            update_ms=self.time_ms,
            triggered_order_id=plain_order_id(order.order_id),
        )
        return OrderChanged(report, None, self.event_ms)


class _Wallet(Wire, rename={"asset": "a", "wallet": "wb", "change": "bc"}):
    asset: str
    wallet: Decimal
    change: Decimal


class _Position(
    Wire, rename={"symbol": "s", "quantity": "pa", "entry_price": "ep", "position_side": "ps"}
):
    symbol: str
    quantity: Decimal
    entry_price: Decimal
    position_side: str = "BOTH"


class _Account(Wire, rename={"reason": "m", "wallets": "B", "positions": "P"}):
    reason: str
    wallets: list[_Wallet] = msgspec.field(default_factory=list)
    positions: list[_Position] = msgspec.field(default_factory=list)


class _AccountEvent(
    Wire, tag_field="e", tag="ACCOUNT_UPDATE", rename={"event_ms": "E", "account": "a"}
):
    event_ms: int
    account: _Account

    def event(self) -> AccountChanged:
        return AccountChanged(
            reason=self.account.reason.lower(),
            # LONG and SHORT exist in hedge mode only, which is refused at the start.
            positions={
                one.symbol: (one.quantity, one.entry_price)
                for one in self.account.positions
                if one.position_side == "BOTH"
            },
            wallets={one.asset: one.wallet for one in self.account.wallets},
            changes={one.asset: one.change for one in self.account.wallets if one.change != 0},
            event_ms=self.event_ms,
        )


class _Leverage(Wire, rename={"symbol": "s", "leverage": "l"}):
    symbol: str
    leverage: int


class _ConfigEvent(
    Wire,
    tag_field="e",
    tag="ACCOUNT_CONFIG_UPDATE",
    rename={"event_ms": "E", "leverage": "ac"},
):
    event_ms: int
    # Absent where the multi-assets mode changed: that one is in "ai".
    leverage: _Leverage | None = None

    def event(self) -> LeverageChanged | Unknown:
        if self.leverage is None:
            return Unknown("ACCOUNT_CONFIG_UPDATE")
        return LeverageChanged(self.leverage.symbol, self.leverage.leverage, self.event_ms)


class _Called(Wire, rename={"symbol": "s"}):
    symbol: str


class _MarginEvent(
    Wire, tag_field="e", tag="MARGIN_CALL", rename={"event_ms": "E", "positions": "p"}
):
    event_ms: int
    positions: list[_Called]

    def event(self) -> MarginCalled:
        return MarginCalled(tuple(one.symbol for one in self.positions), self.event_ms)


class _RejectedOrder(Wire, rename={"symbol": "s", "order_id": "i", "reason": "r"}):
    symbol: str
    order_id: int
    reason: str


class _RejectEvent(
    Wire,
    tag_field="e",
    tag="CONDITIONAL_ORDER_TRIGGER_REJECT",
    rename={"event_ms": "E", "order": "or"},
):
    event_ms: int
    order: _RejectedOrder

    def event(self) -> TriggerRejected:
        order = self.order
        return TriggerRejected(order.symbol, str(order.order_id), order.reason, self.event_ms)


class ListenKeyExpired(
    Wire,
    tag_field="e",
    tag="listenKeyExpired",
    rename={"event_ms": "E", "listen_key": "listenKey"},
):
    """A user stream's key is gone; a connection by it will say no more."""

    event_ms: int
    listen_key: str = ""


_Event = OrderChanged | AccountChanged | LeverageChanged | MarginCalled | TriggerRejected
_Told = (
    _OrderEvent
    | _AlgoEvent
    | _AccountEvent
    | _ConfigEvent
    | _MarginEvent
    | _RejectEvent
    | ListenKeyExpired
)
_KINDS = frozenset(
    {
        "ORDER_TRADE_UPDATE",
        "ALGO_UPDATE",
        "ACCOUNT_UPDATE",
        "ACCOUNT_CONFIG_UPDATE",
        "MARGIN_CALL",
        "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "listenKeyExpired",
    }
)

_MESSAGE: msgspec.json.Decoder[_Told] = msgspec.json.Decoder(_Told)
_UNKNOWN = decoder(Unknown)


def user_event(message: str | bytes) -> _Event | ListenKeyExpired | Unknown:
    """A message of the user stream.

    Raises:
        MalformedError: not readable.
    """
    try:
        found = decode(_MESSAGE, message)
    except MalformedError as error:
        return not_ours(decode(_UNKNOWN, message), _KINDS, error)
    return found if isinstance(found, ListenKeyExpired) else found.event()
