"""Market streams: books that reassemble, candles of all spans, what is never lost."""

from collections.abc import Iterable
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from rusy_tui.domain.order import Side
from rusy_tui.simulator.candles import Window
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds import Print, Step
from rusy_tui.simulator.listen_keys import ListenKeys
from rusy_tui.simulator.matching import Book
from rusy_tui.simulator.randomness import generator
from rusy_tui.simulator.refusals import Refusal
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.spans import Span
from rusy_tui.simulator.streams import Streams
from rusy_tui.simulator.topics import topic_of
from rusy_tui.simulator.wire.market_events import kline_row
from rusy_tui.simulator.wire.market_replies import agg_trade as agg_trade_reply
from tests.simulator.serving import Served, on_exchange
from tests.simulator.support import START_MS, SYMBOL, Bench, D, ScriptedFeed, traded

_SEED = 17
_Levels = dict[Decimal, Decimal]


class _Sink:
    """Stands in for a connection: keeps what it is handed."""

    def __init__(self, route: str) -> None:
        self.route = route
        self.combined = False
        self.streams: dict[str, None] = {}
        self.sent: list[Any] = []
        self.keys: list[tuple[str, bool]] = []

    def send(self, payload: bytes, key: str = "", *, strict: bool = False) -> None:
        self.sent.append(msgspec.json.decode(payload))
        self.keys.append((key, strict))


def _listening(
    *streams: str, conflate: bool, route: str = "market"
) -> tuple[Bench, Streams, _Sink]:
    bench = Bench()
    hub = Streams(
        bench.exchange, ListenKeys(bench.clock, generator(1, "keys")), conflate=conflate
    )
    sink = _Sink(route)
    hub.subscribe(sink, list(streams))  # type: ignore[arg-type]  # it stands in
    return bench, hub, sink


# ── the book ──────────────────────────────────────────────────────────────────────────────


class _LocalBook:
    """The exchange's documented procedure, followed to the letter."""

    def __init__(self, snapshot_id: int, bids: _Levels, asks: _Levels) -> None:
        self._snapshot_id = snapshot_id
        self.bids, self.asks = dict(bids), dict(asks)
        self.last: int | None = None

    def take(self, event: dict[str, Any]) -> None:
        if event["u"] < self._snapshot_id:
            return
        if self.last is None:
            assert event["U"] <= self._snapshot_id <= event["u"]
        else:
            assert event["pu"] == self.last
        self.last = event["u"]
        for side, moved in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, quantity in moved:
                side[Decimal(price)] = Decimal(quantity)
                if not Decimal(quantity):
                    del side[Decimal(price)]


def _levels(book: Book) -> tuple[_Levels, _Levels]:
    bids, asks = book.depth(1000)
    return {b.price: b.quantity for b in bids}, {a.price: a.quantity for a in asks}


def _shake(bench: Bench, random: Random) -> None:
    """Something that moves the book, or tries to."""
    last = bench.market.last or D("50000.0")
    price = str(last + D(random.randint(-30, 30)) / 10)
    what = random.randrange(6)
    side = random.choice((Side.BUY, Side.SELL))
    exchange = bench.exchange
    try:
        if what <= 1:
            bench.trade(
                price, f"{random.randint(1, 3000) / 1000}", after_s=random.choice((0.1, 1))
            )
        elif what == 2:
            bench.limit(side, price, "0.010")
        elif what == 3:
            bench.market_order(side, "0.020")
        elif what == 4:
            exchange.trading.cancel_all(bench.account, SYMBOL, bench.clock.now_ms)
        else:
            exchange.change_instrument(SYMBOL, min_notional=D(random.randint(5, 100)))
    except Refusal:
        pass
    exchange.tell_books()


