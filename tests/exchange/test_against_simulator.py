"""The adapter on the simulated exchange: real protocol, real sockets, one lockstep loop."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rusy_tui.clock import LockstepClock, new_lockstep_loop
from rusy_tui.domain.account import AccountRead, OrderChanged
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.market import (
    BookDepth,
    BookTop,
    CandleUpdate,
    MarketTrade,
    MarkPrice,
    StreamRestored,
)
from rusy_tui.domain.order import (
    Cause,
    Confirmed,
    OrderBook,
    OrderIntent,
    OrderKind,
    OrderState,
    Outcome,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
)
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.simulator.core import AccountSpec, SimulatedExchange
from rusy_tui.simulator.feeds.replay import ReplayFeed
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.server import SimulatorServer
from rusy_tui.simulator.switches import Switches

FROM_MS = 1_750_003_200_000 - 1_750_003_200_000 % 3_600_000
HOURS = 12
Scenario = Callable[[BinanceExchange, SimulatedExchange, LockstepClock], Awaitable[Any]]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Half a day of quarters around 30,000, moving a little."""
    rows = ["open_time,open,high,low,close,volume,quote_volume,trades,taker_buy_volume"]
    last = 30000.0
    for n in range(HOURS * 4):
        close = round(30000 + 60 * math.sin(n / 3), 1)
        high, low = max(last, close) + 20, min(last, close) - 20
        rows.append(
            f"{FROM_MS + n * 900_000},{last},{high},{low},{close},150.0,4500000.0,900,80.0"
        )
        last = close
    path = tmp_path / "BTCUSDT-15m.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


# What the exchange's documents leave open, one way and the other.
BOTH_WAYS = [
    Switches(),
    Switches(
        countdown_cancels_algos=True,
        stops_need_position=True,
        accounts_start_isolated=True,
    ),
]
both_ways = pytest.mark.parametrize("switches", BOTH_WAYS, ids=["unset", "set"])


def on_simulator(recording: Path, scenario: Scenario, switches: Switches | None = None) -> Any:
    start_ms = FROM_MS + HOURS // 2 * 3_600_000
    loop, clock = new_lockstep_loop(start_ms - 5_000)

    async def run() -> Any:
        feed = ReplayFeed(recording, from_ms=start_ms)
        account = AccountSpec(api_key="k", api_secret="s", balance=Decimal(10_000))
        simulated = SimulatedExchange(feed, clock, [account], 1, switches)
        server = SimulatorServer(simulated, clock, lockstep=True, control_token="t")
        await server.start()
        market = asyncio.create_task(play(simulated, feed, clock))
        exchange = BinanceExchange(
            server.rest_url, server.ws_url, "k", "s", clock, ping_interval_s=None
        )
        try:
            await exchange.connect()
            return await scenario(exchange, simulated, clock)
        finally:
            await exchange.close()
            market.cancel()
            await asyncio.gather(market, return_exceptions=True)
            await server.stop()

    try:
        return loop.run_until_complete(run())
    finally:
        loop.close()


def intent(client_order_id: str, kind: OrderKind, side: Side, **fields: Any) -> OrderIntent:
    return OrderIntent(
        client_order_id=client_order_id,
        trade_id="t",
        purpose=Purpose.ENTRY,
        symbol="BTCUSDT",
        side=side,
        kind=kind,
        created_ms=0,
        **fields,
    )


def report_of(outcome: Outcome) -> Any:
    assert isinstance(outcome, Confirmed), outcome
    return outcome.report


