"""`rusy backfill` killed again and again: in the end the table is the exchange's history."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from typing import Any

import asyncpg
import pytest

from rusy_tui.domain.bars import COLUMNS
from rusy_tui.domain.candle import Interval
from rusy_tui.store.address import DatabaseAddress
from tests.system.driving import Home, wait_for

pytest_plugins = ["tests.store_fixtures"]

SEED = int(os.environ.get("SEED", "") or 7)
DAYS = int(os.environ.get("RUSY_BACKFILL_DAYS", "1000"))
KILLS = 10
SYMBOL = "BTCUSDT"
ROWS = DAYS * (96 + 24)
# Where the exchange's answer has each column (the SDK's documentation of klines).
_PLACES = dict(zip(COLUMNS, (1, 2, 3, 4, 5, 7, 8, 9), strict=True))
_CONFIGURATION = f"""
data:
  lookback_days: {DAYS}
  pairs:
    - symbol: {SYMBOL}
exchange:
  venue: demo
demo:
  speed: 1
  symbols: [{SYMBOL}]
database:
  url: """


class _Table:
    """The table as whoever is not Rusy sees it."""

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address

    def fetched(self, query: str) -> list[Any]:
        async def ask() -> list[Any]:
            connection = await asyncpg.connect(**self._address.arguments())
            try:
                return [tuple(row) for row in await connection.fetch(query)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    def count(self) -> int:
        return int(self.fetched("SELECT count(*) FROM market_data")[0][0])


@pytest.fixture
def table(home: Home, database_address: DatabaseAddress) -> _Table:
    at = database_address
    url = f"postgresql://{at.user}@/{at.database}?host={at.host}&port={at.port}"
    (home.work / "configuration.yaml").write_text(f"{_CONFIGURATION}{url}\n")
    return _Table(at)


@pytest.mark.verify
@pytest.mark.timeout(900)
def test_killed_at_ten_moments_the_table_is_the_exchange_s_history(
    home: Home, table: _Table
) -> None:
    chance = random.Random(SEED)
    shares = sorted(chance.uniform(0.01, 0.99) for _ in range(KILLS))
    _say(f"\nseed {SEED}, {DAYS} days: killed at")
    for share in shares:
        before = table.count()
        process = _begin(home)
        due = max(round(share * ROWS), before + 1)
        _until(process, table, due)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        _say(f"  {share:6.1%}  {table.count():,} of {ROWS:,} rows")
        assert before < table.count() < ROWS
    assert home.rusy("backfill", within_s=300.0).returncode == 0
    assert json.loads(home.rusy("gaps", "--json").stdout)["gaps"] == []

    rest_url = _exchange(home)["rest_url"]
    for interval in (Interval.M15, Interval.H1):
        rows = table.fetched(
            f"SELECT (extract(epoch FROM open_time) * 1000)::bigint, {', '.join(COLUMNS)} "
            f"FROM market_data WHERE symbol = '{SYMBOL}' AND timeframe = '{interval}' "
            "ORDER BY open_time"
        )
        told = _history(rest_url, interval, rows[0][0], rows[-1][0])
        assert len(rows) >= DAYS * 86_400_000 // interval.ms
        assert rows == told
        _say(f"  {interval}: {len(rows):,} rows equal")
    assert table.fetched("SELECT count(*) FROM market_data WHERE revision > 0") == [(0,)]
    assert table.fetched("SELECT count(*) FROM findings WHERE kind <> 'halt'") == [(0,)]


def _until(process: "subprocess.Popen[bytes]", table: _Table, rows: int) -> None:
    def there() -> bool:
        assert process.poll() is None, "it ended before it was killed"
        return table.count() >= rows

    wait_for(there, 120.0, f"{rows} rows")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _begin(home: Home) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*home.program, "backfill"],
        env=home.environ,
        cwd=home.work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _exchange(home: Home) -> dict[str, Any]:
    (file,) = home.folder.rglob("simulator.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _history(
    rest_url: str, interval: Interval, from_ms: int, last_ms: int
) -> list[tuple[float, ...]]:
    """What the exchange says of [from, last], asked for with other pages than ours."""
    told: list[tuple[float, ...]] = []
    while from_ms <= last_ms:
        url = (
            f"{rest_url}/fapi/v1/klines?symbol={SYMBOL}&interval={interval}"
            f"&startTime={from_ms}&endTime={last_ms}&limit=1000"
        )
        with urllib.request.urlopen(url, timeout=30) as reply:
            rows, used = json.load(reply), int(reply.headers["X-MBX-USED-WEIGHT-1M"])
        told += [(row[0], *(float(row[at]) for at in _PLACES.values())) for row in rows]
        from_ms = rows[-1][0] + interval.ms
        while used > 2300:
            # A simulated exchange that nobody asks for a minute ends.
            time.sleep(5)
            with urllib.request.urlopen(f"{rest_url}/fapi/v1/ping", timeout=30) as reply:
                used = int(reply.headers["X-MBX-USED-WEIGHT-1M"])
    return told
