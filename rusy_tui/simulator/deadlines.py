"""What ends by itself: orders with a last moment (GTD), and countdowns that cancel all.

A countdown runs in wall time, a GTD order's last moment is in market time. The exchange
looks at them whenever its market moves; a server also wakes up for each.
"""

import asyncio
import math

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.order import OrderState
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.conditional import Conditionals
from rusy_tui.simulator.gate import Gate
from rusy_tui.simulator.settlement import Settlement
from rusy_tui.simulator.state import Books, Countdown
from rusy_tui.simulator.switches import Switches
from rusy_tui.simulator.trading import Trading

_SHORTEST_S = 0.001
_LOOK_AGAIN_S = 1.0


class Deadlines:
    """Keeps the moments, and does what is due."""

    def __init__(
        self,
        books: Books,
        clock: Clock,
        settlement: Settlement,
        trading: Trading,
        conditionals: Conditionals,
        switches: Switches,
        gate: Gate,
    ) -> None:
        self._books = books
        self._clock = clock
        self._settlement = settlement
        self._trading = trading
        self._conditionals = conditionals
        self._switches = switches
        self._gate = gate
        self._changed = asyncio.Event()

    def count_down(self, account: Account, symbol: str, countdown_ms: int) -> None:
        """Cancel all of an account's orders of a symbol after so long, in wall time.

        Asked again, the countdown begins anew; 0 stops it. −1121 for an unknown symbol.
        """
        self._trading.market(symbol)
        mine = (account.number, symbol)
        left = [c for c in self._books.countdowns if (c.account, c.symbol) != mine]
        if countdown_ms:
            due_ms = self._clock.wall_ms() + countdown_ms
            left.append(Countdown(account=account.number, symbol=symbol, due_ms=due_ms))
        self._books.countdowns[:] = left
        self._changed.set()

    def noticed(self) -> None:
        """An order with a last moment may have come."""
        self._changed.set()

    def end_due(self, now_ms: int) -> None:
        """Cancel and expire all that is due; ``now_ms`` is market time."""
        for order in list(self._books.open_orders.values()):
            if order.is_open and 0 < order.good_till_ms <= now_ms:
                self._settlement.end(order, OrderState.EXPIRED, "EXPIRED", now_ms)
        if not self._books.countdowns:
            return
        wall_ms = self._clock.wall_ms()
        due = [each for each in self._books.countdowns if each.due_ms <= wall_ms]
        self._books.countdowns[:] = [c for c in self._books.countdowns if c not in due]
        for each in due:
            account = self._books.accounts[each.account]
            self._trading.cancel_all(account, each.symbol, now_ms)
            if self._switches.countdown_cancels_algos:
                self._conditionals.cancel_all(account, each.symbol, now_ms)

    def _next_s(self) -> float:
        """Wall seconds until the next moment; infinite without one."""
        wall_ms, market_ms = self._clock.wall_ms(), self._clock.market_ms()
        spans = [(each.due_ms - wall_ms) / 1000 for each in self._books.countdowns]
        dated = [o.good_till_ms for o in self._books.open_orders.values() if o.good_till_ms]
        if dated:
            speed = self._clock.speed
            # A market that is not started yet stands still: no span says when it is reached.
            spans.append((min(dated) - market_ms) / 1000 / speed if speed else _LOOK_AGAIN_S)
        return min(spans, default=math.inf)

    async def run(self) -> None:
        """Do what is due, when it is due, until cancelled."""
        while True:
            self._changed.clear()
            span_s = self._next_s()
            if span_s == math.inf:
                await self._changed.wait()
                continue
            try:
                await self._clock.within(max(span_s, _SHORTEST_S), self._changed.wait())
            except TimeoutError:
                # Behind its clock, the market ends them itself, each at its own moment.
                await self._gate.passed()
                self.end_due(self._clock.market_ms())
