"""The exchange's books: accounts, orders of both kinds, and the numbers given out."""

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

import msgspec

from rusy_tui.simulator.account import Account
from rusy_tui.simulator.orders import AlgoOrder, Amendment, Order

AnyOrder = TypeVar("AnyOrder", Order, AlgoOrder)


class Counters(msgspec.Struct):
    """The last number given to an order, a conditional order, an entry, an amendment."""

    order: int = 8_000_000_000
    algo: int = 4_000_000_000_000
    entry: int = 9_000_000_000
    amendment: int = 5_000


class Countdown(msgspec.Struct, frozen=True, kw_only=True):
    """When all of an account's orders of a symbol are cancelled: wall ms since the epoch."""

    account: int
    symbol: str
    due_ms: int


class FillLimit(msgspec.Struct):
    """How much of a resting order the next fill may take; nothing fills once it is spent."""

    share: Decimal
    spent: bool = False


class Trouble(msgspec.Struct, kw_only=True):
    """What is made to go wrong on purpose, by symbol, until it is lifted.

    ``held``: triggered conditional orders stay in TRIGGERING. ``barred``: the error number
    that what opens is refused with. ``limited``: how resting orders fill. ``thin``: market
    orders find no counterpart near enough. ``met``: how often each of the four, by its name,
    changed what became of an order: one that nothing met did no harm.
    """

    held: dict[str, bool] = {}
    barred: dict[str, int] = {}
    limited: dict[str, FillLimit] = {}
    thin: dict[str, bool] = {}
    met: dict[str, int] = {}

    def meet(self, name: str) -> None:
        """Count an order that one of the four met."""
        self.met[name] = self.met.get(name, 0) + 1


class Books(msgspec.Struct, kw_only=True):
    """All that the exchange remembers of its accounts, oldest first."""

    accounts: list[Account]
    orders: dict[int, Order] = {}
    algos: dict[int, AlgoOrder] = {}
    counters: Counters = msgspec.field(default_factory=Counters)
    open_orders: dict[int, Order] = {}
    open_algos: dict[int, AlgoOrder] = {}
    amendments: list[Amendment] = []
    countdowns: list[Countdown] = []
    trouble: Trouble = msgspec.field(default_factory=Trouble)

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

    def next_amendment_id(self) -> int:
        """A number for an amendment."""
        self.counters.amendment += 1
        return self.counters.amendment

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
