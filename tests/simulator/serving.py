"""A served exchange in a lockstep loop, and a client that signs by hand."""

import hashlib
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import msgspec

from rusy_tui.clock import LockstepClock
from rusy_tui.simulator.core import AccountSpec, SimulatedExchange
from rusy_tui.simulator.feeds import Feed
from rusy_tui.simulator.server import SimulatorServer
from tests.simulator.support import KEY, SECRET, D, Ear, ScriptedFeed, lockstep

T = TypeVar("T")
TOKEN = "control"


class Reply(msgspec.Struct):
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> int:
        """The error number, 0 without one."""
        return int(self.body.get("code", 0)) if isinstance(self.body, dict) else 0


class Served:
    """A server, its exchange and a client's session."""

    def __init__(
        self,
        server: SimulatorServer,
        exchange: SimulatedExchange,
        clock: LockstepClock,
        session: aiohttp.ClientSession,
    ) -> None:
        self.server = server
        self.exchange = exchange
        self.account = exchange.books.accounts[0]
        self.clock = clock
        self._session = session

    async def raw(
        self,
        method: str,
        path: str,
        *,
        body: str = "",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send exactly these bytes."""
        from yarl import URL

        form = {"Content-Type": "application/x-www-form-urlencoded"}
        async with self._session.request(
            method,
            URL(self.server.rest_url + path, encoded=True),
            data=body.encode() if body else None,
            headers=form | (headers or {}),
        ) as response:
            text = await response.read()
            return Reply(
                response.status,
                msgspec.json.decode(text),
                {name.upper(): value for name, value in response.headers.items()},
            )

    async def public(self, path: str) -> Reply:
        """Ask for something that needs no key."""
        return await self.raw("GET", path)

    async def signed(
        self,
        method: str,
        path: str,
        *,
        key: str = KEY,
        secret: str = SECRET,
        late_ms: int = 0,
        **values: object,
    ) -> Reply:
        """Send a signed request, its parameters in the query."""
        pairs = [f"{name}={value}" for name, value in values.items() if value is not None]
        pairs.append(f"timestamp={self.clock.market_ms() - late_ms}")
        query = "&".join(pairs)
        query += f"&signature={sign(query, secret)}"
        return await self.raw(method, f"{path}?{query}", headers={"X-MBX-APIKEY": key})

    async def keyed(self, method: str, path: str, key: str = KEY) -> Reply:
        """Send a request that needs the key alone."""
        return await self.raw(method, path, headers={"X-MBX-APIKEY": key})

    async def control(
        self, method: str, path: str, body: str = "", token: str = TOKEN
    ) -> Reply:
        """Ask the simulator itself."""
        return await self.raw(
            method, f"/control/{path}", body=body, headers={"X-Control-Token": token}
        )

    def ear(self, path: str) -> Ear:
        """A stream client on a path."""
        return Ear(self.clock, self.server.ws_url + path)


def sign(payload: str, secret: str = SECRET) -> str:
    """The signature of raw text."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


@asynccontextmanager
async def served(
    clock: LockstepClock, feed: Feed | None = None, *, seed: int = 1
) -> AsyncGenerator[Served]:
    """An exchange served in lockstep for as long as the block lasts."""
    specs = [
        AccountSpec(api_key=KEY, api_secret=SECRET, balance=D("10000")),
        AccountSpec(api_key="other", api_secret="other", balance=D("10000")),
    ]
    exchange = SimulatedExchange(feed or ScriptedFeed(), clock, specs, seed)
    server = SimulatorServer(exchange, clock, lockstep=True, control_token=TOKEN)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Served(server, exchange, clock, session)
    finally:
        await server.stop()


def on_exchange(
    scenario: Callable[[Served], Awaitable[T]], feed: ScriptedFeed | None = None
) -> T:
    """Run a scenario against a served exchange in lockstep."""

    async def run(clock: LockstepClock) -> T:
        async with served(clock, feed) as exchange:
            return await scenario(exchange)

    return lockstep(run)
