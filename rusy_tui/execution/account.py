"""Keeps the account in step with the exchange: reads, events, funding, the UTC day."""

import asyncio
from collections.abc import Callable, Container
from decimal import Decimal

import structlog

from rusy_tui.domain.account import (
    AccountChanged,
    AccountRead,
    FeeRates,
    LeverageChanged,
    MarginCalled,
    OrderChanged,
    TriggerRejected,
    UserEvent,
)
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import (
    ExchangeError,
    StorageError,
    UnreachableError,
)
from rusy_tui.domain.market import StreamInterrupted, StreamRestored
from rusy_tui.domain.order import OrderBook, OrderReport
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.execution.book import DAY_MS, AccountBook
from rusy_tui.execution.contracts import Contracts
from rusy_tui.execution.executor import Executor
from rusy_tui.execution.fitness import judge_account, set_up
from rusy_tui.execution.symbols import foreign_symbols
from rusy_tui.store.store import Store

log = structlog.get_logger("exec")

ASSET = "USDT"
# How long a start waits for the user stream's reading of the account; wall seconds.
FIRST_READING_S = 15.0
# Keeping what was paid is tried again after this; wall seconds.
RETRY_S = 1.0
MOST_RETRY_S = 30.0
# A funding event says when, the ledger's entry may be stamped a little earlier; ms.
FUNDING_SLACK_MS = 60_000
HOUR_MS = 3_600_000


