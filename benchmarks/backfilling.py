"""Years of history from the exchange into the database, against a client that checks nothing.

Both fetch the same answers from a simulated exchange that is a process of its own and holds
its real limits, with the same number of calls under way, into databases on the same server:
ours with the whole adapter (budget, time, checks), judged and stored so that it may be killed
at any moment; the other by bare HTTP and COPY into a table without keys or checks. Both must
have stored every bar with the calls and the weight that the exchange counted for them.

``python -m benchmarks.backfilling`` judges the ratio: exit code 1 when the goal is missed.
"""

import asyncio
import datetime
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
import msgspec

from benchmarks.measuring import Row, median, row_of_costs, table
from rusy_tui.clock import SystemClock
from rusy_tui.domain.bars import COLUMNS
from rusy_tui.domain.candle import Interval
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.market.backfill import CALLS_AT_ONCE, Backfill
from rusy_tui.market.pages import Page, in_turns, newest_first
from rusy_tui.resources import sql_dir
from rusy_tui.simulator.control import TOKEN_HEADER
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.embedded import temporary_server
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.migrations import migrate
from rusy_tui.store.pool import Database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

DAYS = 3000
RUNS = 3
_SYMBOL = "BTCUSDT"
_LANES = ((_SYMBOL, Interval.M15), (_SYMBOL, Interval.H1))
_DAY_MS = 86_400_000
_START_LIMIT_S = 60.0
_CONNECTIONS = 4
# What judging and storing safely may cost.
GOAL = 1.5
# 288,000 quarters and 72,000 hours, 499 a call: 723 calls for 2, but one of 77 bars for 1.
ROWS = 360_000
CALLS, WEIGHT = 723, 1445
# Ours also asks where each lane begins: one candle, for 1.
PROBES = len(_LANES)
_KLINES = "/fapi/v1/klines"

_BARE_TABLE = "CREATE TABLE bare (LIKE market_data)"
_WRITTEN = ["venue", "symbol", "timeframe", "open_time", *COLUMNS, "source", "revision"]


class _Simulator(msgspec.Struct):
    rest_url: str
    ws_url: str
    control_url: str
    control_token: str


class _Asked(msgspec.Struct):
    """What the exchange counted since it began, by the path of the endpoint."""

    calls_by_path: dict[str, int]
    weight_by_path: dict[str, int]


def main() -> int:
    """Measure and judge; the exit code."""
    (row,) = measure()
    print(f"load {os.getloadavg()[0]:.1f}")
    print(table([row]))
    met = row.ratio <= GOAL
    print(f"goal {GOAL}: {'met' if met else 'missed'}")
    return 0 if met else 1


def measure() -> list[Row]:
    """Seconds for all of it, in turns, each from an exchange that has answered nobody yet."""
    ours, theirs = asyncio.run(_measure())
    return [
        row_of_costs(
            f"{DAYS} days of 15m and 1h fetched, judged, stored; goal {GOAL}",
            median(ours),
            "s",
            "bare HTTP and COPY, unchecked",
            median(theirs),
        )
    ]


async def _measure() -> tuple[list[float], list[float]]:
    clock = SystemClock()
    ours, theirs = list[float](), list[float]()
    async with temporary_server(clock) as address:
        for number in range(RUNS):
            theirs.append(await _bare(await _fresh(address, f"bare_{number}")))
            ours.append(await _filled(await _fresh(address, f"ours_{number}")))
            sys.stderr.write(f"bench: bare {theirs[-1]:.2f} s, ours {ours[-1]:.2f} s\n")
    return ours, theirs


async def _fresh(address: DatabaseAddress, name: str) -> DatabaseAddress:
    """An empty database with all tables."""
    bare = await asyncpg.connect(**address.arguments())
    await bare.execute(f"CREATE DATABASE {name}")
    await bare.close()
    made = address.with_database(name)
    database = await Database.open(made, SystemClock())
    await migrate(database, sql_dir())
    await database.close()
    return made


