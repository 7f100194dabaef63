"""The streams: who wants what, and each event encoded once for all of them.

Routed as the exchange does since 2026-04-23: /public carries the book, /market the rest of
the market, /private the accounts. A stream asked for on the wrong route, or on the old
unrouted address, is accepted and stays silent.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.connection import Connection
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds import Print, Relayed
from rusy_tui.simulator.happenings import (
    AccountHappening,
    CandleMoved,
    MarketHappening,
    MarkMoved,
    Passed,
    Printed,
    TopMoved,
)
from rusy_tui.simulator.listen_keys import ListenKey, ListenKeys
from rusy_tui.simulator.tape import Aggregate
from rusy_tui.simulator.wire import market_events
from rusy_tui.simulator.wire.user_events import account_events, listen_key_expired

PUBLIC, MARKET, PRIVATE = "public", "market", "private"

_encode = msgspec.json.Encoder().encode
_Render = Callable[[], dict[str, Any]]
_DEPTHS = {"depth5": 5, "depth10": 10, "depth20": 20}
_DIFF_SPEEDS = ("0ms", "100ms", "250ms", "500ms")
_DEPTH_SPEEDS = ("", "@100ms", "@250ms", "@500ms")


def route_of(stream: str) -> str:
    """The route on which a stream is heard."""
    kind = stream.partition("@")[2]
    return PUBLIC if kind.startswith(("bookTicker", "depth", "trade")) else MARKET


def _carrying(message: Relayed) -> list[str]:
    """The streams that carry a recorded message: each speed of diffs is the recorded one."""
    name = f"{message.symbol.lower()}@{message.kind}"
    if message.kind != "depth":
        return [name]
    return [name, *(f"{name}@{speed}" for speed in _DIFF_SPEEDS)]


class Streams:
    """A listener of the exchange that tells its connections.

    Args:
        conflate: gather market events and let :meth:`flush` send the latest of each stream;
            without it each one is sent at once. Closing candles never wait and are never
            replaced; account events neither.
    """

    def __init__(
        self, exchange: SimulatedExchange, keys: ListenKeys, *, conflate: bool
    ) -> None:
        self._exchange = exchange
        self._keys = keys
        self._conflate = conflate
        self._heard: dict[str, dict[Connection, None]] = {}
        self._private: dict[Connection, None] = {}
        self._gathered: dict[str, MarketHappening] = {}
        self._kline_names: dict[tuple[str, Interval], str] = {}
        exchange.listen(self)

    # ── subscriptions ─────────────────────────────────────────────────────────────────

    def subscribe(self, connection: Connection, streams: list[str]) -> None:
        """Add streams to a connection; listen keys on the private route."""
        for stream in streams:
            connection.streams[stream] = None
            if connection.route == PRIVATE:
                self._private[connection] = None
            elif route_of(stream) == connection.route:
                self._heard.setdefault(stream, {})[connection] = None

    def unsubscribe(self, connection: Connection, streams: list[str]) -> None:
        """Take streams from a connection."""
        for stream in streams:
            connection.streams.pop(stream, None)
            self._heard.get(stream, {}).pop(connection, None)

    def drop(self, connection: Connection) -> None:
        """Forget a connection."""
        self.unsubscribe(connection, list(connection.streams))
        self._private.pop(connection, None)

    @property
    def listeners(self) -> int:
        """How many private connections there are."""
        return len(self._private)

    # ── market ────────────────────────────────────────────────────────────────────────

    def market_moved(self, happening: MarketHappening) -> None:
        """Send a market event to whoever asked for it, or gather it."""
        match happening:
            case CandleMoved(symbol, interval):
                name = self._kline_name(symbol, interval)
                if name in self._heard:
                    self._offer(name, happening, strict=happening.closed)
            case Printed():
                name = f"{happening.traded.symbol.lower()}@aggTrade"
                if name in self._heard:
                    self._offer(name, self._merged(name, happening))
            case Passed(message):
                for name in _carrying(message):
                    if name in self._heard:
                        self._send_payload(name, message.payload)
            case TopMoved(symbol):
                name = f"{symbol.lower()}@bookTicker"
                recorded = self._exchange.markets[symbol].book.liquidity.recorded
                if name in self._heard and not recorded:
                    self._offer(name, happening)
                self._offer_depth(happening)
            case MarkMoved(symbol):
                for speed in ("", "@1s"):
                    name = f"{symbol.lower()}@markPrice{speed}"
                    if name in self._heard:
                        self._offer(name, happening)

    def flush(self) -> None:
        """Send what was gathered."""
        gathered, self._gathered = self._gathered, {}
        for name, happening in gathered.items():
            self._send(name, happening, key=name)

    def _offer(self, name: str, happening: MarketHappening, *, strict: bool = False) -> None:
        if not self._conflate:
            self._send(name, happening)
        elif strict:
            # What was gathered of this bar is older than its end.
            self._gathered.pop(name, None)
            self._send(name, happening, key=name, strict=True)
        else:
            self._gathered[name] = happening

    def _offer_depth(self, moved: TopMoved) -> None:
        symbol = moved.symbol.lower()
        for kind in _DEPTHS:
            for speed in _DEPTH_SPEEDS:
                name = f"{symbol}@{kind}{speed}"
                if name in self._heard:
                    self._offer(name, moved)

    def _merged(self, name: str, happening: Printed) -> Printed:
        """A trade together with those of its stream that were not sent yet."""
        earlier = self._gathered.get(name)
        if not isinstance(earlier, Printed):
            return happening
        before, after = earlier.traded, happening.traded
        return Printed(
            Aggregate(
                happening.aggregate.number,
                Print(
                    after.symbol,
                    after.price,
                    before.quantity + after.quantity,
                    before.taker_buy_quantity + after.taker_buy_quantity,
                    before.trades + after.trades,
                ),
                earlier.first,
                happening.last,
                happening.time_ms,
            )
        )

    def _send(
        self, name: str, happening: MarketHappening, key: str = "", *, strict: bool = False
    ) -> None:
        if self._heard.get(name):
            payload = _encode(self._render(name, happening))
            self._send_payload(name, payload, key, strict=strict)

    def _send_payload(
        self, name: str, payload: bytes, key: str = "", *, strict: bool = False
    ) -> None:
        connections = self._heard[name]
        wrapped = b""
        for connection in connections:
            if connection.combined:
                wrapped = wrapped or _wrap(name, payload)
                connection.send(wrapped, key, strict=strict)
            else:
                connection.send(payload, key, strict=strict)

    def _render(self, name: str, happening: MarketHappening) -> dict[str, Any]:
        match happening:
            case Passed(message):
                raise TypeError(f"{name}: a {message.kind} message is passed on as it is")
            case CandleMoved():
                return market_events.kline(happening)
            case Printed():
                return market_events.agg_trade(happening)
            case MarkMoved():
                return market_events.mark_price(happening)
            case TopMoved(symbol):
                kind = name.split("@")[1]
                if kind not in _DEPTHS:
                    return market_events.book_ticker(happening)
                book = self._exchange.markets[symbol].book
                bids, asks = book.depth(_DEPTHS[kind])
                return market_events.depth(happening, bids, asks, happening.update_id - 1)
            case other:
                raise TypeError(f"{name}: nothing tells of {other}")

    def _kline_name(self, symbol: str, interval: Interval) -> str:
        name = self._kline_names.get((symbol, interval))
        if name is None:
            name = self._kline_names[symbol, interval] = (
                f"{symbol.lower()}@kline_{interval.value}"
            )
        return name

    # ── accounts ──────────────────────────────────────────────────────────────────────

    def account_moved(self, account: Account, happening: AccountHappening) -> None:
        """Tell an account's connections, in order and without loss."""
        if self._private:
            for event in account_events(self._exchange, account, happening):
                self._tell(account, event)

    def key_ended(self, ended: ListenKey) -> None:
        """Tell the connections of a listen key that it has ended."""
        event = listen_key_expired(ended.key, self._exchange.clock.market_ms())
        for connection in self._private:
            if ended.key in connection.streams:
                self._send_private(connection, ended.key, _encode(event))

    def _tell(self, account: Account, event: dict[str, Any]) -> None:
        payload = _encode(event)
        for connection in self._private:
            for key in connection.streams:
                if self._keys.account_of(key) is account:
                    self._send_private(connection, key, payload)

    @staticmethod
    def _send_private(connection: Connection, key: str, payload: bytes) -> None:
        connection.send(_wrap(key, payload) if connection.combined else payload)


def _wrap(name: str, payload: bytes) -> bytes:
    return b'{"stream":"%s","data":%s}' % (name.encode(), payload)
