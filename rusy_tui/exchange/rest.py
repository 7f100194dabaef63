"""Requests to the exchange: counted, timed, judged; none while the exchange says stop."""

import asyncio
import enum
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from rusy_tui.domain.account import ExchangeStatus
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.order import Cause, Rejected
from rusy_tui.exchange import answers
from rusy_tui.exchange.bans import BanFile
from rusy_tui.exchange.client import Answer, Client, Params
from rusy_tui.exchange.exchange_time import ExchangeTime, TimeUnknownError
from rusy_tui.exchange.outcomes import (
    BANNED,
    FORBIDDEN,
    TOO_MANY_REQUESTS,
    banned_until_ms,
    classify,
)
from rusy_tui.exchange.signing import Credentials
from rusy_tui.exchange.weights import Budget, Cost, Counted, Priority
from rusy_tui.exchange.wire import MalformedError

_log = logging.getLogger(__name__)

# How long nothing is sent where the exchange says stop and names no time.
_PAUSES_S = {BANNED: 120.0, TOO_MANY_REQUESTS: 60.0, FORBIDDEN: 60.0}
_OTHER_PAUSE_S = 10.0
_COUNT_HEADER = re.compile(r"X-MBX-(USED-WEIGHT|ORDER-COUNT)-(\d+)([SMHD])", re.IGNORECASE)
_COUNTED = {"USED-WEIGHT": Counted.WEIGHT, "ORDER-COUNT": Counted.ORDERS}
_UNITS_S = {"S": 1, "M": 60, "H": 3600, "D": 86400}
# An exit may be waiting for the exchange's time.
_TIME_COST = Cost(weight=1, priority=Priority.EXIT)


class Host(enum.Enum):
    """The exchange's interfaces: futures, its statistics (at the same address), and the one
    that tells what a key may do.
    """

    FAPI = "fapi"
    DATA = "futures/data"
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

    def __init__(self, text: str, *, sent: bool, timed_out: bool = False) -> None:
        super().__init__(text)
        self.sent = sent
        self.timed_out = timed_out


