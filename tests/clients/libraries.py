"""python-binance, unmodified but for its addresses."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from binance.async_client import AsyncClient
from binance.client import Client

from tests.clients.serving import Exchange, Keys


def sync_client(exchange: Exchange, keys: Keys) -> Client:
    """The synchronous client."""
    # Without ping=False it asks the spot interface, which nobody serves here.
    client = Client(keys.api_key, **_secrets(keys), ping=False)
    _point(client, exchange)
    return client


@asynccontextmanager
async def async_client(exchange: Exchange, keys: Keys) -> AsyncGenerator[AsyncClient]:
    """The asynchronous client, closed at the end of the block."""
    client = AsyncClient(keys.api_key, **_secrets(keys))
    _point(client, exchange)
    try:
        yield client
    finally:
        await client.close_connection()


def _secrets(keys: Keys) -> dict[str, str]:
    if keys.private_key:
        return {"private_key": keys.private_key}
    return {"api_secret": keys.api_secret}


def _point(client: Client | AsyncClient, exchange: Exchange) -> None:
    client.FUTURES_URL = f"{exchange.rest_url}/fapi"
    client.FUTURES_DATA_URL = f"{exchange.rest_url}/futures/data"
    client.MARGIN_API_URL = f"{exchange.rest_url}/sapi"
