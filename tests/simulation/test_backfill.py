"""Ten pairs' whole history within the exchange's limits, on the simulated clock.

``RUSY_BACKFILL_DAYS`` says how much history the pairs have; `make done-backfill` takes 3000
days, of which ten pairs make 3.6 million bars.
"""

import math
import os
import sys
from dataclasses import dataclass
from decimal import Decimal

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Interval
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.launch_lockstep import in_lockstep
from rusy_tui.market.backfill import Backfill
from rusy_tui.resources import sql_dir
from rusy_tui.simulator.core import AccountSpec, SimulatedExchange
from rusy_tui.simulator.feeds.contracts import known_symbols
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from rusy_tui.simulator.rest.limits import Limits
from rusy_tui.simulator.server import SimulatorServer
from rusy_tui.store.embedded import temporary_server
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.migrations import migrate
from rusy_tui.store.pool import Database

DAYS = int(os.environ.get("RUSY_BACKFILL_DAYS", "900"))
SEED = 5
START_MS = 1_709_539_200_000  # 2024-03-04 08:00 UTC
SYMBOLS = known_symbols()
LANES = [(symbol, interval) for symbol in SYMBOLS for interval in (Interval.M15, Interval.H1)]
# Of 2400 a minute a tenth is kept for exits.
USABLE = 2400 - 240
KLINES = "/fapi/v1/klines"


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What a backfill took, and what the exchange saw of it. Times in s."""

    took_s: float
    rows: int
    stored: int
    weight: int
    most_a_minute: int
    pauses: int
    violations: int


@pytest.mark.verify
@pytest.mark.timeout(0)
def test_ten_pairs_take_no_more_windows_than_their_weight_and_break_no_limit() -> None:
    run = in_lockstep(START_MS, _filled)
    windows = math.ceil(run.weight / USABLE)
    sys.stdout.write(
        f"\nseed {SEED}, {DAYS} days: {run.rows:,} bars, weight {run.weight:,} of {USABLE:,} a "
        f"minute is {windows} windows; took {run.took_s / 60:.3f} ({run.took_s:.1f} s)\n"
    )
    assert run.rows == run.stored == len(SYMBOLS) * DAYS * (96 + 24)
    assert (run.pauses, run.violations) == (0, 0)
    # Fewer would prove nothing of what happens between windows.
    assert windows >= 2
    # By the calls that are cheapest a row, and one for the first candle of each lane.
    of_all = sum(_least_weight(DAYS * bars) for bars in (96, 24)) + 2
    assert run.weight == len(SYMBOLS) * of_all
    # Whoever took what exits have kept for them would be faster.
    assert run.most_a_minute <= USABLE
    assert run.took_s / 60 <= 1.05 * windows


def _least_weight(rows: int) -> int:
    """Of 499 rows a call, for 2; the last call is cheaper when it is for fewer than 100."""
    calls, rest = divmod(rows, 499)
    return 2 * calls + (0 if not rest else 1 if rest < 100 else 2)


class _ByMinute:
    """The most weight that was used in a minute, as the exchange counts."""

    def __init__(self, limits: Limits) -> None:
        self._weigh = limits.weigh
        self.most = 0
        limits.weigh = self._weighed  # type: ignore[method-assign]

    def _weighed(self, address: str, path: str, weight: int) -> int:
        used = self._weigh(address, path, weight)
        self.most = max(self.most, used)
        return used


async def _filled(clock: LockstepClock) -> _Run:
    feed = SyntheticFeed(SEED, START_MS, SYMBOLS, history_days=DAYS)
    account = AccountSpec(api_key="key", api_secret="secret", balance=Decimal(1))
    server = SimulatorServer(
        SimulatedExchange(feed, clock, [account], SEED), clock, lockstep=True, control_token="-"
    )
    by_minute = _ByMinute(server.limits)
    await server.start()
    exchange = BinanceExchange(server.rest_url, server.ws_url, "", "", clock, seed=SEED)
    try:
        async with temporary_server(clock) as address:
            database = await Database.open(address, clock)
            await migrate(database, sql_dir())
            await exchange.connect()
            data = MarketData(database, "demo")
            backfill = Backfill(exchange, data, clock, LANES)
            before = server.limits.weight_by_path[KLINES]
            await clock.sleep_until_market(-(-clock.market_ms() // 60_000) * 60_000)
            began_s = clock.monotonic_s()
            await backfill.history()
            took_s = clock.monotonic_s() - began_s
            stored = await database.value("SELECT count(*) FROM market_data")
            await database.close()
            return _Run(
                took_s=took_s,
                rows=backfill.progress.rows_done,
                stored=stored,
                weight=server.limits.weight_by_path[KLINES] - before,
                most_a_minute=by_minute.most,
                pauses=len(server.limits.pauses),
                violations=len(server.limits.violations),
            )
    finally:
        await exchange.close()
        await server.stop()