@pytest.mark.parametrize("conflate", [False, True])
@pytest.mark.parametrize("seed", range(_SEED, _SEED + 3))
def test_diffs_on_a_snapshot_make_the_book_at_every_update(conflate: bool, seed: int) -> None:
    random = Random(seed)
    name = random.choice(("btcusdt@depth@0ms", "btcusdt@depth@100ms", "btcusdt@depth"))
    bench, hub, sink = _listening(name, conflate=conflate, route="public")
    true: dict[int, tuple[_Levels, _Levels]] = {}
    snapshots: list[tuple[int, _LocalBook]] = []
    for number in range(400):
        _shake(bench, random)
        true[bench.market.update_id] = _levels(bench.market.book)
        if conflate and random.randrange(3) == 0:
            hub.flush()
        if number % 40 == 0:
            book = _LocalBook(bench.market.snapshot_id, *_levels(bench.market.book))
            snapshots.append((len(sink.sent), book))
    bench.clock.now_ms += 1000
    bench.trade("50001.0", after_s=1)
    true[bench.market.update_id] = _levels(bench.market.book)
    hub.flush()
    assert len(snapshots) == 10
    compared = 0
    for _, book in snapshots:
        # Also what was buffered before the snapshot came: it is to be dropped.
        for event in sink.sent:
            book.take(event)
            if book.last == event["u"]:
                assert (book.bids, book.asks) == true[event["u"]], f"seed {seed}"
                compared += 1
        assert book.last == bench.market.update_id
    assert compared > (100 if conflate else 1000), f"seed {seed}"


def test_a_snapshot_over_rest_fits_into_the_next_diff() -> None:
    feed = ScriptedFeed([(n, [traded(f"{50_000 + n % 7}.0")]) for n in range(60)], end_s=60)

    async def scenario(served: Served) -> None:
        async with served.ear("/public/ws/btcusdt@depth@100ms") as ear:
            await served.clock.sleep(1)
            # Nothing has been told yet when the snapshot is taken.
            reply = await served.public(f"/fapi/v1/depth?symbol={SYMBOL}&limit=1000")
            body = reply.body
            book = _LocalBook(body["lastUpdateId"], _side(body["bids"]), _side(body["asks"]))
            await play(served.exchange, feed, served.clock)
            placed: dict[str, Any] = {
                "side": "BUY",
                "type": "LIMIT",
                "quantity": "0.01",
                "price": "49990.0",
            }
            await served.signed(
                "POST", "/fapi/v1/order", symbol=SYMBOL, timeInForce="GTC", **placed
            )
            await served.signed("DELETE", "/fapi/v1/allOpenOrders", symbol=SYMBOL)
            await served.clock.sleep(1)
            for event in ear.heard:
                book.take(event)
            after = (await served.public(f"/fapi/v1/depth?symbol={SYMBOL}&limit=1000")).body
            assert (book.bids, book.asks) == (_side(after["bids"]), _side(after["asks"]))
            assert book.last == after["lastUpdateId"] - 1
            assert len(ear.heard) == 62

    on_exchange(scenario, feed)


def _side(rows: Iterable[tuple[str, str]]) -> _Levels:
    return {Decimal(price): Decimal(quantity) for price, quantity in rows}


def test_a_cancel_is_told_by_the_book_and_by_the_best_price_only_if_that_moved() -> None:
    bench, _, sink = _listening(
        "btcusdt@depth@0ms", "btcusdt@bookTicker", conflate=False, route="public"
    )
    bench.trade("50000.0", after_s=1)
    bench.limit(Side.BUY, "49995.0")
    sink.sent.clear()
    bench.exchange.trading.cancel_all(bench.account, SYMBOL, bench.clock.now_ms)
    bench.exchange.tell_books()
    assert [event["e"] for event in sink.sent] == ["depthUpdate"]


