"""What a simulator keeps on disk, so that its account outlives it.

A file, written whole and put in place of the former one: a reader finds the old or the new
state, never half of one. What is over long ago is beside it (:mod:`.archive`), so that it stays
small enough to be written before every reply.
"""

import os
from decimal import Decimal
from pathlib import Path

import msgspec

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.archive import Archive, Place, chapters
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.happenings import (
    AccountHappening,
    ContractMoved,
    MarketHappening,
    Stepped,
)
from rusy_tui.simulator.market import MarketChange, SymbolMarket
from rusy_tui.simulator.markets import CurrentMarket, Market, MirrorMarket
from rusy_tui.simulator.orders import AlgoOrder, Amendment, Order
from rusy_tui.simulator.state import Books, Countdown, Counters

VERSION = 2
_AT_MOST_EVERY_S = 0.2
_AT_LEAST_EVERY_S = 1.0
"""Market time is saved this often even when nothing else changes, wall time."""


class SavedMarket(msgspec.Struct, frozen=True, kw_only=True):
    """What of one symbol's market its feed does not tell.

    ``change``: where contract, funding times or prices were changed, else None.
    """

    mark: Decimal
    trade_id: int
    aggregate: int
    update_id: int
    change: MarketChange | None

    def put_back(self, market: SymbolMarket, time_ms: int) -> None:
        """Give a market what it had."""
        if not market.mirrored:
            # A mirror has read newer ones of its source.
            if self.change is not None:
                market.put_back(self.change)
            market.set_mark(self.mark, time_ms)
        market.last_trade_id = max(market.last_trade_id, self.trade_id)
        market.tape.number = max(market.tape.number, self.aggregate)
        if not market.book.liquidity.recorded:
            market.update_id = max(market.update_id, self.update_id)


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """A simulator's state at a moment of market time.

    Faults end with the process they were made in, and so does what they put a market under.
    ``at_wall_time``: the market's time is meant to be the wall's. ``archive``: where the rest
    of what is over is.
    """

    version: int
    market: Market
    market_ms: int
    at_wall_time: bool = False
    accounts: list[Account]
    orders: list[Order]
    algos: list[AlgoOrder]
    counters: Counters
    amendments: list[Amendment]
    countdowns: list[Countdown]
    markets: dict[str, SavedMarket]
    archive: Place | None = None

    def take_back(self, folder: Path) -> None:
        """Take in again what was moved into the archive.

        Raises:
            StorageError: when that is not there, or damaged.
        """
        if self.archive is None:
            return
        before = chapters(folder, self.archive)
        former = [order for chapter in before for order in chapter.orders]
        self.orders[:] = sorted([*former, *self.orders], key=lambda each: each.order_id)
        algos = [algo for chapter in before for algo in chapter.algos]
        self.algos[:] = sorted([*algos, *self.algos], key=lambda each: each.algo_id)
        self.amendments[:0] = [each for chapter in before for each in chapter.amendments]
        for account in self.accounts:
            number = account.number
            account.trades[:0] = [t for each in before for t in each.trades[number]]
            account.ledger[:0] = [e for each in before for e in each.ledger[number]]
            moves = [m for each in before for m in each.margin_moves[number]]
            account.margin_moves[:0] = moves

    def books(self) -> Books:
        """The exchange's books as they were."""
        books = Books(
            accounts=self.accounts,
            counters=self.counters,
            amendments=self.amendments,
            countdowns=self.countdowns,
        )
        for order in self.orders:
            books.keep(order)
        for algo in self.algos:
            books.keep_algo(algo)
        return books

    @property
    def is_at_rest(self) -> bool:
        """Whether no account has anything that the market's moves could reach."""
        return not any(
            (
                *(order.is_open for order in self.orders),
                *(algo.is_open for algo in self.algos),
                *(account.open_positions() for account in self.accounts),
            )
        )

    def put_back(self, exchange: SimulatedExchange) -> None:
        """Give an exchange's markets what they had."""
        for symbol, market in self.markets.items():
            if symbol in exchange.markets:
                market.put_back(exchange.markets[symbol], self.market_ms)


