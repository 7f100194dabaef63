"""What a simulator keeps on disk, so that its account outlives it.

One small file, written whole and put in place of the former one: a reader finds the old or
the new state, never half of one.
"""

import os
from decimal import Decimal
from pathlib import Path

import msgspec

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.happenings import AccountHappening, MarketHappening
from rusy_tui.simulator.markets import Market
from rusy_tui.simulator.orders import AlgoOrder, Amendment, Order
from rusy_tui.simulator.state import Books, Countdown, Counters, Trouble

VERSION = 1
_AT_MOST_EVERY_S = 0.2
_AT_LEAST_EVERY_S = 1.0
"""Market time is saved this often even when nothing else changes, wall time."""


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """A simulator's state at a moment of market time."""

    version: int
    market: Market
    market_ms: int
    accounts: list[Account]
    orders: list[Order]
    algos: list[AlgoOrder]
    counters: Counters
    amendments: list[Amendment] = []
    countdowns: list[Countdown] = []
    trouble: Trouble = msgspec.field(default_factory=Trouble)
    marks: dict[str, Decimal]
    trade_ids: dict[str, int]

    def books(self) -> Books:
        """The exchange's books as they were."""
        books = Books(
            accounts=self.accounts,
            counters=self.counters,
            amendments=self.amendments,
            countdowns=self.countdowns,
            trouble=self.trouble,
        )
        for order in self.orders:
            books.keep(order)
        for algo in self.algos:
            books.keep_algo(algo)
        return books

    def put_back(self, exchange: SimulatedExchange) -> None:
        """Give an exchange's markets the numbers they had."""
        for symbol, market in exchange.markets.items():
            if symbol in self.marks:
                market.set_mark(self.marks[symbol], self.market_ms)
                market.last_trade_id = max(market.last_trade_id, self.trade_ids[symbol])


def saved(exchange: SimulatedExchange, market: Market) -> Saved:
    """The state to keep."""
    books = exchange.books
    return Saved(
        version=VERSION,
        market=market,
        # Not the clock's: what has not traded yet must trade in the next run.
        market_ms=exchange.played_ms,
        accounts=books.accounts,
        orders=list(books.orders.values()),
        algos=list(books.algos.values()),
        counters=books.counters,
        amendments=books.amendments,
        countdowns=books.countdowns,
        trouble=books.trouble,
        marks=exchange.marks(),
        trade_ids={symbol: each.last_trade_id for symbol, each in exchange.markets.items()},
    )


def read(path: Path, market: Market) -> Saved | None:
    """What was kept for a market; None where there is nothing, or it was another market.

    Raises:
        StorageError: when the file is there and can't be read.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"can't read {path}: {error.strerror}") from None
    try:
        found = msgspec.json.decode(text, type=Saved)
    except msgspec.DecodeError as error:
        raise StorageError(
            f"{path} is damaged ({error}): remove it to begin with a new account"
        ) from None
    return found if found.version == VERSION and found.market == market else None


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place at once, readable by its owner alone.

    Raises:
        StorageError: when the directory does not take it.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        new.replace(path)
    except OSError as error:
        raise StorageError(f"can't write {path}: {error.strerror}") from None


class Keeper:
    """Writes the journal after changes of an account, and now and then anyway."""

    def __init__(
        self, exchange: SimulatedExchange, market: Market, path: Path, clock: Clock
    ) -> None:
        self._exchange = exchange
        self._market = market
        self._path = path
        self._clock = clock
        self._changed = True
        self._written_s = clock.monotonic_s()
        exchange.listen(self)

    def market_moved(self, happening: MarketHappening) -> None:
        """The market can be made again from its seed or file: nothing to keep."""

    def account_moved(self, account: Account, happening: AccountHappening) -> None:
        """Something to keep."""
        self._changed = True

    def write(self) -> None:
        """Write the state now."""
        state = saved(self._exchange, self._market)
        write_private(self._path, msgspec.json.encode(state))
        self._changed = False
        self._written_s = self._clock.monotonic_s()

    async def keep(self) -> None:
        """Go on writing until cancelled."""
        while True:
            await self._clock.sleep(_AT_MOST_EVERY_S)
            due = self._clock.monotonic_s() - self._written_s >= _AT_LEAST_EVERY_S
            if self._changed or due:
                self.write()