@asynccontextmanager
async def _simulator() -> "AsyncGenerator[_Simulator]":
    """A fresh exchange whose history has been invented already: that is none of our time."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rusy_tui.simulator.process", "--json", "--speed", "1",
        "--seed", "3", "--symbols", _SYMBOL,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        if process.stdout is None:
            raise RuntimeError("the simulator's output is not piped")
        line = await asyncio.wait_for(process.stdout.readline(), _START_LIMIT_S)
        found = msgspec.json.decode(line, type=_Simulator)
        async with aiohttp.ClientSession() as session:
            for _, interval in _LANES:
                await _get(session, found, _page(interval, 0, 3 * interval.ms))
        yield found
    finally:
        process.terminate()
        await process.wait()


def _page(interval: Interval, from_ms: int, until_ms: int) -> Page:
    return Page(_SYMBOL, interval, from_ms, until_ms)


async def _filled(address: DatabaseAddress) -> float:
    """Ours: what `rusy backfill` runs."""
    clock = SystemClock()
    database = await Database.open(address, clock, _CONNECTIONS)
    async with _simulator() as simulator:
        exchange = BinanceExchange(simulator.rest_url, simulator.ws_url, "", "", clock)
        await exchange.connect()
        try:
            data = MarketData(database, "bench")
            backfill = Backfill(exchange, data, clock, _LANES, lookback_days=DAYS)
            before = await _asked(simulator)
            began_s = time.perf_counter()
            await backfill.history()
            took_s = time.perf_counter() - began_s
            _prove_cost("ours", before, await _asked(simulator), PROBES)
            if not backfill.progress.whole or await backfill.plan():
                raise RuntimeError("history is not whole")
            _prove_rows("ours", await database.value("SELECT count(*) FROM market_data"))
        finally:
            await exchange.close()
            await database.close()
    return took_s


async def _bare(address: DatabaseAddress) -> float:
    """The bound: the same pages at the same concurrency, and nothing looked at."""
    pool = await asyncpg.create_pool(
        **address.arguments(), min_size=_CONNECTIONS, max_size=_CONNECTIONS
    )
    await pool.execute(_BARE_TABLE)
    try:
        async with (
            _simulator() as simulator,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        ):
            pages = await _pages(session, simulator)
            before = await _asked(simulator)
            began_s = time.perf_counter()
            waiting = iter(pages)
            workers = [_copied(session, simulator, pool, waiting) for _ in range(CALLS_AT_ONCE)]
            await asyncio.gather(*workers)
            took_s = time.perf_counter() - began_s
            _prove_cost("bare", before, await _asked(simulator))
        _prove_rows("bare", await pool.fetchval("SELECT count(*) FROM bare"))
    finally:
        await pool.close()
    return took_s


async def _pages(session: aiohttp.ClientSession, simulator: _Simulator) -> list[Page]:
    async with session.get(f"{simulator.rest_url}/fapi/v1/time") as reply:
        now_ms = msgspec.json.decode(await reply.read())["serverTime"]
    lanes = []
    for symbol, interval in _LANES:
        from_ms = interval.floor(now_ms - DAYS * _DAY_MS)
        first = await _get(session, simulator, _page(interval, from_ms, from_ms + interval.ms))
        if not first:
            first = await _get(session, simulator, _page(interval, 0, 1 << 42), limit=1)
        span = (first[0][0], interval.floor(now_ms))
        lanes.append(newest_first((symbol, interval), [span]))
    return in_turns(lanes)


async def _copied(
    session: aiohttp.ClientSession,
    simulator: _Simulator,
    pool: asyncpg.Pool,
    waiting: Iterator[Page],
) -> None:
    for page in waiting:
        rows = await _get(session, simulator, page)
        records = [_record(page.interval.value, row) for row in rows]
        await pool.copy_records_to_table("bare", records=records, columns=_WRITTEN)


async def _get(
    session: aiohttp.ClientSession, simulator: _Simulator, page: Page, limit: int | None = None
) -> list[list[Any]]:
    params = {
        "symbol": page.symbol,
        "interval": page.interval.value,
        "startTime": str(page.from_ms),
        "endTime": str(page.until_ms - page.interval.ms),
        "limit": str(limit or page.rows),
    }
    async with session.get(f"{simulator.rest_url}/fapi/v1/klines", params=params) as reply:
        body = await reply.read()
        if reply.status != 200:
            raise RuntimeError(f"HTTP {reply.status}: {body!r}")
    rows: list[list[Any]] = msgspec.json.decode(body)
    return rows


def _record(interval: str, row: Sequence[Any]) -> tuple[Any, ...]:
    opened = datetime.datetime.fromtimestamp(row[0] / 1000, tz=datetime.UTC)
    values = (float(row[place]) for place in (1, 2, 3, 4, 5, 7, 8, 9))
    return ("bench", _SYMBOL, interval, opened, *values, "rest", 0)


async def _asked(simulator: _Simulator) -> tuple[int, int]:
    """Calls for candles and their weight until now, by the exchange's own count."""
    headers = {TOKEN_HEADER: simulator.control_token}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{simulator.control_url}/limits") as reply,
    ):
        reply.raise_for_status()
        asked = msgspec.json.decode(await reply.read(), type=_Asked)
    return asked.calls_by_path.get(_KLINES, 0), asked.weight_by_path.get(_KLINES, 0)


def _prove_cost(
    who: str, before: tuple[int, int], after: tuple[int, int], probes: int = 0
) -> None:
    """Say what was asked.

    Raises:
        RuntimeError: it is not what the bars and so many probes of one candle cost.
    """
    calls, weight = after[0] - before[0], after[1] - before[1]
    sys.stderr.write(
        f"bench: {who}: {calls} calls, weight {weight}; {probes} were probes of weight 1\n"
    )
    if (calls, weight) != (CALLS + probes, WEIGHT + probes):
        raise RuntimeError(
            f"{who}: {calls} calls of weight {weight}, not {CALLS} of {WEIGHT} and {probes}"
        )


def _prove_rows(who: str, rows: int) -> None:
    """Say how many rows a table holds.

    Raises:
        RuntimeError: not every bar is there.
    """
    sys.stderr.write(f"bench: {who}: {rows:,} rows\n")
    if rows != ROWS:
        raise RuntimeError(f"{who}: {rows} rows, not {ROWS}")


if __name__ == "__main__":
    sys.exit(main())
