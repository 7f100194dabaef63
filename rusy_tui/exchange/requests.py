"""Reads that raise and commands that don't: what callers get of a request.

The policy is ``docs/order-outcomes.md``.
"""

from collections.abc import Callable
from typing import NoReturn, TypeVar

from rusy_tui.domain.account import KeyPermissions
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, ExchangeRefusal
from rusy_tui.domain.order import Cause, Rejected, Unresolved
from rusy_tui.exchange import account_replies
from rusy_tui.exchange.client import Params
from rusy_tui.exchange.outcomes import classify
from rusy_tui.exchange.rest import AnsweredError, Host, NoAnswer, Rest
from rusy_tui.exchange.weights import Cost
from rusy_tui.exchange.wire import MalformedError

T = TypeVar("T")

# Waits between the tries of a read that failed by the exchange's or the network's fault, s.
_READ_PAUSES_S = (0.25, 1.0)
_BY_CHANCE = frozenset({None, Cause.LIMITS, Cause.OVERLOADED})


class Requests:
    """Asks, commands, and judges the answers."""

    def __init__(self, rest: Rest, clock: Clock) -> None:
        self._rest = rest
        self._clock = clock

    async def read(
        self,
        path: str,
        params: Params,
        cost: Cost,
        parse: Callable[[bytes], T],
        *,
        signed: bool = True,
        version: int = 1,
        host: Host = Host.FAPI,
    ) -> T:
        """Ask and parse; a read is harmless twice, so what failed by chance is tried again.

        That is 5xx, no connection, a cut one, and a limit that was hit (the budget waits). Not
        a time-out: whoever asks decides whether its answer is still worth as much time again.

        Raises:
            ExchangeError: an error, no answer, or one that can't be read.
        """
        pauses = iter(_READ_PAUSES_S)
        while True:
            try:
                reply = await self._rest.send(
                    "get", path, params, cost, signed=signed, version=version, host=host
                )
                return parse(reply.body)
            except AnsweredError as error:
                pause_s = next(pauses, None) if cause_of(error) in _BY_CHANCE else None
                if pause_s is None:
                    fail(path, error)
            except NoAnswer as error:
                pause_s = None if error.timed_out else next(pauses, None)
                if pause_s is None:
                    fail(path, error)
            except MalformedError as error:
                fail(path, error)
            await self._clock.sleep(pause_s)

    async def key_permissions(self) -> KeyPermissions | None:
        """What the key may do; None where the venue has no interface that tells.

        Raises:
            ExchangeError: an error, no answer, or one that can't be read.
        """
        if self._rest.sapi_url is None:
            return None
        return await self.read(
            "account/apiRestrictions",
            {},
            Cost(weight=1),
            account_replies.key_permissions,
            host=Host.SAPI,
        )

    async def command(
        self,
        method: str,
        path: str,
        params: Params,
        cost: Cost,
        parse: Callable[[bytes], T],
        *,
        recv_window_ms: int | None = None,
    ) -> T | Rejected | Unresolved:
        """Send an order command; what can't be proven is unresolved."""
        try:
            reply = await self._rest.send(
                method, path, params, cost, recv_window_ms=recv_window_ms
            )
            return parse(reply.body)
        except AnsweredError as error:
            return classify(error.http_status, error.code, error.text)
        except NoAnswer as error:
            if not error.sent:
                return Rejected(Cause.OVERLOADED, 0, str(error))
            return Unresolved(str(error))
        except MalformedError as error:
            # It was accepted, most likely, and asking for it will tell.
            return Unresolved(f"the answer can't be read: {error}")


class UnknownOrderError(ExchangeError):
    """The exchange says that it does not know the order asked for."""


def cause_of(error: AnsweredError) -> Cause | None:
    """Why an answer refused; None when it does not prove that it did."""
    outcome = classify(error.http_status, error.code, error.text)
    return outcome.cause if isinstance(outcome, Rejected) else None


def fail(what: str, error: AnsweredError | NoAnswer | MalformedError) -> NoReturn:
    """Raise the error that a failed read or setting is for the callers."""
    if not isinstance(error, AnsweredError):
        raise ExchangeError(f"{what}: {error}") from error
    text = f"{what}: {error}"
    cause = cause_of(error)
    if cause is Cause.KEY:
        remedy = "check the API key, its secret, its list of addresses and its permissions"
        raise ExchangeRefusal(f"{text}; {remedy}", error.code) from error
    kind = UnknownOrderError if cause is Cause.UNKNOWN_ORDER else ExchangeError
    raise kind(text, error.code) from error
