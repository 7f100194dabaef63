"""The account as the adapter's events tell it, and the exchange's true books beside it."""

from collections import Counter
from decimal import Decimal

import msgspec

from rusy_tui.domain.account import AccountChanged, AccountRead, OrderChanged, UserEvent
from rusy_tui.domain.market import StreamRestored
from rusy_tui.domain.order import Fill, OrderReport, OrderState
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.core import SimulatedExchange

SYMBOL = "BTCUSDT"
ASSET = "USDT"
_AGAIN_S = 0.5


class State(msgspec.Struct, frozen=True):
    """What is compared: open orders by client id, held quantities, wallet, trade ids."""

    orders: frozenset[str]
    held: dict[str, Decimal]
    wallet: Decimal
    trades: tuple[int, ...]


def truth(exchange: SimulatedExchange, account: Account) -> State:
    """The exchange's own books."""
    books = exchange.books
    return State(
        frozenset(
            [
                *(order.client_id for order in books.open_orders_of(account)),
                *(algo.client_id for algo in books.open_algos_of(account)),
            ]
        ),
        {position.symbol: position.quantity for position in account.open_positions()},
        account.wallet,
        tuple(sorted(trade.trade_id for trade in account.trades)),
    )


class View:
    """Folds events, as the engine does."""

    def __init__(self) -> None:
        self._orders: dict[str, OrderReport] = {}
        self._held: dict[str, Decimal] = {}
        self._held_ms = 0
        self._wallet = Decimal(0)
        self.fills: dict[int, Fill] = {}
        self.told: Counter[int] = Counter()
        """How often each trade was told by events, by its id."""
        self.seen: dict[str, list[OrderState]] = {}
        """Each order's states in the order in which events told them."""
        self.restored = 0

    @property
    def state(self) -> State:
        """The account as it is believed to be."""
        return State(
            frozenset(name for name, report in self._orders.items() if report.state.is_resting
                      or not report.state.is_final),
            {symbol: held for symbol, held in self._held.items() if held},
            self._wallet,
            tuple(sorted(self.fills)),
        )  # fmt: skip

    def sink(self, event: UserEvent) -> None:
        """Take one event."""
        match event:
            case OrderChanged(report=report, fill=fill):
                self._see(report)
                if fill is not None:
                    self._count(fill)
            case AccountChanged(event_ms=event_ms):
                if event_ms >= self._held_ms:
                    self._held_ms = event_ms
                    self._held |= {s: quantity for s, (quantity, _) in event.positions.items()}
                    self._wallet = event.wallets.get(ASSET, self._wallet)
            case AccountRead():
                self._read(event)
            case StreamRestored():
                self.restored += 1

    def _see(self, report: OrderReport) -> None:
        self.seen.setdefault(report.client_order_id, []).append(report.state)
        known = self._orders.get(report.client_order_id)
        # What has ended does not come back, and an older word that it lives does not count.
        ended = known is not None and known.state.is_final
        older = known is not None and known.update_ms > report.update_ms
        if report.state.is_final or not (ended or older):
            self._orders[report.client_order_id] = report

    def _count(self, fill: Fill) -> None:
        self.told[fill.exchange_trade_id] += 1
        self.fills.setdefault(fill.exchange_trade_id, fill)

    def _read(self, read: AccountRead) -> None:
        self._orders = {report.client_order_id: report for report in read.orders}
        self._held = {position.symbol: position.quantity for position in read.positions}
        self._held_ms = read.event_ms
        self._wallet = read.balance.wallet
        for fill in read.fills:
            self._count(fill)