# ── names and routes ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    [
        "btcusdt@aggTrade",
        "btcusdt@kline_4h",
        "btcusdt_perpetual@continuousKline_1m",
        "btcusdt@markPrice",
        "!markPrice@arr@1s",
        "btcusdt@ticker",
        "!ticker@arr",
        "btcusdt@miniTicker",
        "!miniTicker@arr",
        "!contractInfo",
        "btcusdt@bookTicker",
        "!bookTicker",
        "btcusdt@depth",
        "btcusdt@depth@500ms",
        "btcusdt@depth10@100ms",
        "btcusdt@trade",
    ],
)
def test_a_stream_is_heard_on_its_own_route_and_nowhere_else(name: str) -> None:
    topic = topic_of(name)
    assert topic is not None
    bench = Bench()
    hub = Streams(bench.exchange, ListenKeys(bench.clock, generator(1, "keys")), conflate=False)
    sinks = {route: _Sink(route) for route in ("public", "market", "")}
    for sink in sinks.values():
        hub.subscribe(sink, [name])  # type: ignore[arg-type]  # it stands in
    bench.trade("50000.0", after_s=1)
    bench.exchange.change_instrument(SYMBOL, min_notional=D(7))
    heard = {route for route, sink in sinks.items() if sink.sent}
    assert heard == {topic.route}
    # Every one of them has been accepted.
    assert all(name in sink.streams for sink in sinks.values())


@pytest.mark.parametrize(
    "name",
    [
        "BTCUSDT@aggTrade",
        "btcusdt@kline_7m",
        "btcusdt@depth7",
        "btcusdt@depth@1s",
        "nonsense",
        "@",
    ],
)
def test_a_name_that_means_nothing_is_silent(name: str) -> None:
    assert topic_of(name) is None


# ── candles ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("conflate", [False, True])
def test_each_span_closes_once_with_the_bar_that_rest_tells(conflate: bool) -> None:
    names = [f"btcusdt@kline_{span.value}" for span in Span]
    bench, hub, sink = _listening(*names, conflate=conflate)
    random = Random(_SEED)
    for minute in range(24 * 60):
        for second in (5, 35):
            bench.clock.now_ms = START_MS + (minute * 60 + second) * 1000
            if random.randrange(4):
                price = f"{50_000 + random.randint(-99, 99)}.0"
                bench.exchange.apply(Step(bench.clock.now_ms, (traded(price),)))
            hub.flush()
        bench.exchange.close_bars(START_MS + (minute + 1) * 60_000)
    ends: dict[str, list[dict[str, Any]]] = {}
    for event in sink.sent:
        if event["k"]["x"]:
            ends.setdefault(event["k"]["i"], []).append(event["k"])
    for span in Span:
        closed = ends[span.value]
        assert len(closed) == 24 * 3_600_000 // span.ms, span
        for k in closed:
            (bar,) = bench.market.bars(Window(span, k["t"], k["t"], 9))
            row = kline_row(bar, span)
            assert [k[name] for name in ("t", "o", "h", "l", "c", "v", "T", "q", "n")] == row[
                :9
            ]
            assert [k["V"], k["Q"]] == row[9:11]


# ── speeds and conflation ─────────────────────────────────────────────────────────────────


def test_the_usual_mark_stream_speaks_each_three_seconds() -> None:
    feed = ScriptedFeed([(n, [traded("50000.0")]) for n in range(31)], end_s=60)

    async def scenario(served: Served) -> None:
        names = "btcusdt@markPrice/btcusdt@markPrice@1s/!markPrice@arr"
        async with served.ear(f"/market/stream?streams={names}") as ear:
            await play(served.exchange, feed, served.clock)
            await served.clock.sleep(1)
            counts: dict[str, int] = {}
            for message in ear.heard:
                counts[message["stream"]] = counts.get(message["stream"], 0) + 1
            assert counts == {
                "btcusdt@markPrice": 10,
                "btcusdt@markPrice@1s": 30,
                "!markPrice@arr": 10,
            }

    on_exchange(scenario, feed)


