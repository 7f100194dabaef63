"""Faults from a file and from the control endpoint; a day of them drawn by a seed."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.faults import Damage, Fault, Kind
from rusy_tui.simulator.faults.draw import random_faults
from rusy_tui.simulator.faults.fault import CLOSE_KINDS, SETTINGS
from rusy_tui.simulator.faults.scenario import read_file
from tests.simulator.serving import Served, on_exchange
from tests.simulator.support import SYMBOL

QUARTER_MS = 900_000

SCENARIO = """\
# Times count from the start.
faults:
  - kind: reply_lost_after
    at: 10m
    for: 30s
    path: /fapi/v1/order
    method: POST
    times: 2
    share: 0.5
    seed: 3
  - {kind: stream_cut, at: 90, route: private}
  - kind: broken_reply
    damage: html
"""


def test_a_scenario_file_is_read_in_yaml_and_json(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(SCENARIO)
    expected = [
        Fault(
            kind=Kind.REPLY_LOST_AFTER, from_ms=601_000, until_ms=631_000, times=2, share=0.5,
            seed=3, path="/fapi/v1/order", method="POST",
        ),
        Fault(kind=Kind.STREAM_CUT, from_ms=91_000, route="private"),
        Fault(kind=Kind.BROKEN_REPLY, from_ms=1000, damage=Damage.HTML),
    ]  # fmt: skip
    assert read_file(path, 1000) == expected
    entries = [{"kind": "stream_cut", "at": "1.5m", "route": "private"}]
    path.write_bytes(msgspec.json.encode({"faults": entries}))
    assert read_file(path, 1000) == expected[1:2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("faults: [", ":1: not readable as YAML"),
        ("- kind: stream_cut", ":1: faults: missing"),
        ("fault: []", ":1: fault: no such key; write a list"),
        ("faults:\n  kind: stream_cut", ":1: faults: not a list"),
        ("faults:\n  - stream_cut", ":2: faults: an entry is `kind: …`"),
        ("faults:\n  - at: 3", ":2: kind: missing; one of reply_lost_after"),
        ("faults:\n  - kind: stream_cutt", ":2: kind: stream_cutt is no fault; did you mean s"),
        (
            "faults:\n  - kind: stream_cut\n    roote: private",
            ":3: roote: stream_cut has no such key; did you mean route?",
        ),
        (
            "faults:\n  - kind: stream_cut\n    symbol: BTCUSDT",
            ":3: symbol: stream_cut has no such key; ",
        ),
        (
            "faults:\n  - kind: stream_cut\n    at: soon",
            ":3: at: 'soon' is no span of time; write 90, 90s, 10m or 2h",
        ),
        ("faults:\n  - kind: stream_cut\n    times: many", ":3: times: expected `int | null`"),
        ("faults:\n  - kind: unavailable\n    share: 2", ":3: share: 2"),
        ("faults:\n  - kind: unavailable\n    for: 0", ":3: for: it ends before"),
        ("faults:\n  - at: 1\n    kind: thin_book", ":2: symbol: thin_book needs one"),
        ("faults:\n  - kind: broken_reply\n    damage: fire", ":3: damage: invalid enum value"),
    ],
)
def test_a_wrong_scenario_names_line_key_and_remedy(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        read_file(path, 0)
    assert f"{path}{says}" in str(raised.value)


def test_a_scenario_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't read the faults of"):
        read_file(tmp_path / "none.yaml", 0)


def test_faults_come_and_go_by_the_control_endpoint() -> None:
    async def scenario(served: Served) -> None:
        added = await served.control(
            "POST", "faults", '[{"kind": "unavailable", "times": 1, "for": "1m"}, '
            '{"kind": "thin_book", "symbol": "BTCUSDT"}]',
        )  # fmt: skip
        assert added.body == {"numbers": [1, 2]}
        assert (await served.public("/fapi/v1/ping")).status == 503
        shown = (await served.control("GET", "faults")).body
        first, second = shown["faults"]
        assert (first["number"], first["kind"], first["struck"]) == (1, "unavailable", 1)
        assert second["symbol"] == SYMBOL
        assert [(row["kind"], row["what"]) for row in shown["effects"]] == [
            ("thin_book", SYMBOL),
            ("unavailable", "GET /fapi/v1/ping"),
        ]
        assert shown["counts"] == {"thin_book": 1, "unavailable": 1}
        assert (await served.control("DELETE", "faults")).body == {"cleared": 2}
        assert (await served.control("GET", "faults")).body["faults"] == []
        wrong = await served.control("POST", "faults", '{"kind": "gremlins"}')
        assert wrong.status == 400
        assert wrong.body["error"].startswith("kind: gremlins is no fault; one of")
        assert (await served.control("POST", "faults", "{}", token="guess")).status == 403

    on_exchange(scenario)


def test_the_control_endpoint_tells_who_did_not_wait() -> None:
    async def scenario(served: Served) -> None:
        served.server.faults.add(Fault(kind=Kind.BANNED, times=1, retry_after_s=30))
        await served.public("/fapi/v1/ping")
        shown = (await served.control("GET", "limits")).body
        assert shown["announced"]["weight_a_minute"] == 2400
        (pause,) = shown["pauses"]
        assert (pause["status"], pause["until_ms"] - pause["from_ms"]) == (418, 30_000)
        assert shown["violations"] == []
        await served.public("/fapi/v1/ping")
        (violation,) = (await served.control("GET", "limits")).body["violations"]
        assert violation["what"] == "GET /fapi/v1/ping"

    on_exchange(scenario)


def test_a_day_of_faults_is_drawn_by_its_seed() -> None:
    day: dict[str, Any] = {
        "count": 200,
        "from_ms": 1000,
        "until_ms": 86_401_000,
        "symbols": [SYMBOL, "ETHUSDT"],
    }
    faults = random_faults(1, **day)
    assert faults == random_faults(1, **day)
    assert faults != random_faults(2, **day)
    assert len(faults) == 200
    rare = {Kind.LIQUIDATED, Kind.DELEVERAGED, Kind.SETTLED}
    kinds = [fault.kind for fault in faults]
    assert set(kinds) | rare == set(Kind)
    assert sum(kind in rare for kind in kinds) <= 15
    times = [fault.from_ms for fault in faults]
    assert times == sorted(times)
    for fault in faults:
        assert fault.until_ms is not None
        assert 1000 <= fault.from_ms < fault.until_ms <= 86_401_000
        assert fault.kind is not Kind.SETTLED or fault.symbol != SYMBOL
        if fault.kind in CLOSE_KINDS:
            close_ms = (fault.from_ms // QUARTER_MS + 1) * QUARTER_MS
            assert fault.from_ms < close_ms < fault.until_ms
    cuts = [(f.from_ms, f.route) for f in faults if f.kind is Kind.STREAM_CUT]
    refused = [(f.from_ms, f.route) for f in faults if f.kind is Kind.CONNECTION_REFUSED]
    assert len(set(refused) & set(cuts)) >= len(refused) - 1


def test_positions_are_liquidated_deleveraged_and_settled() -> None:
    async def scenario(served: Served) -> None:
        order: dict[str, Any] = {"symbol": SYMBOL, "type": "MARKET"}

        def held() -> Decimal:
            return served.account.position(SYMBOL).quantity

        # The fault waits for a position, and takes it a second later.
        add = served.server.faults.add
        add(Fault(kind=Kind.DELEVERAGED, symbol=SYMBOL, fraction=0.5, times=1))
        await served.signed("POST", "/fapi/v1/order", **order, side="BUY", quantity="0.010")
        await served.clock.sleep(3)
        assert held() == Decimal("0.005")
        add(Fault(kind=Kind.LIQUIDATED, symbol=SYMBOL, account=0, times=1))
        assert held() == 0
        await served.signed("POST", "/fapi/v1/order", **order, side="SELL", quantity="0.010")
        await served.clock.sleep(3)
        assert held() == Decimal("-0.010")
        add(Fault(kind=Kind.SETTLED, symbol=SYMBOL))
        assert held() == 0
        orders = served.exchange.books.orders_of(served.account)
        own = [order.client_id for order in orders if "auto" in order.client_id]
        assert [name.split("-")[0] for name in own] == [
            "adl_autoclose", "autoclose", "settlement_autoclose",
        ]  # fmt: skip

    on_exchange(scenario)


def test_prices_gap_and_contracts_change() -> None:
    async def scenario(served: Served) -> None:
        add = served.server.faults.add
        order: dict[str, Any] = {"symbol": SYMBOL, "type": "MARKET", "quantity": "0.010"}
        await served.signed("POST", "/fapi/v1/order", **order, side="BUY")
        stop: dict[str, Any] = {
            "algoType": "CONDITIONAL", "symbol": SYMBOL, "side": "SELL", "type": "STOP_MARKET",
            "triggerPrice": "49500.0", "closePosition": "true", "workingType": "CONTRACT_PRICE",
        }  # fmt: skip
        assert (await served.signed("POST", "/fapi/v1/algoOrder", **stop)).status == 200
        add(Fault(kind=Kind.PRICE_GAP, symbol=SYMBOL, factor=0.97))
        out = served.account.trades[-1]
        # Not at the stop's price, but where the market was found after the gap.
        assert out.price < Decimal(49_000)
        assert served.account.position(SYMBOL).quantity == 0
        moved = await served.control("POST", "price", '{"symbol": "BTCUSDT", "factor": "2"}')
        assert abs(Decimal(moved.body["last"]) - 97_000) < 100
        assert (
            await served.control("POST", "price", '{"symbol": "X", "factor": "2"}')
        ).status == 400

        change = {"min_notional": "5000", "status": "SETTLING"}
        add(Fault(kind=Kind.INSTRUMENT_CHANGED, symbol=SYMBOL, change=change))
        (contract,) = (await served.public("/fapi/v1/exchangeInfo")).body["symbols"]
        assert contract["status"] == "SETTLING"
        filters = {row["filterType"]: row for row in contract["filters"]}
        assert filters["MIN_NOTIONAL"]["notional"] == "5000"
        with pytest.raises(UsageError, match="change: colour is nothing of a contract"):
            add(Fault(kind=Kind.INSTRUMENT_CHANGED, symbol=SYMBOL, change={"colour": 1}))

    on_exchange(scenario)


def test_every_kind_is_documented() -> None:
    page = Path(__file__).parents[2] / "docs" / "simulator-faults.md"
    text = page.read_text(encoding="utf-8")
    missing = [name for kind in Kind for name in (kind, *SETTINGS.get(kind, ()))
               if f"`{name}`" not in text]  # fmt: skip
    assert missing == []
