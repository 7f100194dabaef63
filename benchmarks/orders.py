"""An order from the adapter to the exchange's confirmation and fill, against bare HTTP."""

import asyncio
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal

import aiohttp
import msgspec

from benchmarks.measuring import Row, quantile, row_of_costs
from rusy_tui.clock import SystemClock
from rusy_tui.domain.account import OrderChanged, UserEvent
from rusy_tui.domain.market import StreamRestored
from rusy_tui.domain.order import (
    Confirmed,
    OrderBook,
    OrderIntent,
    OrderKind,
    Purpose,
    Side,
    TimeInForce,
)
from rusy_tui.exchange.binance import BinanceExchange

# Below the exchange's 300 orders in 10 s, of which a tenth is kept for exits.
ORDERS = 200
_SYMBOL = "BTCUSDT"
_START_LIMIT_S = 30.0
_FILL_LIMIT_S = 10.0


class _Account(msgspec.Struct):
    api_key: str
    api_secret: str


class _Simulator(msgspec.Struct):
    rest_url: str
    ws_url: str
    accounts: list[_Account]


def measure() -> list[Row]:
    """Milliseconds of each, taken in turn so that what disturbs one disturbs both."""
    rows = []
    for what, against in (("order to confirmed", _confirmed), ("order to fill event", _filled)):
        # A simulator each: a fresh account has all of its order limit.
        taken, bare = asyncio.run(_measure(against))
        rows += [
            row_of_costs(
                f"{what}, {name}",
                quantile(taken, share) * 1000,
                "ms",
                f"bare aiohttp GET of the same server, {name}",
                quantile(bare, share) * 1000,
            )
            for name, share in (("p50", 0.5), ("p99", 0.99))
        ]
    return rows


_Times = tuple[list[float], list[float]]
_Against = Callable[[BinanceExchange, Callable[[], Awaitable[float]]], Awaitable[_Times]]


async def _measure(against: _Against) -> _Times:
    # The simulator is a process of its own here as everywhere but in lockstep.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rusy_tui.simulator.process", "--json", "--speed", "1",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        if process.stdout is None:
            raise RuntimeError("the simulator's output is not piped")
        line = await asyncio.wait_for(process.stdout.readline(), _START_LIMIT_S)
        simulator = msgspec.json.decode(line, type=_Simulator)
        account = simulator.accounts[0]
        exchange = BinanceExchange(
            simulator.rest_url,
            simulator.ws_url,
            account.api_key,
            account.api_secret,
            SystemClock(),
        )
        # The market's time is not ours: the adapter measures by how much it is off.
        await exchange.connect()
        try:
            async with aiohttp.ClientSession() as session:
                return await against(
                    exchange, lambda: _got(session, f"{simulator.rest_url}/fapi/v1/time")
                )
        finally:
            await exchange.close()
    finally:
        process.terminate()
        await process.wait()


async def _confirmed(exchange: BinanceExchange, got: Callable[[], Awaitable[float]]) -> _Times:
    """Post-only orders far from the market, until the exchange says that they rest."""
    placed, bare = [], []
    instrument = (await exchange.instruments())[_SYMBOL]
    top = await exchange.book_top(_SYMBOL)
    price = instrument.price_down(top.bid * Decimal("0.97"))
    for number in range(ORDERS):
        intent = _order(number, OrderKind.LIMIT, Side.BUY, price)
        placed.append(await _placed(exchange, intent))
        await exchange.cancel(_SYMBOL, intent.client_order_id, OrderBook.PLAIN)
        bare.append(await got())
    return placed, bare


async def _filled(exchange: BinanceExchange, got: Callable[[], Awaitable[float]]) -> _Times:
    """Market orders, there and back, until the user stream has told their fill."""
    filled_s: dict[str, float] = {}
    ready, news = asyncio.Event(), asyncio.Event()

    def sink(event: UserEvent) -> None:
        if isinstance(event, StreamRestored):
            ready.set()
        if isinstance(event, OrderChanged) and event.fill is not None:
            filled_s.setdefault(event.fill.client_order_id, time.perf_counter())
            news.set()

    stream = asyncio.create_task(exchange.run_user_stream([_SYMBOL], sink))
    taken, bare = [], []
    try:
        await asyncio.wait_for(ready.wait(), _START_LIMIT_S)
        for number in range(ORDERS):
            side = Side.SELL if number % 2 else Side.BUY
            intent = _order(number, OrderKind.MARKET, side, None)
            began_s = time.perf_counter()
            await _placed(exchange, intent)
            while intent.client_order_id not in filled_s:
                news.clear()
                await asyncio.wait_for(news.wait(), _FILL_LIMIT_S)
            taken.append(filled_s[intent.client_order_id] - began_s)
            bare.append(await got())
    finally:
        stream.cancel()
        await asyncio.wait([stream])
    return taken, bare


def _order(number: int, kind: OrderKind, side: Side, price: Decimal | None) -> OrderIntent:
    return OrderIntent(
        client_order_id=f"bench-{secrets.token_hex(8)}",
        trade_id="",
        purpose=Purpose.ENTRY,
        symbol=_SYMBOL,
        side=side,
        kind=kind,
        quantity=Decimal("0.01"),
        price=price,
        time_in_force=TimeInForce.POST_ONLY,
        created_ms=number,
    )


async def _placed(exchange: BinanceExchange, intent: OrderIntent) -> float:
    began_s = time.perf_counter()
    outcome = await exchange.place(intent)
    took_s = time.perf_counter() - began_s
    if not isinstance(outcome, Confirmed):
        message = f"an order was not confirmed: {outcome}"
        raise RuntimeError(message)  # noqa: TRY004  # an outcome, not a wrong argument
    return took_s


async def _got(session: aiohttp.ClientSession, url: str) -> float:
    began_s = time.perf_counter()
    async with session.get(url) as response:
        await response.read()
    return time.perf_counter() - began_s
