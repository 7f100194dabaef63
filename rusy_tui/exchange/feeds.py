"""What is subscribed on which route, and what runs beside it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.market import InstrumentChanged, MarketEvent, StreamState
from rusy_tui.domain.order import OrderReport
from rusy_tui.exchange.book_feed import BookFeed, BookSink
from rusy_tui.exchange.market_events import Reply, market_message
from rusy_tui.exchange.newest import Newest
from rusy_tui.exchange.order_book import BookSnapshot, LocalBook
from rusy_tui.exchange.port import MarketSink, UserSink
from rusy_tui.exchange.rest import Rest
from rusy_tui.exchange.silence import normal_silence_s
from rusy_tui.exchange.streams import Handled, Stream, UnknownKinds
from rusy_tui.exchange.user_stream import UNUSED_KINDS, AccountReads, UserStream
from rusy_tui.exchange.wire import Unknown

# The sums of five levels are sampled about once a second: the slowest speed is enough.
_PUBLIC_KINDS = ("bookTicker", "depth5@500ms")
# News of every contract, on the market route.
_CONTRACTS = "!contractInfo"
# The exchange takes 1024 streams on a connection, and addresses of about 8 kB.
_MOST_STREAMS = 1000
_MOST_IN_ADDRESS = 200


class Feeds:
    """Runs the streams of one exchange. Arguments as for ``BinanceExchange``."""

    def __init__(
        self,
        ws_url: str,
        rest: Rest,
        clock: Clock,
        *,
        silence_s: float | None,
        check_s: float,
        ping_interval_s: float | None,
        seed: int,
    ) -> None:
        self._ws_url = ws_url.rstrip("/")
        self._rest = rest
        self._clock = clock
        self._silence_s = silence_s
        self._check_s = check_s
        self._user: UserStream | None = None
        self._ping_interval_s = ping_interval_s
        self._seed = seed
        self.books: dict[str, LocalBook] = {}
        # In order: what is ended together must end alike in every run.
        self._running: dict[asyncio.Task[None], None] = {}
        self.unknown_kinds = UnknownKinds(UNUSED_KINDS)

    async def close(self) -> None:
        """End whatever runs; who awaits it goes on."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def run_market(
        self, symbols: Sequence[str], intervals: Sequence[Interval], sink: MarketSink
    ) -> None:
        """Best prices and nearest levels on one connection; candles, trades and mark prices on
        another.
        """
        names = [symbol.lower() for symbol in symbols]
        candles = [f"kline_{interval.value}" for interval in intervals]
        kinds = [*candles, "aggTrade", "markPrice@1s"]
        routes = {
            "public": [f"{name}@{kind}" for name in names for kind in _PUBLIC_KINDS],
            "market": [*(f"{name}@{kind}" for name in names for kind in kinds), _CONTRACTS],
        }
        wanted, newest = frozenset(symbols), Newest()

        def tell(event: MarketEvent) -> None:
            # Of all contracts' news only those of the traded ones matter.
            if not isinstance(event, InstrumentChanged) or event.symbol in wanted:
                sink(event)

        await self._run(
            {
                f"{name} stream": self._combined(name, route, part, newest, tell).run()
                for route, streams in routes.items()
                for name, part in _parts(route, streams)
            }
        )

    async def run_book(
        self,
        symbol: str,
        read: Callable[[], Awaitable[BookSnapshot]],
        sink: BookSink,
        speed: str,
    ) -> None:
        """A local order book from its differences."""
        stream = f"{symbol.lower()}@depth@{speed}"
        feed = BookFeed(symbol, read, sink, self._clock, self._rest.exchange_ms)
        limit_s = normal_silence_s(stream, self._silence_s)

        async def address() -> str:
            return f"{self._ws_url}/public/stream?streams={stream}"

        made = self._stream(
            f"public book {symbol}",
            address,
            feed.handle,
            feed.report,
            {stream: limit_s} if limit_s is not None else {},
        )
        self.books[symbol] = feed.book
        try:
            await self._run({"book stream": made.run(), "book snapshots": feed.keep()})
        finally:
            del self.books[symbol]

    def _combined(
        self,
        name: str,
        route: str,
        streams: Sequence[str],
        newest: Newest,
        sink: MarketSink,
    ) -> Stream:
        """A connection with many streams; those its address has no room for are asked for."""
        named, requested = streams[:_MOST_IN_ADDRESS], streams[_MOST_IN_ADDRESS:]

        async def address() -> str:
            return f"{self._ws_url}/{route}/stream?streams={'/'.join(named)}"

        def handle(message: str | bytes) -> Handled:
            stream, event = market_message(message, newest)
            if event is None:
                return stream, 0
            if isinstance(event, Unknown):
                self.unknown_kinds.saw(name, event.kind)
                return stream, 0
            if isinstance(event, Reply):
                return event
            sink(event)
            return stream, event.event_ms

        limits_s = {
            stream: limit_s
            for stream in streams
            if (limit_s := normal_silence_s(stream, self._silence_s)) is not None
        }
        return self._stream(name, address, handle, sink, limits_s, requested)

    async def run_user(
        self, reads: AccountReads, symbols: Sequence[str], sink: UserSink
    ) -> None:
        """The account's events, and full reads of it whenever some may be missing."""
        user = UserStream(
            self._ws_url,
            self._rest,
            reads,
            self._clock,
            symbols,
            sink=sink,
            unknown=self.unknown_kinds,
            check_s=self._check_s,
            ping_interval_s=self._ping_interval_s,
            seed=self._seed,
        )
        self._user = user
        try:
            await self._run(user.parts())
        finally:
            self._user = None

    def expect(self, report: OrderReport) -> None:
        """The exchange has confirmed this of an order: its stream must tell it too."""
        if self._user is not None:
            self._user.expect(report)

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
        handle: Callable[[str | bytes], Handled],
        sink: Callable[[StreamState], None],
        limits_s: Mapping[str, float],
        requested: Sequence[str] = (),
    ) -> Stream:
        return Stream(
            route,
            address,
            handle,
            sink,
            self._clock,
            self._rest.exchange_ms,
            limits_s=limits_s,
            ping_interval_s=self._ping_interval_s,
            seed=self._seed,
            requested=requested,
        )


def _parts(route: str, streams: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """The connections that so many streams need, by name."""
    for first in range(0, len(streams), _MOST_STREAMS):
        name = route if first == 0 else f"{route} {first // _MOST_STREAMS + 1}"
        yield name, streams[first : first + _MOST_STREAMS]
