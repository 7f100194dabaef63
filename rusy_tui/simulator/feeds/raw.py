"""A recorded market of raw messages, played again: its book, its trades, its very bytes."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import ZERO
from rusy_tui.simulator.feeds import Print, Relayed, Step
from rusy_tui.simulator.feeds.contracts import of_recording
from rusy_tui.simulator.feeds.raw_messages import (
    Depth,
    Event,
    Message,
    Snapshot,
    Ticker,
    Trade,
    messages_of,
)
from rusy_tui.simulator.feeds.recording import utc
from rusy_tui.simulator.level_book import LevelBook, LevelsMoved

FUNDING_RATE = Decimal("0.0001")
"""The exchange's usual rate: raw messages of these streams tell none."""

_KINDS = {Depth: "depth", Trade: "trade", Ticker: "bookTicker"}


class RawFeed:
    """Raw messages of one contract, each played at the exchange's own event time.

    Play begins at the recorded snapshot: what is older only tells the last price. Messages
    stay in the order in which they were received; one whose event time lies before its
    predecessor's (streams overtake each other by some ms) is played with that one. There are
    no bars of the time before, and the bars in which play begins and ends hold what was
    recorded of them.

    Args:
        path: the recording; :mod:`.raw_messages` says what it holds.
        from_ms: the first moment played; by default the snapshot's.
        until_ms: the first moment not played; by default the recording's end.
        drop_update: the diff that ends with this update id is not told: it is lost between
            the exchange and everybody, while the exchange's own book has it.

    Raises:
        UsageError: the file or the span can't be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        from_ms: int | None = None,
        until_ms: int | None = None,
        drop_update: int | None = None,
    ) -> None:
        self._path = path
        self._drop_update = drop_update
        found = _Survey(path, until_ms)
        self._symbol = found.symbol
        self._instrument = of_recording(
            found.symbol, found.prices, found.quantities, found.first_ms
        )
        if from_ms is not None and until_ms is not None and until_ms <= from_ms:
            raise UsageError(f"until {utc(until_ms)} is not after from {utc(from_ms)}")
        self._start_ms = found.first_ms if from_ms is None else from_ms
        self._end_ms = found.last_ms + 1 if until_ms is None else until_ms
        _check_span(path, found, self._start_ms)
        self._update_ms = found.longest_gap_ms
        self._book = LevelBook(
            found.snapshot.bids,
            found.snapshot.asks,
            found.snapshot.last_id,
            found.last_price,
            self._instrument.max_price,
        )
        self._steps = self._play(found)
        self._next = self._skip()

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return {self._symbol: self._instrument}

    @property
    def start_ms(self) -> int:
        return self._start_ms

    @property
    def end_ms(self) -> int | None:
        return self._end_ms

    @property
    def update_ms(self) -> int:
        return self._update_ms

    def history(self, symbol: str, interval: Interval) -> Sequence[Candle]:
        """None: messages of these streams tell no bars."""
        del symbol, interval
        return ()

    def deep_past(self, symbol: str) -> None:
        """:meth:`history` is all there is."""

    def funding_rate(self, symbol: str, funding_time_ms: int) -> Decimal:
        """The exchange's usual rate at every funding time."""
        del symbol, funding_time_ms
        return FUNDING_RATE

    def liquidity(self, symbol: str) -> LevelBook | None:
        """The recorded book, as it stood when play begins."""
        return self._book if symbol == self._symbol else None

    def next_step(self) -> Step | None:
        step, self._next = self._next, next(self._steps, None)
        return step

    def _skip(self) -> Step | None:
        """Take in what lies before the start; the first step that is played."""
        for step in self._steps:
            if step.time_ms >= self._start_ms:
                return step
            for moved in step.levels:
                self._book.move(moved)
            for traded in step.prints:
                self._book.last = traded.price
        return None

    def _play(self, found: "_Survey") -> Iterator[Step]:
        time_ms, together = found.first_ms, list[Message]()
        for message in _from_snapshot(self._path, found.snapshot):
            event_ms = max(time_ms, message.event.event_ms)
            if event_ms >= self._end_ms:
                break
            if event_ms != time_ms and together:
                yield self._step(time_ms, together)
                together.clear()
            time_ms = event_ms
            together.append(message)
        if together:
            yield self._step(time_ms, together)

    def _step(self, time_ms: int, messages: Sequence[Message]) -> Step:
        prints: list[Print] = []
        levels: list[LevelsMoved] = []
        relayed: list[Relayed] = []
        for message in messages:
            event = message.event
            if isinstance(event, Snapshot):
                continue
            if isinstance(event, Trade) and is_market_trade(event):
                prints.append(_print(event))
            elif isinstance(event, Depth):
                levels.append(LevelsMoved(event.symbol, event.bids, event.asks, event.last_id))
                if event.last_id == self._drop_update:
                    continue
            relayed.append(Relayed(event.symbol, _KINDS[type(event)], message.payload))
        return Step(time_ms, tuple(prints), tuple(levels), tuple(relayed))


