"""The faults that happen by themselves: each begins and ends at its own time."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Protocol

from rusy_tui.simulator.account import Account
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.faults.changes import changes_of
from rusy_tui.simulator.faults.fault import Fault, Kind
from rusy_tui.simulator.faults.faults import Faults, Held
from rusy_tui.simulator.happenings import (
    AccountHappening,
    AlgoMoved,
    FundsMoved,
    MarketHappening,
)
from rusy_tui.simulator.orders import AlgoOrder

_ACTS = frozenset(
    {
        *(Kind.STREAM_CUT, Kind.STREAM_HALF_OPEN),
        *(Kind.LISTEN_KEY_EXPIRED, Kind.LISTEN_KEY_LOST),
        *(Kind.TRIGGERS_HELD, Kind.STOP_EXPIRED, Kind.FILLS_LIMITED),
        *(Kind.OPENINGS_BARRED, Kind.THIN_BOOK, Kind.PRICE_GAP, Kind.INSTRUMENT_CHANGED),
        *(Kind.LIQUIDATED, Kind.DELEVERAGED, Kind.SETTLED),
    }
)

_TAKEN_AFTER_MS = 1000
"""So long a position lives that a fault is waiting for; wall ms."""

_Job = Callable[[], None]


class Wires(Protocol):
    """What acts do to connections; each returns what it reached, in words."""

    def cut(self, fault: Fault) -> list[str]:
        """Cut connections without a farewell."""

    def silence(self, fault: Fault) -> list[str]:
        """Make connections half-open."""

    def cut_silent(self) -> None:
        """Cut those that are half-open."""

    def end_key(self, account: Account, *, told: bool) -> bool:
        """End an account's listen key; False where it has none."""


