"""From a socket's bytes to domain events, against receiving and decoding alone."""

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal

import msgspec
from websockets.asyncio.client import connect

from benchmarks.firehose import firehose
from benchmarks.measuring import Row, median, row_of_rates
from rusy_tui.clock import SystemClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.market import CandleUpdate, MarketEvent, MarketTrade, MarkPrice
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.simulator.candles import Bar
from rusy_tui.simulator.feeds import Print
from rusy_tui.simulator.happenings import CandleMoved, MarkMoved, Printed
from rusy_tui.simulator.tape import Aggregate
from rusy_tui.simulator.wire import market_events as wire

MESSAGES = 30_000
_RUNS = 3
_ROUTE = "market"
_START_MS = 1_709_539_200_000
_PERIOD = 6


def measure() -> list[Row]:
    """Messages a second, from the first to the last of a burst."""
    ours, bare = [], []
    with firehose(_ROUTE, _messages()) as address:
        for _ in range(_RUNS):
            ours.append(asyncio.run(_through_adapter(address)))
            bare.append(asyncio.run(_received_alone(address)))
    return [
        row_of_rates(
            "stream messages: socket bytes to domain event",
            median(ours),
            "messages/s",
            "the same bytes received and decoded",
            median(bare),
        )
    ]


def _messages() -> list[bytes]:
    """A busy market's mix: four trades, a forming candle and a mark price, over and over."""
    encoder = msgspec.json.Encoder()
    made = []
    for number in range(MESSAGES):
        time_ms = _START_MS + number * 10
        price = Decimal(65_000) + Decimal(number % 997) / 10
        if number % _PERIOD == 0:
            bar = Bar(_START_MS, price, price + 9, price - 9, price, Decimal("812.345"))
            stream, event = (
                "kline_15m",
                wire.kline(CandleMoved("BTCUSDT", Interval.M15, bar, False, time_ms)),
            )
        elif number % _PERIOD == 1:
            rate = Decimal("0.0001")
            moved = MarkMoved("BTCUSDT", price, price - 1, rate, _START_MS, time_ms)
            stream, event = "markPrice@1s", wire.mark_price(moved)
        else:
            traded = Print("BTCUSDT", price, Decimal("0.123"), Decimal("0.045"), 3)
            ids = number * 3, number * 3 + 2
            printed = Printed(Aggregate(number, traded, *ids, time_ms))
            stream, event = "aggTrade", wire.agg_trade(printed)
        made.append(encoder.encode({"stream": f"btcusdt@{stream}", "data": event}))
    return made


async def _through_adapter(address: str) -> float:
    exchange = BinanceExchange("http://127.0.0.1:1", address, "", "", SystemClock())
    received: list[float] = []
    done = asyncio.Event()

    def sink(event: MarketEvent) -> None:
        if isinstance(event, CandleUpdate | MarketTrade | MarkPrice):
            received.append(time.perf_counter())
            if len(received) == MESSAGES:
                done.set()

    streams = asyncio.create_task(
        exchange.run_market_streams(("BTCUSDT",), (Interval.M15,), sink)
    )
    await done.wait()
    streams.cancel()
    await asyncio.wait([streams])
    return _rate(received)


async def _received_alone(address: str) -> float:
    decode = msgspec.json.Decoder().decode
    received = []
    url = f"{address}/{_ROUTE}/stream"
    async with connect(url, compression=None, proxy=None, close_timeout=0.1) as socket:
        async for message in socket:
            decode(message)
            received.append(time.perf_counter())
            if len(received) == MESSAGES:
                break
    return _rate(received)


def _rate(received: Sequence[float]) -> float:
    return (len(received) - 1) / (received[-1] - received[0])
