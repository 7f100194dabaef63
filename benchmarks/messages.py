"""From a socket's bytes to domain events, against receiving and decoding alone."""

import asyncio
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
from websockets.asyncio.client import connect

from benchmarks.firehose import firehose
from benchmarks.measuring import Row, median, row_of_rates
from rusy_tui.clock import SystemClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.market import (
    BookTop,
    CandleUpdate,
    MarketEvent,
    MarketTrade,
    MarkPrice,
)
from rusy_tui.exchange.binance import BinanceExchange

MESSAGES = 40_000
SYMBOLS = tuple(f"COIN{number:02}USDT" for number in range(50))
_RUNS = 5
_START_MS = 1_709_539_200_000
_EVENTS = (CandleUpdate, BookTop, MarketTrade, MarkPrice)
# A busy market's mix, by what most messages are.
_PUBLIC = ("bookTicker",)
_MARKET = ("aggTrade", "aggTrade", "aggTrade", "kline_15m", "markPrice@1s")


def measure() -> list[Row]:
    """Messages a second, from the first to the last of a burst on both routes."""
    bursts = {
        "public": [*_messages(_PUBLIC, MESSAGES // 2)],
        "market": [*_messages(_MARKET, MESSAGES // 2)],
    }
    ours, bare = [], []
    with firehose(bursts) as address:
        for _ in range(_RUNS):
            ours.append(asyncio.run(_through_adapter(address)))
            bare.append(asyncio.run(_received_alone(address)))
    return [
        row_of_rates(
            f"stream messages of {len(SYMBOLS)} symbols: socket bytes to domain event",
            median([rates[by] for rates in ours]),
            unit,
            "the same bytes received and decoded",
            median([rates[by] for rates in bare]),
        )
        for by, unit in enumerate(("messages/s", "messages/CPU s"))
    ]


class _Stopwatch:
    """From the first message to the last, in time and in this process's CPU time."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self._count = 0
        self._began = self._ended = (0.0, 0.0)

    def count(self) -> None:
        """A message came."""
        self._count += 1
        if self._count == 1:
            self._began = time.perf_counter(), time.process_time()
        elif self._count == MESSAGES:
            self._ended = time.perf_counter(), time.process_time()
            self.done.set()

    def rates(self) -> tuple[float, float]:
        """Messages a second, and a second of CPU time: other work moves that less."""
        (began_s, cpu_began_s), (ended_s, cpu_ended_s) = self._began, self._ended
        return (MESSAGES - 1) / (ended_s - began_s), (MESSAGES - 1) / (
            cpu_ended_s - cpu_began_s
        )


def _messages(streams: tuple[str, ...], count: int) -> Iterator[bytes]:
    """A burst: every stream of every symbol in turn; numbers and times only rise."""
    encoder = msgspec.json.Encoder()
    for number in range(count):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        stream = streams[number // len(SYMBOLS) % len(streams)]
        price = Decimal(65_000) + Decimal(number % 997) / 10
        data = _told(stream, symbol, number, str(price), _START_MS + number)
        yield encoder.encode({"stream": f"{symbol.lower()}@{stream}", "data": data})


def _told(stream: str, symbol: str, number: int, price: str, time_ms: int) -> dict[str, Any]:
    head = {"E": time_ms, "s": symbol, "st": 1}
    match stream:
        case "bookTicker":
            return {
                "e": "bookTicker", "u": number, "T": time_ms, "ps": symbol, "b": price,
                "B": "1.210", "a": price, "A": "4.066", **head,
            }  # fmt: skip
        case "aggTrade":
            return {
                "e": "aggTrade", "a": number, "p": price, "q": "0.123", "nq": "0.123",
                "f": number * 3, "l": number * 3 + 2, "T": time_ms, "m": True, **head,
            }  # fmt: skip
        case "markPrice@1s":
            return {
                "e": "markPriceUpdate", "p": price, "ap": price, "i": price, "P": price,
                "r": "0.00010000", "T": _START_MS, **head,
            }  # fmt: skip
    kline = {
        "t": _START_MS, "T": _START_MS + 899_999, "s": symbol, "i": "15m", "f": 100,
        "L": number, "o": price, "c": price, "h": price, "l": price, "v": "812.345",
        "n": number, "x": False, "q": "52802425.1", "V": "406.1", "Q": "26396500.5", "B": "0",
    }  # fmt: skip
    return {"e": "kline", "k": kline, **head}


async def _through_adapter(address: str) -> tuple[float, float]:
    exchange = BinanceExchange("http://127.0.0.1:1", address, "", "", SystemClock())
    watch = _Stopwatch()

    def sink(event: MarketEvent) -> None:
        if isinstance(event, _EVENTS):
            watch.count()

    streams = asyncio.create_task(exchange.run_market_streams(SYMBOLS, (Interval.M15,), sink))
    await watch.done.wait()
    streams.cancel()
    await asyncio.wait([streams])
    return watch.rates()


# What the adapter reads of each message, and nothing done with it.


class _BookTicker(msgspec.Struct, tag_field="e", tag="bookTicker"):
    E: int
    s: str
    b: Decimal
    B: Decimal
    a: Decimal
    A: Decimal


class _AggTrade(msgspec.Struct, tag_field="e", tag="aggTrade"):
    E: int
    s: str
    p: Decimal
    q: Decimal
    f: int
    l: int  # noqa: E741  # the exchange's name
    T: int
    m: bool


class _MarkPrice(msgspec.Struct, tag_field="e", tag="markPriceUpdate"):
    E: int
    s: str
    p: Decimal
    r: Decimal
    T: int


class _Candle(msgspec.Struct):
    t: int
    i: str
    o: float
    h: float
    l: float  # noqa: E741  # the exchange's name
    c: float
    v: float
    n: float
    x: bool
    q: float
    V: float


class _Kline(msgspec.Struct, tag_field="e", tag="kline"):
    E: int
    s: str
    k: _Candle


class _Combined(msgspec.Struct):
    stream: str
    data: _BookTicker | _AggTrade | _MarkPrice | _Kline


async def _received_alone(address: str) -> tuple[float, float]:
    # Not strict, so that strings are read as the floats that they hold.
    decode = msgspec.json.Decoder(_Combined, strict=False).decode
    watch = _Stopwatch()

    async def receive(route: str) -> None:
        url = f"{address}/{route}/stream"
        async with connect(url, compression=None, proxy=None, close_timeout=0.1) as socket:
            async for message in socket:
                decode(message)
                watch.count()

    tasks = [asyncio.create_task(receive(route)) for route in ("public", "market")]
    await watch.done.wait()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return watch.rates()
