"""A simulated exchange that mirrors another one, through the real adapter, in lockstep."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any, ClassVar

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.domain.market import InstrumentChanged, MarketEvent
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.simulator.feeds.mirror import MirrorFeed, Mirroring
from rusy_tui.simulator.runner import play
from tests.simulator.serving import Served, served
from tests.simulator.support import START_MS, SYMBOL, D, ScriptedFeed, lockstep, traded

_MINUTES = 35
_KLINES = "/fapi/v1/klines?symbol=BTCUSDT&limit=100&interval="


def _moving_feed() -> ScriptedFeed:
    """A market that trades every five seconds, around 50,000."""
    random, ticks, script = Random(5), 500_000, []
    for second in range(0, _MINUTES * 60, 5):
        ticks += random.randint(-40, 40)
        script.append((second, [traded(f"{ticks / 10}", f"{random.randint(1, 900) / 1000}")]))
    return ScriptedFeed(script, end_s=_MINUTES * 60)


class _Cut(BinanceExchange):
    """A source whose streams are away between two moments (seconds after the start)."""

    cut_s: tuple[int, int] | None = None
    test_clock: LockstepClock
    sinks: ClassVar[list[Callable[[MarketEvent], None]]] = []

    async def run_market_streams(
        self,
        symbols: Sequence[str],
        intervals: Sequence[Interval],
        sink: Callable[[MarketEvent], None],
    ) -> None:
        self.sinks.append(sink)

        def running() -> Coroutine[Any, Any, None]:
            return super(_Cut, self).run_market_streams(symbols, intervals, sink)

        if self.cut_s is not None:
            first = asyncio.create_task(running())
            try:
                await self.test_clock.sleep_until_market(START_MS + self.cut_s[0] * 1000)
            finally:
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
            await self.test_clock.sleep_until_market(START_MS + self.cut_s[1] * 1000)
        await running()


@asynccontextmanager
async def _mirrored(
    clock: LockstepClock, cut_s: tuple[int, int] | None = None
) -> AsyncGenerator[tuple[Served, Served]]:
    """(source, mirror), the mirror begun half a minute after its source."""
    async with served(clock, _moving_feed()) as source:
        playing = asyncio.create_task(play(source.exchange, source.exchange.feed, clock))
        await clock.sleep(30)
        adapter = _Cut(
            source.server.rest_url, source.server.ws_url, "", "", clock, ping_interval_s=None
        )
        adapter.cut_s, adapter.test_clock = cut_s, clock
        await adapter.connect()
        try:
            feed = await MirrorFeed.open(adapter, [SYMBOL], seed=2)
            async with served(clock, feed, seed=2) as mirror:
                mirroring = Mirroring(adapter, feed, mirror.exchange, clock)
                running = asyncio.create_task(mirroring.run())
                try:
                    yield source, mirror
                finally:
                    for task in (running, playing):
                        task.cancel()
                        with suppress(asyncio.CancelledError):
                            await task
        finally:
            await adapter.close()


async def _bars(of: Served, interval: str) -> list[list[float]]:
    """Bars without the columns that no client of the source can know."""
    rows = (await of.public(_KLINES + interval)).body
    return [[float(column) for column in row[:10]] for row in rows]


async def _all_bars(*of: Served) -> list[list[list[list[float]]]]:
    """The bars of each, asked for at once, at a moment in which nothing trades."""
    asked = [_bars(each, interval) for each in of for interval in ("1m", "15m", "1h")]
    answers = await asyncio.gather(*asked)
    return [list(answers[at : at + 3]) for at in range(0, len(answers), 3)]


def test_prices_follow_and_bars_are_the_sources_own() -> None:
    async def scenario(clock: LockstepClock) -> None:
        async with _mirrored(clock) as (source, mirror):
            for _ in range(5):
                await clock.sleep(300)
                theirs, ours = source.exchange.markets[SYMBOL], mirror.exchange.markets[SYMBOL]
                assert ours.last == theirs.last
                assert ours.book.best() == theirs.book.best()
                assert abs(ours.mark - theirs.mark) < 5
            await clock.sleep_until_market(START_MS + 1_583_000)
            ours_, theirs_ = await _all_bars(mirror, source)
            assert ours_ == theirs_
            assert len(ours_[0]) == 20 + 27

    lockstep(scenario)


def test_an_order_fills_by_the_sources_trades() -> None:
    async def scenario(clock: LockstepClock) -> None:
        async with _mirrored(clock) as (source, mirror):
            await clock.sleep(63)
            best = source.exchange.markets[SYMBOL].book.best()
            taken = await mirror.signed(
                "POST",
                "/fapi/v1/order",
                symbol=SYMBOL,
                side="BUY",
                type="MARKET",
                quantity="0.010",
                newOrderRespType="RESULT",
            )
            assert taken.body["status"] == "FILLED", taken.body
            assert mirror.account.position(SYMBOL).entry_price == best.ask
            resting = await mirror.signed(
                "POST",
                "/fapi/v1/order",
                symbol=SYMBOL,
                side="SELL",
                type="LIMIT",
                timeInForce="GTX",
                price=best.ask + 5,
                quantity="0.010",
            )
            assert resting.body["status"] == "NEW", resting.body
            order = next(iter(mirror.exchange.books.open_orders.values()))
            highest = best.ask
            while order.is_open:
                assert highest <= best.ask + 5
                await clock.sleep(5)
                highest = max(highest, source.exchange.markets[SYMBOL].last or highest)
            assert order.remaining == 0
            assert mirror.account.position(SYMBOL).quantity == 0

    lockstep(scenario)


@pytest.mark.parametrize("cut_s", [(200, 215), (305, 610), (890, 1020)])
def test_a_cut_leaves_no_hole_and_invents_nothing(cut_s: tuple[int, int]) -> None:
    async def scenario(clock: LockstepClock) -> None:
        async with _mirrored(clock, cut_s) as (source, mirror):
            async with mirror.ear("/market/stream?streams=btcusdt@kline_1m") as ear:
                traded_at = []

                class Listener:
                    def market_moved(self, happening: object) -> None:
                        if type(happening).__name__ == "Printed":
                            traded_at.append((clock.market_ms() - START_MS) / 1000)

                    def account_moved(self, *_: object) -> None:
                        pass

                mirror.exchange.listen(Listener())
                await clock.sleep_until_market(START_MS + (_MINUTES - 5) * 60_000 + 3_000)
            ours, theirs = await _all_bars(mirror, source)
            assert ours == theirs
            ended = [k["k"]["t"] for k in ear.events("kline") if k["k"]["x"]]
            assert ended == list(range(ended[0], ended[-1] + 1, 60_000))
            assert len(ended) == _MINUTES - 5
            assert not [s for s in traded_at if cut_s[0] + 1 < s < cut_s[1]]
            assert [s for s in traded_at if cut_s[1] < s < cut_s[1] + 20]

    lockstep(scenario)


def test_contracts_and_funding_hours_follow_the_source() -> None:
    async def scenario(clock: LockstepClock) -> None:
        async with _mirrored(clock) as (source, mirror):
            await clock.sleep(60)
            source.exchange.change_instrument(SYMBOL, tick_size=D("0.50"), funding_interval_h=4)
            _Cut.sinks[-1](InstrumentChanged(SYMBOL, clock.market_ms()))
            await clock.sleep(60)
            ours, theirs = mirror.exchange.markets[SYMBOL], source.exchange.markets[SYMBOL]
            assert ours.instrument == theirs.instrument
            assert ours.instrument.tick_size == D("0.50")
            now_ms = clock.market_ms()
            assert theirs.funding_interval_h == 4
            assert ours.next_funding_ms(now_ms) == theirs.next_funding_ms(now_ms)
            assert ours.funding_rate(now_ms) == theirs.funding_rate(now_ms)
            best, here = theirs.book.best(), ours.book.best()
            assert (here.bid, here.ask) == (best.bid, best.ask)

    lockstep(scenario)


def test_what_the_source_does_not_trade_is_refused() -> None:
    async def scenario(clock: LockstepClock) -> None:
        async with served(clock, _moving_feed()) as source:
            adapter = BinanceExchange(
                source.server.rest_url, source.server.ws_url, "", "", clock
            )
            await adapter.connect()
            with pytest.raises(UsageError, match="NOPEUSDT"):
                await MirrorFeed.open(adapter, ["NOPEUSDT"], seed=1)
            await adapter.close()

    lockstep(scenario)
