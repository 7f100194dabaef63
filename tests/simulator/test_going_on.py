"""A simulator that was killed, or whose time was set ahead: nothing is lost or made up."""

import json
import subprocess
import sys
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.requests_by_hand import ask, control, kill, program, signed

pytestmark = pytest.mark.timeout(60)

SYMBOL = "BTCUSDT"
HOUR_MS = 3_600_000
ORDER = "/fapi/v1/order"
STARTED = ("--symbols", SYMBOL, "--start", "2024-03-04T08:00", "--speed", "1")


def _buy(at: Any, **more: object) -> Any:
    asked: dict[str, object] = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "MARKET",
        "quantity": "0.010",
        "newOrderRespType": "RESULT",
    }
    return signed(at, "POST", ORDER, 0, **(asked | more))


def _rest(at: Any, share: float = 0.98, **more: object) -> Any:
    """A buy that rests below the market."""
    price = round(float(ask(at, f"/fapi/v1/ticker/price?symbol={SYMBOL}")["price"]) * share)
    return _buy(at, type="LIMIT", timeInForce="GTC", price=price, **more)


def _code(refused: pytest.ExceptionInfo[urllib.error.HTTPError]) -> int:
    return int(json.load(refused.value)["code"])


def test_time_set_ahead_is_answered_when_the_market_is_there() -> None:
    """Funding is charged on what was held at its moment, and on nothing bought since."""
    with program(*STARTED) as (said, _):
        _buy(said, quantity="0.010")
        began_ms = control(said, "state")["market_ms"]
        target_ms = began_ms + 9 * HOUR_MS
        control(said, "time", {"market_ms": target_ms})
        _buy(said, quantity="0.100")
        state = control(said, "state")
        account = state["accounts"][0]
        paid = [e for e in account["income"] if e["incomeType"] == "FUNDING_FEE"]
        assert [entry["time"] // HOUR_MS % 24 for entry in paid] == [16]
        mark = float(state["prices"][SYMBOL]["mark"])
        assert abs(float(paid[0]["income"])) < 0.010 * mark * 0.0004
        times = [entry["time"] for entry in account["income"]]
        assert times == sorted(times)
        last = ask(said, f"/fapi/v1/klines?symbol={SYMBOL}&interval=1m&limit=1")[0]
        assert target_ms - 60_000 < last[0] <= target_ms + 60_000


def test_a_request_waits_while_the_market_is_behind() -> None:
    with program(*STARTED) as (said, _), ThreadPoolExecutor() as threads:
        began_ms = control(said, "state")["market_ms"]
        jump = {"market_ms": began_ms + 8 * HOUR_MS}
        told = threads.submit(control, said, "time", jump)
        deadline = time.monotonic() + 20
        path = f"/fapi/v1/klines?symbol={SYMBOL}&interval=1m&limit=1"
        while (now_ms := ask(said, "/fapi/v1/time")["serverTime"]) < began_ms + HOUR_MS:
            assert time.monotonic() < deadline
        assert ask(said, path)[0][0] > now_ms - 120_000
        assert told.result(20)["market_anchor_ms"] == jump["market_ms"]


def test_what_was_answered_is_kept_whatever_happens_next(tmp_path: Path) -> None:
    options = (*STARTED, "--directory", str(tmp_path))
    with program(*options) as (said, process):
        done = _buy(said)
        kill(process)
    assert done["status"] == "FILLED"
    with program(*options) as (said, process):
        fills = control(said, "state")["accounts"][0]["fills"]
        assert [fill["orderId"] for fill in fills] == [done["orderId"]]
        again = _buy(said)
        assert again["orderId"] > done["orderId"]
        assert again["clientOrderId"] != done["clientOrderId"]
        resting = _rest(said)
        signed(
            said,
            "POST",
            "/fapi/v1/countdownCancelAll",
            symbol=SYMBOL,
            countdownTime=600_000,
        )
        kill(process)
    kept = json.loads((tmp_path / "simulator-journal.json").read_bytes())
    assert [each["symbol"] for each in kept["countdowns"]] == [SYMBOL]
    with program(*options) as (said, _):
        account = control(said, "state")["accounts"][0]
        assert [order["orderId"] for order in account["open_orders"]] == [resting["orderId"]]
        ids = [fill["id"] for fill in account["fills"]]
        _buy(said)
        ids_now = [f["id"] for f in control(said, "state")["accounts"][0]["fills"]]
        assert ids_now[: len(ids)] == ids
        assert ids_now == sorted(set(ids_now))


def test_names_made_by_the_exchange_never_come_again(tmp_path: Path) -> None:
    options = (*STARTED, "--directory", str(tmp_path))
    names: list[str] = []
    for _ in range(3):
        with program(*options) as (said, process):
            names += [_rest(said)["clientOrderId"] for _ in range(2)]
            kill(process)
    assert len(set(names)) == len(names)


def test_a_position_mode_is_kept_at_once(tmp_path: Path) -> None:
    options = (*STARTED, "--directory", str(tmp_path))
    path = "/fapi/v1/positionSide/dual"
    with program(*options) as (said, process):
        signed(said, "POST", path, dualSidePosition="true")
        kill(process)
    with program(*options) as (said, _):
        assert signed(said, "GET", path)["dualSidePosition"] is True


def test_a_fault_ends_with_the_process_that_it_was_made_in(tmp_path: Path) -> None:
    options = (*STARTED, "--directory", str(tmp_path))
    with program(*options) as (said, process):
        for kind in ("openings_barred", "fills_limited", "triggers_held", "thin_book"):
            settings: dict[str, float] = {"code": -4400} if kind == "openings_barred" else {}
            settings |= {"fraction": 0.5} if kind == "fills_limited" else {}
            control(said, "faults", {"kind": kind, "for": "5s", "symbol": SYMBOL, **settings})
        with pytest.raises(urllib.error.HTTPError) as refused:
            _rest(said)
        assert _code(refused) == -4400
        time.sleep(1.5)  # the journal has been written meanwhile
        kill(process)
    with program(*options) as (said, _):
        assert control(said, "faults")["faults"] == []
        assert _buy(said)["status"] == "FILLED"
        assert _rest(said)["status"] == "NEW"


def test_another_market_never_takes_a_directory_over(tmp_path: Path) -> None:
    journal = tmp_path / "simulator-journal.json"
    with program(*STARTED, "--directory", str(tmp_path)) as (said, process):
        _buy(said)
        kill(process)
    before = journal.read_bytes()
    command = [sys.executable, "-m", "rusy_tui.launching.exchange_process"]
    command += [*STARTED, "--seed", "8", "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert '"seed":7' in done.stderr
    assert '"seed":8' in done.stderr
    assert "--directory" in done.stderr
    assert journal.read_bytes() == before


def _put_back_in_time(journal: Path, span_ms: int) -> int:
    """Let a journal be as if it had been kept earlier; the moment it then has."""
    kept = json.loads(journal.read_bytes())
    kept["market"]["start_ms"] -= span_ms // HOUR_MS * HOUR_MS + HOUR_MS
    kept["market_ms"] -= span_ms
    journal.write_text(json.dumps(kept))
    return int(kept["market_ms"])


@pytest.mark.parametrize("held", [True, False])
def test_a_market_at_wall_time_trades_what_it_was_away_for(tmp_path: Path, held: bool) -> None:
    options = ("--symbols", SYMBOL, "--directory", str(tmp_path))
    with program(*options) as (said, process):
        assert abs(ask(said, "/fapi/v1/time")["serverTime"] - time.time() * 1000) < 1000
        if held:
            _buy(said)
        process.terminate()
        process.wait(timeout=10)
    kept_ms = _put_back_in_time(tmp_path / "simulator-journal.json", 9 * HOUR_MS)
    with program(*options) as (said, _):
        bars = ask(said, f"/fapi/v1/klines?symbol={SYMBOL}&interval=1h&limit=12")
        now_ms = ask(said, "/fapi/v1/time")["serverTime"]
        assert abs(now_ms - time.time() * 1000) < 1000
        assert bars[-1][0] == now_ms // HOUR_MS * HOUR_MS
        assert len(bars) == 12
        income = control(said, "state")["accounts"][0]["income"]
        paid = [entry["time"] for entry in income if entry["incomeType"] == "FUNDING_FEE"]
        # Funding is paid at 00, 08 and 16: once or twice within nine hours, when held.
        moments = range(kept_ms // (8 * HOUR_MS) + 1, now_ms // (8 * HOUR_MS) + 1)
        assert [each // (8 * HOUR_MS) for each in paid] == (list(moments) if held else [])
        assert all(Decimal(entry["income"]) for entry in income)
