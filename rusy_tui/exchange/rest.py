"""Requests to the exchange: stamped, signed, counted, timed; the one place of python-binance.

What of python-binance's ways is replaced, and why:

* its ``create()`` asks the spot interface first: never called;
* it stamps with the machine's time and forces a recvWindow of 10 s: stamped here, by our Clock;
* it signs unencoded text while aiohttp encodes the body: here the text that is signed is the
  text that is sent, so that no character can break a signature;
* it keeps the last response on the client, shared by concurrent calls: headers are read where
  the response is handled.
"""

import enum
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
from binance import AsyncClient

from rusy_tui.domain.account import ExchangeStatus
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.order import Cause, Rejected
from rusy_tui.exchange import answers
from rusy_tui.exchange.outcomes import BANNED, FORBIDDEN, TOO_MANY_REQUESTS, classify
from rusy_tui.exchange.weights import Budget, Cost, Counted, Priority
from rusy_tui.exchange.wire import MalformedError

_log = logging.getLogger(__name__)

# Shorter than any server's own limit, so that we are the side that drops an idle connection:
# a POST on one that the server has just dropped would be unresolved for nothing.
_KEEP_ALIVE_S = 15.0
_TIME_SAMPLES = 3
_TIME_AGES_S = 30 * 60.0
# How long nothing is sent where the exchange says stop and names no time.
_PAUSES_S = {BANNED: 120.0, TOO_MANY_REQUESTS: 60.0, FORBIDDEN: 60.0}
_OTHER_PAUSE_S = 10.0
_HEADERS = {
    "X-MBX-USED-WEIGHT-1M": (Counted.WEIGHT, 60),
    "X-MBX-ORDER-COUNT-10S": (Counted.ORDERS, 10),
    "X-MBX-ORDER-COUNT-1M": (Counted.ORDERS, 60),
}

Params = Mapping[str, str]


class Host(enum.Enum):
    """The exchange's interfaces: futures, and the one that tells what a key may do."""

    FAPI = "fapi"
    SAPI = "sapi"


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx answer, and the market times (ms) at which it was asked for and came."""

    body: bytes
    sent_ms: int
    received_ms: int


class AnsweredError(Exception):
    """The exchange answered with an error.

    Args:
        http_status: of the answer.
        code: the exchange's error number, 0 when the body held none.
        text: the error's text, or the body.
        retry_after_s: how long to send nothing, where the answer names it.
    """

    def __init__(
        self, http_status: int, code: int, text: str, retry_after_s: float | None
    ) -> None:
        super().__init__(f"HTTP {http_status}, {code}: {text}")
        self.http_status = http_status
        self.code = code
        self.text = text
        self.retry_after_s = retry_after_s


class NoAnswer(Exception):
    """No answer came. ``sent`` False: proven that not one byte left."""

    def __init__(self, text: str, *, sent: bool) -> None:
        super().__init__(text)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]


class _Client(AsyncClient):  # type: ignore[misc]  # python-binance has no types
    """python-binance's client with our stamps, signatures and reading of answers."""

    def __init__(self, rest_url: str, api_key: str, api_secret: str, rest: "Rest") -> None:
        self._rest = rest
        # testnet and demo would override FUTURES_URL.
        super().__init__(api_key, api_secret, testnet=False, demo=False)
        self.FUTURES_URL = f"{rest_url.rstrip('/')}/fapi"

    def _get_headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self.API_KEY:
            headers["X-MBX-APIKEY"] = self.API_KEY
        return headers

    def _init_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers=self._get_headers(),
            connector=aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Time-outs are the Clock's.
            timeout=aiohttp.ClientTimeout(total=None),
        )

    def _get_request_kwargs(
        self,
        method: str,
        signed: bool,
        force_params: bool = False,
        data: Params | None = None,
    ) -> dict[str, Any]:
        params = dict(data or {})
        if signed:
            params["timestamp"] = str(self._rest.exchange_ms())
        text = urlencode(params)
        if signed:
            text = f"{text}&signature={self._hmac_signature(text)}"
        sent: dict[str, Any] = {"allow_redirects": False}
        if text:
            sent["params" if method == "get" else "data"] = text
        return sent

    async def _handle_response(self, response: aiohttp.ClientResponse) -> _Answer:
        return _Answer(response.status, await response.read(), response.headers)