class Rest:
    """Sends requests; knows the exchange's time. :meth:`open` it inside the running loop.

    Args:
        rest_url: base address of the futures interface.
        credentials: what signs.
        clock: market time for stamps, wall time for time-outs.
        recv_window_ms: how long after its timestamp a request stays valid, exchange time.
        request_timeout_s: how long an answer is waited for, wall time.
        sapi_url: base address of the interface that tells what a key may do, None for none.
        ban_file: where the end of a ban is kept for the next start, None for nowhere.
    """

    def __init__(
        self,
        rest_url: str,
        credentials: Credentials,
        clock: Clock,
        recv_window_ms: int,
        request_timeout_s: float,
        sapi_url: str | None = None,
        ban_file: Path | None = None,
    ) -> None:
        self.budget = Budget(clock, self._ask_count)
        # Another host, with limits of its own.
        self._sapi_budget = Budget(clock)
        self.sapi_url = sapi_url
        self.time = ExchangeTime(clock, self._ask_time)
        self._bans = BanFile(ban_file, clock, _PAUSES_S[BANNED])
        self._rest_url = rest_url
        self._credentials = credentials
        self._clock = clock
        self._recv_window_ms = recv_window_ms
        self._request_timeout_s = request_timeout_s
        self._client: Client | None = None
        self._keeping_time: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the session and measure the exchange's time; a ban is waited for first.

        Raises:
            ConfigurationError: the private key can't be used.
            TimeUnknownError: the exchange did not tell its time.
        """
        if self._client is None:
            self._client = Client(
                self._rest_url, self.sapi_url, self._credentials, self.time.now_ms
            )
        left_s, why = self._bans.left()
        if left_s > 0:
            _log.warning(
                "the exchange let nothing in when Rusy last asked (%s): waiting %.0f s more",
                why,
                left_s,
            )
            self.budget.stop(left_s)
        await self.time.measure()
        if self._keeping_time is None:
            self._keeping_time = asyncio.create_task(self.time.keep(), name="exchange time")

    async def close(self) -> None:
        """Close the session."""
        tasks = [each for each in (self._keeping_time, self._asking) if each is not None]
        self._keeping_time = self._asking = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await client.session.close()

    def exchange_ms(self) -> int:
        """Exchange time now: market time and the measured offset, ms."""
        return self.time.now_ms()

    def status(self) -> ExchangeStatus:
        """How the connection stands."""
        weight = self.budget.weight
        return ExchangeStatus(
            # An upper bound, which beside many answers under way can be above all there is.
            weight_used=min(weight.used_at(self._clock.monotonic_s()), weight.most),
            weight_limit=weight.most,
            waiting=self.budget.waiting,
            closed_for_s=self.budget.closed_for_s,
            offset_ms=self.time.offset_ms,
            offset_error_ms=self.time.error_ms,
            offset_age_s=self.time.age_s,
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
            path: after ``/fapi/v1/``, or after the host's own.
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
        try:
            return await self._send_once(
                method, path, params, cost, signed, version, timeout_s, host
            )
        except AnsweredError as error:
            if not signed or not _is_cause(error, Cause.CLOCK):
                raise
            _log.warning("timestamp refused, measuring the exchange's time again: %s", error)
            try:
                await self.time.measure(1)
            except TimeUnknownError:
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
        budget = self._sapi_budget if host is Host.SAPI else self.budget
        client = self._client
        ask = {
            Host.FAPI: client._request_futures_api,
            Host.DATA: client._request_futures_data_api,
            Host.SAPI: client._request_margin_api,
        }[host]
        admission = await budget.admit(cost)
        failure: AnsweredError | None = None
        used: dict[tuple[Counted, int], int] = {}
        sent_ms = self._clock.market_ms()
        try:
            answer: Answer = await self._clock.within(
                timeout_s,
                ask(method, path, signed, version=version, data=dict(params)),
            )
            used = _counts(answer.headers)
            if not 200 <= answer.status < 300:
                # Before this request's end makes room: a ban reaches those in line first.
                failure = self._failure(answer, budget)
        except aiohttp.ClientConnectorError as error:
            raise NoAnswer(f"no connection: {error}", sent=False) from error
        except aiohttp.ClientError as error:
            # The text of some aiohttp errors holds the address, and with it the signature.
            raise NoAnswer(f"connection failed: {type(error).__name__}", sent=True) from None
        except OSError as error:
            # TimeoutError among them.
            timed_out = isinstance(error, TimeoutError)
            text = f"no answer in {timeout_s} s" if timed_out else str(error)
            raise NoAnswer(text, sent=True, timed_out=timed_out) from error
        finally:
            budget.settle(admission, used)
        if failure is not None:
            raise failure
        return Reply(answer.body, sent_ms, self._clock.market_ms())

    def _failure(self, answer: Answer, budget: Budget) -> AnsweredError:
        """The error that an answer holds. After a limit was hit, everybody waits."""
        code, text = answers.error_body(answer.body)
        retry_after_s = answers.retry_after_s(answer.headers.get("Retry-After"))
        error = AnsweredError(answer.status, code, text, retry_after_s)
        if _is_cause(error, Cause.LIMITS):
            pause_s = retry_after_s or 0.0
            if (until_ms := banned_until_ms(text)) is not None:
                pause_s = max(pause_s, (until_ms - self.exchange_ms()) / 1000)
            if pause_s <= 0:
                pause_s = _PAUSES_S.get(answer.status, _OTHER_PAUSE_S)
            _log.warning("limit hit, sending nothing for %s s: %s", pause_s, error)
            budget.stop(pause_s)
            if budget is self.budget:
                self._bans.keep(pause_s, str(error))
        return error

    def _ask_count(self) -> None:
        """Ask anything, for the count that comes with the answer; one question at a time."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._counted(), name="count")

    async def _counted(self) -> None:
        try:
            await self._send_once(
                "get", "ping", {}, _TIME_COST, False, 1, self._request_timeout_s
            )
        except (AnsweredError, NoAnswer) as error:
            # The count that is believed ends by itself.
            _log.info("the exchange does not tell what is used: %s", error)

    async def _ask_time(self) -> tuple[int, int]:
        """The least and the greatest offset (ms) that an answer leaves possible."""
        timeout_s = self._request_timeout_s
        try:
            reply = await self._send_once("get", "time", {}, _TIME_COST, False, 1, timeout_s)
            server_ms = answers.server_time_ms(reply.body)
        except (AnsweredError, NoAnswer, MalformedError) as error:
            raise TimeUnknownError(f"the exchange does not tell its time: {error}") from error
        return server_ms - reply.received_ms, server_ms - reply.sent_ms


def _is_cause(error: AnsweredError, cause: Cause) -> bool:
    outcome = classify(error.http_status, error.code, error.text)
    return isinstance(outcome, Rejected) and outcome.cause is cause


def _counts(headers: Mapping[str, str]) -> dict[tuple[Counted, int], int]:
    """What is used of each limit, by what it counts and its window in s."""
    return {
        (_COUNTED[found[1].upper()], int(found[2]) * _UNITS_S[found[3].upper()]): count
        for name, text in headers.items()
        if (found := _COUNT_HEADER.fullmatch(name))
        and (count := answers.count(text)) is not None
    }
