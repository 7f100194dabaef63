"""What streams tell of each bar, and what is beside it, is kept while an engine runs."""

from decimal import Decimal

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.settings import DataSettings, Pair, Settings
from rusy_tui.launch_lockstep import in_lockstep, world
from rusy_tui.simulator.faults import Fault, Kind
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed

START_MS = 1_709_539_200_000  # 2024-03-04 08:00 UTC
SYMBOL = "BTCUSDT"
HOURS = 2
END_MS = START_MS + HOURS * Interval.H1.ms


def test_live_figures_are_those_of_the_candles_though_the_inbox_keeps_the_latest() -> None:
    settings = Settings(data=DataSettings(pairs=(Pair(symbol=SYMBOL),)))
    feed = SyntheticFeed(5, START_MS, (SYMBOL,), step_ms=60_000)

    async def main(clock: LockstepClock) -> None:
        async with world(clock, feed, settings, seed=1, balance=Decimal(10_000)) as here:
            await clock.sleep_until_market(END_MS)
            await clock.sleep(60)
            data = here.parts.store.market_data
            for interval in (Interval.M15, Interval.H1):
                first_ms = START_MS + interval.ms
                count = (END_MS - first_ms) // interval.ms
                bars = await data.candles.window(SYMBOL, interval, END_MS, count)
                live = await data.microstructure.between(SYMBOL, interval, first_ms, END_MS)
                assert [row.open_time_ms for row in live] == list(
                    range(first_ms, END_MS, interval.ms)
                )
                assert [row.covered for row in live] == [1] * count
                assert [row.trades for row in live] == list(bars.trades)
                volumes = [row.taker_buy_volume + row.taker_sell_volume for row in live]
                assert volumes == pytest.approx(list(bars.volume))
                assert all(
                    0 <= row.vpin <= 1 and row.spread_bps > 0 and -1 < row.depth_imbalance < 1
                    for row in live
                )
                marks = await data.mark_prices.between(SYMBOL, interval, first_ms, END_MS)
                assert len(marks) == count
            interest = await data.open_interest.between(SYMBOL, None, START_MS, END_MS + 1)
            assert len(interest) >= HOURS * 4
            assert await data.funding_rates.between(SYMBOL, None, 0, END_MS)
            assert await data.ticks.finest(SYMBOL, START_MS) is not None

    in_lockstep(START_MS, main)


def test_the_console_hears_once_of_what_is_not_kept_and_once_that_it_is_again() -> None:
    settings = Settings(data=DataSettings(pairs=(Pair(symbol=SYMBOL),)))
    feed = SyntheticFeed(5, START_MS, (SYMBOL,), step_ms=60_000)

    async def main(clock: LockstepClock) -> None:
        async with world(clock, feed, settings, seed=1, balance=Decimal(10_000)) as here:
            here.server.faults.add(
                Fault(
                    kind=Kind.UNAVAILABLE,
                    path="/futures/data/openInterestHist",
                    from_ms=START_MS,
                    until_ms=START_MS + 40 * 60_000,
                )
            )
            await clock.sleep_until_market(START_MS + 59 * 60_000)
            log = here.parts.publisher.state.log
            failed, again = (line for line in log if line.topic == "data")
            assert failed.text.startswith(f"open interest {SYMBOL} not kept, trying again: ")
            assert failed.tone == "ask"
            assert (again.text, again.tone) == ("open interest kept again", "info")

    in_lockstep(START_MS, main)