def test_what_the_market_and_the_account_are(recording: Path) -> None:
    async def scenario(
        exchange: BinanceExchange, simulated: SimulatedExchange, clock: LockstepClock
    ) -> None:
        assert exchange.exchange_ms() == clock.market_ms()
        one = (await exchange.instruments())["BTCUSDT"]
        assert one.trading
        assert one.contract_type == "PERPETUAL"
        assert one == simulated.feed.instruments["BTCUSDT"]
        settings = await exchange.account_settings()
        assert (settings.hedge_mode, settings.multi_assets, settings.can_trade) == (
            False, False, True,
        )  # fmt: skip
        await clock.sleep(1800)
        now_ms = exchange.exchange_ms()
        candles = await exchange.candles("BTCUSDT", Interval.M15, FROM_MS, now_ms, 1000)
        assert [c.open_time_ms for c in candles] == [
            FROM_MS + n * 900_000 for n in range(len(candles))
        ]
        assert [c.closed for c in candles] == [True] * (len(candles) - 1) + [False]
        assert candles[0].volume == pytest.approx(150)
        top = await exchange.book_top("BTCUSDT")
        assert top.bid < top.ask
        mark = await exchange.mark_price("BTCUSDT")
        assert abs(mark.price / top.mid - 1) < Decimal("0.01")
        assert mark.next_funding_ms > now_ms
        assert (await exchange.balance("USDT")).wallet == Decimal(10_000)
        assert await exchange.positions() == []
        fees = await exchange.fee_rates("BTCUSDT")
        assert Decimal(0) < fees.maker < fees.taker
        port: ExchangePort = exchange
        assert port.exchange_ms() >= now_ms
        assert exchange.status().weight_used > 0

    on_simulator(recording, scenario)


def test_what_is_kept_of_a_market_beside_its_candles(recording: Path) -> None:
    async def scenario(
        exchange: BinanceExchange, simulated: SimulatedExchange, clock: LockstepClock
    ) -> None:
        await clock.sleep(1800)
        now_ms = exchange.exchange_ms()
        for interval in (Interval.M15, Interval.H1):
            until_ms = interval.floor(now_ms)
            marks = await exchange.mark_price_candles("BTCUSDT", interval, FROM_MS, now_ms, 499)
            assert [one.open_time_ms for one in marks] == list(
                range(FROM_MS, until_ms, interval.ms)
            )
            assert all(25_000 < one.low <= one.open <= one.high < 35_000 for one in marks)
        rates = await exchange.funding_rates("BTCUSDT", FROM_MS, now_ms, 1000)
        assert rates
        assert all(FROM_MS <= rate.time_ms <= now_ms for rate in rates)
        assert all(rate.time_ms % 28_800_000 == 0 for rate in rates)
        assert all(abs(rate.rate) < 0.02 and rate.mark_price > 25_000 for rate in rates)
        open_interest = await exchange.open_interest("BTCUSDT", FROM_MS, now_ms, 500)
        assert [one.time_ms for one in open_interest] == list(
            range(FROM_MS + 900_000, now_ms + 1, 900_000)
        )
        assert all(one.value_usd / one.quantity > 25_000 for one in open_interest)

    on_simulator(recording, scenario)


