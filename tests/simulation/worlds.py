"""Whole systems for tests: exchange, market, adapter, database and engine in lockstep."""

import dataclasses
import hashlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.settings import (
    DataSettings,
    DeskSettings,
    EnsembleSettings,
    Pair,
    Settings,
    StrategySettings,
)
from rusy_tui.launch_lockstep import World, in_lockstep, world
from rusy_tui.simulator.feeds import Feed
from rusy_tui.store.store import Store

T = TypeVar("T")

BALANCE = Decimal(10_000)
# Every table that a run writes, in a fixed order.
TABLES = (
    "market_data",
    "model_predictions",
    "proposals",
    "positions",
    "orders",
    "fills",
    "funding",
    "journal",
    "commands",
)


def settings(
    symbols: tuple[str, ...], *, mode: Mode = Mode.AUTO, busy: bool = True
) -> Settings:
    """Settings of a demo engine; ``busy`` lowers the thresholds so that much is traded."""
    made = Settings(
        data=DataSettings(pairs=tuple(Pair(symbol=symbol) for symbol in symbols)),
        desk=DeskSettings(mode=mode),
    )
    if not busy:
        return made
    return dataclasses.replace(
        made,
        ensemble=EnsembleSettings(long_probability=0.505, short_probability=0.495),
        strategy=StrategySettings(stop_atr=1.0, min_reward_risk=0.5),
    )


def play_in(
    feed: Feed,
    configured: Settings,
    act: Callable[[World], Awaitable[T]],
    *,
    seed: int = 1,
    check_s: float = 3600.0,
) -> T:
    """Make a world on a market, do something in it, and return what came of that.

    ``check_s``: wall seconds between the engine's comparisons of its account by REST.
    """

    async def main(clock: LockstepClock) -> T:
        made = world(clock, feed, configured, seed=seed, balance=BALANCE, check_s=check_s)
        async with made as here:
            return await act(here)

    return in_lockstep(feed.start_ms, main)


async def fingerprint(store: Store) -> dict[str, str]:
    """A hash of every row of every table, times included."""
    found = {}
    for table in TABLES:
        rows = await store.database.rows(f"SELECT t::text AS row FROM {table} t ORDER BY 1")
        text = "\n".join(row["row"] for row in rows)
        digest = hashlib.sha256(text.encode()).hexdigest()
        found[table] = f"{len(rows)} rows {digest}"
    return found


def recording(folder: Path, name: str) -> Path:
    """A recorded file."""
    return folder / "klines" / f"{name}.parquet"
