"""A recorded week, played by the command that a person would type."""

import json
import subprocess
import sys
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pytest

from rusy_tui.launch_lockstep import World, play_to_end
from rusy_tui.launching.job import Job, Replay
from rusy_tui.launching.summary import Result
from rusy_tui.simulator.feeds.replay import ReplayFeed
from tests.simulation.worlds import BALANCE, play_in, recording

FROM, UNTIL = "2025-05-01", "2025-05-08"
FROM_MS, UNTIL_MS = 1_746_057_600_000, 1_746_662_400_000

pytestmark = [pytest.mark.verify, pytest.mark.needs("recordings"), pytest.mark.timeout(600)]


def _command(recordings: Path, *more: str) -> bytes:
    """Standard output of the replay command."""
    command = [sys.executable, "-m", "rusy_tui.cli.main", "demo", "--headless"]
    command += ["--mode", "auto", "--speed", "max", "--summary", "-"]
    command += ["--replay", str(recording(recordings, "BTCUSDT-15m"))]
    command += ["--from", FROM, "--until", UNTIL, *more]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


def _judge(summary: dict[str, Any]) -> None:
    """What every run of the week must say."""
    assert summary["bars"] == {"15m": 672, "1h": 168}
    assert summary["predictions"] == 672
    assert summary["votes"] == {"lstm": 672, "cnn": 672, "dnn": 672}
    assert summary["open_orders"] == 0
    assert summary["positions"] == 0
    assert all(trade["entry_reason"] and trade["exit_reason"] for trade in summary["trades"])
    if any(Decimal(trade["quantity"]) for trade in summary["trades"]):
        assert 0 < summary["max_seconds_to_stop"] <= 2


def test_the_week_gives_the_same_bytes_twice(recordings: Path) -> None:
    """Shipped thresholds; one JSON object on standard output, and nothing else."""
    first = _command(recordings)
    assert _command(recordings) == first
    _judge(json.loads(first))


def test_the_busy_week_adds_up_from_its_rows_alone(recordings: Path, root: Path) -> None:
    """At least five trades, one stopped; each sum recomputed exactly from its rows."""
    path = recording(recordings, "BTCUSDT-15m")
    replay = Replay(file=str(path), from_ms=FROM_MS, until_ms=UNTIL_MS)
    job = Job(demo=True, config=str(root / "busy.yaml"), mode="auto", replay=replay)
    feed = ReplayFeed(path, from_ms=FROM_MS, until_ms=UNTIL_MS)

    async def play(here: World) -> Result:
        return await play_to_end(here, FROM_MS, UNTIL_MS)

    result = play_in(feed, job.settings(), play)
    summary = result.summary
    _judge(summary)
    filled = [trade for trade in summary["trades"] if Decimal(trade["quantity"])]
    assert len(filled) >= 5
    assert any(trade["exit_reason"] == "stop" for trade in filled)

    fees = sum((row.fill.fee for row in result.fills), Decimal(0))
    funding = sum((row.income.amount for row in result.funding), Decimal(0))
    realised = _realised([row.fill for row in result.fills])
    assert Decimal(summary["fees"]) == fees
    assert Decimal(summary["funding"]) == funding
    assert Decimal(summary["realised_pnl"]) == realised
    assert Decimal(summary["end_equity"]) == BALANCE + realised - fees + funding
    by_trade = sum((trade.realised_pnl for trade in result.trades), Decimal(0))
    assert by_trade == realised


def _realised(fills: list[Any]) -> Decimal:
    """The price differences of a run of fills in one contract, computed here anew."""
    held, paid, realised = Decimal(0), Decimal(0), Decimal(0)
    for fill in sorted(fills, key=lambda fill: fill.exchange_trade_id):
        signed = fill.quantity if fill.side == "buy" else -fill.quantity
        if held * signed >= 0:
            held, paid = held + signed, paid + signed * fill.price
            continue
        share = paid * (-signed / held)
        gain = (-signed * fill.price - share).quantize(
            Decimal("1e-8"), rounding=ROUND_HALF_EVEN
        )
        realised += gain
        held, paid = held + signed, paid + signed * fill.price + gain
    assert held == 0
    assert paid == 0
    return realised
