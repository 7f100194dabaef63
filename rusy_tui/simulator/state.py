"""The exchange's books: accounts, orders of both kinds, and the numbers given out."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from rusy_tui.simulator.account import Account
from rusy_tui.simulator.orders import AlgoOrder, Order

AnyOrder = TypeVar("AnyOrder", Order, AlgoOrder)


class Counters(msgspec.Struct):
    """The last number given to an order, a conditional order and a ledger entry."""

    order: int = 8_000_000_000
    algo: int = 4_000_000_000_000
    entry: int = 9_000_000_000


class Books(msgspec.Struct, kw_only=True):
    """All that the exchange remembers of its accounts, oldest first."""

    accounts: list[Account]
    orders: dict[int, Order] = {}
    algos: dict[int, AlgoOrder] = {}
    counters: Counters = msgspec.field(default_factory=Counters)
    open_orders: dict[int, Order] = {}
    open_algos: dict[int, AlgoOrder] = {}

    def next_order_id(self) -> int:
        """A number for a plain order; they rise with time."""
        self.counters.order += 1
        return self.counters.order

    def next_algo_id(self) -> int:
        """A number for a conditional order."""
        self.counters.algo += 1
        return self.counters.algo

    def next_entry_id(self) -> int:
        """A number for a ledger entry."""
        self.counters.entry += 1
        return self.counters.entry

    def open_orders_of(self, account: Account, symbol: str | None = None) -> list[Order]:
        """An account's open plain orders, oldest first."""
        return list(_of(self.open_orders.values(), account, symbol))

    def open_algos_of(self, account: Account, symbol: str | None = None) -> list[AlgoOrder]:
        """An account's open conditional orders, oldest first."""
        return list(_of(self.open_algos.values(), account, symbol))

    def orders_of(self, account: Account, symbol: str | None = None) -> list[Order]:
        """All of an account's plain orders, oldest first."""
        return list(_of(self.orders.values(), account, symbol))

    def algos_of(self, account: Account, symbol: str | None = None) -> list[AlgoOrder]:
        """All of an account's conditional orders, oldest first."""
        return list(_of(self.algos.values(), account, symbol))

    def keep(self, order: Order) -> None:
        """Remember a plain order, and whether it is open."""
        self.orders[order.order_id] = order
        if order.is_open:
            self.open_orders[order.order_id] = order
        else:
            self.open_orders.pop(order.order_id, None)

    def keep_algo(self, algo: AlgoOrder) -> None:
        """Remember a conditional order, and whether it is open."""
        self.algos[algo.algo_id] = algo
        if algo.is_open:
            self.open_algos[algo.algo_id] = algo
        else:
            self.open_algos.pop(algo.algo_id, None)


def _of(orders: Iterable[AnyOrder], account: Account, symbol: str | None) -> Iterable[AnyOrder]:
    return (
        order
        for order in orders
        if order.account == account.number and symbol in (None, order.symbol)
    )