def saved(
    exchange: SimulatedExchange,
    market: Market,
    *,
    at_wall_time: bool = False,
    archive: Archive | None = None,
) -> Saved:
    """The state to keep, less what is in an archive."""
    books = exchange.books
    kept = archive or Archive(Path(), None)
    left = kept.left(books)
    if archive is not None and archive.take(left):
        left = archive.left(books)
    return Saved(
        version=VERSION,
        market=market,
        # Not the clock's: what has not traded yet must trade in the next run.
        market_ms=exchange.played_ms,
        at_wall_time=at_wall_time,
        accounts=[
            msgspec.structs.replace(account, trades=trades, ledger=ledger, margin_moves=moves)
            for account, trades, ledger, moves in zip(
                books.accounts, left.trades, left.ledger, left.margin_moves, strict=True
            )
        ],
        orders=left.orders,
        algos=left.algos,
        counters=books.counters,
        amendments=left.amendments,
        countdowns=books.countdowns,
        archive=kept.place,
        markets={symbol: _market(each) for symbol, each in exchange.markets.items()},
    )


def _market(market: SymbolMarket) -> SavedMarket:
    changed = market.changed and not market.mirrored
    return SavedMarket(
        mark=market.mark,
        trade_id=market.last_trade_id,
        aggregate=market.tape.number,
        update_id=market.update_id,
        change=market.to_keep() if changed else None,
    )


def read(path: Path, market: Market | CurrentMarket) -> Saved | None:
    """What was kept for a market; None where there is nothing.

    Raises:
        StorageError: when the file is there and can't be read, or is of another market:
            accounts are never overwritten by a new market's.
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
    if found.version != VERSION:
        raise StorageError(
            f"{path} was written by another version of Rusy ({found.version}, not {VERSION}): "
            "remove it to begin with a new account, or name another --directory"
        )
    if not _is_of(found.market, market):
        raise StorageError(
            f"{path} holds accounts of another market ({_told(found.market)}; asked for is "
            f"{_told(market)}): start with that one's options to go on with it, name another "
            "--directory, or remove the file to begin with a new account"
        )
    found.take_back(path.parent)
    return found


def _is_of(former: Market, market: Market | CurrentMarket) -> bool:
    if isinstance(market, CurrentMarket):
        return market.goes_on_with(former)
    if isinstance(market, MirrorMarket) and isinstance(former, MirrorMarket):
        # Its prices are the source's, whatever the seed.
        return msgspec.structs.replace(former, seed=market.seed) == market
    return former == market


def _told(market: Market | CurrentMarket) -> str:
    """A market as a person compares it with another one."""
    return msgspec.json.encode(market).decode()


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
        self,
        exchange: SimulatedExchange,
        market: Market,
        path: Path,
        clock: Clock,
        *,
        at_wall_time: bool,
        former: Saved | None = None,
    ) -> None:
        self._exchange = exchange
        self._market = market
        self._path = path
        self._at_wall_time = at_wall_time
        self._archive = Archive(path.parent, former.archive if former else None)
        self._clock = clock
        self._changed = True
        self._written_s = clock.monotonic_s()
        exchange.listen(self)

    def market_moved(self, happening: MarketHappening) -> None:
        """Keep what a step of the market did to accounts, before streams tell of it.

        The market itself can be made again from its seed or file, but for a changed contract.
        """
        if isinstance(happening, ContractMoved):
            self._changed = True
        elif isinstance(happening, Stepped) and self._changed:
            self.write()

    def account_moved(self, account: Account, happening: AccountHappening) -> None:
        """Something to keep."""
        self._changed = True

    def write(self) -> None:
        """Write the state now."""
        state = saved(
            self._exchange,
            self._market,
            at_wall_time=self._at_wall_time,
            archive=self._archive,
        )
        write_private(self._path, msgspec.json.encode(state))
        self._archive.drop_former()
        self._changed = False
        self._written_s = self._clock.monotonic_s()

    async def keep(self) -> None:
        """Go on writing until cancelled."""
        while True:
            await self._clock.sleep(_AT_MOST_EVERY_S)
            due = self._clock.monotonic_s() - self._written_s >= _AT_LEAST_EVERY_S
            if self._changed or due:
                self.write()
