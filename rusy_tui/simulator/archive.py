"""What is over and never changes again, kept beside the journal in a file that only grows.

The journal is written before every reply, so it holds what is open and the latest of what is
over; the rest is here, a line for each time that some of it was moved. The journal names the
file and how much of it counts: what a kill left behind that is never read.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from rusy_tui.domain.errors import StorageError
from rusy_tui.simulator.account import MarginMove
from rusy_tui.simulator.orders import AlgoOrder, Amendment, LedgerEntry, Order, Trade
from rusy_tui.simulator.state import Books

MOVED_AT = 500
"""So many orders, trades and entries that are over are moved at once."""

_NAMES = ("simulator-history-1.jsonl", "simulator-history-2.jsonl")


class Place(msgspec.Struct, frozen=True):
    """A file beside the journal, and how many bytes of it count."""

    name: str
    size: int


class Chapter(msgspec.Struct, kw_only=True):
    """A part of the books; the last three by their account's number."""

    orders: list[Order]
    algos: list[AlgoOrder]
    amendments: list[Amendment]
    trades: list[list[Trade]]
    ledger: list[list[LedgerEntry]]
    margin_moves: list[list[MarginMove]]

    def over(self) -> "Chapter":
        """What of it never changes again."""
        return msgspec.structs.replace(
            self,
            orders=[order for order in self.orders if order.state.is_final],
            algos=[algo for algo in self.algos if algo.state.is_final],
        )

    def count(self) -> int:
        """How many orders, amendments, trades and entries it has."""
        lists: list[Sequence[object]] = [self.orders, self.algos, self.amendments]
        lists += [*self.trades, *self.ledger, *self.margin_moves]
        return sum(len(each) for each in lists)


class Archive:
    """The file, and what is in it.

    Each run begins one anew, beside that of the run before, which the journal needs until it
    names the new one.

    Args:
        folder: the journal's.
        former: the file of the run before.
    """

    def __init__(self, folder: Path, former: Place | None) -> None:
        was = former.name if former else None
        name = next(each for each in _NAMES if each != was)
        self._path = folder / name
        self._former = [folder / each for each in _NAMES if each != name]
        self._size = 0
        self._orders: set[int] = set()
        self._algos: set[int] = set()
        self._amendments = 0
        self._trades: dict[int, int] = {}
        self._ledger: dict[int, int] = {}
        self._margin_moves: dict[int, int] = {}

    @property
    def place(self) -> Place | None:
        """Where it is; None while nothing is in it."""
        return Place(self._path.name, self._size) if self._size else None

    def left(self, books: Books) -> Chapter:
        """What is not in it: what may change, and what was not worth moving yet."""
        return Chapter(
            orders=[o for n, o in books.orders.items() if n not in self._orders],
            algos=[a for n, a in books.algos.items() if n not in self._algos],
            amendments=books.amendments[self._amendments :],
            trades=[a.trades[self._trades.get(a.number, 0) :] for a in books.accounts],
            ledger=[a.ledger[self._ledger.get(a.number, 0) :] for a in books.accounts],
            margin_moves=[
                a.margin_moves[self._margin_moves.get(a.number, 0) :] for a in books.accounts
            ],
        )

    def take(self, left: Chapter) -> bool:
        """Move what is over, once that is much; whether it was.

        Raises:
            StorageError: when the folder does not take it.
        """
        over = left.over()
        if over.count() < MOVED_AT:
            return False
        line = msgspec.json.encode(over) + b"\n"
        try:
            flags = os.O_WRONLY | os.O_CREAT | (0 if self._size else os.O_TRUNC)
            with os.fdopen(os.open(self._path, flags, 0o600), "wb") as file:
                file.seek(self._size)
                file.write(line)
        except OSError as error:
            raise StorageError(f"can't write {self._path}: {error.strerror}") from None
        self._size += len(line)
        self._orders |= {order.order_id for order in over.orders}
        self._algos |= {algo.algo_id for algo in over.algos}
        self._amendments += len(over.amendments)
        _count(self._trades, over.trades)
        _count(self._ledger, over.ledger)
        _count(self._margin_moves, over.margin_moves)
        return True

    def drop_former(self) -> None:
        """Remove the run before's file: the journal names it no more."""
        while self._former:
            self._former.pop().unlink(missing_ok=True)


def _count(kept: dict[int, int], moved: Sequence[Sequence[object]]) -> None:
    for number, entries in enumerate(moved):
        kept[number] = kept.get(number, 0) + len(entries)


def chapters(folder: Path, place: Place) -> list[Chapter]:
    """All that is in a file, oldest first.

    Raises:
        StorageError: when it is not there, or damaged.
    """
    path = folder / place.name
    try:
        content = path.read_bytes()[: place.size]
    except OSError as error:
        raise StorageError(f"can't read {path}: {error.strerror}") from None
    try:
        if len(content) < place.size:
            raise StorageError(f"{path} is damaged: it ends too early")
        return msgspec.json.Decoder(Chapter).decode_lines(content)
    except msgspec.DecodeError as error:
        raise StorageError(
            f"{path} is damaged ({error}): remove it and the journal beside it to begin with "
            "a new account"
        ) from None
