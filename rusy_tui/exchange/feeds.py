"""What is subscribed on which route, and the user stream with its key."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.market import StreamState
from rusy_tui.exchange import account_replies, market_events, user_events
from rusy_tui.exchange.outcomes import is_unknown_listen_key
from rusy_tui.exchange.port import MarketSink, UserSink
from rusy_tui.exchange.rest import AnsweredError, NoAnswer, Rest
from rusy_tui.exchange.streams import ReconnectError, Stream, StreamError, UnknownKinds
from rusy_tui.exchange.weights import Cost, Priority
from rusy_tui.exchange.wire import MalformedError, Unknown

_log = logging.getLogger(__name__)

# The listen key is valid for 60 min from its last extension.
_KEEP_ALIVE_S = 30 * 60.0
_KEEP_ALIVE_RETRY_S = 60.0
_KEY_COST = Cost(weight=1, priority=Priority.EXIT)
# Kinds of the user stream that repeat what others say, or that we read by REST.
_UNUSED_KINDS = frozenset(
    {
        "TRADE_LITE",
        "ACCOUNT_CONFIG_UPDATE",
        "MARGIN_CALL",
        "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "STRATEGY_UPDATE",
        "GRID_UPDATE",
    }
)


class Feeds:
    """Runs the streams of one exchange. Arguments as for ``BinanceExchange``."""

    def __init__(
        self,
        ws_url: str,
        rest: Rest,
        clock: Clock,
        *,
        silence_s: float,
        ping_interval_s: float | None,
        seed: int,
    ) -> None:
        self._ws_url = ws_url.rstrip("/")
        self._rest = rest
        self._clock = clock
        self._silence_s = silence_s
        self._ping_interval_s = ping_interval_s
        self._seed = seed
        # In order: what is ended together must end alike in every run.
        self._running: dict[asyncio.Task[None], None] = {}
        self.unknown_kinds = UnknownKinds(_UNUSED_KINDS)

    async def close(self) -> None:
        """End whatever runs; who awaits it goes on."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def run_market(
        self, symbols: Sequence[str], intervals: Sequence[Interval], sink: MarketSink
    ) -> None:
        """Best prices on one connection; candles, trades and mark prices on another."""
        names = [symbol.lower() for symbol in symbols]
        candles = [f"kline_{interval.value}" for interval in intervals]
        kinds = [*candles, "aggTrade", "markPrice@1s"]
        routes = {
            "public": [f"{name}@bookTicker" for name in names],
            "market": [f"{name}@{kind}" for name in names for kind in kinds],
        }
        running = {
            f"{route} stream": self._stream(
                route,
                self._address_of(route, streams),
                self._handler_of(route, sink),
                sink,
                self._silence_s,
            ).run()
            for route, streams in routes.items()
        }
        await self._run(running)

    async def run_user(self, sink: UserSink) -> None:
        """The account's events, and the extension of the key they come by."""

        def handle(message: str | bytes) -> int:
            event = user_events.user_event(message)
            if isinstance(event, user_events.ListenKeyExpired):
                raise ReconnectError("the listen key expired")
            if isinstance(event, Unknown):
                self.unknown_kinds.saw("private", event.kind)
                return 0
            sink(event)
            return event.event_ms

        # An account may be quiet for days: pings find a dead connection here, not silence.
        stream = self._stream("private", self._user_address, handle, sink, None)
        await self._run(
            {"private stream": stream.run(), "listen key": self._keep_key_alive(stream)}
        )

    async def _run(self, running: dict[str, Coroutine[Any, Any, None]]) -> None:
        """Run until cancelled, or until :meth:`close`."""

        async def together() -> None:
            async with asyncio.TaskGroup() as group:
                for name, coroutine in running.items():
                    group.create_task(coroutine, name=name)

        task = asyncio.create_task(together(), name="streams")
        self._running[task] = None
        try:
            # Unlike awaiting it, this does not end as cancelled when only the task is.
            await asyncio.wait((task,))
        finally:
            self._running.pop(task, None)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            task.result()

    def _stream(
        self,
        route: str,
        address: Callable[[], Awaitable[str]],
        handle: Callable[[str | bytes], int],
        sink: Callable[[StreamState], None],
        silence_s: float | None,
    ) -> Stream:
        return Stream(
            route,
            address,
            handle,
            sink,
            self._clock,
            self._rest.exchange_ms,
            silence_s=silence_s,
            ping_interval_s=self._ping_interval_s,
            seed=self._seed,
        )

    def _address_of(self, route: str, streams: Sequence[str]) -> Callable[[], Awaitable[str]]:
        async def address() -> str:
            return f"{self._ws_url}/{route}/stream?streams={'/'.join(streams)}"

        return address

    def _handler_of(self, route: str, sink: MarketSink) -> Callable[[str | bytes], int]:
        def handle(message: str | bytes) -> int:
            event = market_events.market_event(message)
            if isinstance(event, Unknown):
                self.unknown_kinds.saw(route, event.kind)
                return 0
            sink(event)
            return event.event_ms

        return handle

    async def _user_address(self) -> str:
        # Asked while a key is valid, the exchange gives the same one and extends it.
        try:
            reply = await self._rest.send("post", "listenKey", {}, _KEY_COST, signed=False)
            key = account_replies.listen_key(reply.body)
        except (AnsweredError, NoAnswer, MalformedError) as error:
            raise StreamError(f"no listen key: {error}") from error
        return f"{self._ws_url}/private/ws?listenKey={key}"

    async def _keep_key_alive(self, stream: Stream) -> None:
        wait_s = _KEEP_ALIVE_S
        while True:
            await self._clock.sleep(wait_s)
            wait_s = _KEEP_ALIVE_S
            try:
                await self._rest.send("put", "listenKey", {}, _KEY_COST, signed=False)
            except (AnsweredError, NoAnswer) as error:
                if isinstance(error, AnsweredError) and is_unknown_listen_key(error.code):
                    stream.reconnect("the listen key is unknown to the exchange")
                else:
                    _log.warning("listen key not extended: %s", error)
                    wait_s = _KEEP_ALIVE_RETRY_S
