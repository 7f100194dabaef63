"""The account's stream: its key, its events, and a full read whenever some may be missing.

Nothing is replayed after a reconnect. So each connection that follows an interruption is
followed by a read of everything, told as one :class:`~rusy_tui.domain.account.AccountRead`.
While that is being read, what happens to orders is told at once, for a stop must follow its
fill; what happens to wallet and positions waits for the read, which is then never the older.

A quiet account says nothing for days, and so does a dead stream. So the stream is held to what
is known otherwise: an order that the exchange has just confirmed must be told soon, and now and
then the account is read and compared with what was told. A difference that stays is a fault of
the stream.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from rusy_tui.domain.account import (
    AccountChanged,
    AccountRead,
    Balance,
    OrderChanged,
    Position,
    UserEvent,
)
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, UnreachableError
from rusy_tui.domain.market import StreamRestored, StreamState
from rusy_tui.domain.order import Fill, OrderBook, OrderReport
from rusy_tui.exchange import account_replies
from rusy_tui.exchange.outcomes import is_unknown_listen_key
from rusy_tui.exchange.port import UserSink
from rusy_tui.exchange.rest import AnsweredError, NoAnswer, Rest
from rusy_tui.exchange.streams import (
    Handled,
    ReconnectError,
    Stream,
    StreamError,
    UnknownKinds,
)
from rusy_tui.exchange.told import Told
from rusy_tui.exchange.user_events import ListenKeyExpired, user_event
from rusy_tui.exchange.weights import Cost, Priority
from rusy_tui.exchange.wire import MalformedError, Unknown

_log = logging.getLogger(__name__)

ROUTE = "private"
# What margin is kept in: Rusy trades contracts that are settled in it.
ASSET = "USDT"
# The listen key is valid for 60 min from its last extension.
_KEEP_ALIVE_S = 30 * 60.0
_KEEP_ALIVE_RETRY_S = 60.0
_KEY_COST = Cost(weight=1, priority=Priority.EXIT)
# A read that failed is tried again, from so many wall seconds on, doubled up to so many.
_LEAST_RETRY_S = 0.5
_MOST_RETRY_S = 30.0
# An execution may be stamped a little before the time that a read began at; ms.
_SLACK_MS = 10_000
# Between two readings that unreadable messages ask for; wall seconds. Each one weighs.
_BETWEEN_READS_S = 5.0
# What was read but not told may still be on its way; wall seconds.
_ON_ITS_WAY_S = 5.0
# TRADE_LITE says less than the ORDER_TRADE_UPDATE that follows it: no commission, no realised
# profit, no state of the order. Told, its fill would count and lack both for good.
UNUSED_KINDS = frozenset({"TRADE_LITE", "STRATEGY_UPDATE", "GRID_UPDATE"})


class AccountReads(Protocol):
    """What is read of the account; all raise ``ExchangeError``."""

    def exchange_ms(self) -> int: ...

    async def balance(self, asset: str) -> Balance: ...

    async def positions(self) -> Sequence[Position]: ...

    async def open_orders(
        self, book: OrderBook, symbol: str | None
    ) -> Sequence[OrderReport]: ...

    async def fills(self, symbol: str, since_ms: int) -> Sequence[Fill]: ...

    async def fills_from(self, symbol: str, trade_id: int) -> Sequence[Fill]: ...


class UserStream:
    """One account's events.

    Args:
        ws_url: without a route.
        rest: for the key.
        reads: what the account is read by.
        clock: for waiting.
        symbols: whose executions are read.
        sink: takes the events, without waiting.
        unknown: counts kinds that are not used.
        check_s: wall seconds between comparisons with a reading.
        ping_interval_s, seed: as for :class:`~rusy_tui.exchange.streams.Stream`.
    """

    def __init__(
        self,
        ws_url: str,
        rest: Rest,
        reads: AccountReads,
        clock: Clock,
        symbols: Sequence[str],
        *,
        sink: UserSink,
        unknown: UnknownKinds,
        check_s: float,
        ping_interval_s: float | None,
        seed: int,
    ) -> None:
        self._ws_url = ws_url
        self._rest = rest
        self._reads = reads
        self._clock = clock
        self._symbols = symbols
        self._sink = sink
        self._unknown = unknown
        self._check_s = check_s
        self._key = ""
        self._told = Told(ASSET)
        self._must_read = asyncio.Event()
        # How often a reading was asked for: one asked for meanwhile must follow.
        self._asked = 0
        self._expected: asyncio.Queue[tuple[float, int, OrderReport]] = asyncio.Queue()
        # Events of wallet and positions that wait for a read; None when none is under way.
        self._held: list[AccountChanged] | None = None
        self._ordinal = 0
        self._heard = 0
        # Up to here nothing is missing, in exchange time and by symbol in trade ids.
        self._complete_ms = 0
        self._complete_ids: dict[str, int] = {}
        self.stream = Stream(
            ROUTE,
            self._address,
            self._handle,
            self._report,
            clock,
            rest.exchange_ms,
            # An account may be quiet for days: pings and comparisons find a dead connection.
            limits_s={},
            ping_interval_s=ping_interval_s,
            seed=seed,
        )

    def parts(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What must run, each until cancelled."""
        self._complete_ms = self._reads.exchange_ms()
        return {
            "private stream": self.stream.run(),
            "listen key": self._keep_key_alive(),
            "account read": self._read_when_asked(),
            "account check": self._check(),
            "confirmed orders": self._hold_to_its_word(),
        }

    def expect(self, report: OrderReport) -> None:
        """The exchange has confirmed this: the stream must tell it too, and soon."""
        due_s = self._clock.monotonic_s() + _ON_ITS_WAY_S
        self._expected.put_nowait((due_s, self._asked, report))

    # ── events ────────────────────────────────────────────────────────────────────────

    def _report(self, state: StreamState) -> None:
        self._sink(state)
        self._ordinal += 1
        if isinstance(state, StreamRestored):
            self._ask_to_read()
        else:
            # Read when it is back: until then every reading would be old at once.
            self._must_read.clear()

    def _ask_to_read(self) -> None:
        self._asked += 1
        self._held = self._held or []
        self._must_read.set()

    def _handle(self, message: str | bytes) -> Handled:
        try:
            event = user_event(message)
        except MalformedError:
            # Nobody knows what it said: only a reading does.
            self._ask_to_read()
            raise
        self._heard += 1
        if isinstance(event, ListenKeyExpired):
            if event.listen_key in ("", self._key):
                raise ReconnectError("the listen key expired")
            return ROUTE, 0
        if isinstance(event, Unknown):
            self._unknown.saw(ROUTE, event.kind)
            return ROUTE, 0
        event_ms = event.event_ms
        if isinstance(event, OrderChanged):
            self._tell(self._told.order(event))
        elif not isinstance(event, AccountChanged):
            self._tell(event)
        elif self._held is None:
            self._tell(self._told.account(event, self._complete_ms))
        else:
            self._held.append(event)
        return ROUTE, event_ms

    def _tell(self, event: UserEvent | None) -> None:
        if event is not None:
            self._sink(event)

    # ── the full read ─────────────────────────────────────────────────────────────────

    async def _read_when_asked(self) -> None:
        retry_s = _LEAST_RETRY_S
        while True:
            await self._must_read.wait()
            if await self._read():
                retry_s = _LEAST_RETRY_S
                if self._must_read.is_set():
                    await self._clock.sleep(_BETWEEN_READS_S)
                continue
            await self._clock.sleep(retry_s)
            retry_s = min(retry_s * 2, _MOST_RETRY_S)

    async def _read(self) -> bool:
        """Read the account and tell it; whether that was done."""
        ordinal, asked, before = self._ordinal, self._asked, self._told.orders()
        # Stamped by the exchange; our idea of its clock may run ahead of it.
        begun_ms = self._reads.exchange_ms() - self._rest.time.error_ms
        try:
            found = await self._whole(begun_ms)
        except (ExchangeError, UnreachableError) as error:
            _log.warning("account not read after a reconnect, trying again: %s", error)
            found = None
        if found is None or ordinal != self._ordinal:
            # In the latter case it was cut meanwhile: the reading may have missed something.
            self._release(self._complete_ms)
            self._held = []
            return False
        if asked == self._asked:
            self._must_read.clear()
        self._sink(self._told.read(found, before))
        for fill in found.fills:
            last = self._complete_ids.get(fill.symbol, 0)
            self._complete_ids[fill.symbol] = max(last, fill.exchange_trade_id)
        self._complete_ms = begun_ms
        self._release(begun_ms)
        return True

    def _release(self, read_ms: int) -> None:
        """Tell what waited for a read."""
        held, self._held = self._held or [], [] if self._must_read.is_set() else None
        for event in held:
            self._tell(self._told.account(event, read_ms))

    async def _whole(self, begun_ms: int) -> AccountRead:
        """Executions and orders first: what happens after them is told by the stream."""
        fills: list[Fill] = []
        for symbol in self._symbols:
            last = self._complete_ids.get(symbol)
            if last is not None:
                fills += await self._reads.fills_from(symbol, last)
            else:
                since_ms = self._complete_ms - _SLACK_MS
                fills += await self._reads.fills(symbol, since_ms)
        orders = [
            *await self._reads.open_orders(OrderBook.PLAIN, None),
            *await self._reads.open_orders(OrderBook.CONDITIONAL, None),
        ]
        positions = await self._reads.positions()
        balance = await self._reads.balance(ASSET)
        return AccountRead(
            balance=balance,
            positions=tuple(positions),
            orders=tuple(orders),
            fills=tuple(fills),
            since_ms=self._complete_ms,
            event_ms=begun_ms,
        )

    # ── the comparison ────────────────────────────────────────────────────────────────

    async def _check(self) -> None:
        while True:
            await self._clock.sleep(self._check_s)
            why, heard = await self._difference(), self._heard
            if why is None:
                continue
            await self._clock.sleep(_ON_ITS_WAY_S)
            still = await self._difference()
            # On a busy account it is another difference by now, but the silence is the same.
            if still is not None and (still == why or heard == self._heard):
                self.stream.reconnect(f"the stream did not tell: {still}")

    async def _hold_to_its_word(self) -> None:
        """Give a connection up that does not tell of an order the exchange has confirmed."""
        while True:
            due_s, asked, report = await self._expected.get()
            left_s = due_s - self._clock.monotonic_s()
            if left_s > 0:
                await self._clock.sleep(left_s)
            # A reading since then told what still mattered of it, or will.
            if asked == self._asked and not self._told.knows(report):
                name = f"{report.symbol} order {report.client_order_id}"
                self.stream.reconnect(f"the stream did not tell: {name} is {report.state}")

    async def _difference(self) -> str | None:
        """What a cheap reading knows otherwise; None too when a full read is due anyway."""
        if self._held is not None or self._must_read.is_set():
            return None
        ordinal, before = self._ordinal, self._told.orders()
        wanted = frozenset(self._symbols)
        try:
            orders = [
                report
                for symbol in self._symbols
                for book in OrderBook
                for report in await self._reads.open_orders(book, symbol)
            ]
            positions = await self._reads.positions()
            balance = await self._reads.balance(ASSET)
        except (ExchangeError, UnreachableError) as error:
            _log.warning("account not compared: %s", error)
            return None
        if ordinal != self._ordinal or self._told.orders() != before:
            return None
        return self._told.difference(balance.wallet, positions, orders, wanted)

    # ── the key ───────────────────────────────────────────────────────────────────────

    async def _address(self) -> str:
        # Asked while a key is valid, the exchange gives the same one and extends it.
        try:
            reply = await self._rest.send("post", "listenKey", {}, _KEY_COST, signed=False)
            self._key = account_replies.listen_key(reply.body)
        except (AnsweredError, NoAnswer, MalformedError) as error:
            raise StreamError(f"no listen key: {error}") from error
        return f"{self._ws_url}/{ROUTE}/ws?listenKey={self._key}"

    async def _keep_key_alive(self) -> None:
        wait_s = _KEEP_ALIVE_S
        while True:
            await self._clock.sleep(wait_s)
            wait_s = _KEEP_ALIVE_S
            try:
                reply = await self._rest.send("put", "listenKey", {}, _KEY_COST, signed=False)
                key = account_replies.extended_key(reply.body)
            except (AnsweredError, NoAnswer, MalformedError) as error:
                if isinstance(error, AnsweredError) and is_unknown_listen_key(error.code):
                    self.stream.reconnect("the listen key is unknown to the exchange")
                else:
                    _log.warning("listen key not extended: %s", error)
                    wait_s = _KEEP_ALIVE_RETRY_S
                continue
            if key not in ("", self._key):
                self.stream.reconnect("the listen key is another one by now")
