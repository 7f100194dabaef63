"""The simulator's own endpoint: true books, faults, pace. Not part of the exchange.

It wants a token made at start, so that no web page in a browser on this machine can use it.
"""

import hmac
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.domain.money import ZERO
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.faults import Fault, Faults, Kind
from rusy_tui.simulator.faults.scenario import read_body
from rusy_tui.simulator.market import INTERVALS, SymbolMarket
from rusy_tui.simulator.pace import PaceOwner
from rusy_tui.simulator.rest.limits import Limits
from rusy_tui.simulator.wire.account_replies import (
    income_reply,
    position_reply,
    trade_reply,
)
from rusy_tui.simulator.wire.market_events import kline_row
from rusy_tui.simulator.wire.orders import algo_reply, order_reply
from rusy_tui.simulator.wire.words import text

TOKEN_HEADER = "X-Control-Token"
_RECENT_MS = 5_000
"""How far back last prices are told, wall time."""

_Answer = Callable[[web.Request], Awaitable[object]]


class Control:
    """Answers under /control.

    Args:
        faults: what goes wrong on purpose.
        limits: who was told to wait, and who did not.
        pace: who owns the pace; None where time is not paced.
        stop: called when somebody asks the simulator to end.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        token: str,
        *,
        faults: Faults,
        limits: Limits,
        pace: PaceOwner | None,
        stop: Callable[[], None],
    ) -> None:
        self._exchange = exchange
        self._token = token
        self._faults = faults
        self._limits = limits
        self._pace = pace
        self._stop = stop

    def add_routes(self, app: web.Application) -> None:
        """Put the addresses into an application."""
        app.router.add_get("/control/state", self._guarded(self._state))
        app.router.add_get("/control/history", self._guarded(self._history))
        app.router.add_get("/control/faults", self._guarded(self._list_faults))
        app.router.add_post("/control/faults", self._guarded(self._add_faults))
        app.router.add_delete("/control/faults", self._guarded(self._clear_faults))
        app.router.add_get("/control/limits", self._guarded(self._show_limits, at_once=True))
        app.router.add_post("/control/price", self._guarded(self._move_price))
        app.router.add_get("/control/pace", self._guarded(self._show_pace, at_once=True))
        app.router.add_post("/control/pace", self._guarded(self._set_pace, at_once=True))
        app.router.add_post("/control/time", self._guarded(self._set_time))
        app.router.add_post("/control/stop", self._guarded(self._end, at_once=True))

    def _guarded(
        self, answer: _Answer, *, at_once: bool = False
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Let in who has the token; ``at_once`` also while the market is behind its clock."""

        async def handle(request: web.Request) -> web.Response:
            given = request.headers.get(TOKEN_HEADER, "")
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                return _reply({"error": f"the {TOKEN_HEADER} header is missing or wrong"}, 403)
            try:
                if not at_once:
                    await self._exchange.gate.passed()
                return _reply(await answer(request), 200)
            except UsageError as error:
                return _reply({"error": str(error)}, 400)

        return handle

    async def _state(self, _: web.Request) -> object:
        exchange, clock = self._exchange, self._exchange.clock
        return {
            "market_ms": clock.market_ms(),
            "wall_ms": clock.wall_ms(),
            "pace": self._pace.pace if self._pace else None,
            "seed": exchange.seed,
            "finished": exchange.finished.is_set(),
            "prices": {
                symbol: _prices(market, clock.wall_ms())
                for symbol, market in exchange.markets.items()
            },
            "accounts": [_account(exchange, account) for account in exchange.books.accounts],
        }

    async def _history(self, request: web.Request) -> object:
        symbol = request.query.get("symbol", "")
        interval = request.query.get("interval", "")
        if symbol not in self._exchange.markets or interval not in list(INTERVALS):
            raise UsageError(f"no candles of symbol {symbol!r} and interval {interval!r}")
        series = self._exchange.markets[symbol].series[Interval(interval)]
        return [kline_row(bar, series.interval) for bar in series.closed]

    async def _list_faults(self, _: web.Request) -> object:
        faults = self._faults
        return {
            "faults": [
                {"number": held.number, "struck": held.struck, **_told(held.fault)}
                for held in faults.listed()
            ],
            "effects": list(faults.effects),
            "counts": {kind: faults.counts[kind] for kind in sorted(faults.counts)},
        }

    async def _add_faults(self, request: web.Request) -> object:
        now_ms = self._exchange.clock.wall_ms()
        return {"numbers": self._faults.add(*read_body(await request.read(), now_ms))}

    async def _clear_faults(self, _: web.Request) -> object:
        cleared = len(self._faults.listed())
        self._faults.clear()
        return {"cleared": cleared}

    async def _show_limits(self, _: web.Request) -> object:
        return {
            "announced": self._exchange.rate_limits,
            "pauses": self._limits.pauses,
            "violations": self._limits.violations,
            "weight_by_path": self._limits.weight_by_path,
            "calls_by_path": self._limits.calls_by_path,
        }

    async def _move_price(self, request: web.Request) -> object:
        try:
            asked = msgspec.json.decode(await request.read(), type=_Move)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise UsageError(f'send {{"symbol": "…", "factor": "0.97"}}: {error}') from None
        if asked.symbol not in self._exchange.markets:
            raise UsageError(f"symbol: {asked.symbol} is not traded here")
        if not asked.factor.is_finite() or asked.factor <= 0:
            raise UsageError(f"factor: {asked.factor}: a number above 0; 0.97 is 3 % down")
        self._exchange.move_price(asked.symbol, asked.factor)
        market = self._exchange.markets[asked.symbol]
        return _prices(market, self._exchange.clock.wall_ms())

    async def _show_pace(self, _: web.Request) -> object:
        if self._pace is None:
            raise UsageError("this market is not paced")
        return self._pace.pace

    async def _set_pace(self, request: web.Request) -> object:
        if self._pace is None:
            raise UsageError("this market is not paced")
        try:
            asked = msgspec.json.decode(await request.read(), type=_Speed)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise UsageError(f'send {{"speed": N}}: {error}') from None
        return await self._pace.change(asked.speed)

    async def _set_time(self, request: web.Request) -> object:
        if self._pace is None:
            raise UsageError("this market is not paced")
        try:
            asked = msgspec.json.decode(await request.read(), type=_Moment)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise UsageError(f'send {{"market_ms": N}}: {error}') from None
        return await self._pace.advance(asked.market_ms)

    async def _end(self, _: web.Request) -> object:
        self._stop()
        return {"stopping": True}


