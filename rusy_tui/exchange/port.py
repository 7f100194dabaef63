"""What the engine needs of an exchange, in domain types.

Two implementations: :mod:`rusy_tui.exchange.binance`, and the simulator's core called
in-process by backtests.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from rusy_tui.domain.account import (
    AccountSettings,
    Balance,
    ExchangeStatus,
    FeeRates,
    Income,
    KeyPermissions,
    Position,
    SymbolSettings,
    UserEvent,
)
from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.history import FundingRate, MarkCandle, OpenInterest
from rusy_tui.domain.instrument import Bracket, Instrument
from rusy_tui.domain.market import BookTop, MarketEvent, MarkPrice
from rusy_tui.domain.order import Fill, OrderBook, OrderIntent, OrderReport, Outcome, Side

MarketSink = Callable[[MarketEvent], None]
UserSink = Callable[[UserEvent], None]


class ExchangePort(Protocol):
    """An exchange. Reads raise :class:`~rusy_tui.domain.errors.ExchangeError`.

    Order commands never raise for what the exchange or the network does: they return an
    :data:`~rusy_tui.domain.order.Outcome`. They may be cancelled by the caller only at the
    price of an unresolved order, so callers run them shielded.
    """

    async def connect(self) -> None:
        """Open the session and measure the exchange's time.

        Raises:
            UnreachableError: when nothing answers.
        """

    async def close(self) -> None:
        """End streams and session."""

    def exchange_ms(self) -> int:
        """Exchange time now: market time corrected by the measured offset, ms."""

    def status(self) -> ExchangeStatus:
        """How the connection stands, for showing; asks nobody."""

    async def instruments(self) -> Mapping[str, Instrument]:
        """Every contract by symbol, with its filters."""

    async def account_settings(self) -> AccountSettings:
        """How the account is set up: position mode, multi-assets, trading permission."""

    async def key_permissions(self) -> KeyPermissions | None:
        """What the API key may do; None where the venue does not tell (testnet, demo)."""

    async def brackets(self, symbol: str) -> Sequence[Bracket]:
        """The margin brackets of a symbol, ascending by notional."""

    async def all_brackets(self) -> Mapping[str, Sequence[Bracket]]:
        """The same of every symbol, by symbol, for the weight of one."""

    async def candles(
        self,
        symbol: str,
        interval: Interval,
        start_ms: int,
        end_ms: int,
        limit: int,
        *,
        backfill: bool = False,
    ) -> Sequence[Candle]:
        """Candles by open time in [start_ms, end_ms], ascending, at most ``limit``.

        The last one may still be forming: its ``closed`` is then False. ``backfill`` lets all
        other requests go first.
        """

    async def bars(
        self,
        symbol: str,
        interval: Interval,
        start_ms: int,
        end_ms: int,
        limit: int,
        *,
        backfill: bool = False,
    ) -> Bars:
        """The closed ones among the same candles as columns: what reads much reads these.

        As they come: order, grid and figures are the caller's to judge.
        """

    async def mark_price_candles(
        self,
        symbol: str,
        interval: Interval,
        start_ms: int,
        end_ms: int,
        limit: int,
        *,
        backfill: bool = False,
    ) -> Sequence[MarkCandle]:
        """The mark price over bars that have closed, asked for as :meth:`candles` is."""

    async def funding_rates(
        self, symbol: str, start_ms: int, end_ms: int, limit: int
    ) -> Sequence[FundingRate]:
        """What was paid at the funding times in [start_ms, end_ms], ascending.

        At most ``limit``, from the start on; all other requests go first.
        """

    async def open_interest(
        self, symbol: str, start_ms: int, end_ms: int, limit: int
    ) -> Sequence[OpenInterest]:
        """Open interest at the ends of quarters of an hour in [start_ms, end_ms], ascending.

        Quarters without a trade are left out. The exchange keeps a month, and refuses a start
        before it. All other requests go first.
        """

    async def book_top(self, symbol: str) -> BookTop:
        """The best bid and ask."""

    async def mark_price(self, symbol: str) -> MarkPrice:
        """Mark price and next funding."""

    async def fee_rates(self, symbol: str) -> FeeRates:
        """What a fill costs on this account."""

    async def symbol_settings(self, symbol: str) -> SymbolSettings:
        """Leverage and margin type of a symbol, as the account has them."""

    async def all_symbol_settings(self) -> Mapping[str, SymbolSettings]:
        """The same of every symbol, by symbol, for the weight of one."""

    async def set_isolated(self, symbol: str) -> None:
        """Isolated margin for a symbol; no change needed counts as done."""

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Leverage of a symbol, as a factor."""

    async def place(self, intent: OrderIntent) -> Outcome:
        """Send an order, to the book its kind belongs to."""

    async def cancel(self, symbol: str, client_order_id: str, book: OrderBook) -> Outcome:
        """Cancel one order."""

    async def amend(
        self,
        symbol: str,
        client_order_id: str,
        side: Side,
        quantity: Decimal,
        price: Decimal,
    ) -> Outcome:
        """Change quantity and price of a resting limit order; it loses its place in the queue.

        A post-only order amended through the book, and a partly filled one amended to at most
        what is filled, are **cancelled** by it: the report tells.
        """

    async def cancel_all(self, symbol: str, book: OrderBook) -> Outcome | None:
        """Cancel all orders of a symbol in one book; None when done."""

    async def order(
        self, symbol: str, client_order_id: str, book: OrderBook
    ) -> OrderReport | None:
        """Ask for an order; None when the exchange says it does not know it.

        None alone proves nothing: see ``docs/order-outcomes.md``.
        """

    async def open_orders(self, book: OrderBook, symbol: str | None) -> Sequence[OrderReport]:
        """The open orders of one book, of one symbol or of all."""

    async def positions(self) -> Sequence[Position]:
        """Every position whose quantity is not zero."""

    async def balance(self, asset: str) -> Balance:
        """The wallet of an asset."""

    async def fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        """Our executions of a symbol from a time on, ascending by exchange trade id.

        ``client_order_id`` is "" in them: the exchange does not repeat it here.
        """

    async def income(self, since_ms: int, until_ms: int) -> Sequence[Income]:
        """Ledger entries in [since_ms, until_ms], ascending by time."""

    async def run_market_streams(
        self, symbols: Sequence[str], intervals: Sequence[Interval], sink: MarketSink
    ) -> None:
        """Deliver market events until cancelled, reconnecting for ever.

        ``sink`` must not wait: it puts the event on a queue. Books are told by their best
        prices and by the sums of their nearest levels.
        """

    async def run_user_stream(self, symbols: Sequence[str], sink: UserSink) -> None:
        """Deliver the account's events until cancelled, reconnecting for ever.

        After each connection that events may be missing before, the first one too, the whole
        account is read and told as one ``AccountRead``, with these symbols' executions.
        ``sink`` must not wait: it puts the event on a queue.
        """
