"""The executor: runs the lives of all trades and does what they want done.

Each trade has a task and an inbox of its own, so that one trade's slow reply never delays
another's stop. Sends run in tasks that the executor owns and that nobody cancels: an order
cut off between send and reply would be unresolved for no reason.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from typing import Any

import structlog

from rusy_tui.decide.holdings import Holding
from rusy_tui.domain.account import Income
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import (
    Defect,
    ExchangeError,
    RusyError,
    UnreachableError,
)
from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.market import BookTop
from rusy_tui.domain.modes import Gate
from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import (
    Denied,
    Fill,
    OrderBook,
    OrderIntent,
    OrderReport,
    Outcome,
    Purpose,
)
from rusy_tui.domain.proposal import Proposal
from rusy_tui.domain.settings import StrategySettings
from rusy_tui.domain.trade import ExitReason, Trade, TradeState
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.execution.ids import Ids, purpose_of
from rusy_tui.execution.ledger import after_funding
from rusy_tui.execution.life import EntryRules, Life
from rusy_tui.execution.messages import (
    Absent,
    Action,
    Answered,
    Ask,
    Bar,
    Begin,
    Cancel,
    CancelAnswered,
    ExitAsked,
    Filled,
    FundingPaid,
    Halt,
    Message,
    Now,
    Reported,
    Say,
    Send,
    Tick,
    WakeAt,
    WakeIn,
)
from rusy_tui.execution.records import PROTECTION_WAIT_S, Records, durable
from rusy_tui.execution.resolve import DEFAULT_RECV_WINDOW_MS, Resolver
from rusy_tui.store.store import Store

log = structlog.get_logger("exec")

# An execution may be stamped a little before our own clock's time; ms.
FILLS_SLACK_MS = 10_000
# Executions this much older than the oldest running trade may still be told again; ms.
KNOWN_FILLS_MS = 7 * 86_400_000


class Wiring:
    """What the executor is told of and tells, beside exchange and store.

    Args:
        book: best bid and ask of a symbol, None when too old to act on.
        mark: a symbol's mark price as last told, None before the first.
        gates: the closed gates.
        closed: the symbols whose contract takes no entries now, each with why.
        barred: the exchange refuses what opens in a symbol: which, and why.
        changed: a trade moved.
        halt: close a gate until a person resumes: its name, and why.
        say: a line for the log: text and tone.
    """

    def __init__(
        self,
        *,
        book: Callable[[str], BookTop | None],
        mark: Callable[[str], Decimal | None],
        gates: Callable[[], tuple[Gate, ...]],
        closed: Callable[[], Mapping[str, str]],
        barred: Callable[[str, str], None],
        changed: Callable[[Trade], None],
        halt: Callable[[str, str], None],
        say: Callable[[str, str], None],
    ) -> None:
        self.book = book
        self.mark = mark
        self.gates = gates
        self.closed = closed
        self.barred = barred
        self.changed = changed
        self.halt = halt
        self.say = say


class Executor:
    """Owns every trade that has not ended, at most one a symbol."""

    def __init__(
        self,
        exchange: ExchangePort,
        store: Store,
        clock: Clock,
        ids: Ids,
        strategy: StrategySettings,
        wiring: Wiring,
        recv_window_ms: int = DEFAULT_RECV_WINDOW_MS,
    ) -> None:
        self._exchange = exchange
        self._store = store
        self._clock = clock
        self._ids = ids
        self._strategy = strategy
        self._wiring = wiring
        self._records = Records(store, clock)
        self.resolver = Resolver(exchange, clock, recv_window_ms)
        self.instruments: Mapping[str, Instrument] = {}
        self._lives: dict[str, Life] = {}
        self._inboxes: dict[str, asyncio.Queue[Message]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking: set[str] = set()
        self._known_fills: set[tuple[str, int]] = set()
        store.writes.troubled = self._lost_database
        self.foreign_fills = 0

    @property
    def lives(self) -> Mapping[str, Life]:
        """The trades that have not ended, by symbol."""
        return self._lives

    def holdings(self) -> tuple[Holding, ...]:
        """Every trade that has not ended, at its whole planned size."""
        return tuple(_holding(life) for life in self._lives.values())

    async def enter(self, proposal: Proposal) -> str:
        """Start a trade from an approved proposal; its id."""
        plan = proposal.plan
        votes = " ".join(f"{v.member} {v.probability:.3f}" for v in plan.prediction.members)
        trade = Trade(
            trade_id=self._ids.new(),
            proposal_id=proposal.proposal_id,
            symbol=plan.symbol,
            side=plan.side,
            state=TradeState.PLANNED,
            planned_quantity=plan.quantity,
            planned_entry=plan.entry_price,
            stop_price=plan.stop_price,
            target_price=plan.targets[0].price,
            risk_usd=plan.risk_usd,
            leverage=plan.leverage,
            time_exit_ms=plan.time_exit_ms,
            created_ms=self._clock.market_ms(),
            entry_reason=f"vote {plan.prediction.probability:.4f}: {votes}",
        )
        await self._store.trades.add(trade)
        rules = EntryRules.of(plan, self._strategy.entry_tries, self._strategy.entry_timeout_s)
        self.adopt(Life(trade, rules), Begin())
        return trade.trade_id

    def adopt(self, life: Life, first: Message) -> None:
        """Run a life, new or recovered, beginning with a message."""
        symbol = life.trade.symbol
        if symbol in self._lives:
            raise Defect(f"{symbol}: a second trade, {life.trade.trade_id}, beside another")
        self._lives[symbol] = life
        inbox: asyncio.Queue[Message] = asyncio.Queue()
        inbox.put_nowait(first)
        self._inboxes[symbol] = inbox
        self._wiring.changed(life.trade)
        self.background(self._live(life, inbox))

    def wake(self) -> None:
        """Have every trade look around: a gate has closed or opened."""
        for inbox in self._inboxes.values():
            inbox.put_nowait(Tick())

    def ask_exit(self, symbol: str, reason: ExitReason) -> bool:
        """Close a symbol's trade; False when there is none."""
        return self._tell(symbol, ExitAsked(reason))

    async def know_fills(self, from_ms: int) -> None:
        """Read which executions were counted before this start.

        Args:
            from_ms: creation of the oldest trade that runs, market time.

        Raises:
            StorageError: the database can't be read.
        """
        rows = await self._store.fills.since(from_ms - KNOWN_FILLS_MS)
        self._known_fills |= {(row.fill.symbol, row.fill.exchange_trade_id) for row in rows}

    def on_fill(self, fill: Fill) -> None:
        """Take an execution; each (symbol, trade id) counts once, whatever way it comes.

        It is told at once and written beside (promises P2, P9).
        """
        key = (fill.symbol, fill.exchange_trade_id)
        if key in self._known_fills:
            return
        self._known_fills.add(key)
        life = self._lives.get(fill.symbol)
        trade_id = life.trade.trade_id if life is not None else ""
        self._store.writes.put(
            lambda: self._store.fills.add(fill, trade_id), f"fill {key[1]} of {key[0]}"
        )
        if life is not None:
            self._tell(fill.symbol, Filled(fill))
            return
        purpose = purpose_of(fill.client_order_id)
        text = f"{fill.symbol} filled {fill.quantity} at {fill.price}"
        if purpose is None:
            self.foreign_fills += 1
            self._wiring.say(f"{text}: not by us", "ask")
        elif purpose is Purpose.ENTRY:
            # It opened something that no trade of ours protects.
            self._wiring.halt("defect", f"{text} by an entry whose trade has ended")

    def on_report(self, report: OrderReport) -> None:
        """Take the exchange's word on an order."""
        told = self._tell(report.symbol, Reported(report))
        if not told and purpose_of(report.client_order_id) is not None:
            # Of an order of ours whose trade has ended.
            self._records.put_report(report.client_order_id, report)

    def compare(self, open_orders: Mapping[str, OrderReport]) -> None:
        """Take a whole reading of the open orders of both books (promise P3).

        Args:
            open_orders: by client order id. What a trade believes to rest and is not among
                them may have filled, triggered or gone: it is asked about.
        """
        for report in open_orders.values():
            self.on_report(report)
        for symbol, life in self._lives.items():
            for slot in life.slots.values():
                if slot.live and slot.answered and slot.client_order_id not in open_orders:
                    self._start_asking(slot.intent, self._inboxes[symbol])

    async def on_funding(self, paid: Income) -> bool:
        """Keep a funding payment, and count it to the trade that was open when it was made.

        That one may have ended since: the ledger is read a while after the payment.

        Returns:
            Whether it is new.
        """
        # The row must say what the trade knows, else it is found closed, open or poorer.
        await self._store.writes.settled()
        held = await self._store.trades.held(paid.symbol, paid.time_ms)
        trade_id = held.trade_id if held is not None else ""
        if not await self._store.funding.add(paid, trade_id):
            return False
        if trade_id and trade_id == self.trade_id_of(paid.symbol):
            self._tell(paid.symbol, FundingPaid(paid.amount))
        elif trade_id:
            await self._count_late(trade_id, paid.amount)
        return True

    def trade_id_of(self, symbol: str) -> str | None:
        """The trade that has a symbol now."""
        life = self._lives.get(symbol)
        return life.trade.trade_id if life is not None else None

    async def close(self) -> None:
        """Stop working; what rests on the exchange keeps resting.

        What is not written yet goes on being written until the store is closed.
        """
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the trades; a failure of it closes the gate for entries."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    # The trade's own task -------------------------------------------------------------

    async def _live(self, life: Life, inbox: asyncio.Queue[Message]) -> None:
        symbol = life.trade.symbol
        while True:
            message = await inbox.get()
            before = life.trade
            try:
                actions = life.on(message, self._now(symbol))
            except Defect as defect:
                log.exception("defect", trade=life.trade.trade_id, why=str(defect))
                self._wiring.halt("defect", str(defect))
                continue
            written = self._records.put_news(life, message)
            if life.trade != before:
                written = self._records.put_trade(life.trade)
            if written is not None:
                # The later one is written last, and protection waits for neither for long.
                await self._store.writes.within(PROTECTION_WAIT_S, written)
            if life.trade != before:
                if life.done:
                    del self._lives[symbol], self._inboxes[symbol]
                self._wiring.changed(life.trade)
            for action in actions:
                await self._do(action, symbol, inbox)
            if life.done:
                await self._take_last_news(life, inbox)
                return

    async def _take_last_news(self, life: Life, inbox: asyncio.Queue[Message]) -> None:
        """Keep what had come when a trade ended: the fill that ends it overtakes its report."""
        while not inbox.empty():
            message = inbox.get_nowait()
            self._records.put_news(life, message)
            if isinstance(message, FundingPaid):
                await self._count_late(life.trade.trade_id, message.amount)

    def _now(self, symbol: str) -> Now:
        gates = self._wiring.gates()
        gate = f"gate {gates[0].name}" if gates else self._wiring.closed().get(symbol, "")
        return Now(
            market_ms=self._clock.market_ms(),
            monotonic_s=self._clock.monotonic_s(),
            book=self._wiring.book(symbol),
            instrument=self.instruments[symbol],
            new_id=self._ids.order,
            mark=self._wiring.mark(symbol),
            gate=gate,
            halted=any(gate.halted for gate in gates),
        )

    async def _do(self, action: Action, symbol: str, inbox: asyncio.Queue[Message]) -> None:
        match action:
            case Send(intent=intent):
                # Promise P1: the intent is durable before the order is sent.
                if not await durable(self._store, intent):
                    name = intent.client_order_id
                    if intent.purpose is Purpose.ENTRY:
                        denied = Denied("database", f"{name} could not be made durable")
                        inbox.put_nowait(Answered(intent, denied))
                        return
                self.background(self._send(intent, inbox))
            case Cancel(client_order_id=client_order_id, book=book):
                self.background(self._cancel(symbol, client_order_id, book, inbox))
            case Ask(client_order_id=client_order_id):
                life = self._lives.get(symbol)
                if life is not None:
                    self._start_asking(life.slots[client_order_id].intent, inbox)
            case WakeIn(wall_s=wall_s):
                self.background(self._wake(self._clock.sleep(wall_s), inbox))
            case WakeAt(market_ms=market_ms):
                self.background(self._wake(self._clock.sleep_until_market(market_ms), inbox))
            case Bar(why=why):
                self._wiring.barred(symbol, why)
            case Halt(gate=gate, why=why):
                self._wiring.halt(gate, why)
            case Say(text=text, tone=tone):
                self._wiring.say(text, tone)

    async def _send(self, intent: OrderIntent, inbox: asyncio.Queue[Message]) -> None:
        outcome: Outcome = await self._exchange.place(intent)
        inbox.put_nowait(Answered(intent, outcome))

    async def _cancel(
        self,
        symbol: str,
        client_order_id: str,
        book: OrderBook,
        inbox: asyncio.Queue[Message],
    ) -> None:
        outcome = await self._exchange.cancel(symbol, client_order_id, book)
        inbox.put_nowait(CancelAnswered(client_order_id, outcome))

    def _start_asking(self, intent: OrderIntent, inbox: asyncio.Queue[Message]) -> None:
        if intent.client_order_id not in self._asking:
            self._asking.add(intent.client_order_id)
            self.background(self._ask(intent, inbox))

    async def _ask(self, intent: OrderIntent, inbox: asyncio.Queue[Message]) -> None:
        """Ask until it is known what became of an order, and fetch its fills."""
        since_ms = intent.created_ms - FILLS_SLACK_MS
        try:
            while True:
                report = await self.resolver.resolve(intent)
                if report is not None:
                    # First the report: it has the number by which fills are told apart.
                    inbox.put_nowait(Reported(report))
                    await self.fetch_fills(intent.symbol, since_ms)
                    return
                # Absent needs fills and position to agree, so they must have been read.
                if await self.fetch_fills(intent.symbol, since_ms):
                    held = None
                    # Only an entry makes a position larger; what reduces is harmless twice.
                    if intent.purpose is Purpose.ENTRY:
                        held = await self._held(intent.symbol)
                        if held is None:
                            continue
                    inbox.put_nowait(Absent(intent.client_order_id, held))
                    return
        finally:
            self._asking.discard(intent.client_order_id)

    async def _held(self, symbol: str) -> Decimal | None:
        """The signed position that the exchange has of a symbol; None when it can't be read."""
        try:
            positions = await self._exchange.positions()
        except (ExchangeError, UnreachableError) as error:
            log.warning("position not read", symbol=symbol, why=str(error))
            return None
        return sum((p.quantity for p in positions if p.symbol == symbol), ZERO)

    async def fetch_fills(self, symbol: str, since_ms: int) -> bool:
        """Read our executions from a time on and take those that are new.

        Returns:
            Whether they could be read.
        """
        try:
            fills = await self._exchange.fills(symbol, since_ms)
        except (ExchangeError, UnreachableError) as error:
            # The life notices that fills are still missing and asks again.
            log.warning("fills not read", symbol=symbol, why=str(error))
            return False
        for fill in fills:
            self.on_fill(fill)
        return True

    def _lost_database(self, error: RusyError) -> None:
        self._wiring.halt("database", f"not written: {error}")

    async def _count_late(self, trade_id: str, funding: Decimal) -> None:
        """Count a funding payment to a trade that has ended."""
        await self._store.writes.settled()
        ended = await self._store.trades.get(trade_id)
        if ended is not None:
            counted = after_funding(ended, funding)
            self._records.put_trade(counted)
            self._wiring.changed(counted)

    async def _wake(
        self, due: Coroutine[Any, Any, None], inbox: asyncio.Queue[Message]
    ) -> None:
        await due
        inbox.put_nowait(Tick())

    def _tell(self, symbol: str, message: Message) -> bool:
        inbox = self._inboxes.get(symbol)
        if inbox is None:
            return False
        inbox.put_nowait(message)
        return True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            # A task of ours must never fail; when it does, no entries until somebody looked.
            self._wiring.halt("defect", f"a task failed: {error!r}")
            log.error("task failed", why=repr(error), exc_info=error)


def _holding(life: Life) -> Holding:
    """A trade at its whole planned size and the dearest price it may still enter at."""
    trade, price = life.trade, life.trade.planned_entry
    if life.rules is not None:
        price = max(price, life.rules.worst_price)
    return Holding(
        symbol=trade.symbol,
        side=trade.side,
        notional_usd=max(trade.planned_quantity, trade.quantity) * price,
        risk_usd=trade.risk_usd,
    )
