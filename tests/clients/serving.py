"""A simulator in a thread with a loop of its own, in real time: clients stamp as they like."""

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from rusy_tui.clock import PacedClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Pace
from rusy_tui.simulator.account import Account, KeyRights
from rusy_tui.simulator.core import AccountSpec, SimulatedExchange
from rusy_tui.simulator.faults import Fault
from rusy_tui.simulator.markets import SyntheticMarket
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.server import SimulatorServer

T = TypeVar("T")

SEED = 7
TOKEN = "control"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
BALANCE = Decimal(100_000)
_WAIT_S = 30.0


class Keys(msgspec.Struct, frozen=True):
    """How a client calls itself, and what it signs with.

    ``private_key`` is PEM text: an RSA or Ed25519 key, in the place of the secret.
    """

    api_key: str
    api_secret: str
    private_key: str | None = None


def keys_of(name: str) -> Keys:
    """The keys of an account: readable in a log, and secret from nobody."""
    return Keys(name.ljust(64, "-"), f"secret of {name}".ljust(64, "-"))


class Exchange:
    """A served exchange, seen from another thread.

    ``accounts`` are those that it starts with, by name; a test that trades opens one of its
    own instead, so that tests don't see each other's orders.
    """

    def __init__(self, server: SimulatorServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._opened = 0
        self.rest_url = server.rest_url
        self.ws_url = server.ws_url
        self.control_url = server.control_url
        self.control_token = TOKEN
        self.accounts = {
            name: keys_of(name)
            for account in server.exchange.books.accounts
            if (name := account.api_key.rstrip("-"))
        }

    def call(self, work: Callable[[SimulatedExchange], T]) -> T:
        """Run a function in the exchange's loop, and return what it returns or raises."""

        async def run() -> T:
            return work(self._server.exchange)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_WAIT_S)

    def fault(self, fault: Fault) -> None:
        """Let something go wrong."""
        self.call(lambda _: self._server.faults.add(fault))

    def mend(self) -> None:
        """Let nothing go wrong any more."""
        self.call(lambda _: self._server.faults.clear())

    def open_account(self, name: str = "opened", **fields: Any) -> Keys:
        """A new account that nobody else uses; ``fields`` are those of its AccountSpec."""
        self._opened += 1
        keys = keys_of(f"{name}-{self._opened}")
        spec = _spec(keys, **fields)
        self.call(lambda exchange: exchange.open_account(spec))
        return keys

    def account(self, exchange: SimulatedExchange, keys: Keys) -> Account:
        """The account of keys; only from within :meth:`call`."""
        found = exchange.account_of(keys.api_key)
        assert found is not None
        return found


def starting_accounts() -> list[AccountSpec]:
    """The accounts that a served exchange starts with."""
    return [
        _spec(keys_of("ordinary")),
        _spec(keys_of("withdrawing"), rights=KeyRights(withdraws=True)),
        _spec(keys_of("reading"), rights=KeyRights(trades_futures=False)),
    ]


def _spec(keys: Keys, **fields: Any) -> AccountSpec:
    return AccountSpec(
        api_key=keys.api_key,
        api_secret=keys.api_secret,
        **({"balance": BALANCE} | fields),
    )


@contextmanager
def served_in_thread(
    accounts: Sequence[AccountSpec] | None = None,
    *,
    flush_s: float | None = None,
    played: bool = True,
) -> Generator[Exchange]:
    """Serve a synthetic market at its own pace for as long as the block lasts.

    Not ``played``, it stands still where its past ended, and moves when a test moves it.
    """
    specs = starting_accounts() if accounts is None else accounts
    ready: list[Exchange] = []
    failed: list[BaseException] = []
    up = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        now_ms = time.time_ns() // 1_000_000
        clock = PacedClock(Pace(now_ms, time.monotonic(), 1.0))
        market = SyntheticMarket(SEED, Interval.H1.floor(now_ms), SYMBOLS)
        feed = market.feed(now_ms)
        exchange = SimulatedExchange(feed, clock, specs, SEED)
        server = SimulatorServer(
            exchange, clock, lockstep=False, control_token=TOKEN, flush_s=flush_s
        )
        await server.start()
        playing = [asyncio.create_task(play(exchange, feed, clock, now_ms))] if played else []
        # The past is played in one go; only then may clients come.
        await asyncio.sleep(0)
        ready.append(Exchange(server, loop))
        up.set()
        try:
            await stop.wait()
        finally:
            for task in playing:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await server.stop()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:  # noqa: BLE001  # told to the thread that waits
            failed.append(error)
        finally:
            up.set()
            loop.close()

    thread = threading.Thread(target=run, name="exchange", daemon=True)
    thread.start()
    try:
        assert up.wait(_WAIT_S), "the exchange does not start"
        if failed:
            raise failed[0]
        yield ready[0]
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(_WAIT_S)
        assert not thread.is_alive(), "the exchange does not stop"
        if failed:
            raise failed[0]
