"""The simulated exchange on loopback: REST, streams and the control endpoint on one port."""

import asyncio
import errno
import random
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import RusyError
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.control import Control
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.faults import Fault, Faults
from rusy_tui.simulator.faults.acts import Acts
from rusy_tui.simulator.latency import Latency
from rusy_tui.simulator.listen_keys import ListenKeys
from rusy_tui.simulator.pace import PaceOwner
from rusy_tui.simulator.randomness import generator
from rusy_tui.simulator.rest.app import RestInterface
from rusy_tui.simulator.rest.limits import Limits
from rusy_tui.simulator.sockets import Sockets
from rusy_tui.simulator.streams import Streams

HOST = "127.0.0.1"
_FLUSH_S = 0.1
"""Market streams send each symbol's latest at most this often, wall time."""

_KEEP_ALIVE_S = 3650 * 86_400.0
"""A server that closed idle connections would, in lockstep, close them in an instant: the
client that reuses one at that moment loses its request."""

_SHUTDOWN_S = 1.0


class SimulatorServer:
    """Serves a simulated exchange.

    Args:
        exchange: what is served; the server becomes its listener.
        clock: the exchange's clock.
        lockstep: delay every request, reply and message on the clock; otherwise there is no
            delay but the machine's own.
        flush_s: market streams send each stream's latest once in so many wall seconds; zero
            sends every event. None: each event in lockstep, else ten times a second.
        control_token: what the control endpoint wants.
        names: where listen keys come from; None for a generator of the exchange's seed.
        pace: who owns the pace; None where time is not paced.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        clock: Clock,
        *,
        lockstep: bool,
        control_token: str,
        flush_s: float | None = None,
        names: random.Random | None = None,
        pace: PaceOwner | None = None,
    ) -> None:
        self.exchange = exchange
        self.stop_asked = asyncio.Event()
        self._clock = clock
        self._flush_s = flush_s if flush_s is not None else 0.0 if lockstep else _FLUSH_S
        self._keys = ListenKeys(clock, names or generator(exchange.seed, "listen keys"))
        latency = Latency(exchange.seed) if lockstep else None
        self.faults = Faults(clock)
        self._streams = Streams(exchange, self._keys, conflate=self._flush_s > 0)
        self._rest = RestInterface(
            exchange,
            self._keys,
            clock,
            self.faults,
            fastest=pace.fastest if pace else lambda: clock.speed,
            latency=latency,
        )
        self._sockets = Sockets(self._streams, self._keys, clock, self.faults, latency)
        self._acts = Acts(self.faults, exchange, self)
        control = Control(
            exchange,
            control_token,
            faults=self.faults,
            limits=self._rest.limits,
            pace=pace,
            stop=self.stop_asked.set,
        )
        app = web.Application()
        for part in (self._rest, self._sockets, control):
            part.add_routes(app)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=_KEEP_ALIVE_S,
            shutdown_timeout=_SHUTDOWN_S,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 takes any free one.

        Raises:
            RusyError: when the port is in use.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                raise RusyError(
                    f"port {port} on {HOST} is in use: end the program that listens there, "
                    "or name another with --port (0 takes any free one)"
                ) from None
            raise RusyError(f"can't listen on port {port} of {HOST}: {error}") from None
        self.port = int(self._runner.addresses[0][1])
        self._tasks.append(asyncio.create_task(self._end_listen_keys()))
        self._tasks.append(asyncio.create_task(self.exchange.deadlines.run()))
        self._tasks.append(asyncio.create_task(self._acts.run()))
        if self._flush_s > 0:
            self._tasks.append(asyncio.create_task(self._flush()))

    async def stop(self) -> None:
        """Close every connection and stop listening; nothing is left running."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        await self._sockets.close()
        await self._runner.cleanup()

    @property
    def rest_url(self) -> str:
        """Base address of the REST interface; paths begin with /fapi."""
        return f"http://{HOST}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Base address of the streams; paths begin with the route."""
        return f"ws://{HOST}:{self.port}"

    @property
    def control_url(self) -> str:
        """Base address of the control endpoint."""
        return f"http://{HOST}:{self.port}/control"

    def keep_with(self, keep: Callable[[], None]) -> None:
        """Have what a signed request changed kept before it is answered."""
        self._rest.keep = keep

    @property
    def limits(self) -> Limits:
        """What is counted of who asks, and who was told to wait."""
        return self._rest.limits

    @property
    def idle_s(self) -> float:
        """Wall seconds since a client last asked; zero while one listens to a stream."""
        if self._streams.heard:
            self._rest.last_asked_s = self._clock.monotonic_s()
        return self._clock.monotonic_s() - self._rest.last_asked_s

    # ── what faults do to connections ─────────────────────────────────────────────────

    def cut(self, fault: Fault) -> list[str]:
        """Cut the connections that a fault reaches, without a farewell; which."""
        return self._sockets.cut(fault)

    def silence(self, fault: Fault) -> list[str]:
        """Make the connections that a fault reaches half-open; which."""
        return self._sockets.silence(fault)

    def cut_silent(self) -> None:
        """Cut the connections that are half-open."""
        self._sockets.cut_silent()

    def end_key(self, account: Account, *, told: bool) -> bool:
        """End an account's listen key before its time; False where it has none."""
        ended = self._keys.end(account)
        if ended is not None and told:
            self._streams.key_ended(ended)
        return ended is not None

    async def _flush(self) -> None:
        while True:
            await self._clock.sleep(self._flush_s)
            self._streams.flush()

    async def _end_listen_keys(self) -> None:
        while True:
            next_end_s = await self._keys.next_end_s()
            await self._clock.sleep(max(next_end_s - self._clock.monotonic_s(), 0.001))
            for ended in self._keys.pop_ended():
                self._streams.key_ended(ended)
