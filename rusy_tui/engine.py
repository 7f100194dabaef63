"""The engine: the whole flow, wired once. Read from top to bottom, it is how Rusy works.

::

    exchange ─ market ─ features ─ ensemble ─ decide ─ desk ─ execution ─ exchange
                  │                                     │         │
                store                                journal   read model ─ watchers

Live, paper, demo, replay and tests run this same code; only the clock and the exchange
differ.
"""

import asyncio
import random
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rusy_tui import __version__
from rusy_tui.attention import Attention
from rusy_tui.commanding import Commanding
from rusy_tui.config import fingerprint
from rusy_tui.decide.holdings import Holding, Holdings
from rusy_tui.desk.desk import Desk
from rusy_tui.desk.gates import Gates
from rusy_tui.domain.account import AccountRead, OrderChanged, UserEvent
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock, Pace, PaceControl
from rusy_tui.domain.commands import Command, Reply
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.events import CHART_BARS
from rusy_tui.domain.market import (
    BookTop,
    CandleUpdate,
    InstrumentChanged,
    MarketEvent,
    MarketTrade,
    MarkPrice,
    StreamInterrupted,
    StreamRestored,
)
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.proposal import Proposal
from rusy_tui.domain.settings import DataSource, Settings
from rusy_tui.domain.trade import Trade
from rusy_tui.ensemble.runtime import Ensemble
from rusy_tui.exchange.inbox import MarketInbox
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.execution.account import AccountKeeper
from rusy_tui.execution.executor import Executor, Wiring
from rusy_tui.execution.flatten import Flattened, flatten
from rusy_tui.execution.ids import Ids
from rusy_tui.execution.recover import recover
from rusy_tui.link.hub import Publisher
from rusy_tui.lookout import Lookout
from rusy_tui.market.extras import Extras
from rusy_tui.market.forming import Forming
from rusy_tui.market.source import BarSource
from rusy_tui.ownership import Ownership
from rusy_tui.scoring import Scoring
from rusy_tui.store.store import Store
from rusy_tui.tasks import Tasks
from rusy_tui.teller import Teller

