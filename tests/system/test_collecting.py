"""A collector and an engine on its bars, as real processes: killed, doubled, started again."""

import signal
from typing import Any

import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.domain.candle import Interval
from rusy_tui.store.embedded import EmbeddedServer
from rusy_tui.store.pool import Database
from tests.system.driving import Engine, Exchange, Home, wait_for

pytestmark = [pytest.mark.verify, pytest.mark.timeout(300)]

SYMBOL = "BTCUSDT"
_CONFIGURATION = """\
demo:
  symbols: [BTCUSDT]
  speed: 120
data:
  source: database
  lookback_days: 16
"""
_BARS = """
SELECT open_time, open, high, low, close, volume, quote_volume, trades, taker_buy_volume
FROM market_data
WHERE symbol = $1 AND timeframe = $2 ORDER BY open_time
"""
_NOTES = "SELECT account, subject, payload::text AS payload FROM journal WHERE kind = 'bars'"


def _collector(home: Home) -> Engine:
    return home.begin_command("collect", "--demo", "--config", str(home.work / "rusy.yaml"))


def _count(process: Engine, event: str) -> int:
    return sum(each["event"] == event for each in process.events())


def _gates(home: Home) -> list[str]:
    return [gate["name"] for gate in home.told("status")["gates"]]


async def _rows(home: Home, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of the database that both have left."""
    (folder,) = home.folder.glob("demo/*/database")
    clock = SystemClock()
    async with EmbeddedServer(folder, clock) as address:
        database = await Database.open(address, clock, 1)
        try:
            return [tuple(row) for row in await database.rows(statement, *values)]
        finally:
            await database.close()


async def test_a_collector_is_killed_under_its_engine_and_started_again(home: Home) -> None:
    (home.work / "rusy.yaml").write_text(_CONFIGURATION)
    first = _collector(home)
    wait_for(
        lambda: _count(first, "collecting") > 0, 60.0, "it collects", or_say=lambda: str(first)
    )

    second = home.rusy("collect", "--demo", "--config", str(home.work / "rusy.yaml"))
    assert second.returncode == 1
    assert f"process {first.pid} on " in second.stderr

    engine = home.start("--config", str(home.work / "rusy.yaml"), "--mode", "manual")
    exchange: Exchange = home.exchange()
    wait_for(
        lambda: _count(engine, "bar_closed") >= 2, 60.0, "bars", or_say=lambda: str(engine)
    )
    assert _gates(home) == []

    first.kill()
    killed = _count(engine, "bar_closed")
    wait_for(lambda: _gates(home) == ["bars missing"], 60.0, "entries stop")
    assert _count(engine, "bar_closed") <= killed + 1
    assert exchange.lives

    again = _collector(home)
    wait_for(lambda: _gates(home) == [], 60.0, "entries resume", or_say=lambda: str(again))
    so_far = _count(engine, "bar_closed")
    wait_for(lambda: _count(engine, "bar_closed") >= so_far + 2, 60.0, "bars come again")

    assert home.rusy("stop").returncode == 0
    assert engine.ended() == 0
    again.process.send_signal(signal.SIGTERM)
    assert again.ended() == 0

    # All that closed from the first bar that was collected live to the last one.
    live = [
        each["open_ms"]
        for each in [*first.events(), *again.events()]
        if each["event"] == "bar" and each["interval"] == Interval.M15.value
    ]
    begin_ms, end_ms = min(live), max(live) + Interval.M15.ms
    for interval in (Interval.M15, Interval.H1):
        history = exchange.history(SYMBOL, interval.value)
        true = {bar[0]: [float(value) for value in (*bar[1:6], *bar[7:10])] for bar in history}
        rows = await _rows(home, _BARS, SYMBOL, interval.value)
        opened = [row[0] for row in rows]
        assert opened == list(range(opened[0], opened[-1] + interval.ms, interval.ms))
        assert len(rows) >= 352
        compared = {open_ms: figures for open_ms, *figures in rows if open_ms in true}
        made = range(interval.floor(begin_ms), interval.floor(end_ms), interval.ms)
        assert len(made) >= (4 if interval is Interval.M15 else 1)
        assert compared.keys() >= set(made)
        for open_ms, figures in compared.items():
            assert len(figures) == 8
            assert figures == pytest.approx(true[open_ms], rel=1e-12), open_ms
    notes = await _rows(home, _NOTES)
    assert any("nobody" in payload and account != "collector" for account, _, payload in notes)