@both_ways
def test_a_trade_from_entry_to_flat(recording: Path, switches: Switches) -> None:
    async def scenario(
        exchange: BinanceExchange, simulated: SimulatedExchange, clock: LockstepClock
    ) -> None:
        events: list[Any] = []
        user = asyncio.create_task(exchange.run_user_stream(["BTCUSDT"], events.append))
        await clock.sleep(2)
        assert [type(event) for event in events] == [StreamRestored, AccountRead]
        await exchange.set_isolated("BTCUSDT")
        await exchange.set_isolated("BTCUSDT")
        await exchange.set_leverage("BTCUSDT", 4)
        await clock.sleep(120)
        began_ms = exchange.exchange_ms()

        # Post-only at the market is refused, far away it rests.
        top = await exchange.book_top("BTCUSDT")
        limit = {"quantity": Decimal("0.010"), "time_in_force": TimeInForce.POST_ONLY}
        crossing = intent("rusy-0", OrderKind.LIMIT, Side.BUY, price=top.ask + 50, **limit)
        refused = await exchange.place(crossing)
        assert isinstance(refused, Rejected)
        assert refused.cause is Cause.WOULD_TAKE
        resting = intent("rusy-1", OrderKind.LIMIT, Side.BUY, price=top.bid - 500, **limit)
        assert report_of(await exchange.place(resting)).state is OrderState.NEW
        twice = await exchange.place(resting)
        assert isinstance(twice, Rejected)
        assert twice.cause is Cause.DUPLICATE
        (open_order,) = await exchange.open_orders(OrderBook.PLAIN, "BTCUSDT")
        assert open_order.client_order_id == "rusy-1"
        cancelled = await exchange.cancel("BTCUSDT", "rusy-1", OrderBook.PLAIN)
        assert report_of(cancelled).state is OrderState.CANCELED
        again = await exchange.cancel("BTCUSDT", "rusy-1", OrderBook.PLAIN)
        assert isinstance(again, Rejected)
        assert again.cause is Cause.UNKNOWN_ORDER

        entry = intent("rusy-2", OrderKind.MARKET, Side.BUY, quantity=Decimal("0.010"))
        filled = report_of(await exchange.place(entry))
        assert filled.state is OrderState.FILLED
        assert filled.filled_quantity == Decimal("0.010")
        assert filled.average_price > 0

        stop = intent(
            "rusy-s", OrderKind.STOP_MARKET, Side.SELL, trigger_price=Decimal("29000"),
            close_position=True, recv_window_ms=1000,
        )  # fmt: skip
        resting_stop = report_of(await exchange.place(stop))
        assert (resting_stop.state, resting_stop.book) == (
            OrderState.NEW, OrderBook.CONDITIONAL,
        )  # fmt: skip
        assert len(await exchange.open_orders(OrderBook.CONDITIONAL, None)) == 1
        beyond = intent(
            "rusy-b", OrderKind.STOP_MARKET, Side.SELL, trigger_price=Decimal("40000"),
            quantity=Decimal("0.010"), reduce_only=True,
        )  # fmt: skip
        refused = await exchange.place(beyond)
        assert isinstance(refused, Rejected)
        assert refused.cause is Cause.WOULD_TRIGGER

        (position,) = await exchange.positions()
        assert position.quantity == Decimal("0.010")
        assert (position.leverage, position.isolated) == (4, True)
        assert position.entry_price == filled.average_price

        out = intent(
            "rusy-3", OrderKind.MARKET, Side.SELL, quantity=Decimal("0.010"), reduce_only=True
        )
        assert report_of(await exchange.place(out)).state is OrderState.FILLED
        nothing = await exchange.place(
            intent("rusy-4", OrderKind.MARKET, Side.SELL, quantity=Decimal("0.010"),
                   reduce_only=True)
        )  # fmt: skip
        assert isinstance(nothing, Rejected)
        assert nothing.cause is Cause.NOTHING_TO_REDUCE
        await exchange.cancel("BTCUSDT", "rusy-s", OrderBook.CONDITIONAL)
        assert await exchange.cancel_all("BTCUSDT", OrderBook.PLAIN) is None
        assert await exchange.cancel_all("BTCUSDT", OrderBook.CONDITIONAL) is None
        assert await exchange.open_orders(OrderBook.CONDITIONAL, "BTCUSDT") == []
        assert await exchange.positions() == []
        gone = await exchange.order("BTCUSDT", "rusy-s", OrderBook.CONDITIONAL)
        assert gone is not None
        assert gone.state.is_final
        assert await exchange.order("BTCUSDT", "never", OrderBook.PLAIN) is None
        assert await exchange.order("BTCUSDT", "never", OrderBook.CONDITIONAL) is None

        # Fills by stream and by REST are the same, and the wallet is what they make of it.
        await clock.sleep(5)
        streamed = [e.fill for e in events if isinstance(e, OrderChanged) and e.fill]
        asked = await exchange.fills("BTCUSDT", began_ms)
        assert [f.exchange_trade_id for f in streamed] == [f.exchange_trade_id for f in asked]
        for by_stream, by_rest in zip(streamed, asked, strict=True):
            assert (by_stream.price, by_stream.quantity, by_stream.fee) == (
                by_rest.price, by_rest.quantity, by_rest.fee,
            )  # fmt: skip
        assert {fill.client_order_id for fill in streamed} == {"rusy-2", "rusy-3"}
        entries = await exchange.income(began_ms, exchange.exchange_ms())
        assert {entry.kind for entry in entries} == {"commission", "realized_pnl"}
        wallet = Decimal(10_000) + sum(entry.amount for entry in entries)
        balance = await exchange.balance("USDT")
        assert (balance.wallet, balance.available) == (wallet, wallet)
        expected = sum(fill.realised_pnl - fill.fee for fill in asked)
        assert wallet - 10_000 == expected
        stops = [
            e.report.state
            for e in events
            if isinstance(e, OrderChanged) and e.report.book is OrderBook.CONDITIONAL
        ]
        # A closePosition order lives no longer than its position.
        assert stops == [OrderState.NEW, OrderState.EXPIRED]
        await exchange.close()
        # Closing ends the streams, and whoever ran them goes on.
        await user

    on_simulator(recording, scenario, switches)


