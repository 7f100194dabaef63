"""The exchange's official SDK, unmodified but for the address, and an ear on its streams."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_common.errors import Error
from binance_sdk_derivatives_trading_usds_futures.rest_api import (
    DerivativesTradingUsdsFuturesRestAPI,
)
from binance_sdk_derivatives_trading_usds_futures.websocket_streams import (
    DerivativesTradingUsdsFuturesWebSocketStreams,
)

from tests.clients import counts
from tests.clients.serving import Exchange, Keys

_TIMEOUT_MS = 20_000
"""A shared machine may be slow; the SDK's own second is for a fast line."""

_HEAR_S = 20.0


def rest(exchange: Exchange, keys: Keys | None = None) -> DerivativesTradingUsdsFuturesRestAPI:
    """The SDK's REST client, with keys or without."""
    private_key = keys.private_key if keys else None
    client = DerivativesTradingUsdsFuturesRestAPI(
        ConfigurationRestAPI(
            api_key=keys.api_key if keys else None,
            api_secret=keys.api_secret if keys and not private_key else None,
            private_key=private_key,
            base_path=exchange.rest_url,
            timeout=_TIMEOUT_MS,
            retries=0,
        )
    )
    return cast(DerivativesTradingUsdsFuturesRestAPI, _Noting(client))


class _Noting:
    """The client, and a note of what it parsed."""

    def __init__(self, client: DerivativesTradingUsdsFuturesRestAPI) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def ask(*values: Any, **named: Any) -> _Answer:
            return _Answer(name, method(*values, **named))

        return ask


class _Answer:
    """An answer of the SDK's, parsed once."""

    def __init__(self, method: str, response: Any) -> None:
        self._parsed = response.data()
        self._response = response
        counts.parsed(method, self._parsed)

    def data(self) -> Any:
        return self._parsed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)


def code_of(ask: Callable[[], object]) -> int:
    """The error number that the SDK raises a request's refusal with; 0 where it is taken."""
    try:
        ask()
    except Error as refused:
        return int(getattr(refused, "status_code", 0) or 0)
    return 0


class Hearing:
    """What the SDK heard of one stream: its own models, and the same stream's raw payloads."""

    def __init__(self) -> None:
        self.parsed: list[Any] = []
        self.raw: list[Any] = []

    def take_raw(self, message: Any) -> None:
        """Keep what an envelope holds."""
        self.raw.append(message["data"])

    async def wait(
        self, enough: Callable[["Hearing"], bool], within_s: float = _HEAR_S
    ) -> None:
        """Wait until what was heard is enough; fails with what was heard otherwise."""
        until = time.monotonic() + within_s
        while not enough(self):
            assert time.monotonic() < until, f"heard only {self.raw}"
            await asyncio.sleep(0.02)


Subscribe = Callable[[DerivativesTradingUsdsFuturesWebSocketStreams], Awaitable[Any]]


@asynccontextmanager
async def hearing(exchange: Exchange, subscribe: Subscribe) -> AsyncGenerator[Hearing]:
    """Listen to a stream by a method of the SDK, for as long as the block lasts.

    A second client of the SDK takes the same stream without a model, for the models drop in
    silence what they don't know: :func:`tests.clients.walk.walk_raw` looks at those.

    Args:
        exchange: where to listen.
        subscribe: calls one of the client's subscribing methods and returns its handle.
    """
    heard = Hearing()
    typed, plain = _streams(exchange), _streams(exchange)
    await typed.create_connection()  # type: ignore[no-untyped-call]
    await plain.create_connection()  # type: ignore[no-untyped-call]
    try:
        asked = _Asked(typed)
        handle = await subscribe(cast(DerivativesTradingUsdsFuturesWebSocketStreams, asked))
        handle.on("message", heard.parsed.append)
        name = handle._stream
        connection = typed.stream_connections.stream_connections_map[name]
        await plain.subscribe([name], stream_url=connection.url_path)
        plain.on("message", heard.take_raw, name)
        # Requests of a connection are answered in order: both have been subscribed then.
        await typed.list_subscribe()
        await plain.list_subscribe()
        yield heard
        if heard.parsed and heard.raw:
            counts.streams.add(asked.method)
    finally:
        await typed.close_connection()
        await plain.close_connection()


def _streams(exchange: Exchange) -> DerivativesTradingUsdsFuturesWebSocketStreams:
    return DerivativesTradingUsdsFuturesWebSocketStreams(
        ConfigurationWebSocketStreams(stream_url=exchange.ws_url)
    )


class _Asked:
    """The stream client, and the name of the method that was called on it."""

    def __init__(self, client: DerivativesTradingUsdsFuturesWebSocketStreams) -> None:
        self._client = client
        self.method = ""

    def __getattr__(self, name: str) -> Any:
        self.method = name
        return getattr(self._client, name)
