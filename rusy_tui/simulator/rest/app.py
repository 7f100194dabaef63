"""The doors of the REST interface: faults, limits, key, signature, time; the endpoint."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

import msgspec
from aiohttp import web

from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.faults.blow import Blow
from rusy_tui.simulator.faults.fault import Kind
from rusy_tui.simulator.faults.faults import Asked, Faults
from rusy_tui.simulator.latency import Delays, Latency
from rusy_tui.simulator.listen_keys import ListenKeys
from rusy_tui.simulator.refusals import Refusal, any_refusal, refusal
from rusy_tui.simulator.rest import accounts, algo_orders, batches, orders, public
from rusy_tui.simulator.rest.endpoints import Call, Endpoint, Security
from rusy_tui.simulator.rest.limits import LimitHit, Limits
from rusy_tui.simulator.rest.parameters import Parameters
from rusy_tui.simulator.rest.signatures import (
    account_of_key,
    check_rights,
    check_signature,
    check_timestamp,
)

_ENDPOINTS = (
    *public.ENDPOINTS,
    *orders.ENDPOINTS,
    *algo_orders.ENDPOINTS,
    *batches.ENDPOINTS,
    *accounts.ENDPOINTS,
)
_KEY_HEADER = "X-MBX-APIKEY"
_TIME_PATH = "/fapi/v1/time"
_OK = 200
_UNAVAILABLE = 503
_UNKNOWN_TEXT = "Unknown error, please check your request or try again later."
_FAILED_TEXT = "Service Unavailable."

_LONGEST_HANG_S = 300.0
"""A request that is never answered ends with its connection, or after so long."""

_HANG_LOOK_S = 1.0

Fastest = Callable[[], float]


class RestInterface:
    """Serves the endpoints.

    Args:
        fastest: the greatest pace (market seconds a wall second) within a request's window.
        latency: delays on the clock; None for none.
        faults: what goes wrong.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        keys: ListenKeys,
        clock: Clock,
        faults: Faults,
        *,
        fastest: Fastest,
        latency: Latency | None,
    ) -> None:
        self._exchange = exchange
        self._keys = keys
        self._clock = clock
        self._faults = faults
        self._fastest = fastest
        self._latency = latency
        self.limits = Limits(clock, exchange.rate_limits)
        self._delays: WeakKeyDictionary[asyncio.Transport, Delays] = WeakKeyDictionary()
        self.keep: Callable[[], None] = _nothing
        """Called after a signed request that may have changed something, before its reply."""
        self.last_asked_s = clock.monotonic_s()
        """When a client last asked for anything; monotonic seconds."""

    def add_routes(self, app: web.Application) -> None:
        """Put every endpoint into an application."""
        for endpoint in _ENDPOINTS:
            app.router.add_route(endpoint.method, endpoint.path, self._door(endpoint))

    def _door(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            body = await request.read()
            knew = self.limits.knows(request.remote or "")
            await self._delay(request)
            asked = self._asked(endpoint, request, body)
            blow = self._faults.on_request(asked)
            if blow.late_s:
                await self._clock.sleep(blow.late_s)
            if blow.lost_before:
                await self._lose(request, hang=blow.hang)
                return web.Response()
            await self._exchange.gate.passed()
            response = self._answer(endpoint, request, body, asked, blow, knew=knew)
            await self._delay(request)
            if blow.reply_late_s:
                await self._clock.sleep(blow.reply_late_s)
            if blow.lost_after:
                await self._lose(request, hang=blow.hang)
            elif "Retry-After" in response.headers:
                self.limits.told(request.remote or "")
            return response

        return handle

    def _asked(self, endpoint: Endpoint, request: web.Request, body: bytes) -> Asked:
        """What faults are told of a request; what can't be read in it is left out."""
        values = dict(parse_qsl(request.raw_path.partition("?")[2]))
        values |= dict(parse_qsl(body.decode(errors="replace")))
        account = self._exchange.account_of(request.headers.get(_KEY_HEADER, ""))
        return Asked(
            endpoint.method,
            endpoint.path,
            values.get("symbol"),
            account.number if account is not None else None,
            closes="true" in (values.get("reduceOnly"), values.get("closePosition")),
            places=endpoint.counts_as_order,
        )

    async def _lose(self, request: web.Request, *, hang: bool) -> None:
        """End a request's connection without an answer: at once, or when its client does."""
        patience_s = _LONGEST_HANG_S if hang else 0.0
        while patience_s > 0 and request.transport is not None:
            await self._clock.sleep(_HANG_LOOK_S)
            patience_s -= _HANG_LOOK_S
        if request.transport is not None:
            request.transport.abort()

    async def _delay(self, request: web.Request) -> None:
        connection = request.transport
        if self._latency is None or connection is None:
            return
        delays = self._delays.get(connection)
        if delays is None:
            delays = self._delays[connection] = self._latency.connection()
        await self._clock.sleep(delays.next_s())

    def _answer(
        self,
        endpoint: Endpoint,
        request: web.Request,
        body: bytes,
        asked: Asked,
        blow: Blow,
        *,
        knew: bool,
    ) -> web.Response:
        address = request.remote or ""
        headers: dict[str, str] = {}
        status = _OK
        reply: object
        try:
            if blow.retry_after_s:
                self.limits.stop(address, blow.retry_after_s, banned=blow.banned)
            self.limits.admit(address, str(asked), knew=knew)
            reply = self._carry_out(endpoint, request, body, address, headers, blow)
        except Refusal as refused:
            reply = {"code": refused.code, "msg": refused.message}
            status = refused.status
            if isinstance(refused, LimitHit):
                headers["Retry-After"] = str(refused.wait_s)
        except _Unavailable as unavailable:
            # Such answers come from before the exchange proper, and carry no number.
            now_ms = self._clock.market_ms()
            text = str(unavailable)
            reply = {"timestamp": now_ms, "path": endpoint.path, "msg": text}
            status = _UNAVAILABLE
        headers["X-MBX-USED-WEIGHT-1M"] = str(self.limits.used(address))
        encoded = msgspec.json.encode(reply)
        return web.Response(
            status=status,
            body=blow.break_body(encoded) if status == _OK else encoded,
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
        blow: Blow,
    ) -> object:
        query = request.raw_path.partition("?")[2]
        try:
            parameters = Parameters(query, body.decode())
        except UnicodeDecodeError:
            raise Refusal(-1100, "Illegal characters found in a parameter.") from None
        self.limits.weigh(address, endpoint.path, endpoint.weight(parameters))
        # Whoever asks: a backfill has no key, and is minutes at it.
        self.last_asked_s = self._clock.monotonic_s()
        account: Account | None = None
        if endpoint.security is not Security.NONE:
            account = account_of_key(self._exchange, request.headers.get(_KEY_HEADER))
        if endpoint.security is Security.SIGNED and account is not None:
            check_signature(account, query.encode(), body)
            now_ms = self._clock.market_ms() + self._faults.clock_offset_ms(
                f"{endpoint.method} {endpoint.path}", checks=True
            )
            check_timestamp(parameters, now_ms, self._fastest())
            check_rights(account, endpoint.method)
        if endpoint.counts_as_order and account is not None:
            in_10_s, in_minute = self.limits.count_order(account, endpoint.orders_in_10_s)
            headers["X-MBX-ORDER-COUNT-10S"] = str(in_10_s)
            headers["X-MBX-ORDER-COUNT-1M"] = str(in_minute)
        _refuse(blow)
        now_ms = self._clock.market_ms()
        if endpoint.path == _TIME_PATH:
            # A clock that drifts shows in what it tells and checks; the books keep one time.
            now_ms += self._faults.clock_offset_ms(_TIME_PATH, checks=False)
        call = Call(self._exchange, self._keys, parameters, account, now_ms)
        reply = endpoint.handler(call)
        self._exchange.tell_books()
        if endpoint.security is Security.SIGNED and endpoint.method != "GET":
            self.keep()
        if blow.unknown_after:
            raise _unknown(blow)
        return reply


def _nothing() -> None: ...


class _Unavailable(Exception):
    """Answered with 503 and this text."""


def _unknown(blow: Blow) -> Exception:
    """What is answered where nobody knows whether something was carried out."""
    if blow.unknown_code:
        return any_refusal(blow.unknown_code)
    return _Unavailable(_UNKNOWN_TEXT)


def _refuse(blow: Blow) -> None:
    """Raise what a fault answers in the place of carrying out."""
    match blow.refused:
        case Kind.STATUS_UNKNOWN:
            raise _unknown(blow)
        case Kind.UNAVAILABLE:
            raise _Unavailable(_FAILED_TEXT)
        case Kind.OVERLOADED:
            raise refusal(-1008)
        case Kind.STOP_REFUSED:
            raise any_refusal(blow.code)
