"""What no event tells, looked at now and again: each finding closes a gate or opens it.

The age of prices (promise P5), what the day has lost, how much the exchange still lets us ask,
and whether a contract is another one than before.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from rusy_tui.decide.risk import day_loss_limit_usd
from rusy_tui.desk.gates import Gates
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.market import BookTop
from rusy_tui.domain.settings import RiskSettings
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.execution.account import AccountKeeper
from rusy_tui.execution.contracts import REFRESH_S
from rusy_tui.execution.executor import Executor
from rusy_tui.market.source import BarSource
from rusy_tui.teller import Teller

STALE, DAY_LOSS, LIMITS = "stale data", "day loss", "exchange limits"
BARS = "bars missing"


class Lookout:
    """Keeps looking; :meth:`run` and :meth:`watch_contracts` go on until cancelled.

    Args:
        symbols: traded.
        bars: whether any are missing that should be there.
        risk: whose limit of the day's loss is held.
        book: best bid and ask of a symbol, None when too old to act on.
        halt: close a gate until a person resumes: its name, and why.
        heartbeat_s: how often to look, wall seconds.
    """

    def __init__(
        self,
        exchange: ExchangePort,
        clock: Clock,
        gates: Gates,
        teller: Teller,
        account: AccountKeeper,
        executor: Executor,
        *,
        symbols: tuple[str, ...],
        bars: BarSource,
        risk: RiskSettings,
        book: Callable[[str], BookTop | None],
        halt: Callable[[str, str], None],
        heartbeat_s: float,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._gates = gates
        self._teller = teller
        self._account = account
        self._executor = executor
        self._symbols = symbols
        self._bars = bars
        self._risk = risk
        self._book = book
        self._halt = halt
        self._heartbeat_s = heartbeat_s
        self._contracts_changed = asyncio.Event()

    async def run(self) -> None:
        """Look at prices, the day and the exchange's limits, again and again."""
        while True:
            await self._clock.sleep(self._heartbeat_s)
            self.check_day_loss()
            self._look_at_limits()
            self.look_at_bars()
            self._teller.history(self._bars.history())
            ended = self._account.contracts.closed()
            stale = [each for each in self._symbols if self._book(each) is None]
            stale = [each for each in stale if each not in ended]
            why = f"no fresh price of {', '.join(stale)}"
            self._hold(STALE, bool(stale), why, "when prices come again")

    def check_day_loss(self) -> None:
        """Halt when the UTC day has lost what it may."""
        book = self._account.book
        limit = day_loss_limit_usd(book.day_start_equity, self._risk)
        if limit and -book.day_pnl >= limit:
            self._halt(DAY_LOSS, f"the day lost {-book.day_pnl:.2f} of {limit:.2f} USDT")

    def look_at_bars(self) -> None:
        """Hold entries while a bar is missing that should be there (promise P5).

        A contract that takes no entries any more, as one that was settled, holds up no other.
        """
        ended = self._account.contracts.closed()
        behind = [lane for lane in self._bars.behind() if lane[0] not in ended]
        late = [f"{symbol} {interval}" for symbol, interval in behind]
        why = f"missing or late: {', '.join(late)}"
        self._hold(BARS, bool(late), why, "when they are there")

    def _look_at_limits(self) -> None:
        """Show the exchange's budget, and hold entries while it lets us send nothing."""
        status = self._exchange.status()
        self._teller.exchange(status)
        why = f"the exchange takes no requests for {status.closed_for_s:.0f} s"
        self._hold(LIMITS, status.closed_for_s > 0, why, "when that time is over")

    def _hold(self, gate: str, closed: bool, why: str, opens: str) -> None:
        if closed:
            self._gates.pause(gate, why, opens, self._clock.market_ms())
        else:
            self._gates.end_pause(gate)

    # Contracts ------------------------------------------------------------------------

    async def watch_contracts(self) -> None:
        """Read filters, brackets and status anew: every hour, and when told of a change."""
        self._tell_closed({})
        while True:
            with suppress(TimeoutError):
                await self._clock.within(REFRESH_S, self._contracts_changed.wait())
            self._contracts_changed.clear()
            was_closed = self._account.contracts.closed()
            for change in await self._account.contracts.refresh_until_read():
                self._teller.say("exec", change, "ask")
            self._tell_closed(was_closed)

    def contract_changed(self) -> None:
        """A stream says that a contract is another one than before."""
        self._contracts_changed.set()

    def barred(self, symbol: str, why: str) -> None:
        """The exchange refuses what opens in a symbol."""
        was_closed = self._account.contracts.closed()
        self._account.contracts.bar(symbol, why)
        self._tell_closed(was_closed)

    def _tell_closed(self, before: Mapping[str, str]) -> None:
        """Say which contracts take no entries any more; what rests there must hear of it."""
        now = self._account.contracts.closed()
        for symbol, why in now.items():
            if symbol not in before:
                self._teller.say("risk", f"no entries: {why}", "down")
        if now != before:
            self._executor.wake()