class AccountKeeper:
    """The account as told by the exchange.

    Args:
        symbols: traded.
        say: a line for the log, text and tone.
    """

    def __init__(
        self,
        exchange: ExchangePort,
        store: Store,
        clock: Clock,
        executor: Executor,
        symbols: tuple[str, ...],
        say: Callable[[str, str], None],
    ) -> None:
        self._exchange = exchange
        self._store = store
        self._clock = clock
        self._executor = executor
        self._symbols = symbols
        self._say = say
        self.book = AccountBook(ASSET)
        self.contracts = Contracts(exchange, clock, symbols)
        self.fees: dict[str, FeeRates] = {}
        # From here on the ledger must be read for funding; None when all of it is kept.
        self._funding_from_ms: int | None = None
        self._funding_asked = 0
        self.open_orders: dict[str, OrderReport] = {}

    def foreign(self, ours: Container[str]) -> tuple[str, ...]:
        """Symbols with a position no trade of ours explains, or an order without our prefix.

        Args:
            ours: symbols that have a trade.
        """
        return foreign_symbols(self.book.held, self.open_orders.values(), ours)

    async def prepare(self, recv_window_ms: int) -> None:
        """Read the contracts, and refuse an account that is not fit for trading.

        What the account holds is read when the user stream has begun.

        Args:
            recv_window_ms: how long a request stays valid, exchange time.

        Raises:
            ConfigurationError: a symbol is not traded.
            ExchangeRefusal: the account is not fit for trading.
            ExchangeError: the exchange could not be read.
        """
        await self.contracts.read()
        self._executor.instruments = self.contracts.instruments
        await judge_account(self._exchange, recv_window_ms, self._say)
        for symbol in self._symbols:
            self.fees[symbol] = await self._exchange.fee_rates(symbol)
        await self._read_prices()

    async def set_up(self, leverage: int) -> None:
        """Set up margin and leverage where nothing is held, and read back what is set.

        Args:
            leverage: as a factor.

        Raises:
            ExchangeRefusal: the exchange shows something else than was set.
            ExchangeError: the exchange could not be read, or refused.
        """
        await set_up(self._exchange, self._symbols, self.book.held, leverage, self._say)

    async def begin(self, events: asyncio.Queue[UserEvent]) -> None:
        """Begin with what the user stream reads of the account when it connects.

        Both books of all symbols weigh more than everything else of a start, so that they are
        read once. What was told by then is handled in its order when the trades are there.

        Raises:
            ExchangeError, UnreachableError: neither stream nor exchange told.
        """
        told: list[UserEvent] = []

        async def reading() -> AccountRead:
            while True:
                told.append(event := await events.get())
                if isinstance(event, AccountRead):
                    return event

        try:
            self.begin_with(await self._clock.within(FIRST_READING_S, reading()))
        except TimeoutError:
            # Trades that are open must be looked after, stream or no stream.
            log.warning("no user stream yet: the account is read without it")
            await self.read()
        while not events.empty():
            told.append(events.get_nowait())
        for event in told:
            events.put_nowait(event)

    def begin_with(self, read: AccountRead) -> None:
        """Take what the account holds from its first reading; its fills are told later."""
        self.book.read(read.balance, read.positions)
        self.open_orders = {report.client_order_id: report for report in read.orders}

    async def read(self) -> None:
        """Read balance, positions, and the open orders of both books."""
        await self._read_money()
        await self.read_orders()

    async def _read_money(self) -> None:
        balance = await self._exchange.balance(ASSET)
        self.book.read(balance, await self._exchange.positions())

    async def read_orders(self) -> None:
        """Read the open orders of both books, of every symbol: foreign ones count too."""
        reports = [
            *await self._exchange.open_orders(OrderBook.PLAIN, None),
            *await self._exchange.open_orders(OrderBook.CONDITIONAL, None),
        ]
        self.open_orders = {report.client_order_id: report for report in reports}

    async def _read_prices(self) -> None:
        for symbol in self._symbols:
            self.book.see_mark(await self._exchange.mark_price(symbol))
            top = await self._exchange.book_top(symbol)
            self.book.see_top(top, self._clock.monotonic_s())

    async def on_event(self, event: UserEvent) -> None:
        """Take an event of the user stream."""
        match event:
            case OrderChanged(report=report, fill=fill):
                if report.state.is_final:
                    self.open_orders.pop(report.client_order_id, None)
                else:
                    self.open_orders[report.client_order_id] = report
                if fill is not None:
                    self._executor.on_fill(fill)
                self._executor.on_report(report)
            case AccountChanged(reason=reason, event_ms=event_ms):
                self.book.take(event)
                if reason == "funding_fee":
                    self._read_funding_soon(event_ms - FUNDING_SLACK_MS)
            case AccountRead():
                self._take_read(event)
            case LeverageChanged(symbol=symbol, leverage=leverage):
                self._say(f"{symbol} leverage is {leverage} now", "info")
            case TriggerRejected(symbol=symbol, reason=reason):
                # The position is looked after by the reports of its orders.
                self._say(f"{symbol} a triggered order was refused: {reason}", "down")
            case MarginCalled(symbols=symbols):
                self._say(f"margin call: {', '.join(symbols)} near liquidation", "down")
            case StreamRestored() | StreamInterrupted():
                pass

    def _take_read(self, read: AccountRead) -> None:
        """Take a whole reading: missed fills count, each once (P3); compare the rest."""
        self.book.read(read.balance, read.positions)
        self.open_orders = {report.client_order_id: report for report in read.orders}
        for fill in read.fills:
            self._executor.on_fill(fill)
        self._executor.compare(self.open_orders)
        since_ms = read.since_ms - FUNDING_SLACK_MS
        # Funding is paid at full hours alone, on what was held, and asking for it weighs much.
        held = bool(read.positions or read.fills)
        if held and since_ms // HOUR_MS != read.event_ms // HOUR_MS:
            self._read_funding_soon(since_ms)

    def _read_funding_soon(self, since_ms: int) -> None:
        """Read the ledger beside the events: a fill behind this one must not wait for it."""
        running = self._funding_from_ms is not None
        self._funding_asked += 1
        self._funding_from_ms = min(since_ms, self._funding_from_ms or since_ms)
        if not running:
            self._executor.background(self._read_funding_until_kept())

    async def _read_funding_until_kept(self) -> None:
        """Go on however long exchange or database are away: a payment is told only once."""
        wait_s = RETRY_S
        while (from_ms := self._funding_from_ms) is not None:
            asked = self._funding_asked
            try:
                await self.read_funding(from_ms)
            except (ExchangeError, UnreachableError, StorageError) as error:
                log.warning("funding not kept yet", why=str(error))
                await self._clock.sleep(wait_s)
                wait_s = min(2 * wait_s, MOST_RETRY_S)
                continue
            if asked == self._funding_asked:
                self._funding_from_ms = None

    async def read_funding(self, since_ms: int) -> None:
        """Keep funding payments from the exchange's own ledger, each once.

        Raises:
            ExchangeError, UnreachableError: the ledger could not be read.
            StorageError: a payment could not be kept.
        """
        entries = await self._exchange.income(since_ms, self._exchange.exchange_ms())
        for entry in entries:
            if entry.kind == "funding_fee" and await self._executor.on_funding(entry):
                self._say(f"{entry.symbol} funding {entry.amount:+.4f} USDT", "info")

    async def read_missed_funding(self) -> None:
        """Keep what was paid while no engine ran, for the trades that have not ended.

        Before they are rebuilt from their rows, of which these are a part.
        """
        running = await self._store.trades.running()
        if not running:
            return
        since_ms = min(trade.created_ms for trade in running)
        try:
            await self.read_funding(since_ms)
        except (ExchangeError, UnreachableError) as error:
            # A start with a position open waits for nothing that only counts.
            log.warning("funding not read at the start", why=str(error))
            self._read_funding_soon(since_ms)

    async def begin_day(self) -> None:
        """Begin a UTC day when one has begun; its start is kept, so that a restart knows it."""
        now_ms = self._clock.market_ms()
        day_ms = now_ms - now_ms % DAY_MS
        if day_ms == self.book.day_ms:
            return
        kept = [e for e in await self._store.journal.since(day_ms) if e.kind == "day"]
        if kept:
            payload = kept[0].payload
            self.book.begin_day(now_ms, Decimal(str(payload["equity"])))
            return
        self.book.begin_day(now_ms)
        start = {"equity": str(self.book.equity)}
        await self._store.journal.append("day", str(day_ms), start, now_ms)