def _told(fault: Fault) -> dict[str, Any]:
    """A fault's settings that are not as they are by default."""
    usual = Fault(kind=Kind.REPLY_LOST_AFTER)
    values = msgspec.structs.asdict(fault)
    return {
        key: value
        for key, value in values.items()
        if key in ("kind", "from_ms", "until_ms") or value != getattr(usual, key)
    }


class _Move(msgspec.Struct, frozen=True):
    symbol: str
    factor: Decimal


class _Speed(msgspec.Struct, frozen=True):
    speed: float


class _Moment(msgspec.Struct, frozen=True):
    market_ms: int


def _reply(body: object, status: int) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )


def _prices(market: SymbolMarket, wall_ms: int) -> dict[str, Any]:
    return {
        "last": text(market.last) if market.last is not None else None,
        "mark": text(market.mark),
        # Market time, wall time, last price; the one before the span is the first that held.
        "recent": [
            [traded_ms, seen_ms, text(price)]
            for traded_ms, seen_ms, price in market.recent
            if wall_ms - seen_ms <= _RECENT_MS
        ],
    }


def _account(exchange: SimulatedExchange, account: Account) -> dict[str, Any]:
    books = exchange.books
    sums: dict[str, Decimal] = {}
    for entry in account.ledger:
        sums[entry.kind] = sums.get(entry.kind, ZERO) + entry.amount
    return {
        "api_key": account.api_key,
        "wallet": text(account.wallet),
        "available": text(exchange.available(account)),
        "positions": [
            position_reply(exchange, account, position.symbol, version=3)
            for position in account.open_positions()
        ],
        "open_orders": [order_reply(o) for o in books.open_orders_of(account)],
        "open_algo_orders": [algo_reply(algo) for algo in books.open_algos_of(account)],
        "fills": [trade_reply(trade) for trade in account.trades],
        "income": [income_reply(entry) for entry in account.ledger],
        "income_sums": {kind: text(sums[kind]) for kind in sorted(sums)},
        "counts": {
            "orders": len(books.orders_of(account)),
            "algo_orders": len(books.algos_of(account)),
            "fills": len(account.trades),
            "income": len(account.ledger),
        },
    }
