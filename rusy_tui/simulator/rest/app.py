"""The doors of the REST interface: limits, key, signature, time; then the endpoint."""

import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

import msgspec
from aiohttp import web

from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.latency import Delays, Latency
from rusy_tui.simulator.listen_keys import ListenKeys
from rusy_tui.simulator.refusals import Refusal
from rusy_tui.simulator.rest import accounts, orders, public
from rusy_tui.simulator.rest.endpoints import Call, Endpoint, Security
from rusy_tui.simulator.rest.limits import LimitHit, Limits
from rusy_tui.simulator.rest.parameters import Parameters
from rusy_tui.simulator.rest.signatures import (
    account_of_key,
    check_signature,
    check_timestamp,
)

_ENDPOINTS = (*public.ENDPOINTS, *orders.ENDPOINTS, *accounts.ENDPOINTS)
_KEY_HEADER = "X-MBX-APIKEY"
_OK = 200

Fastest = Callable[[], float]


class RestInterface:
    """Serves the endpoints.

    Args:
        fastest: the greatest pace (market seconds a wall second) within a request's window.
        latency: delays on the clock; None for none.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        keys: ListenKeys,
        clock: Clock,
        *,
        fastest: Fastest,
        latency: Latency | None,
    ) -> None:
        self._exchange = exchange
        self._keys = keys
        self._clock = clock
        self._fastest = fastest
        self._latency = latency
        self._limits = Limits(clock)
        self._delays: WeakKeyDictionary[asyncio.Transport, Delays] = WeakKeyDictionary()
        self.last_asked_s = clock.monotonic_s()
        """When a client last asked for anything with a key; monotonic seconds."""

    def add_routes(self, app: web.Application) -> None:
        """Put every endpoint into an application."""
        for endpoint in _ENDPOINTS:
            app.router.add_route(endpoint.method, endpoint.path, self._door(endpoint))

    def _door(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            body = await request.read()
            await self._delay(request)
            response = self._answer(endpoint, request, body)
            await self._delay(request)
            return response

        return handle

    async def _delay(self, request: web.Request) -> None:
        connection = request.transport
        if self._latency is None or connection is None:
            return
        delays = self._delays.get(connection)
        if delays is None:
            delays = self._delays[connection] = self._latency.connection()
        await self._clock.sleep(delays.next_s())

    def _answer(self, endpoint: Endpoint, request: web.Request, body: bytes) -> web.Response:
        address = request.remote or ""
        headers: dict[str, str] = {}
        try:
            reply = self._carry_out(endpoint, request, body, address, headers)
            status = _OK
        except Refusal as refused:
            reply = {"code": refused.code, "msg": refused.message}
            status = refused.status
            if isinstance(refused, LimitHit):
                headers["Retry-After"] = str(refused.wait_s)
        headers["X-MBX-USED-WEIGHT-1M"] = str(self._limits.used(address))
        return web.Response(
            status=status,
            body=msgspec.json.encode(reply),
            content_type="application/json",
            headers=headers,
        )

    def _carry_out(
        self,
        endpoint: Endpoint,
        request: web.Request,
        body: bytes,
        address: str,
        headers: dict[str, str],
    ) -> object:
        query = request.raw_path.partition("?")[2]
        try:
            parameters = Parameters(query, body.decode())
        except UnicodeDecodeError:
            raise Refusal(-1100, "Illegal characters found in a parameter.") from None
        self._limits.weigh(address, endpoint.weight(parameters))
        account: Account | None = None
        if endpoint.security is not Security.NONE:
            account = account_of_key(self._exchange, request.headers.get(_KEY_HEADER))
            self.last_asked_s = self._clock.monotonic_s()
        if endpoint.security is Security.SIGNED and account is not None:
            check_signature(account.api_secret, query.encode(), body)
            check_timestamp(parameters, self._clock, self._fastest())
        if endpoint.counts_as_order and account is not None:
            in_10_s, in_minute = self._limits.count_order(account)
            headers["X-MBX-ORDER-COUNT-10S"] = str(in_10_s)
            headers["X-MBX-ORDER-COUNT-1M"] = str(in_minute)
        now_ms = self._clock.market_ms()
        return endpoint.handler(Call(self._exchange, self._keys, parameters, account, now_ms))
