"""The streams: who wants what, and each event encoded once for all of them.

A stream asked for on the wrong route, or on the old unrouted address, is accepted and stays
silent (:mod:`.topics` has the names and routes).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from rusy_tui.simulator.account import Account
from rusy_tui.simulator.connection import Connection
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.depth_diffs import BookDiffer, Diff
from rusy_tui.simulator.feeds import Relayed
from rusy_tui.simulator.happenings import (
    AccountHappening,
    BookMoved,
    CandleMoved,
    ContractMoved,
    Liquidated,
    MarketHappening,
    MarkMoved,
    Passed,
    Printed,
    Stepped,
    TopMoved,
)
from rusy_tui.simulator.listen_keys import ListenKey, ListenKeys
from rusy_tui.simulator.spans import Span
from rusy_tui.simulator.tape import split
from rusy_tui.simulator.topics import MARKET, PRIVATE, PUBLIC, Kind, Topic, topic_of
from rusy_tui.simulator.wire import market_events
from rusy_tui.simulator.wire.user_events import account_events, listen_key_expired

__all__ = ["MARKET", "PRIVATE", "PUBLIC", "Streams"]

_encode = msgspec.json.Encoder().encode
_Event = dict[str, Any]
_Made = _Event | list[_Event] | None
_RELAYED = {"depth": Kind.DIFF, "trade": Kind.TRADE, "bookTicker": Kind.BOOK_TICKER}


class _Gathered(msgspec.Struct):
    """What waits for the next flush under a key: how to make it, of which market time."""

    topic: Topic
    make: Callable[[], _Made]
    time_ms: int
    carried: Diff | None = None


class Streams:
    """A listener of the exchange that tells its connections.

    Market streams keep the speeds of :mod:`.topics` in market time.

    Args:
        conflate: gather market events and let :meth:`flush` send the latest of each stream,
            depth diffs joined. Without it each one is sent at once, and book streams have no
            speed. Closing candles, trades, aggregated or single, liquidations and changed
            contracts never wait and are never replaced; account events neither.
    """

    def __init__(
        self, exchange: SimulatedExchange, keys: ListenKeys, *, conflate: bool
    ) -> None:
        self._exchange = exchange
        self._keys = keys
        self._conflate = conflate
        self._heard: dict[str, dict[Connection, None]] = {}
        self._topics: dict[tuple[Kind, str], dict[str, Topic]] = {}
        self._private: dict[Connection, None] = {}
        self._gathered: dict[str, _Gathered] = {}
        self._sent_ms: dict[str, int] = {}
        self._differs: dict[str, BookDiffer] = {}
        # Of each stream that tells all symbols in one message: which have moved.
        self._moved: dict[str, dict[str, None]] = {}
        exchange.listen(self)

    # ── subscriptions ─────────────────────────────────────────────────────────────────

    def subscribe(self, connection: Connection, streams: list[str]) -> None:
        """Add streams to a connection; listen keys on the private route."""
        for stream in streams:
            connection.streams[stream] = None
            if connection.route == PRIVATE:
                self._private[connection] = None
                continue
            topic = topic_of(stream)
            if topic is not None and topic.route == connection.route:
                self._heard.setdefault(stream, {})[connection] = None
                self._topics.setdefault((topic.kind, topic.symbol), {})[stream] = topic
                if topic.kind is Kind.DIFF and topic.symbol not in self._differs:
                    self._begin_diffs(topic.symbol)

    def _begin_diffs(self, symbol: str) -> None:
        market = self._exchange.markets.get(symbol)
        if market is not None:
            self._differs[symbol] = BookDiffer(market.book, market.update_id)

    def unsubscribe(self, connection: Connection, streams: list[str]) -> None:
        """Take streams from a connection."""
        for stream in streams:
            connection.streams.pop(stream, None)
            heard = self._heard.get(stream)
            if heard is None:
                continue
            heard.pop(connection, None)
            if not heard:
                self._forget(stream)

    def _forget(self, stream: str) -> None:
        """Nobody listens to a stream any more: nothing is computed for it."""
        del self._heard[stream]
        topic = topic_of(stream)
        if topic is None:
            return
        topics = self._topics[topic.kind, topic.symbol]
        del topics[stream]
        self._moved.pop(stream, None)
        for key in [key for key in self._gathered if self._gathered[key].topic == topic]:
            del self._gathered[key]
        if topic.kind is Kind.DIFF and not topics:
            self._differs.pop(topic.symbol, None)

    def drop(self, connection: Connection) -> None:
        """Forget a connection."""
        self.unsubscribe(connection, list(connection.streams))
        self._private.pop(connection, None)

    @property
    def heard(self) -> bool:
        """Whether anybody listens, to the market or to an account."""
        return bool(self._private or self._heard)

    # ── market ────────────────────────────────────────────────────────────────────────

    def market_moved(self, happening: MarketHappening) -> None:
        """Send a market event to whoever asked for it, or gather it."""
        match happening:
            case CandleMoved():
                self._candle(happening)
            case Printed():
                self._printed(happening)
            case Passed(message):
                self._relay(message)
            case BookMoved(symbol):
                self._book(happening)
                self._partial(symbol, happening.time_ms)
            case TopMoved():
                self._top(happening)
            case MarkMoved(symbol, time_ms=time_ms):
                for topic in self._of(Kind.MARK, symbol):
                    self._offer(topic, time_ms, lambda: market_events.mark_price(happening))
                self._note(Kind.MARK, symbol)
            case ContractMoved(symbol):
                for topic in self._of(Kind.CONTRACT, ""):
                    market = self._exchange.markets[symbol]
                    self._send(topic, market_events.contract_info(market, happening))
            case Liquidated(order):
                for topic in self._of(Kind.LIQUIDATION, order.symbol):
                    self._send(topic, market_events.force_order(happening))
                for topic in self._of(Kind.LIQUIDATION, ""):
                    self._send(topic, market_events.force_order(happening, of_all=True))
            case Stepped(time_ms) if not self._conflate:
                self._send_arrays(time_ms)

    def flush(self) -> None:
        """Send what was gathered, each stream at its own speed."""
        for key, waiting in list(self._gathered.items()):
            if self._is_due(key, waiting.topic, waiting.time_ms):
                del self._gathered[key]
                self._sent_ms[key] = waiting.time_ms
                self._send(waiting.topic, waiting.make(), _replaceable(waiting, key))
        self._send_arrays(self._exchange.played_ms)

    def _of(self, kind: Kind, symbol: str) -> list[Topic]:
        """The streams of a kind that somebody listens to."""
        return list(self._topics.get((kind, symbol), {}).values())

    def _is_due(self, key: str, topic: Topic, time_ms: int) -> bool:
        sent_ms = self._sent_ms.get(key)
        return sent_ms is None or time_ms - sent_ms >= topic.every_ms

    def _offer(
        self,
        topic: Topic,
        time_ms: int,
        make: Callable[[], _Made],
        *,
        key: str = "",
        carried: Diff | None = None,
    ) -> None:
        """Send an event of a market time at once where that is due, or gather it."""
        key = key or topic.name
        if self._conflate:
            self._gathered[key] = _Gathered(topic, make, time_ms, carried)
        elif topic.kind in (Kind.DIFF, Kind.PARTIAL) or self._is_due(key, topic, time_ms):
            self._sent_ms[key] = time_ms
            self._send(topic, make())

    # ── candles and trades ────────────────────────────────────────────────────────────

    def _candle(self, moved: CandleMoved) -> None:
        for kind in (Kind.KLINE, Kind.CONTINUOUS):
            for topic in self._of(kind, moved.symbol):
                if topic.span == moved.interval:
                    self._tell_candle(topic, moved)
                elif topic.span is not None and topic.span.base is moved.interval:
                    self._longer_candle(topic, topic.span, moved)

    def _longer_candle(self, topic: Topic, span: Span, moved: CandleMoved) -> None:
        if moved.closed and moved.time_ms % span.ms:
            return
        series = self._exchange.markets[moved.symbol].series[span.base]
        bar = series.current(span, closed=moved.closed)
        if bar is not None:
            made = CandleMoved(moved.symbol, span, bar, moved.closed, moved.time_ms)
            self._tell_candle(topic, made)

    def _tell_candle(self, topic: Topic, moved: CandleMoved) -> None:
        make = market_events.kline
        if topic.kind is Kind.CONTINUOUS:
            make = market_events.continuous_kline
        if moved.closed and self._conflate:
            # What was gathered of this bar is older than its end.
            self._gathered.pop(topic.name, None)
            self._send(topic, make(moved), topic.name, strict=True)
        else:
            self._offer(topic, moved.time_ms, lambda: make(moved))

    def _printed(self, happening: Printed) -> None:
        symbol = happening.traded.symbol
        for topic in self._of(Kind.AGG_TRADE, symbol):
            # Each is what REST tells under its number: none may be joined with another.
            self._send(topic, market_events.agg_trade(happening))
        market = self._exchange.markets[symbol]
        if not market.book.liquidity.recorded:
            for topic in self._of(Kind.TRADE, symbol):
                for trade in split(happening.aggregate, market.instrument.step_size):
                    self._send(topic, market_events.trade(symbol, trade))

    # ── the book ──────────────────────────────────────────────────────────────────────

    def _relay(self, message: Relayed) -> None:
        # Each speed of diffs is the recorded one.
        for topic in self._of(_RELAYED[message.kind], message.symbol):
            self._send_payload(topic.name, message.payload)

    def _book(self, moved: BookMoved) -> None:
        topics = self._of(Kind.DIFF, moved.symbol)
        if not topics:
            return
        diff = self._differs[moved.symbol].move(moved)
        for topic in topics:
            self._offer_diff(topic, diff)

    def _offer_diff(self, topic: Topic, diff: Diff) -> None:
        earlier = self._gathered.get(topic.name)
        if earlier is not None and earlier.carried is not None:
            diff = earlier.carried.joined(diff)
        self._offer(
            topic,
            diff.time_ms,
            lambda: market_events.diff(topic.symbol, diff),
            carried=diff,
        )

    def _partial(self, symbol: str, time_ms: int) -> None:
        market = self._exchange.markets[symbol]
        update_id = market.update_id
        for topic in self._of(Kind.PARTIAL, symbol):
            self._offer(
                topic,
                time_ms,
                lambda topic=topic: market_events.partial(  # type: ignore[misc]
                    market, topic.levels, update_id, time_ms
                ),
            )

    def _top(self, moved: TopMoved) -> None:
        market = self._exchange.markets[moved.symbol]
        if market.book.liquidity.recorded:
            self._partial(moved.symbol, moved.time_ms)
        else:
            for symbol in (moved.symbol, ""):
                for topic in self._of(Kind.BOOK_TICKER, symbol):
                    key = topic.name if symbol else f"{topic.name}/{moved.symbol}"
                    self._offer(
                        topic,
                        moved.time_ms,
                        lambda: market_events.book_ticker(moved),
                        key=key,
                    )
        for kind in (Kind.TICKER, Kind.MINI_TICKER):
            for topic in self._of(kind, moved.symbol):
                self._offer(
                    topic,
                    moved.time_ms,
                    lambda kind=kind: self._day(kind, moved.symbol, moved.time_ms),  # type: ignore[misc]
                )
            self._note(kind, moved.symbol)

    # ── all symbols in one message ────────────────────────────────────────────────────

    def _note(self, kind: Kind, symbol: str) -> None:
        for topic in self._of(kind, ""):
            self._moved.setdefault(topic.name, {})[symbol] = None

    def _send_arrays(self, time_ms: int) -> None:
        for name, symbols in list(self._moved.items()):
            topic = topic_of(name)
            if topic is None or not symbols or not self._is_due(name, topic, time_ms):
                continue
            self._moved[name] = {}
            self._sent_ms[name] = time_ms
            made = [self._of_all(topic.kind, symbol, time_ms) for symbol in symbols]
            self._send(topic, [event for event in made if event is not None])

    def _of_all(self, kind: Kind, symbol: str, time_ms: int) -> _Event | None:
        if kind is Kind.MARK:
            return market_events.mark_price(self._exchange.mark_of(symbol, time_ms))
        return self._day(kind, symbol, time_ms)

    def _day(self, kind: Kind, symbol: str, time_ms: int) -> _Event | None:
        market = self._exchange.markets[symbol]
        make = market_events.ticker if kind is Kind.TICKER else market_events.mini_ticker
        return make(market, time_ms)

    # ── sending ───────────────────────────────────────────────────────────────────────

    def _send(self, topic: Topic, made: _Made, key: str = "", *, strict: bool = False) -> None:
        if made and self._heard.get(topic.name):
            self._send_payload(topic.name, _encode(made), key, strict=strict)

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


def _replaceable(waiting: _Gathered, key: str) -> str:
    """The key under which a message may replace an unsent one; none where that would lose."""
    return "" if waiting.carried is not None else key


def _wrap(name: str, payload: bytes) -> bytes:
    return b'{"stream":"%s","data":%s}' % (name.encode(), payload)