@both_ways
def test_a_stop_triggers_and_closes(recording: Path, switches: Switches) -> None:
    async def scenario(
        exchange: BinanceExchange, simulated: SimulatedExchange, clock: LockstepClock
    ) -> None:
        events: list[Any] = []
        user = asyncio.create_task(exchange.run_user_stream(["BTCUSDT"], events.append))
        await clock.sleep(60)
        entry = intent("rusy-1", OrderKind.MARKET, Side.SELL, quantity=Decimal("0.010"))
        price = report_of(await exchange.place(entry)).average_price
        stop = intent(
            "rusy-s", OrderKind.STOP_MARKET, Side.BUY, close_position=True,
            trigger_price=(price + 15).quantize(Decimal("0.1")),
        )  # fmt: skip
        report_of(await exchange.place(stop))
        await clock.sleep(4 * 3600)
        assert await exchange.positions() == []
        report = await exchange.order("BTCUSDT", "rusy-s", OrderBook.CONDITIONAL)
        assert report is not None
        assert report.state is OrderState.FINISHED
        became = report.triggered_order_id
        closing = [e.fill for e in events if isinstance(e, OrderChanged) and e.fill][-1]
        assert closing.exchange_order_id == became
        await exchange.close()
        await user

    on_simulator(recording, scenario, switches)


def closed_of(events: list[Any]) -> list[Candle]:
    return [e.candle for _, e in events if isinstance(e, CandleUpdate) and e.candle.closed]


def test_streams_tell_every_closed_bar_and_two_runs_are_equal(recording: Path) -> None:
    async def scenario(
        exchange: BinanceExchange, simulated: SimulatedExchange, clock: LockstepClock
    ) -> list[Any]:
        events: list[Any] = []
        task = asyncio.create_task(
            exchange.run_market_streams(
                ["BTCUSDT"],
                [Interval.M15, Interval.H1],
                lambda event: events.append((clock.market_ms(), event)),
            )
        )
        await clock.sleep(3 * 3600 + 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return events

    events = on_simulator(recording, scenario)
    kinds = {type(event) for _, event in events}
    assert kinds == {
        StreamRestored, CandleUpdate, BookTop, BookDepth, MarkPrice, MarketTrade,
    }  # fmt: skip
    depths = [event for _, event in events if isinstance(event, BookDepth)]
    assert all(depth.bids > 0 < depth.asks for depth in depths)
    # The single trades that the aggregated ones were made of add up to the candle's own count.
    hour = next(candle for candle in closed_of(events) if candle.interval is Interval.H1)
    inside = [
        event
        for _, event in events
        if isinstance(event, MarketTrade)
        and 0 <= event.event_ms - hour.open_time_ms < Interval.H1.ms
    ]
    assert sum(trade.trades for trade in inside) == hour.trades
    assert float(sum(trade.quantity for trade in inside)) == pytest.approx(hour.volume)
    closed = closed_of(events)
    for interval, bars in ((Interval.M15, 12), (Interval.H1, 3)):
        times = [c.open_time_ms for c in closed if c.interval is interval]
        assert len(times) == bars
        assert times == sorted(set(times))
    assert sum(isinstance(event, StreamRestored) for _, event in events) == 2
    assert on_simulator(recording, scenario) == events