class Acts:
    """Begins and ends what the faults do to connections, accounts and markets.

    What is due when it is added happens at once; the rest in :meth:`run`.
    """

    def __init__(self, faults: Faults, exchange: SimulatedExchange, wires: Wires) -> None:
        self._faults = faults
        self._exchange = exchange
        self._wires = wires
        self._clock = exchange.clock
        self._due: list[tuple[int, int, _Job]] = []
        self._numbers = itertools.count()
        self._ends: dict[int, _Job] = {}
        self._news = asyncio.Event()
        faults.on_change = self._plan
        faults.on_clear = self._clear
        exchange.listen(self)

    async def run(self) -> None:
        """Do what is due, each at its time, until cancelled."""
        while True:
            await self._exchange.gate.passed()
            self._catch_up()
            self._news.clear()
            if not self._due:
                await self._news.wait()
                continue
            left_s = (self._due[0][0] - self._clock.wall_ms()) / 1000
            try:
                await self._clock.within(max(left_s, 0.001), self._news.wait())
            except TimeoutError:
                continue

    def _plan(self, added: Iterable[Held]) -> None:
        for held in added:
            if held.fault.kind in _ACTS:
                self._at(held.fault.from_ms, self._beginning(held))
        self._catch_up()

    def _beginning(self, held: Held) -> _Job:
        def begin() -> None:
            end = self._begin(held)
            until_ms = held.fault.until_ms
            if end is None:
                return
            self._ends[held.number] = end
            if until_ms is not None:
                self._at(until_ms, lambda: self._end(held.number))

        return begin

    def _end(self, number: int) -> None:
        end = self._ends.pop(number, None)
        if end is not None:
            end()

    def _clear(self) -> None:
        self._due.clear()
        for number in list(self._ends):
            self._end(number)

    def _at(self, wall_ms: int, job: _Job) -> None:
        heapq.heappush(self._due, (wall_ms, next(self._numbers), job))
        self._news.set()

    def _catch_up(self) -> None:
        while self._due and self._due[0][0] <= self._clock.wall_ms():
            heapq.heappop(self._due)[2]()

    # ── the acts ──────────────────────────────────────────────────────────────────────

    def _begin(self, held: Held) -> _Job | None:
        """Do it, note it, and how it ends; None when there is nothing to end."""
        fault, exchange = held.fault, self._exchange
        symbol = fault.symbol or ""
        match fault.kind:
            case Kind.STREAM_CUT:
                self._note_each(held, self._wires.cut(fault))
                return None
            case Kind.STREAM_HALF_OPEN:
                self._note_each(held, self._wires.silence(fault))
                return self._wires.cut_silent
            case Kind.LISTEN_KEY_EXPIRED | Kind.LISTEN_KEY_LOST:
                told = fault.kind is Kind.LISTEN_KEY_EXPIRED
                for account in self._accounts(fault):
                    if self._wires.end_key(account, told=told):
                        self._faults.note(held, f"account {account.number}")
                return None
            case Kind.STOP_EXPIRED:
                for algo in list(exchange.books.open_algos.values()):
                    self._expire_later(held, algo)
                return None
            case Kind.TRIGGERS_HELD:
                exchange.hold_triggers(symbol, True)
                self._faults.note(held, symbol)
                return lambda: exchange.hold_triggers(symbol, False)
            case Kind.FILLS_LIMITED:
                exchange.limit_fills(symbol, Decimal(str(fault.fraction)))
                self._faults.note(held, symbol)
                return lambda: exchange.limit_fills(symbol, None)
            case Kind.OPENINGS_BARRED:
                exchange.bar_openings(symbol, fault.code)
                self._faults.note(held, symbol)
                return lambda: exchange.bar_openings(symbol, None)
            case Kind.THIN_BOOK:
                exchange.thin_book(symbol, True)
                self._faults.note(held, symbol)
                return lambda: exchange.thin_book(symbol, False)
            case Kind.PRICE_GAP:
                exchange.move_price(symbol, Decimal(str(fault.factor)))
                self._faults.note(held, symbol)
                return None
            case Kind.INSTRUMENT_CHANGED:
                exchange.change_instrument(symbol, **changes_of(fault.change))
                self._faults.note(held, f"{symbol} {', '.join(fault.change)}")
                return None
            case Kind.LIQUIDATED | Kind.DELEVERAGED:
                for account in self._accounts(fault):
                    self._take_position(held, account)
                return None
            case Kind.SETTLED:
                exchange.settle(symbol)
                self._faults.note(held, symbol)
                return None
        raise ValueError(f"{fault.kind} does not happen by itself")

    def _take_position(self, held: Held, account: Account) -> None:
        """Close an account's position, if there is one and the fault is not used up."""
        fault, exchange = held.fault, self._exchange
        symbol = fault.symbol or ""
        position = account.position(symbol)
        if not position.quantity or not held.is_open(self._clock.wall_ms()):
            return
        if fault.kind is Kind.LIQUIDATED:
            exchange.liquidate(account, symbol)
        else:
            instrument = exchange.markets[symbol].instrument
            share = position.size * Decimal(str(fault.fraction))
            part = max(share // instrument.step_size, Decimal(1)) * instrument.step_size
            exchange.deleverage(account, symbol, min(part, position.size))
        self._faults.note(held, f"account {account.number} {symbol}")

    def _note_each(self, held: Held, reached: list[str]) -> None:
        for what in reached:
            self._faults.note(held, what)

    def _accounts(self, fault: Fault) -> list[Account]:
        accounts = self._exchange.books.accounts
        return [a for a in accounts if fault.account in (None, a.number)]

    # ── what waits for an order or a position ─────────────────────────────────────────

    def market_moved(self, happening: MarketHappening) -> None:
        """Nothing that acts wait for."""

    def account_moved(self, account: Account, happening: AccountHappening) -> None:
        """A stop that came to rest may be ended later, a new position be taken."""
        if isinstance(happening, AlgoMoved) and happening.algo.is_waiting:
            for held in self._faults.open_of(Kind.STOP_EXPIRED):
                self._expire_later(held, happening.algo)
        elif isinstance(happening, FundsMoved) and happening.reason == "ORDER":
            for kind in (Kind.LIQUIDATED, Kind.DELEVERAGED):
                for held in self._faults.open_of(kind):
                    self._take_later(held, account, happening.symbol)

    def _take_later(self, held: Held, account: Account, symbol: str) -> None:
        # Not now: the exchange is in the middle of its work.
        fault = held.fault
        if fault.symbol == symbol and fault.account in (None, account.number):
            self._at(
                self._clock.wall_ms() + _TAKEN_AFTER_MS,
                lambda: self._take_position(held, account),
            )

    def _expire_later(self, held: Held, algo: AlgoOrder) -> None:
        fault = held.fault
        if fault.symbol not in (None, algo.symbol) or not algo.is_waiting:
            return
        if fault.account not in (None, algo.account) or not held.draws():
            return

        def expire() -> None:
            if algo.is_waiting and held.has_strikes_left:
                self._exchange.expire_algo(algo.algo_id)
                self._faults.note(held, f"{algo.symbol} {algo.client_id}")

        self._at(self._clock.wall_ms() + round(fault.delay_s * 1000), expire)
