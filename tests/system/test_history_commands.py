"""`rusy backfill` and `rusy gaps` on the simulated exchange, as an operator types them."""

import asyncio
import json
import os
import pty
import signal
import subprocess
from typing import Any

import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.locks import Lock, collector_of
from tests.system.driving import Home

pytest_plugins = ["tests.store_fixtures"]

pytestmark = [pytest.mark.verify, pytest.mark.timeout(180)]

_CONFIGURATION = """
data:
  lookback_days: 8
  pairs:
    - symbol: BTCUSDT
    - symbol: ETHUSDT
exchange: {venue: demo}
# So slow that no bar closes meanwhile.
demo: {speed: 1}
"""
_BARS = 2 * 8 * (96 + 24)


@pytest.fixture
def configured(home: Home) -> Home:
    (home.work / "configuration.yaml").write_text(_CONFIGURATION)
    return home


def _told(home: Home, *arguments: str, code: int = 0) -> Any:
    done = home.rusy(*arguments, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_history_is_filled_once_and_then_nothing_is_missing(configured: Home) -> None:
    before = _told(configured, "gaps")
    assert before["venue"] == "demo"
    assert sum(gap["bars"] for gap in before["gaps"]) == _BARS
    assert all(gap["settled"] == "" for gap in before["gaps"])

    done = configured.rusy("backfill")
    assert done.returncode == 0, done.stderr
    assert f"{_BARS:,} bars in" in done.stdout
    # No terminal: a line, not a bar.
    assert f"100%  {_BARS:,} of {_BARS:,} bars" in done.stderr
    assert "\x1b" not in done.stderr

    again = _told(configured, "backfill")
    assert (again["rows"], again["gaps"]) == (0, [])
    assert configured.rusy("gaps").stdout == "nothing is missing\n"
    assert configured.rusy("gaps", "--findings").stdout == "no findings\n"
    # A longer lookback lacks a day more.
    more = _told(configured, "gaps", "--days", "9", "--symbol", "ETHUSDT", "--interval", "1h")
    assert [(gap["symbol"], gap["bars"]) for gap in more["gaps"]] == [("ETHUSDT", 24)]
    listed = configured.rusy("gaps", "--days", "9", "--interval", "1h").stdout
    assert listed.count("missing") == 2
    repaired = _told(configured, "gaps", "--repair", "--days", "9")
    assert repaired["gaps"] == []
    assert _told(configured, "gaps", "--days", "9")["gaps"] == []


def test_a_terminal_gets_a_bar(configured: Home) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*configured.program, "backfill"],
        env={**configured.environ, "TERM": "xterm", "COLUMNS": "120"},
        cwd=configured.work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    drawn = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so of a terminal whose other end is closed
            break
        if not piece:
            break
        drawn += piece
    os.close(ours)
    assert process.stdout is not None
    assert f"{_BARS:,} bars in" in process.stdout.read()
    assert process.wait(60) == 0
    assert "━" in drawn.decode()
    assert "100 %" in drawn.decode()
    assert "rows/s" in drawn.decode()


def test_one_at_a_time_fills_a_symbol(
    configured: Home, database_address: DatabaseAddress
) -> None:
    at = database_address
    url = f"postgresql://{at.user}@/{at.database}?host={at.host}&port={at.port}"
    configured.environ["RUSY_DATABASE__URL"] = url
    with asyncio.Runner() as runner:
        subjects = collector_of("demo", ["ETHUSDT"])
        lock = runner.run(Lock.take(at, SystemClock(), subjects))
        for command in (["backfill"], ["gaps", "--repair"]):
            refused = configured.rusy(*command)
            assert refused.returncode == 1, refused.stderr
            assert f"process {os.getpid()}" in refused.stderr
            assert "ETHUSDT" in refused.stderr
        # Looking is no collecting, and other symbols are nobody's.
        assert configured.rusy("gaps").stdout.count("missing") == 4
        assert configured.rusy("backfill", "--symbol", "BTCUSDT").returncode == 0
        runner.run(lock.release())
    assert configured.rusy("backfill").returncode == 0


def test_an_interrupt_says_that_the_same_command_goes_on(configured: Home) -> None:
    process = subprocess.Popen(
        [*configured.program, "backfill", "--days", "1400"],
        env=configured.environ,
        cwd=configured.work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.wait(2.0)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert configured.rusy("backfill", within_s=60).returncode == 0


def test_an_unknown_symbol_and_options_that_make_no_sense(configured: Home) -> None:
    unknown = configured.rusy("backfill", "--symbol", "BTCUSD")
    assert unknown.returncode == 2
    assert "did you mean BTCUSDT?" in unknown.stderr
    assert configured.rusy("gaps", "--repair", "--findings").returncode == 2


def test_without_the_exchange_gaps_count_from_the_first_stored_bar(home: Home) -> None:
    (home.work / "configuration.yaml").write_text(
        _CONFIGURATION.replace("venue: demo", "venue: live, rest_url: 'http://127.0.0.1:9'")
    )
    done = home.rusy("gaps")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "nothing is missing\n"
    assert "the exchange was not asked where its candles begin" in done.stderr
    assert home.rusy("backfill").returncode == 3


def test_another_venue_is_looked_at_where_an_import_wrote(configured: Home) -> None:
    """Each venue has an embedded database of its own."""
    hour_ms, first_ms = 3_600_000, 1_672_531_200_000
    rows = [f"{first_ms + n * hour_ms},1,2,{low},1,1" for n, low in ((0, 1), (1, 9), (3, 1))]
    file = configured.work / "BTCUSDT-1h.csv"
    file.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]))
    assert configured.rusy("import", str(file)).returncode == 0
    lane = ("--symbol", "BTCUSDT", "--interval", "1h", "--venue", "live")
    found = _told(configured, "gaps", *lane)
    first = found["gaps"][0]
    assert (found["venue"], first["from_ms"], first["bars"]) == ("live", first_ms + hour_ms, 2)
    assert "broken row" in configured.rusy("gaps", *lane, "--findings").stdout