# The route of the streams that tells of changed contracts.
CONTRACTS_ROUTE = "market"
RECONCILING, STARTING, DATABASE = "reconciling", "starting", "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an engine is made of; launch chooses the kinds.

    ``symbols`` are traded, and ``bars`` are theirs; ``extras`` keep what is beside the bars,
    None where a collector does; ``randomness`` is seeded in lockstep;
    ``stale_after_s`` is how old a price may be to act on and ``heartbeat_s`` how often that is
    looked at, both in wall seconds; ``speed`` is the demo's where ``pace_control`` is given.
    """

    settings: Settings
    symbols: tuple[str, ...]
    clock: Clock
    exchange: ExchangePort
    store: Store
    bars: BarSource
    extras: Extras | None = None
    ensemble: Ensemble
    publisher: Publisher
    randomness: random.Random
    stale_after_s: float = 10.0
    heartbeat_s: float = 1.0
    pace_control: PaceControl | None = None
    speed: float = 1.0


class Engine:
    """One account's engine. :meth:`run` starts it by recovery and returns when it stopped."""

    def __init__(self, parts: Parts) -> None:
        settings, manifest = parts.settings, parts.ensemble.manifest
        self._parts = parts
        self._clock = parts.clock
        self._exchange = parts.exchange
        self._intervals = tuple(Interval(name) for name in manifest.warmup_bars)
        self._market_events = MarketInbox()
        self._user_events: asyncio.Queue[UserEvent] = asyncio.Queue()
        # Market routes, and single streams of them, that are cut.
        self._cut: set[str] = set()
        self._stopping = asyncio.Event()
        self._decided = asyncio.Condition()
        self._decided_ms: dict[str, int] = {}

        self._mode = settings.desk.mode
        self._ids = Ids(parts.clock, parts.randomness)
        self._teller = Teller(
            parts.publisher, parts.clock, parts.symbols, manifest.version, settings.risk
        )
        self._tasks = Tasks(parts.clock, lambda why: self._halt("defect", why))
        self._spawn, self._keep_up = self._tasks.spawn, self._tasks.keep_up
        self._gates = Gates(self._gates_changed)
        self._bars = parts.bars
        # Who takes closed bars from a database hears no candles of the exchange.
        collects = settings.data.source is DataSource.EXCHANGE
        self._streamed = self._intervals if collects else ()
        self._forming = Forming(() if collects else self._intervals)
        self._ownership = Ownership(
            parts.store,
            parts.clock,
            self._gates,
            self._teller,
            symbols=parts.symbols if collects else (),
            look_every_s=parts.heartbeat_s,
            spawn=self._spawn,
            with_database=self._with_database,
        )
        self._executor = Executor(
            parts.exchange,
            parts.store,
            parts.clock,
            self._ids,
            settings.strategy,
            Wiring(
                book=self.book,
                mark=self._mark,
                gates=lambda: self._gates.closed,
                closed=self._closed_contracts,
                barred=self._barred,
                changed=self._trade_changed,
                halt=self._halt,
                say=self._say_execution,
            ),
            settings.exchange.recv_window_ms,
        )
        self._account = AccountKeeper(
            parts.exchange,
            parts.store,
            parts.clock,
            self._executor,
            parts.symbols,
            self._say_execution,
        )
        self._desk = Desk(
            parts.clock,
            parts.store.proposals,
            parts.store.journal,
            self._gates,
            self,
            self._executor.enter,
            self._proposal_changed,
            mode=self._mode,
            approval=settings.approval,
            limits=settings.risk,
        )
        self._scoring = Scoring(
            settings=settings,
            clock=parts.clock,
            store=parts.store,
            bars=self._bars,
            ensemble=parts.ensemble,
            desk=self._desk,
            gates=self._gates,
            executor=self._executor,
            account=self._account,
            outlook=self,
            teller=self._teller,
        )
        self._lookout = Lookout(
            parts.exchange,
            parts.clock,
            self._gates,
            self._teller,
            self._account,
            self._executor,
            symbols=parts.symbols,
            bars=parts.bars,
            risk=settings.risk,
            book=self.book,
            halt=self._halt,
            heartbeat_s=parts.heartbeat_s,
        )
        self._attention = Attention(
            parts.clock,
            parts.pace_control,
            parts.speed,
            lambda: self._desk.mode is Mode.APPROVE and bool(self._desk.pending),
            self._pace_changed,
        )
        self._commanding = Commanding(
            parts.store,
            parts.clock,
            self._desk,
            self._gates,
            self._executor,
            flatten=self.flatten,
            stop=self.request_stop,
            attend=self._attention.card,
            mode_changed=self._gates_changed,
            say=lambda text, tone: self._teller.say("mode", text, tone),
        )

    # Start, run, stop -----------------------------------------------------------------

    async def run(self) -> None:
        """Start by recovery, work until asked to stop, leave what rests resting.

        Raises:
            ConfigurationError: a configured symbol is not traded.
            ExchangeRefusal: the account is not fit for trading.
            StorageError: another engine runs the account, or collects its symbols.
            UnreachableError, ExchangeError: the start could not be made.
        """
        self._gates.pause(STARTING, "not ready yet", "when started", self._clock.market_ms())
        try:
            await self._start()
            await self._stopping.wait()
        finally:
            self._teller.phase("stopping")
            await self._stop()

    async def _start(self) -> None:
        exchange, symbols = self._exchange, self._parts.symbols
        self._progress("becoming the one engine of the account")
        await self._ownership.take()
        self._keep_up(self._ownership.keep_account)
        self._keep_up(self._ownership.keep_symbols)
        self._progress("connecting to the exchange")
        await exchange.connect()
        settings = self._parts.settings
        await self._account.prepare(settings.exchange.recv_window_ms)
        # Fills are listened to before anything is reconciled, so that none falls between.
        self._keep_up(lambda: exchange.run_user_stream(symbols, self._user_events.put_nowait))
        await self._bars.start(self._progress)
        await self._load_charts()
        self._progress("reconciling with the exchange")
        await self._account.begin(self._user_events)
        await self._account.set_up(settings.risk.leverage)
        await self._reconcile()
        self._keep_up(self._on_user_events)
        self._keep_up(lambda: exchange.run_market_streams(symbols, self._streamed, self._hear))
        self._keep_up(self._on_market_events)
        self._keep_up(self._on_closed_bars)
        self._keep_up(self._bars.run)
        if (extras := self._parts.extras) is not None:
            self._keep_up(lambda: extras.run(self._say_data))
        self._keep_up(self._lookout.run)
        self._keep_up(self._lookout.watch_contracts)
        self._spawn(self._attention.run())
        self._gates.end_pause(STARTING)
        self._teller.phase("running")
        self._teller.say("engine", f"running: {', '.join(symbols)}", "info")

    async def _reconcile(self) -> None:
        await self._account.read_missed_funding()
        account = self._account
        found = await recover(
            self._exchange,
            self._parts.store,
            self._executor,
            self._clock,
            tuple(account.open_orders.values()),
            tuple(account.book.held),
        )
        await self._desk.recover()
        for difference in found.differences:
            self._say_execution(f"the start found: {difference}", "ask")
        for symbol in found.foreign:
            self._say_execution(f"{symbol} holds something foreign: no entries", "ask")
        await self._account.begin_day()
        await self._keep_start()
        self._holdings_changed()

    async def _keep_start(self) -> None:
        """Note in the journal what every later decision is made with."""
        payload = {
            "rusy": __version__,
            "model": self._parts.ensemble.manifest.version,
            "configuration": fingerprint(self._parts.settings),
        }
        now_ms = self._clock.market_ms()
        await self._parts.store.journal.append("start", "engine", payload, now_ms)

    async def _stop(self) -> None:
        await self._tasks.stop()
        await self._executor.close()
        await self._exchange.close()
        await self._ownership.release()

    def request_stop(self) -> None:
        """End :meth:`run`; positions keep their stops on the exchange."""
        self._stopping.set()

    async def handle(self, command: Command, who: str) -> Reply:
        """Carry out an operator's command."""
        return await self._commanding.handle(command, who)

    async def flatten(self, symbol: str | None) -> Flattened:
        """Close one symbol or all, and verify with the exchange."""
        return await flatten(
            self._exchange,
            self._parts.store,
            self._executor,
            self._clock,
            self._ids,
            symbol,
        )

    async def decided(self, close_ms: int) -> None:
        """Wait until every symbol's 15m bar that closes at an instant has been handled."""
        open_ms = close_ms - Interval.M15.ms

        def all_are() -> bool:
            return all(self._decided_ms.get(s, 0) >= open_ms for s in self._parts.symbols)

        async with self._decided:
            await self._decided.wait_for(all_are)

    # What happens -----------------------------------------------------------------------

    def _hear(self, event: MarketEvent) -> None:
        if self._parts.extras is not None:
            # Before the inbox, where the latest takes the place of the older ones.
            self._parts.extras.see(event)
        self._market_events.put(event)

    async def _on_market_events(self) -> None:
        while True:
            event = await self._market_events.get()
            match event:
                case CandleUpdate(candle=candle):
                    self._teller.candle(candle)
                    if candle.closed:
                        self._bars.take(candle)
                case BookTop():
                    self._account.book.see_top(event, self._clock.monotonic_s())
                    self._quote(event.symbol, event.event_ms)
                case MarkPrice():
                    self._account.book.see_mark(event)
                    self._holdings_changed()
                case MarketTrade(symbol=symbol, price=price, event_ms=event_ms):
                    for candle in self._forming.traded(event):
                        self._teller.candle(candle)
                    self._teller.traded(symbol, price)
                    self._quote(symbol, event_ms)
                case InstrumentChanged():
                    self._lookout.contract_changed()
                case StreamInterrupted(route=route, reason=why):
                    self._cut.add(route)
                    self._forming.cut()
                    self._teller.connected(market_stream=False)
                    self._teller.say("feed", f"{route} stream cut: {why}", "ask")
                case StreamRestored(route=route, until_ms=now_ms):
                    self._cut.discard(route)
                    self._forming.heard_from(now_ms)
                    self._teller.connected(market_stream=not self._cut)
                    if route == CONTRACTS_ROUTE:
                        # A change meanwhile was told to nobody.
                        self._lookout.contract_changed()
                    self._spawn(self._bars.catch_up())

    async def _on_closed_bars(self) -> None:
        async for candle in self._bars.closed():
            await self._with_database(self._on_closed_bar(candle))
            self._holdings_changed()

    async def _on_closed_bar(self, candle: Candle) -> None:
        await self._account.begin_day()
        self._lookout.check_day_loss()
        self._lookout.look_at_bars()
        window = await self._parts.store.candles.window(
            candle.symbol, candle.interval, candle.close_time_ms, CHART_BARS
        )
        # Now, not when this bar has been dealt with: else it could propose nothing.
        self._database_answered()
        self._teller.bar(candle, window)
        if candle.interval is Interval.M15:
            await self._scoring.on_bar(candle)
            async with self._decided:
                self._decided_ms[candle.symbol] = candle.open_time_ms
                self._decided.notify_all()

    async def _on_user_events(self) -> None:
        while True:
            event = await self._user_events.get()
            if isinstance(event, StreamInterrupted):
                self._teller.connected(user_stream=False)
                now_ms = self._clock.market_ms()
                self._gates.pause(RECONCILING, event.reason, "when read anew", now_ms)
            await self._with_database(self._account.on_event(event))
            if isinstance(event, StreamRestored):
                self._teller.connected(user_stream=True)
            if isinstance(event, AccountRead):
                # Not when the stream is back: what it did not tell must be known too.
                self._gates.end_pause(RECONCILING)
            if isinstance(event, OrderChanged) and event.fill is not None:
                self._attention.fill()
            self._holdings_changed()

    async def _with_database(self, work: Awaitable[None]) -> None:
        """Do what needs the database; while it is away entries pause and the rest goes on."""
        try:
            await work
        except StorageError as error:
            self._teller.connected(database=False)
            now_ms = self._clock.market_ms()
            self._gates.pause(DATABASE, str(error), "when it answers again", now_ms)
        else:
            self._database_answered()

    def _database_answered(self) -> None:
        if any(gate.name == DATABASE for gate in self._gates.closed):
            self._teller.connected(database=True)
            self._gates.end_pause(DATABASE)

    # What the desk must know (its Outlook) ------------------------------------------------

    def holdings(self, pending: tuple[Holding, ...]) -> Holdings:
        """Everything held and entering, with these pending ones beside it."""
        book = self._account.book
        return Holdings(
            equity_usd=book.equity,
            day_start_equity_usd=book.day_start_equity,
            day_pnl_usd=book.day_pnl,
            holdings=(*self._executor.holdings(), *pending),
            foreign=self._account.foreign(self._executor.lives),
            closed=self._closed_contracts(),
        )

    def book(self, symbol: str) -> BookTop | None:
        """Best bid and ask; None when too old to act on."""
        return self._account.book.top(
            symbol,
            self._clock.monotonic_s(),
            self._exchange.exchange_ms(),
            stale_after_s=self._parts.stale_after_s,
            # Prices may have been made before the market slowed down.
            speed=max(self._clock.speed, self._parts.speed),
        )

    def _closed_contracts(self) -> dict[str, str]:
        return self._account.contracts.closed()

    def _barred(self, symbol: str, why: str) -> None:
        self._lookout.barred(symbol, why)

    def _mark(self, symbol: str) -> Decimal | None:
        mark = self._account.book.marks.get(symbol)
        return mark.price if mark is not None else None

    # What watchers are told ---------------------------------------------------------------

    def _progress(self, text: str) -> None:
        self._teller.phase("starting", text)

    def _say_execution(self, text: str, tone: str) -> None:
        self._teller.say("exec", text, tone)

    def _say_data(self, text: str, tone: str) -> None:
        self._teller.say("data", text, tone)

    def _halt(self, gate: str, why: str) -> None:
        if any(g.name == gate and g.halted for g in self._gates.closed):
            return
        self._gates.halt(gate, why, self._clock.market_ms())
        self._teller.say("risk", f"HALTED: {why}", "down")

    def _gates_changed(self) -> None:
        self._teller.gates(self._desk.mode, self._gates.closed)
        # An entry that rests must hear of a halt at once.
        self._executor.wake()
        self._attention.look()

    def _proposal_changed(self, proposal: Proposal) -> None:
        self._teller.proposal(proposal)
        if proposal.decided_ms is None:
            # A little beyond the limit, which is still in time itself.
            self._spawn(self._expire(self._clock.sleep(proposal.wall_seconds + 0.01)))
            premise_over = self._clock.sleep_until_market(proposal.expires_ms + 1)
            self._spawn(self._expire(premise_over))
        self._attention.look()
        self._holdings_changed()

    async def _expire(self, due: Coroutine[Any, Any, None]) -> None:
        await due
        await self._desk.expire_due()

    def _trade_changed(self, trade: Trade) -> None:
        self._teller.trade(trade)
        self._holdings_changed()

    def _pace_changed(self, pace: Pace, deciding: bool) -> None:
        self._teller.pace(pace, deciding)

    def _holdings_changed(self) -> None:
        self._teller.holdings(
            self._account.book,
            self._executor.lives,
            self._account.contracts.brackets,
            self._account.open_orders.values(),
            self.holdings(self._desk.pending_holdings()),
        )

    def _quote(self, symbol: str, event_ms: int) -> None:
        late_ms = self._exchange.exchange_ms() - event_ms
        age_s = max(0.0, late_ms / 1000 / self._clock.speed)
        instrument = self._account.contracts.instruments[symbol]
        self._teller.quote(instrument, self._account.book, event_ms, age_s)

    async def _load_charts(self) -> None:
        for symbol in self._parts.symbols:
            for interval in self._intervals:
                until_ms = interval.floor(self._exchange.exchange_ms())
                bars = await self._parts.store.candles.window(
                    symbol, interval, until_ms, CHART_BARS
                )
                self._teller.chart(symbol, bars)
        self._teller.connected()
