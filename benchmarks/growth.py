"""``python -m benchmarks.growth``: rows and bytes that a symbol adds to each table in a year.

A year is written into every table of market data in order of time, as it comes live, of one
symbol and of ten in turns; then the server is asked what tables and indexes take. Figures are
fixed in width, so their values don't matter.
"""

import asyncio

import asyncpg

from rusy_tui.clock import SystemClock
from rusy_tui.store.embedded import temporary_server
from rusy_tui.store.store import Store

_SYMBOLS = 10
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


if __name__ == "__main__":
    asyncio.run(_measure())