@pytest.mark.parametrize("conflate", [False, True])
def test_aggregates_of_the_stream_are_those_of_rest(conflate: bool) -> None:
    """One price and one taking side each, at every speed; the volumes are the candles' own."""
    bench, hub, sink = _listening("btcusdt@aggTrade", conflate=conflate)
    first, random = bench.market.last_trade_id + 1, Random(_SEED)
    for number in range(60):
        quantity, price = (
            D(random.randint(1, 900)) / 1000,
            D(random.randint(500_000, 500_020)) / 10,
        )
        taken = random.choice(
            (D(0), quantity, D(random.randint(0, int(quantity * 1000))) / 1000)
        )
        printed = Print(SYMBOL, price, quantity, taken, random.randint(2, 9))
        bench.exchange.apply(Step(START_MS + number * 10, (printed,)))
        if number % 4 == 3:
            hub.flush()
    hub.flush()
    told = [
        {name: event[name] for name in ("a", "p", "q", "f", "l", "T", "m")}
        for event in sink.sent
    ]
    kept = bench.market.tape.aggregates(1000, None, None, None)
    shown = [agg_trade_reply(each) for each in kept]
    assert told == [{name: row[name] for name in told[0]} for row in shown]
    assert [row["f"] for row in told] == [first, *(row["l"] + 1 for row in told[:-1])]
    bar = bench.market.series[Span.M1.base].forming
    assert bar is not None
    assert sum(D(row["q"]) for row in told) == bar.volume
    assert sum(D(row["q"]) for row in told if not row["m"]) == bar.taker_buy_volume
    assert set(sink.keys) == {("", False)}


def test_a_changed_contract_never_waits() -> None:
    bench, _, sink = _listening("!contractInfo", conflate=True)
    bench.exchange.change_instrument(SYMBOL, delivery_ms=START_MS + 1, status="PRE_SETTLE")
    bench.exchange.change_instrument(SYMBOL, status="TRADING")
    assert [(event["cs"], event["dt"]) for event in sink.sent] == [
        ("PRE_SETTLE", START_MS + 1),
        ("TRADING", START_MS + 1),
    ]


def test_nobody_listening_costs_no_look_at_the_book(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, hub, sink = _listening("btcusdt@depth", conflate=False, route="public")
    hub.drop(sink)  # type: ignore[arg-type]  # it stands in

    def _never(*_: object) -> None:
        raise AssertionError("the whole book was looked at")

    monkeypatch.setattr(Book, "depth", _never)
    bench.trade("50000.0", after_s=1)
    assert not sink.sent


def test_a_liquidation_is_told_to_all(  # the account's side has tests of its own
) -> None:
    bench, _, sink = _listening("btcusdt@forceOrder", "!forceOrder@arr", conflate=True)
    bench.trade("50000.0", after_s=1)
    bench.market_order(Side.BUY, "1")
    exchange: SimulatedExchange = bench.exchange
    exchange.liquidate(bench.account, SYMBOL)
    assert [(event["o"]["S"], event["o"]["q"], event.get("st")) for event in sink.sent] == [
        ("SELL", "1.000", None),
        ("SELL", "1.000", 1),
    ]


@pytest.mark.parametrize("count", [5, 10, 20])
def test_a_partial_depth_is_the_head_of_the_snapshot(count: int) -> None:
    async def scenario(served: Served) -> None:
        async with served.ear(f"/public/ws/btcusdt@depth{count}@100ms") as ear:
            served.exchange.apply(Step(served.clock.market_ms(), (traded("50000.0"),)))
            await served.clock.sleep(1)
            whole = (await served.public(f"/fapi/v1/depth?symbol={SYMBOL}&limit=100")).body
            told = ear.events("depthUpdate")[-1]
            assert (told["b"], told["a"]) == (whole["bids"][:count], whole["asks"][:count])
            assert len(told["b"]) == len(told["a"]) == count
            assert D(told["b"][0][0]) < D(told["a"][0][0])

    on_exchange(scenario)
