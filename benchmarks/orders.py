"""An order from the adapter to the exchange's confirmation, against bare HTTP."""

import asyncio
import secrets
import sys
import time
from decimal import Decimal

import aiohttp
import msgspec

from benchmarks.measuring import Row, quantile, row_of_costs
from rusy_tui.clock import SystemClock
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


class _Account(msgspec.Struct):
    api_key: str
    api_secret: str


class _Simulator(msgspec.Struct):
    rest_url: str
    ws_url: str
    accounts: list[_Account]


def measure() -> list[Row]:
    """Milliseconds of each, taken in turn so that what disturbs one disturbs both."""
    placed, bare = asyncio.run(_measure())
    return [
        row_of_costs(
            f"order to confirmed, {name}",
            quantile(placed, share) * 1000,
            "ms",
            f"bare aiohttp GET of the same server, {name}",
            quantile(bare, share) * 1000,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


async def _measure() -> tuple[list[float], list[float]]:
    # The simulator is a process of its own here as everywhere but in lockstep.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rusy_tui.simulator.process", "--json", "--speed", "1",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        if process.stdout is None:
            raise RuntimeError("the simulator's output is not piped")
        line = await asyncio.wait_for(process.stdout.readline(), _START_LIMIT_S)
        return await _against(msgspec.json.decode(line, type=_Simulator))
    finally:
        process.terminate()
        await process.wait()


async def _against(simulator: _Simulator) -> tuple[list[float], list[float]]:
    account = simulator.accounts[0]
    exchange = BinanceExchange(
        simulator.rest_url,
        simulator.ws_url,
        account.api_key,
        account.api_secret,
        SystemClock(),
    )
    placed, bare = [], []
    # The market's time is not ours: the adapter measures by how much it is off.
    await exchange.connect()
    try:
        instrument = (await exchange.instruments())[_SYMBOL]
        top = await exchange.book_top(_SYMBOL)
        price = instrument.price_down(top.bid * Decimal("0.97"))
        async with aiohttp.ClientSession() as session:
            for number in range(ORDERS):
                intent = _order(number, instrument.quantity_down(Decimal("0.01")), price)
                placed.append(await _placed(exchange, intent))
                await exchange.cancel(_SYMBOL, intent.client_order_id, OrderBook.PLAIN)
                bare.append(await _got(session, f"{simulator.rest_url}/fapi/v1/time"))
    finally:
        await exchange.close()
    return placed, bare


def _order(number: int, quantity: Decimal, price: Decimal) -> OrderIntent:
    return OrderIntent(
        client_order_id=f"bench-{secrets.token_hex(8)}",
        trade_id="",
        purpose=Purpose.ENTRY,
        symbol=_SYMBOL,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=quantity,
        price=price,
        time_in_force=TimeInForce.POST_ONLY,
        created_ms=number,
    )


async def _placed(exchange: BinanceExchange, intent: OrderIntent) -> float:
    began_s = time.perf_counter()
    outcome = await exchange.place(intent)
    took_s = time.perf_counter() - began_s
    if not isinstance(outcome, Confirmed):
        message = f"an order that was to rest was not confirmed: {outcome}"
        raise RuntimeError(message)  # noqa: TRY004  # an outcome, not a wrong argument
    return took_s


async def _got(session: aiohttp.ClientSession, url: str) -> float:
    began_s = time.perf_counter()
    async with session.get(url) as response:
        await response.read()
    return time.perf_counter() - began_s
