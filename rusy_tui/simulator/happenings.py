"""What the exchange tells its listeners, as it happens and in order.

A listener is called at once and in the middle of the exchange's work: it reads what it needs
and returns. Order, account and algo objects go on changing afterwards.
"""

from decimal import Decimal
from typing import Protocol

import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.candles import Bar
from rusy_tui.simulator.feeds import Print, Relayed
from rusy_tui.simulator.matching import BestPrices
from rusy_tui.simulator.orders import AlgoOrder, Order, Trade
from rusy_tui.simulator.spans import Span
from rusy_tui.simulator.tape import Aggregate


class CandleMoved(msgspec.Struct, frozen=True):
    """A bar moved or, when ``closed``, ended."""

    symbol: str
    interval: Interval | Span
    bar: Bar
    closed: bool
    time_ms: int


class Printed(msgspec.Struct, frozen=True):
    """The market traded."""

    aggregate: Aggregate

    @property
    def traded(self) -> Print:
        """What traded."""
        return self.aggregate.traded

    @property
    def first(self) -> int:
        """The id of the first trade it stands for."""
        return self.aggregate.first

    @property
    def last(self) -> int:
        """The id of the last trade it stands for."""
        return self.aggregate.last

    @property
    def time_ms(self) -> int:
        """When it traded."""
        return self.aggregate.time_ms


class TopMoved(msgspec.Struct, frozen=True):
    """The best bid and ask."""

    symbol: str
    best: BestPrices
    update_id: int
    time_ms: int


class BookMoved(msgspec.Struct, frozen=True):
    """Some level of the book moved; its number rises by one each time."""

    symbol: str
    update_id: int
    time_ms: int


class ContractMoved(msgspec.Struct, frozen=True):
    """A contract's filters, status or end changed, or its ``brackets`` did."""

    symbol: str
    brackets: bool
    time_ms: int


class Liquidated(msgspec.Struct, frozen=True):
    """The exchange closed a position by force."""

    order: Order
    trade: Trade
    time_ms: int


class MarkMoved(msgspec.Struct, frozen=True):
    """The mark price, its premium over the index price, and the funding that comes next."""

    symbol: str
    mark: Decimal
    premium: float
    funding_rate: Decimal
    next_funding_ms: int
    time_ms: int

    @property
    def index(self) -> Decimal:
        """The index price, eight digits."""
        return Decimal(f"{float(self.mark) / (1 + self.premium):.8f}")


class Stepped(msgspec.Struct, frozen=True):
    """Everything of an instant has been told."""

    time_ms: int


class Passed(msgspec.Struct, frozen=True):
    """A recorded message of the market is passed on."""

    message: Relayed


class OrderMoved(msgspec.Struct, frozen=True):
    """An order moved. ``execution`` in the exchange's words: NEW, TRADE …"""

    order: Order
    execution: str
    trade: Trade | None
    time_ms: int


class AlgoMoved(msgspec.Struct, frozen=True):
    """A conditional order moved."""

    algo: AlgoOrder
    time_ms: int


class TriggerRefused(msgspec.Struct, frozen=True):
    """A triggered order could not be placed."""

    algo: AlgoOrder
    order_id: int
    time_ms: int


class FundsMoved(msgspec.Struct, frozen=True):
    """Wallet and position of a symbol moved. ``change`` is neither profit nor commission.

    ``symbol`` is empty where no position has to do with it.
    """

    reason: str
    symbol: str
    change: Decimal
    time_ms: int


class LeverageSet(msgspec.Struct, frozen=True):
    """An account has another leverage for a symbol."""

    symbol: str
    leverage: int
    time_ms: int


class MultiAssetsSet(msgspec.Struct, frozen=True):
    """An account has another asset mode."""

    multi_assets: bool
    time_ms: int


class MarginCall(msgspec.Struct, frozen=True):
    """A position's margin is nearly used up."""

    symbol: str
    time_ms: int


MarketHappening = (
    CandleMoved
    | Printed
    | TopMoved
    | BookMoved
    | MarkMoved
    | ContractMoved
    | Liquidated
    | Passed
    | Stepped
)
AccountHappening = (
    OrderMoved
    | AlgoMoved
    | TriggerRefused
    | FundsMoved
    | LeverageSet
    | MultiAssetsSet
    | MarginCall
)


class Listener(Protocol):
    """Somebody who is told what happens."""

    def market_moved(self, happening: MarketHappening) -> None:
        """Something of the market, for all."""

    def account_moved(self, account: Account, happening: AccountHappening) -> None:
        """Something of one account, for nobody else."""