class Rest:
    """Sends requests; knows the exchange's time. :meth:`open` it inside the running loop."""

    def __init__(
        self,
        rest_url: str,
        api_key: str,
        api_secret: str,
        clock: Clock,
        recv_window_ms: int,
        request_timeout_s: float,
        sapi_url: str | None = None,
    ) -> None:
        self.budget = Budget(clock)
        # Another host, with limits of its own.
        self._sapi_budget = Budget(clock)
        self.sapi_url = sapi_url
        self._address = (rest_url, api_key, api_secret)
        self._clock = clock
        self._recv_window_ms = recv_window_ms
        self._request_timeout_s = request_timeout_s
        self._client: _Client | None = None
        self._offset_ms = 0
        self._measured_at_s = float("-inf")
        self.time_error_ms = 0

    async def open(self) -> None:
        """Open the session and measure the exchange's time.

        Raises:
            AnsweredError, NoAnswer: as :meth:`send`.
        """
        if self._client is None:
            self._client = _Client(*self._address, self)
            if self.sapi_url is not None:
                self._client.MARGIN_API_URL = f"{self.sapi_url.rstrip('/')}/sapi"
        await self._measure_time(_TIME_SAMPLES)

    async def close(self) -> None:
        """Close the session."""
        client, self._client = self._client, None
        if client is not None:
            await client.session.close()

    def exchange_ms(self) -> int:
        """Exchange time now: market time and the measured offset, ms."""
        return self._clock.market_ms() + self._offset_ms

    def status(self) -> ExchangeStatus:
        """How the connection stands."""
        weight = self.budget.weight
        return ExchangeStatus(
            # An upper bound, which beside many answers under way can be above all there is.
            weight_used=min(weight.used_at(self._clock.monotonic_s()), weight.most),
            weight_limit=weight.most,
            waiting=self.budget.waiting,
            closed_for_s=self.budget.closed_for_s,
            offset_ms=self._offset_ms,
            offset_error_ms=self.time_error_ms,
            offset_age_s=self._clock.monotonic_s() - self._measured_at_s,
        )

    async def send(
        self,
        method: str,
        path: str,
        params: Params,
        cost: Cost,
        *,
        signed: bool = True,
        version: int = 1,
        recv_window_ms: int | None = None,
        host: Host = Host.FAPI,
    ) -> Reply:
        """Wait for the budget, send, and wait for the answer.

        A request whose timestamp was refused is sent a second time after the exchange's time
        was measured anew: it was proven not to have been accepted. Nothing else is repeated
        here; aiohttp repeats GET, PUT and DELETE, once, on a dead kept-alive connection.

        Args:
            method: get, post, put or delete.
            path: after ``/fapi/v1/``.
            params: in wire form; sent in the query for get, else in the body.
            cost: what the request counts against the limits.
            signed: whether timestamp, recvWindow and signature are added.
            version: of the interface.
            host: which of the exchange's interfaces is asked.
            recv_window_ms: instead of the configured one; a shorter one than the time-out
                also shortens that.

        Raises:
            AnsweredError: the exchange answered with an error.
            NoAnswer: time-out, no connection, or one that was cut.
        """
        timeout_s = self._request_timeout_s
        if recv_window_ms is not None:
            timeout_s = min(timeout_s, recv_window_ms / 1000)
        if signed:
            params = {**params, "recvWindow": str(recv_window_ms or self._recv_window_ms)}
            if (
                method == "get"
                and self._clock.monotonic_s() - self._measured_at_s > _TIME_AGES_S
            ):
                # Lazily, and before a read: no order ever waits for it. Without an answer the
                # former offset is as good as it was.
                with suppress(AnsweredError, NoAnswer):
                    await self._measure_time(1)
        try:
            return await self._send_once(
                method, path, params, cost, signed, version, timeout_s, host
            )
        except AnsweredError as error:
            if not signed or not _is_cause(error, Cause.CLOCK):
                raise
            _log.warning("timestamp refused, measuring the exchange's time again: %s", error)
            try:
                await self._measure_time(1)
            except (AnsweredError, NoAnswer):
                # What is proven of the request itself is the refusal of its timestamp.
                raise error from None
        return await self._send_once(
            method, path, params, cost, signed, version, timeout_s, host
        )

    async def _send_once(
        self,
        method: str,
        path: str,
        params: Params,
        cost: Cost,
        signed: bool,
        version: int,
        timeout_s: float,
        host: Host = Host.FAPI,
    ) -> Reply:
        if self._client is None:
            raise NoAnswer("the session is not open", sent=False)
        budget = self.budget if host is Host.FAPI else self._sapi_budget
        ask = (
            self._client._request_futures_api
            if host is Host.FAPI
            else self._client._request_margin_api
        )
        admission = await budget.admit(cost)
        used: dict[tuple[Counted, int], int] = {}
        sent_ms = self._clock.market_ms()
        try:
            answer: _Answer = await self._clock.within(
                timeout_s,
                ask(method, path, signed, version=version, data=dict(params)),
            )
            used = _counts(answer.headers)
        except aiohttp.ClientConnectorError as error:
            raise NoAnswer(f"no connection: {error}", sent=False) from error
        except aiohttp.ClientError as error:
            # The text of some aiohttp errors holds the address, and with it the signature.
            raise NoAnswer(f"connection failed: {type(error).__name__}", sent=True) from None
        except OSError as error:
            # TimeoutError among them.
            text = (
                f"no answer in {timeout_s} s" if isinstance(error, TimeoutError) else str(error)
            )
            raise NoAnswer(text, sent=True) from error
        finally:
            budget.settle(admission, used)
        if not 200 <= answer.status < 300:
            raise self._failure(answer, budget)
        return Reply(answer.body, sent_ms, self._clock.market_ms())

    def _failure(self, answer: _Answer, budget: Budget) -> AnsweredError:
        """The error that an answer holds. After a limit was hit, everybody waits."""
        code, text = answers.error_body(answer.body)
        retry_after_s = answers.retry_after_s(answer.headers.get("Retry-After"))
        error = AnsweredError(answer.status, code, text, retry_after_s)
        if _is_cause(error, Cause.LIMITS):
            pause_s = retry_after_s
            if pause_s is None:
                pause_s = _PAUSES_S.get(answer.status, _OTHER_PAUSE_S)
            _log.warning("limit hit, sending nothing for %s s: %s", pause_s, error)
            budget.stop(pause_s)
        return error

    async def _measure_time(self, samples: int) -> None:
        """Narrow down the exchange's offset from our clock by round trips.

        Each one proves that the offset lies between two bounds. Where none contradicts our own
        clock it is taken for right: a paced market, shared by both ends, runs so fast that half
        a round trip of error would put a timestamp in the exchange's future.
        """
        # First, so that requests that go on meanwhile don't measure as well.
        self._measured_at_s = self._clock.monotonic_s()
        try:
            bounds = [await self._ask_time() for _ in range(samples)]
        except (AnsweredError, NoAnswer):
            self._measured_at_s = float("-inf")
            raise
        least_ms, most_ms = max(low for low, _ in bounds), min(high for _, high in bounds)
        # One of the clocks was set between two samples: the last one knows best.
        if least_ms > most_ms:
            least_ms, most_ms = bounds[-1]
        self._offset_ms = 0 if least_ms <= 0 <= most_ms else (least_ms + most_ms) // 2
        self.time_error_ms = max(most_ms - self._offset_ms, self._offset_ms - least_ms)
        _log.info(
            "exchange time is %+d ms off, known to %d ms", self._offset_ms, self.time_error_ms
        )

    async def _ask_time(self) -> tuple[int, int]:
        """The least and the greatest offset (ms) that an answer leaves possible."""
        # An exit may be waiting for this.
        cost = Cost(weight=1, priority=Priority.EXIT)
        timeout_s = self._request_timeout_s
        reply = await self._send_once("get", "time", {}, cost, False, 1, timeout_s)
        try:
            server_ms = answers.server_time_ms(reply.body)
        except MalformedError as error:
            raise NoAnswer(f"the exchange's time can't be read: {error}", sent=True) from error
        return server_ms - reply.received_ms, server_ms - reply.sent_ms


def _is_cause(error: AnsweredError, cause: Cause) -> bool:
    outcome = classify(error.http_status, error.code, error.text)
    return isinstance(outcome, Rejected) and outcome.cause is cause


def _counts(headers: Mapping[str, str]) -> dict[tuple[Counted, int], int]:
    return {
        key: count
        for name, key in _HEADERS.items()
        if (count := answers.count(headers.get(name))) is not None
    }
