"""`rusy simulator` as a program: options, several accounts, and what a kill leaves."""

import json
import os
import signal
import subprocess
import time
from decimal import Decimal
from pathlib import Path

import pytest

from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.markets import CurrentMarket, MirrorMarket, ReplayMarket
from rusy_tui.simulator.options import parse
from tests.simulator.recorded import FILE, LOST_UPDATE, SNAPSHOT_MS
from tests.simulator.requests_by_hand import ask, control, program, signed

pytestmark = pytest.mark.timeout(60)


def _kill_once_kept(directory: Path, process: subprocess.Popen[str], words: str) -> None:
    deadline = time.monotonic() + 20
    while words not in (directory / "simulator-journal.json").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_the_first_line_is_addresses_and_accounts() -> None:
    with program(
        *("--symbols", "BTCUSDT", "--accounts", "2", "--balance", "10000,500.5,7"),
        "--withdrawal-key",
    ) as (said, process):
        assert list(said) == ["rest_url", "ws_url", "control_url", "control_token", "accounts"]
        assert [each["balance"] for each in said["accounts"]] == ["10000", "500.5", "7"]
        assert all(set(a) == {"api_key", "api_secret", "balance"} for a in said["accounts"])
        rights = [
            signed(said, "GET", "/sapi/v1/account/apiRestrictions", number)["enableWithdrawals"]
            for number in range(3)
        ]
        assert rights == [False, False, True]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_a_kill_loses_no_account_timer_or_changed_contract(tmp_path: Path) -> None:
    options = ("--symbols", "BTCUSDT", "--accounts", "2", "--directory", str(tmp_path))
    with program(*options) as (said, process):
        for number, quantity in ((0, "0.010"), (1, "0.020")):
            signed(
                said,
                "POST",
                "/fapi/v1/order",
                number,
                symbol="BTCUSDT",
                side="BUY",
                type="MARKET",
                quantity=quantity,
            )
        signed(
            said,
            "POST",
            "/fapi/v1/order",
            1,
            symbol="BTCUSDT",
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            price=int(float(ask(said, "/fapi/v1/ticker/price?symbol=BTCUSDT")["price"]) * 0.98),
            quantity="0.010",
            newClientOrderId="resting",
        )
        signed(
            said,
            "POST",
            "/fapi/v1/countdownCancelAll",
            1,
            symbol="BTCUSDT",
            countdownTime=3_000,
        )
        before = control(said, "state")["accounts"]
        _kill_once_kept(tmp_path, process, '"due_ms"')
    with program(*options, "--speed", "1") as (again, _):
        assert [a["api_key"] for a in again["accounts"]] == [
            a["api_key"] for a in said["accounts"]
        ]
        after = control(again, "state")["accounts"]
        for was, now in zip(before, after, strict=True):
            assert now["fills"] == was["fills"]
            assert now["wallet"] == was["wallet"]
        # The countdown goes on, and ends what rests.
        deadline = time.monotonic() + 15
        while control(again, "state")["accounts"][1]["open_orders"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.needs("recordings")
def test_raw_messages_go_on_where_they_were(recordings: Path, tmp_path: Path) -> None:
    depth = "/fapi/v1/depth?symbol=BTCUSDT&limit=5"
    options = ("--replay", str(recordings / FILE), "--directory", str(tmp_path))
    with program(*options, "--speed", "20") as (said, process):
        journal = tmp_path / "simulator-journal.json"
        deadline = time.monotonic() + 20
        while json.loads(journal.read_text())["market_ms"] < SNAPSHOT_MS + 20_000:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        before = ask(said, depth)
        _kill_once_kept(tmp_path, process, '"version"')
    kept_ms = json.loads(journal.read_text())["market_ms"]
    with program(*options, "--speed", "0.01") as (again, _):
        while not (after := ask(again, depth))["bids"]:
            time.sleep(0.05)
        # The journal is at most a second old, which is 20 s of this market.
        assert 0 <= ask(again, "/fapi/v1/time")["serverTime"] - kept_ms < 1000
        assert abs(after["E"] - before["E"]) < 25_000
        # 20 s after the start, a known diff has long been taken in.
        assert LOST_UPDATE <= after["lastUpdateId"] <= before["lastUpdateId"]


def test_a_recorded_market_that_has_ended_stays_as_it_is(tmp_path: Path) -> None:
    rows = ["open_time,open,high,low,close,volume"]
    start_ms = 1_750_003_200_000 - 1_750_003_200_000 % 3_600_000
    rows += [f"{start_ms + n * 900_000},30000,30020,29980,{30000 + n},1.5" for n in range(12)]
    file = tmp_path / "BTCUSDT-15m.csv"
    file.write_text("\n".join(rows) + "\n")
    folder = tmp_path / "kept"
    options = ("--replay", str(file), "--directory", str(folder), "--speed", "3600")
    for _ in range(2):
        with program(*options) as (said, process):
            deadline = time.monotonic() + 20
            while not control(said, "state")["finished"]:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            price = ask(said, "/fapi/v1/ticker/price?symbol=BTCUSDT")["price"]
            assert Decimal(price) == 30011
            process.terminate()
            assert process.wait(timeout=10) == 0


def test_options_name_the_market() -> None:
    mirror = parse(["--market", "mirror", "--symbols", "btcusdt, ETHUSDT"])
    assert mirror.market == MirrorMarket(seed=7, symbols=("BTCUSDT", "ETHUSDT"))
    assert mirror.speed == 1
    raw = parse(["--replay", "/r/x.gz", "--drop-update", "5"])
    assert isinstance(raw.market, ReplayMarket)
    assert (raw.market.raw, raw.market.drop_update, raw.speed) == (True, 5, 1)
    assert parse(["--start", "2024-03-04"]).speed == 60
    assert (parse([]).market, parse([]).speed) == (
        CurrentMarket(7, ("BTCUSDT", "ETHUSDT", "SOLUSDT")),
        None,
    )
    assert parse(["--switch", "stops_need_position"]).switches.stops_need_position


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--balance", "1,2"], "2 figures for 1 accounts"),
        (["--market", "mirror", "--speed", "2"], "--speed 2"),
        (["--market", "mirror", "--replay", "x.gz"], "--replay x.gz"),
        (["--source-rest", "http://h"], "both, or none"),
        (["--source-rest", "http://h", "--source-ws", "ws://h"], "only --market mirror"),
        (["--replay", "x.csv", "--drop-update", "3"], "--drop-update 3"),
        (["--market", "replay"], "--replay FILE"),
    ],
)
def test_options_that_do_not_go_together_are_named(options: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(options)
