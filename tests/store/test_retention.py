"""Old market data goes, by whole days on the market's clock; nothing else ever does."""

import asyncio

import pytest

from rusy_tui.clock import LockstepClock, SystemClock
from rusy_tui.domain.history import FundingRate, MarkCandle, OpenInterest
from rusy_tui.store import retention
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.errors import DatabaseLost
from rusy_tui.store.pool import Database
from rusy_tui.store.retention import AFTER_MIDNIGHT_MS, DAY_MS, Upkeep
from rusy_tui.store.store import Store
from tests.lockstep import START_MS, in_lockstep
from tests.store.test_bulk import BTC, START, STEP, bar, columns
from tests.store.test_ledger import PREDICTION
from tests.store.test_market_data import finding, stats

# Whole days go: of thirty, twenty and the half that has begun are kept.
KEEP_DAYS = 20
NOW = START + 29 * DAY_MS + DAY_MS // 2
A_DAY = DAY_MS // STEP
LAST = 29 * A_DAY
GONE = 9 * A_DAY


async def fill(database: Database, venue: str) -> Store:
    """Thirty days of quarters, and a row of each other kind at both ends."""
    store = Store(database, venue, "abc")
    data = store.market_data
    bars = [bar(number) for number in range(30 * A_DAY)]
    await data.candles.store_bars(BTC, columns(bars), "rest")
    await data.candles.store([bar(0, trades=5.0), bar(LAST, trades=5.0)], "stream")
    prices = {"open": 100.0, "high": 100.0, "low": 100.0, "close": 100.0}
    for number in (0, LAST):
        first = bar(number)
        time_ms = first.open_time_ms
        interest = OpenInterest(symbol=BTC, time_ms=time_ms, quantity=3.5, value_usd=350.0)
        mark = MarkCandle(symbol=BTC, interval=first.interval, open_time_ms=time_ms, **prices)
        paid = FundingRate(symbol=BTC, time_ms=time_ms, rate=1e-4, mark_price=5.0)
        found = finding(0, open_time_ms=time_ms, until_ms=first.close_time_ms)
        await data.open_interest.store([interest])
        await data.mark_prices.store([mark])
        await data.funding_rates.store([paid])
        await data.findings.keep([found])
        await data.microstructure.store([stats(0, open_time_ms=time_ms)])
        await store.journal.append("test", "bars", {}, time_ms)
    await store.predictions.add(PREDICTION)
    return store


async def rows_of(database: Database, venue: str) -> dict[str, int]:
    tables = ("market_data", "market_data_revisions", "mark_prices", "microstructure")
    others = ("funding_rates", "open_interest", "findings", "journal", "model_predictions")
    return {
        table: await database.value(f"SELECT count(*) FROM {table} WHERE venue = $1", venue)
        for table in (*tables, *others)
    }


@pytest.mark.parametrize("venues", [["live"], ["demo", "live", "paper"]])
async def test_what_is_older_than_asked_for_goes(
    database: Database, venues: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 250)
    for venue in venues:
        await fill(database, venue)
    before = await rows_of(database, "live")
    removed = await Upkeep(database, "live", SystemClock(), KEEP_DAYS).once(NOW)
    one_of_each = dict.fromkeys(removed, 1)
    assert removed == one_of_each | {"market_data": GONE}
    kept = await rows_of(database, "live")
    assert kept == {table: count - removed.get(table, 0) for table, count in before.items()}
    for venue in venues:
        if venue != "live":
            assert await rows_of(database, venue) == before
    oldest = await database.value(
        "SELECT min(open_time) FROM market_data WHERE venue = $1", "live"
    )
    assert oldest == START + 9 * DAY_MS
    days = await database.rows("SELECT bars FROM market_data_daily WHERE venue = 'live'")
    assert [row["bars"] for row in days] == [A_DAY] * 21
    again = await Upkeep(database, "live", SystemClock(), KEEP_DAYS).once(NOW)
    assert set(again.values()) == {0}


async def test_without_a_limit_all_is_kept(database: Database) -> None:
    await fill(database, "live")
    before = await rows_of(database, "live")
    assert await Upkeep(database, "live", SystemClock(), None).once(NOW) == {}
    assert await rows_of(database, "live") == before


def test_it_is_done_at_the_start_and_after_each_midnight_whatever_failed(
    database_address: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    kept: list[int] = []
    once = Upkeep.once

    async def noted(self: Upkeep, now_ms: int) -> dict[str, int]:
        seen.append(now_ms)
        if len(seen) == 2:
            raise DatabaseLost("gone")
        return await once(self, now_ms)

    monkeypatch.setattr(Upkeep, "once", noted)
    midnight = START_MS - START_MS % DAY_MS

    async def main(clock: LockstepClock) -> None:
        store = await Store.open(database_address, clock, "demo", "abc")
        start = (midnight - START) // STEP - 10 * A_DAY
        bars = columns([bar(start + number) for number in range(10 * A_DAY)])
        await store.candles.store_bars(BTC, bars, "rest")
        upkeep = Upkeep(store.database, "demo", clock, 5)
        running = asyncio.create_task(upkeep.run())
        for day in range(1, 4):
            await clock.sleep_until_market(midnight + day * DAY_MS + AFTER_MIDNIGHT_MS + 60_000)
            kept.append(
                await store.candles.count(BTC, bars.interval, 0, midnight + 10 * DAY_MS)
            )
        running.cancel()
        await store.close()

    in_lockstep(main)
    due = [midnight + day * DAY_MS + AFTER_MIDNIGHT_MS for day in range(1, 4)]
    assert seen == [START_MS, *due]
    # What failed on the first day was made up for on the second.
    assert kept == [5 * A_DAY, 3 * A_DAY, 2 * A_DAY]
