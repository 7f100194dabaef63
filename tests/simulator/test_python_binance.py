"""The client library we ship with, unmodified but for its clock and address."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from binance.async_client import AsyncClient
from binance.exceptions import BinanceAPIException

from rusy_tui.clock import LockstepClock
from tests.simulator.serving import Served, on_exchange
from tests.simulator.support import KEY, SECRET, SYMBOL


class _Client(AsyncClient):  # type: ignore[misc]  # the library carries no types
    """Stamps with the exchange's time, as an adapter must."""

    market_clock: LockstepClock

    @property
    def timestamp_offset(self) -> float:
        return self.market_clock.market_ms() - time.time() * 1000

    @timestamp_offset.setter
    def timestamp_offset(self, _: float) -> None: ...


@asynccontextmanager
async def _client(served: Served) -> AsyncGenerator[_Client]:
    _Client.market_clock = served.clock
    client = _Client(KEY, SECRET)
    client.FUTURES_URL = f"{served.server.rest_url}/fapi"
    try:
        yield client
    finally:
        await client.close_connection()


def test_it_places_asks_and_cancels() -> None:
    async def scenario(served: Served) -> None:
        async with _client(served) as client:
            info = await client.futures_exchange_info()
            assert info["symbols"][0]["symbol"] == SYMBOL
            rows = await client.futures_klines(symbol=SYMBOL, interval="15m", limit=5)
            assert len(rows) == 5
            await client.futures_change_margin_type(symbol=SYMBOL, marginType="ISOLATED")
            await client.futures_change_leverage(symbol=SYMBOL, leverage=10)
            resting = await client.futures_create_order(
                symbol=SYMBOL,
                side="BUY",
                type="LIMIT",
                timeInForce="GTX",
                quantity="0.010",
                price="49900.0",
                newClientOrderId="rest-1",
            )
            found = await client.futures_get_order(symbol=SYMBOL, origClientOrderId="rest-1")
            assert found["orderId"] == resting["orderId"]
            await client.futures_cancel_order(symbol=SYMBOL, origClientOrderId="rest-1")
            assert await client.futures_get_open_orders() == []
            bought = await client.futures_create_order(
                symbol=SYMBOL,
                side="BUY",
                type="MARKET",
                quantity="0.010",
                newOrderRespType="RESULT",
            )
            assert bought["status"] == "FILLED"
            (position,) = await client.futures_position_information()
            assert position["positionAmt"] == "0.010"

    on_exchange(scenario)


def test_it_routes_stops_to_the_algo_book() -> None:
    async def scenario(served: Served) -> None:
        async with _client(served) as client:
            stop = await client.futures_create_order(
                symbol=SYMBOL,
                side="SELL",
                type="STOP_MARKET",
                triggerPrice="49000.0",
                workingType="MARK_PRICE",
                closePosition=True,
                clientAlgoId="stop-1",
            )
            (listed,) = await client.futures_get_open_algo_orders(symbol=SYMBOL)
            assert listed["algoId"] == stop["algoId"]
            # Cancelling plain orders leaves it; its own call does not.
            await client.futures_cancel_all_open_orders(symbol=SYMBOL)
            assert await client.futures_get_algo_order(clientAlgoId="stop-1")
            await client.futures_cancel_all_algo_open_orders(symbol=SYMBOL)
            found = await client.futures_get_algo_order(clientAlgoId="stop-1")
            assert found["algoStatus"] == "CANCELED"

    on_exchange(scenario)


def test_errors_reach_it_with_their_number_and_text() -> None:
    async def scenario(served: Served) -> None:
        async with _client(served) as client:
            with pytest.raises(BinanceAPIException) as raised:
                await client.futures_cancel_order(symbol=SYMBOL, origClientOrderId="none")
            assert (raised.value.code, raised.value.message) == (-2011, "Unknown order sent.")

    on_exchange(scenario)


def test_its_listen_keys_and_money() -> None:
    async def scenario(served: Served) -> None:
        async with _client(served) as client:
            key = await client.futures_stream_get_listen_key()
            await client.futures_stream_keepalive(key)
            await client.futures_stream_close(key)
            (balance,) = await client.futures_account_balance()
            assert balance["balance"] == "10000"
            account = await client.futures_account()
            assert account["totalWalletBalance"] == "10000"
            (income,) = await client.futures_income_history()
            assert income["incomeType"] == "TRANSFER"
            assert await client.futures_account_trades(symbol=SYMBOL) == []

    on_exchange(scenario)
