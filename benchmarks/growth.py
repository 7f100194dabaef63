"""``python -m benchmarks.growth``: rows and bytes that a symbol adds to each table in a year.

A year of ten symbols is written into the tables that grow by the bar, then the server is asked
what tables and indexes take. Their figures are fixed in width, so the values don't matter. For
the tables that grow by what happens, an engine trades a day of one invented market in lockstep,
and the rows it wrote are counted and measured.
"""

import asyncio
from decimal import Decimal

import asyncpg

from rusy_tui.clock import LockstepClock, SystemClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.settings import DataSettings, DeskSettings, Pair, Settings
from rusy_tui.launch_lockstep import in_lockstep, world
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from rusy_tui.store.embedded import temporary_server
from rusy_tui.store.store import Store

_SYMBOLS = 10
_START_MS = 1_709_539_200_000
_HAPPENINGS = (
    *("journal", "proposals", "positions", "orders", "fills", "funding", "commands"),
    *("findings", "tick_sizes", "model_predictions"),
)
_STEPS = {"15m": "15 minutes", "1h": "1 hour"}
# What stands behind the key of a row, by table.
_BARS = {
    "market_data": "100, 101, 99, 100, 5, 500, 7, 2, 'stream', 0",
    "mark_prices": "100, 101, 99, 100",
    "microstructure": "5, 2, 3, 100, 1, 2, 0.5, 0.1, 0.2, 1",
}
_INSTANTS = {
    "funding_rates": ("8 hours", "0.0001, 100"),
    "open_interest": ("15 minutes", "1000, 100000"),
}
_WEIGHTS = """'{"cnn": 0.3333333333333333, "dnn": 0.3333333333333333, "lstm": 0.333333333}'"""


async def _fill(bare: asyncpg.Connection) -> None:
    year = "generate_series(timestamptz '2025-01-01', '2025-12-31 23:59', interval '{}')"
    symbols = f"generate_series(1, {_SYMBOLS}) AS number"
    key = "SELECT 'live', 'SYMBOL' || number, "
    for table, figures in _BARS.items():
        for name, step in _STEPS.items():
            await bare.execute(
                f"INSERT INTO {table} {key} '{name}', at, {figures} "
                f"FROM {year.format(step)} AS at, {symbols} ORDER BY at, number"
            )
    for table, (step, figures) in _INSTANTS.items():
        await bare.execute(
            f"INSERT INTO {table} {key} at, {figures} "
            f"FROM {year.format(step)} AS at, {symbols} ORDER BY at, number"
        )
    await bare.execute(
        f"INSERT INTO model_predictions {key} '15m', at, '2026.11-1', 0.5, 0.5, 0.5, "
        f"{_WEIGHTS}, 0.1, 0.5, 0.2, true, 0.01, at "
        f"FROM {year.format('15 minutes')} AS at, {symbols} ORDER BY at, number"
    )


async def _measure() -> None:
    clock = SystemClock()
    async with temporary_server(clock) as address:
        store = await Store.open(address, clock, "live", "growth")
        await store.close()
        bare = await asyncpg.connect(**address.arguments())
        await _fill(bare)
        print(f"{'table':20} {'rows':>8} {'bytes a row':>12} {'of it index':>12} {'MB':>6}")
        total = 0.0
        for table in (*_BARS, *_INSTANTS, "model_predictions"):
            rows, whole, index = await bare.fetchrow(
                f"SELECT count(*), pg_total_relation_size('{table}'), "
                f"pg_indexes_size('{table}') FROM {table}"
            )
            total += whole / _SYMBOLS
            print(
                f"{table:20} {rows // _SYMBOLS:>8,} {whole / rows:>12.0f} "
                f"{index / rows:>12.0f} {whole / _SYMBOLS / 1e6:>6.1f}"
            )
        print(f"{'together':20} {'':8} {'':12} {'':12} {total / 1e6:>6.1f}")
        await bare.close()


def _traded() -> None:
    """A day with the shipped thresholds."""
    settings = Settings(
        data=DataSettings(pairs=(Pair(symbol="BTCUSDT"),)), desk=DeskSettings(mode=Mode.AUTO)
    )
    feed = SyntheticFeed(5, _START_MS, ("BTCUSDT",), step_ms=60_000)
    end_ms = _START_MS + 96 * Interval.M15.ms

    async def main(clock: LockstepClock) -> None:
        async with world(clock, feed, settings, seed=1, balance=Decimal(10_000)) as here:
            await clock.sleep_until_market(end_ms)
            await here.engine.decided(end_ms)
            print(f"{'table, a traded day':20} {'rows':>8} {'bytes a row':>12}")
            for table in _HAPPENINGS:
                # A row's header and the pointer to it are 28 bytes more.
                row = await here.parts.store.database.row(
                    f"SELECT count(*) AS rows, avg(pg_column_size(t.*) + 28)::float8 AS bytes "
                    f"FROM {table} AS t"
                )
                if row is not None:
                    print(f"{table:20} {row['rows']:>8,} {row['bytes'] or 0:>12.0f}")

    in_lockstep(_START_MS, main)


if __name__ == "__main__":
    asyncio.run(_measure())
    _traded()