class _Survey:
    """What a recording holds, found out and checked before anything is played."""

    def __init__(self, path: Path, until_ms: int | None) -> None:
        snapshot: Snapshot | None = None
        self.symbol = ""
        self.last_price: Decimal | None = None
        self.longest_gap_ms = 1
        self.first_ms = self.last_ms = 0
        before: list[tuple[int, Decimal]] = []
        prices: set[Decimal] = set()
        quantities: set[Decimal] = set()
        book_id = 0
        for message in messages_of(path):
            event = message.event
            if isinstance(event, Snapshot):
                if snapshot is None:
                    snapshot = event
                    self.first_ms = self.last_ms = event.event_ms
                    earlier = [p for time_ms, p in before if time_ms < event.event_ms]
                    self.last_price = earlier[-1] if earlier else None
                continue
            self._check_symbol(path, message.line, event)
            if isinstance(event, Trade):
                prices.add(event.price)
                quantities.add(event.quantity)
                if snapshot is None:
                    before.append((event.event_ms, event.price))
            if snapshot is None:
                continue
            if until_ms is not None and event.event_ms >= until_ms:
                break
            self.longest_gap_ms = max(self.longest_gap_ms, event.event_ms - self.last_ms)
            self.last_ms = max(self.last_ms, event.event_ms)
            if isinstance(event, Depth):
                if book_id and event.previous_id != book_id:
                    raise UsageError(
                        f"{path}, line {message.line}: diffs are missing before this one "
                        f"({utc(event.event_ms)}); play until then at most (--until "
                        f"{event.event_ms})"
                    )
                book_id = event.last_id
        if snapshot is None:
            raise UsageError(
                f"{path}: no answer of depth is among its lines, and without one the book "
                "can't be built; record one after the streams have begun"
            )
        if self.last_price is None:
            middle = (snapshot.bids[0][0] + snapshot.asks[0][0]) / 2
            self.last_price = min(snapshot.bids, key=lambda row: abs(row[0] - middle))[0]
        self.snapshot = snapshot
        self.prices = [float(price) for price in prices | {self.last_price}]
        self.quantities = [float(quantity) for quantity in quantities]

    def _check_symbol(self, path: Path, line: int, event: Event) -> None:
        self.symbol = self.symbol or event.symbol
        if event.symbol != self.symbol:
            raise UsageError(
                f"{path}, line {line}: {event.symbol} after {self.symbol}; a recording is of "
                "one contract: split it"
            )


def _from_snapshot(path: Path, snapshot: Snapshot) -> Iterator[Message]:
    """What belongs after the snapshot: diffs from its update on, all else by its time."""
    seen = False
    waiting: list[Message] = []
    for message in messages_of(path):
        event = message.event
        if isinstance(event, Snapshot):
            if not seen:
                yield from waiting
            seen = True
        elif isinstance(event, Depth) and event.last_id < snapshot.last_id:
            continue
        elif seen:
            yield message
        elif isinstance(event, Depth) or event.event_ms >= snapshot.event_ms:
            # It was here before the answer was, and is newer.
            waiting.append(message)


def is_market_trade(trade: Trade) -> bool:
    """Whether two traders met; the stream also tells what the insurance fund took over."""
    return trade.kind == "MARKET" and trade.quantity > ZERO


def _print(trade: Trade) -> Print:
    bought = ZERO if trade.buyer_is_maker else trade.quantity
    return Print(trade.symbol, trade.price, trade.quantity, bought, 1, trade_id=trade.trade_id)


def _check_span(path: Path, found: _Survey, start_ms: int) -> None:
    if not found.first_ms <= start_ms <= found.last_ms:
        raise UsageError(
            f"from {utc(start_ms)}: {path} holds {utc(found.first_ms)} ({found.first_ms}) to "
            f"{utc(found.last_ms)} ({found.last_ms})"
        )
