"""The Binance USD-M futures adapter: :class:`~rusy_tui.exchange.port.ExchangePort` on the wire.

What outcomes mean is in ``docs/order-outcomes.md``. Weights are the exchange's documented ones.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from rusy_tui.domain.account import (
    AccountSettings,
    Balance,
    ExchangeStatus,
    FeeRates,
    Income,
    KeyPermissions,
    Position,
    SymbolSettings,
)
from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, UnreachableError
from rusy_tui.domain.history import FundingRate, MarkCandle, OpenInterest
from rusy_tui.domain.instrument import Bracket, Instrument
from rusy_tui.domain.market import BookTop, MarkPrice
from rusy_tui.domain.order import (
    Cause,
    Confirmed,
    Denied,
    Fill,
    OrderBook,
    OrderIntent,
    OrderReport,
    Outcome,
    Rejected,
    Side,
    Unresolved,
)
from rusy_tui.exchange import account_replies, columns, fields, history, market_replies
from rusy_tui.exchange.book_feed import BookSink
from rusy_tui.exchange.client import Params
from rusy_tui.exchange.exchange_time import TimeUnknownError
from rusy_tui.exchange.feeds import Feeds
from rusy_tui.exchange.order_book import BookSnapshot, LocalBook
from rusy_tui.exchange.port import MarketSink, UserSink
from rusy_tui.exchange.requests import Requests, UnknownOrderError, cause_of, fail
from rusy_tui.exchange.rest import AnsweredError, Host, NoAnswer, Rest
from rusy_tui.exchange.signing import Credentials
from rusy_tui.exchange.weights import Budget, Cost, Priority
from rusy_tui.exchange.wire import MalformedError

T = TypeVar("T")

_ONE = Cost(weight=1)
_FIVE = Cost(weight=5)
_PRICES_ONE = Cost(weight=1, priority=Priority.RECONCILE)
_ACCOUNT_FIVE = Cost(weight=5, priority=Priority.RECONCILE)
_EXIT_ONE = Cost(weight=1, priority=Priority.EXIT)
_FUNDING = Cost(funding=1, priority=Priority.BACKFILL)
_STATISTICS = Cost(statistics=1, priority=Priority.BACKFILL)
_ALL_SYMBOLS = Cost(weight=40, priority=Priority.RECONCILE)


class BinanceExchange:
    """The exchange behind two addresses.

    Args:
        rest_url: such as ``https://fapi.binance.com``.
        ws_url: such as ``wss://fstream.binance.com``; routes are added to it.
        api_key: of the account; "" for public data alone.
        api_secret: its HMAC secret.
        clock: market time for stamps, wall time for time-outs.
        recv_window_ms: how long after its timestamp a request stays valid, exchange time.
        request_timeout_s: how long an answer is waited for, wall time.
        seed: of the jitter between reconnects.
        private_key: an RSA or Ed25519 key as PEM text, which signs instead of the secret.
        private_key_password: of an encrypted one.
        ban_file: where the end of a ban is kept for the next start, None for nowhere.
        sapi_url: where the key's own permissions are asked for, such as
            ``https://api.binance.com``; None where the venue does not tell them.
        silence_s: wall seconds for which a market stream may be silent before it is subscribed
            and at last connected anew; None for what is normal on the exchange itself, kind by
            kind. Simulated markets may move in steps of a minute.
        check_s: wall seconds between comparisons of the account as the user stream told it with
            a cheap reading (10 of weight, and 2 a symbol).
        ping_interval_s: of WebSocket pings, wall seconds; None for none (lockstep, where each
            costs a jump of time).
    """

    def __init__(
        self,
        rest_url: str,
        ws_url: str,
        api_key: str,
        api_secret: str,
        clock: Clock,
        recv_window_ms: int = 5000,
        request_timeout_s: float = 10.0,
        seed: int = 0,
        *,
        private_key: str | None = None,
        private_key_password: str | None = None,
        ban_file: Path | None = None,
        sapi_url: str | None = None,
        silence_s: float | None = 90.0,
        check_s: float = 300.0,
        ping_interval_s: float | None = 20.0,
    ) -> None:
        self._rest = Rest(
            rest_url,
            Credentials(api_key, api_secret, private_key, private_key_password),
            clock,
            recv_window_ms,
            request_timeout_s,
            sapi_url,
            ban_file,
        )
        self._requests = Requests(self._rest, clock)
        self._feeds = Feeds(
            ws_url,
            self._rest,
            clock,
            silence_s=silence_s,
            check_s=check_s,
            ping_interval_s=ping_interval_s,
            seed=seed,
        )

    @property
    def budget(self) -> Budget:
        """The requests that are left, for showing."""
        return self._rest.budget

    async def connect(self) -> None:
        try:
            await self._rest.open()
        except TimeUnknownError as error:
            await self._rest.close()
            if isinstance(error.__cause__, AnsweredError):
                fail("time", error.__cause__)
            raise UnreachableError(str(error)) from error

    async def close(self) -> None:
        await self._feeds.close()
        await self._rest.close()

    def exchange_ms(self) -> int:
        return self._rest.exchange_ms()

    def status(self) -> ExchangeStatus:
        return self._rest.status()

    # --- what the market is ---

    async def instruments(self) -> Mapping[str, Instrument]:
        def parse(body: bytes) -> Mapping[str, Instrument]:
            found, limits = market_replies.instruments(body)
            self._rest.budget.announce(limits)
            return found

        return await self._requests.read("exchangeInfo", {}, _ONE, parse, signed=False)

    async def brackets(self, symbol: str) -> Sequence[Bracket]:
        return await self._requests.read(
            "leverageBracket",
            {"symbol": symbol},
            _ONE,
            lambda body: market_replies.brackets(body, symbol),
        )

    async def all_brackets(self) -> Mapping[str, Sequence[Bracket]]:
        return await self._requests.read(
            "leverageBracket", {}, _ONE, market_replies.all_brackets
        )

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
        params = _span(symbol, start_ms, end_ms, limit, interval=interval.value)
        cost = _klines_cost(limit, backfill)
        parse = market_replies.candles
        return await self._klines("klines", params, cost, parse, symbol, interval)

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
        params = _span(symbol, start_ms, end_ms, limit, interval=interval.value)
        cost = _klines_cost(limit, backfill)
        parse = columns.bars
        return await self._klines("klines", params, cost, parse, symbol, interval)

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
        params = _span(symbol, start_ms, end_ms, limit, interval=interval.value)
        cost = _klines_cost(limit, backfill)
        parse = market_replies.mark_price_candles
        return await self._klines("markPriceKlines", params, cost, parse, symbol, interval)

    async def funding_rates(
        self, symbol: str, start_ms: int, end_ms: int, limit: int
    ) -> Sequence[FundingRate]:
        return await self._requests.read(
            "fundingRate",
            _span(symbol, start_ms, end_ms, limit),
            _FUNDING,
            market_replies.funding_rates,
            signed=False,
        )

    async def open_interest(
        self, symbol: str, start_ms: int, end_ms: int, limit: int
    ) -> Sequence[OpenInterest]:
        return await self._requests.read(
            "openInterestHist",
            _span(symbol, start_ms, end_ms, limit, period=Interval.M15.value),
            _STATISTICS,
            market_replies.open_interest,
            signed=False,
            host=Host.DATA,
        )

    async def _klines(
        self,
        path: str,
        params: Params,
        cost: Cost,
        parse: Callable[[bytes, str, Interval, int], T],
        symbol: str,
        interval: Interval,
    ) -> T:
        """Rows over bars; told which of them have closed for certain."""
        # What the exchange's clock certainly shows by now: the reply will not be older.
        sure_ms = self._rest.time.sure_ms()
        return await self._requests.read(
            path,
            params,
            cost,
            lambda body: parse(body, symbol, interval, sure_ms),
            signed=False,
        )

    async def book_top(self, symbol: str) -> BookTop:
        params = {"symbol": symbol, "limit": "5"}
        return await self._requests.read(
            "depth",
            params,
            Cost(weight=2, priority=Priority.RECONCILE),
            lambda body: market_replies.book_top(body, symbol),
            signed=False,
        )

    async def mark_price(self, symbol: str) -> MarkPrice:
        return await self._requests.read(
            "premiumIndex",
            {"symbol": symbol},
            _PRICES_ONE,
            market_replies.mark_price,
            signed=False,
        )

    # --- how the account is set up ---

    async def account_settings(self) -> AccountSettings:
        return await self._requests.read(
            "accountConfig",
            {},
            _FIVE,
            account_replies.account_settings,
        )

    async def fee_rates(self, symbol: str) -> FeeRates:
        return await self._requests.read(
            "commissionRate",
            {"symbol": symbol},
            Cost(weight=20),
            account_replies.fee_rates,
        )

    async def symbol_settings(self, symbol: str) -> SymbolSettings:
        return await self._requests.read(
            "symbolConfig",
            {"symbol": symbol},
            _FIVE,
            lambda body: account_replies.symbol_settings(body, symbol),
        )

    async def all_symbol_settings(self) -> Mapping[str, SymbolSettings]:
        return await self._requests.read(
            "symbolConfig", {}, _FIVE, account_replies.all_symbol_settings
        )

    async def key_permissions(self) -> KeyPermissions | None:
        return await self._requests.key_permissions()

    async def set_isolated(self, symbol: str) -> None:
        try:
            await self._rest.send(
                "post", "marginType", {"symbol": symbol, "marginType": "ISOLATED"}, _ONE
            )
        except AnsweredError as error:
            if cause_of(error) is not Cause.NO_CHANGE:
                fail(f"marginType {symbol}", error)
        except NoAnswer as error:
            fail(f"marginType {symbol}", error)

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        what = f"leverage {symbol}"
        params = {"symbol": symbol, "leverage": str(leverage)}
        try:
            reply = await self._rest.send("post", "leverage", params, _ONE)
            now = account_replies.leverage(reply.body)
        except (AnsweredError, NoAnswer, MalformedError) as error:
            fail(what, error)
        if now != leverage:
            raise ExchangeError(f"{what}: asked for {leverage}, the exchange says {now}")

    # --- orders ---

    async def place(self, intent: OrderIntent) -> Outcome:
        try:
            params = fields.order_params(intent)
        except fields.NotSendable as error:
            return Denied(error.rule, str(error))
        # Orders weigh nothing by address; they count on the account's order limits.
        priority = Priority.EXIT if fields.may_use_reserve(intent) else Priority.ENTRY
        cost = Cost(orders=1, priority=priority)
        path = fields.order_path(intent.book)
        told = await self._requests.command(
            "post",
            path,
            params,
            cost,
            lambda body: account_replies.commanded(body, intent.book),
            recv_window_ms=intent.recv_window_ms,
        )
        return await self._outcome(
            "placed", told, intent.symbol, intent.client_order_id, intent.book
        )

    async def cancel(self, symbol: str, client_order_id: str, book: OrderBook) -> Outcome:
        path = fields.order_path(book)
        params = fields.order_id_params(symbol, client_order_id, book)
        if book is OrderBook.PLAIN:
            told = await self._requests.command(
                "delete",
                path,
                params,
                _EXIT_ONE,
                lambda body: account_replies.commanded(body, book),
            )
            return await self._outcome("cancelled", told, symbol, client_order_id, book)
        failed = await self._requests.command("delete", path, params, _EXIT_ONE, lambda _: None)
        if failed is not None:
            return failed
        # The reply names no order: ask what became of it.
        return await self._read_after("cancelled", symbol, client_order_id, book)

    async def amend(
        self,
        symbol: str,
        client_order_id: str,
        side: Side,
        quantity: Decimal,
        price: Decimal,
    ) -> Outcome:
        try:
            params = fields.amend_params(symbol, client_order_id, side, quantity, price)
        except fields.NotSendable as error:
            return Denied(error.rule, str(error))
        failed = await self._requests.command(
            "put", "order", params, Cost(orders=1), lambda _: None
        )
        if isinstance(failed, Rejected) and failed.cause is Cause.NO_CHANGE:
            failed = None
        if failed is not None:
            return failed
        # An amendment can cancel the order, and its reply is not documented to tell.
        return await self._read_after("amended", symbol, client_order_id, OrderBook.PLAIN)

    async def _outcome(
        self,
        done: str,
        told: OrderReport | Rejected | Unresolved | None,
        symbol: str,
        client_order_id: str,
        book: OrderBook,
    ) -> Outcome:
        """What an answer proves; it is read where the answer tells no price (None)."""
        if told is None:
            return await self._read_after(done, symbol, client_order_id, book)
        return self._confirmed(told) if isinstance(told, OrderReport) else told

    def _confirmed(self, report: OrderReport) -> Confirmed:
        self._feeds.expect(report)
        return Confirmed(report)

    async def _read_after(
        self, done: str, symbol: str, client_order_id: str, book: OrderBook
    ) -> Outcome:
        """What became of an order that the exchange has accepted a command for."""
        try:
            report = await self.order(symbol, client_order_id, book)
        except ExchangeError as error:
            return Unresolved(f"{done}, but not read since: {error}")
        if report is None:
            return Unresolved(f"{done}, and unknown since")
        return self._confirmed(report)

    async def cancel_all(self, symbol: str, book: OrderBook) -> Outcome | None:
        path = fields.cancel_all_path(book)
        return await self._requests.command(
            "delete", path, {"symbol": symbol}, _EXIT_ONE, lambda _: None
        )

    async def order(
        self, symbol: str, client_order_id: str, book: OrderBook
    ) -> OrderReport | None:
        params = fields.order_id_params(symbol, client_order_id, book)
        try:
            return await self._requests.read(
                fields.order_path(book),
                params,
                _EXIT_ONE,
                lambda body: account_replies.order_report(body, book),
            )
        except UnknownOrderError:
            return None

    async def open_orders(self, book: OrderBook, symbol: str | None) -> Sequence[OrderReport]:
        return await self._requests.read(
            fields.open_orders_path(book),
            {} if symbol is None else {"symbol": symbol},
            _ALL_SYMBOLS if symbol is None else _EXIT_ONE,
            lambda body: account_replies.order_reports(body, book),
        )

    # --- what the account holds ---

    async def positions(self) -> Sequence[Position]:
        return await self._requests.read(
            "positionRisk",
            {},
            Cost(weight=5, priority=Priority.EXIT),
            account_replies.positions,
            version=3,
        )

    async def balance(self, asset: str) -> Balance:
        return await self._requests.read(
            "balance",
            {},
            _ACCOUNT_FIVE,
            lambda body: account_replies.balance(body, asset),
            version=3,
        )

    async def fills(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        return await history.fills(self._requests, self.exchange_ms, symbol, since_ms)

    async def fills_from(self, symbol: str, trade_id: int) -> Sequence[Fill]:
        """Our executions of a symbol from an exchange trade id on, that one too, ascending."""
        return await history.fills_from(self._requests, symbol, trade_id)

    async def income(self, since_ms: int, until_ms: int) -> Sequence[Income]:
        return await history.income(self._requests, since_ms, until_ms)

    # --- streams ---

    async def run_market_streams(
        self, symbols: Sequence[str], intervals: Sequence[Interval], sink: MarketSink
    ) -> None:
        await self._feeds.run_market(symbols, intervals, sink)

    async def run_order_book(self, symbol: str, sink: BookSink, speed: str = "100ms") -> None:
        """Keep a local order book until cancelled, and tell its best prices.

        A lost difference is told as an interruption of ``book SYMBOL``; a snapshot (weight 20)
        mends it. ``sink`` must not wait.

        Args:
            symbol: of the book.
            sink: takes best prices after each difference, interruptions and restorations.
            speed: 100ms, 250ms or 500ms between differences.
        """

        async def read() -> BookSnapshot:
            return await self._requests.read(
                "depth",
                {"symbol": symbol, "limit": "1000"},
                Cost(weight=20),
                market_replies.book_snapshot,
                signed=False,
            )

        await self._feeds.run_book(symbol, read, sink, speed)

    def order_book(self, symbol: str) -> LocalBook | None:
        """The local book that :meth:`run_order_book` keeps; None where it does not run."""
        return self._feeds.books.get(symbol)

    async def run_user_stream(self, symbols: Sequence[str], sink: UserSink) -> None:
        await self._feeds.run_user(self, symbols, sink)


def _span(symbol: str, start_ms: int, end_ms: int, limit: int, **what: str) -> dict[str, str]:
    return {
        "symbol": symbol,
        **what,
        "startTime": str(start_ms),
        "endTime": str(end_ms),
        "limit": str(limit),
    }


def _klines_cost(limit: int, backfill: bool) -> Cost:
    priority = Priority.BACKFILL if backfill else Priority.ENTRY
    return Cost(weight=_klines_weight(limit), priority=priority)


def _klines_weight(limit: int) -> int:
    """What a request for so many candles weighs."""
    for below, weight in ((100, 1), (500, 2), (1001, 5)):
        if limit < below:
            return weight
    return 10
