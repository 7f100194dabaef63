"""Each number of the exchange's errors that matters, provoked and received by a client."""

import json
import urllib.request
from collections.abc import Callable, Generator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from binance.exceptions import BinanceAPIException
from binance_common.errors import Error, RateLimitBanError, TooManyRequestsError

from rusy_tui.domain.order import OrderKind, Side, TimeInForce, TriggerPrice
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.orders import AlgoRequest, OrderRequest
from tests.clients import counts
from tests.clients.libraries import sync_client
from tests.clients.sdk import rest
from tests.clients.serving import SYMBOLS, Exchange, Keys, served_in_thread

S = "BTCUSDT"
OTHER = "SOLUSDT"


class Bench:
    """An exchange whose market stands still, and clients of one account."""

    def __init__(self, here: Exchange, keys: Keys) -> None:
        self.here = here
        self.keys = keys
        self.sdk: Any = rest(here, keys)
        self.python_binance: Any = sync_client(here, keys)
        last = here.call(lambda exchange: exchange.markets[S].last)
        assert last is not None
        self.last = last

    def at(self, factor: str) -> float:
        """A price on the tick, so far from the last one."""
        return float((self.last * Decimal(factor)).quantize(Decimal("0.1")))

    def limit(self, factor: str = "0.98", side: str = "BUY", **more: Any) -> Any:
        """Place a limit order."""
        asked: dict[str, Any] = {
            "symbol": S,
            "side": side,
            "type": "LIMIT",
            "time_in_force": "GTC",
            "quantity": 0.01,
            "price": self.at(factor),
        }
        return self.sdk.new_order(**(asked | more)).data()

    def market(self, side: str = "BUY", quantity: float = 0.1, **more: Any) -> Any:
        """Place a market order."""
        asked = {"symbol": S, "side": side, "type": "MARKET", "quantity": quantity}
        return self.sdk.new_order(**(asked | more)).data()

    def stop(self, factor: str = "0.9", **more: Any) -> Any:
        """Place a stop that sells."""
        asked: dict[str, Any] = {
            "algo_type": "CONDITIONAL",
            "symbol": S,
            "side": "SELL",
            "type": "STOP_MARKET",
            "trigger_price": self.at(factor),
            "quantity": 0.01,
            "reduce_only": "true",
        }
        return self.sdk.new_algo_order(**(asked | more)).data()

    def isolated(self) -> None:
        """Set isolated margin."""
        self.sdk.change_margin_type(S, "ISOLATED")

    def act(self, act: Callable[[SimulatedExchange], Any]) -> None:
        """Do something in the exchange."""
        self.here.call(act)

    def control(self, **fault: Any) -> None:
        """Let something go wrong, by the simulator's control endpoint."""
        request = urllib.request.Request(
            f"{self.here.control_url}/faults",
            data=json.dumps(fault).encode(),
            headers={"X-Control-Token": self.here.control_token},
            method="POST",
        )
        with urllib.request.urlopen(request) as response:
            assert response.status == 200


@pytest.fixture(scope="module")
def still() -> Generator[Exchange]:
    with served_in_thread(played=False) as here:
        yield here


def _trade_everywhere(exchange: SimulatedExchange) -> None:
    for symbol in SYMBOLS:
        exchange.move_price(symbol, Decimal(1))


@pytest.fixture
def bench(still: Exchange) -> Generator[Bench]:
    # A trade: whatever a test before has taken out of the books is there again.
    still.call(_trade_everywhere)
    yield Bench(still, still.open_account())
    still.mend()


@pytest.fixture
def alone() -> Generator[Bench]:
    """An exchange of the test's own, for what reaches every client of an address."""
    with served_in_thread(played=False) as here:
        yield Bench(here, here.open_account())


def received(ask: Callable[[], object]) -> int:
    """The number that a client raised; 0 where nothing was refused."""
    try:
        ask()
    except Error as error:
        return int(getattr(error, "status_code", 0) or 0)
    except BinanceAPIException as error:
        return int(error.code)
    return 0


def _after(*work: Callable[[Bench], object]) -> Callable[[Bench], object]:
    """Several things one after the other; the last one is refused."""

    def run(bench: Bench) -> None:
        for each in work:
            each(bench)

    return run


def _fill_book(bench: Bench) -> None:
    """As many open orders as an account may have."""

    def place(exchange: SimulatedExchange) -> None:
        account = bench.here.account(exchange, bench.keys)
        request = OrderRequest(
            symbol=S,
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            quantity=Decimal("0.002"),
            price=Decimal(str(bench.at("0.98"))),
            time_in_force=TimeInForce.GTC,
        )
        for _ in range(200):
            exchange.place(account, request)

    bench.act(place)


def _fill_stops(bench: Bench) -> None:
    def place(exchange: SimulatedExchange) -> None:
        account = bench.here.account(exchange, bench.keys)
        for number in range(10):
            exchange.place_algo(
                account,
                AlgoRequest(
                    symbol=S,
                    side=Side.SELL,
                    kind=OrderKind.STOP_MARKET,
                    trigger_price=Decimal(str(bench.at("0.9"))) - number,
                    trigger_by=TriggerPrice.MARK,
                    quantity=Decimal("0.01"),
                    reduce_only=True,
                ),
            )

    bench.act(place)


def _barred(code: int) -> Callable[[Bench], object]:
    def run(bench: Bench) -> None:
        bench.act(lambda exchange: exchange.bar_openings(S, code))
        try:
            bench.market()
        finally:
            bench.act(lambda exchange: exchange.bar_openings(S, None))

    return run


def _status(status: str) -> Callable[[Bench], object]:
    def run(bench: Bench) -> None:
        bench.act(lambda exchange: exchange.change_instrument(S, status=status))
        try:
            bench.market()
        finally:
            bench.act(lambda exchange: exchange.change_instrument(S, status="TRADING"))

    return run


def _thin(bench: Bench) -> None:
    bench.act(lambda exchange: exchange.thin_book(S, True))
    try:
        bench.market()
    finally:
        bench.act(lambda exchange: exchange.thin_book(S, False))


def _triggering(bench: Bench) -> None:
    """Cancel a stop that hangs in its trigger."""
    stop = bench.stop("0.97", working_type="CONTRACT_PRICE", client_algo_id="hangs")
    bench.act(lambda exchange: exchange.hold_triggers(S, True))
    bench.act(lambda exchange: exchange.move_price(S, Decimal("0.96")))
    try:
        bench.sdk.cancel_algo_order(algo_id=stop.algo_id)
    finally:
        bench.act(lambda exchange: exchange.move_price(S, 1 / Decimal("0.96")))
        bench.act(lambda exchange: exchange.hold_triggers(S, False))


def _no_market(bench: Bench) -> None:
    """A market order before the contract has ever traded."""

    def never_traded(exchange: SimulatedExchange) -> None:
        exchange.markets[OTHER].book.last = None

    bench.act(never_traded)
    bench.market(symbol=OTHER, quantity=5)


def _with(**fault: Any) -> Callable[[Bench], object]:
    """What is answered to a stop while something goes wrong."""

    def run(bench: Bench) -> None:
        bench.control(**fault)
        bench.python_binance.futures_create_algo_order(
            algoType="CONDITIONAL",
            symbol=S,
            side="SELL",
            type="STOP_MARKET",
            triggerPrice=str(bench.at("0.9")),
            quantity="0.01",
        )

    return run


def _stop_refused(code: int) -> Callable[[Bench], object]:
    return _with(kind="stop_refused", code=code, times=1)


def _unknown(code: int) -> Callable[[Bench], object]:
    return _with(kind="status_unknown", code=code, times=1)


def _with_keys(api_key: str | None, secret: str | None = None) -> Callable[[Bench], object]:
    def run(bench: Bench) -> None:
        keys = Keys(
            bench.keys.api_key if api_key is None else api_key,
            bench.keys.api_secret if secret is None else secret,
        )
        client: Any = rest(bench.here, keys)
        client.futures_account_balance_v3()

    return run


def _cancel_unknown(bench: Bench) -> None:
    bench.sdk.cancel_order(S, orig_client_order_id="none")


def _ask_unknown(bench: Bench) -> None:
    bench.sdk.query_order(S, orig_client_order_id="none")


def _not_reduce_only(bench: Bench) -> None:
    order = bench.limit()
    bench.python_binance._request_futures_api(
        "put",
        "order",
        True,
        data={
            "symbol": S,
            "side": "BUY",
            "orderId": order.order_id,
            "quantity": "0.02",
            "price": str(bench.at("0.97")),
            "reduceOnly": "true",
        },
    )


def _isolated_and_long(bench: Bench) -> None:
    bench.isolated()
    bench.market()


def _off_tick(bench: Bench) -> None:
    bench.act(lambda e: e.change_instrument(S, tick_size=Decimal("0.5")))
    try:
        bench.limit(price=float(int(bench.at("0.98"))) + 0.7)
    finally:
        bench.act(lambda e: e.change_instrument(S, tick_size=Decimal("0.1")))


def _off_step(bench: Bench) -> None:
    bench.act(lambda e: e.change_instrument(S, step_size=Decimal("0.005")))
    try:
        bench.limit(quantity=0.012)
    finally:
        bench.act(lambda e: e.change_instrument(S, step_size=Decimal("0.001")))


def _below_least(bench: Bench) -> None:
    bench.act(lambda e: e.change_instrument(S, min_quantity=Decimal("0.005")))
    try:
        bench.limit(quantity=0.004)
    finally:
        bench.act(lambda e: e.change_instrument(S, min_quantity=Decimal("0.001")))


Case = Callable[[Bench], object]
PROVOKED: dict[int, Case] = {
    # Keys and requests.
    -1021: _after(
        lambda b: b.control(kind="clock_drift", offset_ms=8000, checks_only=True),
        lambda b: b.sdk.futures_account_balance_v3(),
    ),
    -1022: _with_keys(None, "another secret"),
    -2014: _with_keys(""),
    -2015: _with_keys("unknown"),
    -1102: lambda b: b.python_binance.futures_create_order(symbol=S),
    -1111: lambda b: b.limit(quantity=0.01234),
    -1116: lambda b: b.limit(type="ICEBERG"),
    -1121: lambda b: b.limit(symbol="NONEUSDT"),
    -1125: lambda b: b.sdk.keepalive_user_data_stream(),
    # An order's own numbers.
    -4003: lambda b: b.limit(quantity=0),
    -4004: _below_least,
    -4005: lambda b: b.limit(quantity=5000),
    -4013: lambda b: b.limit(price=100),
    -4014: _off_tick,
    -4023: _off_step,
    -4164: lambda b: b.market(quantity=0.001, symbol="ETHUSDT"),
    -4016: lambda b: b.limit("1.2"),
    -4024: lambda b: b.limit("0.8", side="SELL"),
    -4120: lambda b: b.limit(type="STOP_MARKET"),
    -4061: lambda b: b.limit(position_side="LONG"),
    # Money and limits of size.
    -2019: lambda b: b.limit(quantity=100),
    -2025: _after(_fill_book, lambda b: b.limit()),
    -4045: _after(_fill_stops, lambda b: b.stop()),
    -2027: _after(
        lambda b: b.sdk.change_initial_leverage(S, 125), lambda b: b.market(quantity=1)
    ),
    -2028: _after(
        lambda b: b.sdk.change_initial_leverage(S, 125),
        lambda b: b.market(quantity=0.2),
        lambda b: b.act(lambda e: e.transfer(b.here.account(e, b.keys), Decimal(-99_000))),
        lambda b: b.sdk.change_initial_leverage(S, 2),
    ),
    -4028: lambda b: b.sdk.change_initial_leverage(S, 126),
    -4161: _after(_isolated_and_long, lambda b: b.sdk.change_initial_leverage(S, 2)),
    -4051: _after(
        _isolated_and_long, lambda b: b.sdk.modify_isolated_position_margin(S, 100_000, 2)
    ),
    # Settings.
    -4046: lambda b: b.sdk.change_margin_type(S, "CROSSED"),
    -4047: _after(lambda b: b.limit(), lambda b: b.isolated()),
    -4048: _after(lambda b: b.market(), lambda b: b.isolated()),
    -4059: lambda b: b.sdk.change_position_mode("false"),
    # What the book answers.
    -2011: _cancel_unknown,
    -2013: _ask_unknown,
    -2020: _no_market,
    -2021: lambda b: b.stop("1.1"),
    -2022: lambda b: b.market("SELL", reduce_only="true"),
    -5021: lambda b: b.limit("0.98", time_in_force="FOK"),
    -5022: lambda b: b.limit("1.02", time_in_force="GTX"),
    -5047: _not_reduce_only,
    # Openings barred, and worse.
    **{code: _barred(code) for code in (-4087, -4192, -4400, -4401)},
    -4140: _status("PRE_SETTLE"),
    -4141: _status("SETTLING"),
    -4131: _thin,
    -4117: _triggering,
    # What only a fault causes: nothing here fills a market with strangers' orders, loses a
    # message between two machines or takes an account's right to trade.
    **{code: _stop_refused(code) for code in (-2010, -2018, -2023, -4088, -4118, -4210, -4211)},
    **{code: _unknown(code) for code in (-1000, -1001, -1006, -1007)},
    -1008: _after(
        lambda b: b.control(kind="overloaded", times=1),
        lambda b: b.python_binance.futures_create_order(
            symbol=S, side="BUY", type="MARKET", quantity="0.01"
        ),
    ),
}
"""How each number is provoked."""


@pytest.mark.parametrize("code", [code for code in PROVOKED if code != -2020])
def test_it_is_received_with_its_number(bench: Bench, code: int) -> None:
    assert received(lambda: PROVOKED[code](bench)) == code
    counts.errors.add(code)


def test_unable_to_fill(alone: Bench) -> None:
    assert received(lambda: PROVOKED[-2020](alone)) == -2020
    counts.errors.add(-2020)


def test_too_many_requests(alone: Bench) -> None:
    alone.act(lambda exchange: setattr(exchange.rate_limits, "weight_a_minute", 3))

    def ask_often() -> None:
        for _ in range(10):
            alone.sdk.check_server_time()

    def go_on() -> None:
        for _ in range(20):
            with suppress(TooManyRequestsError):
                alone.sdk.test_connectivity()

    with pytest.raises(TooManyRequestsError) as refused:
        ask_often()
    assert refused.value.status_code == -1003
    assert (refused.value.retry_after or 0) > 0
    # Whoever goes on asking is banned.
    with pytest.raises(RateLimitBanError) as banned:
        go_on()
    assert banned.value.status_code == -1003
    counts.errors.add(-1003)


@pytest.mark.parametrize(("kind", "status"), [("too_many_requests", 429), ("banned", 418)])
def test_429_and_418_name_the_time_to_wait(alone: Bench, kind: str, status: int) -> None:
    alone.control(kind=kind, retry_after_s=3, times=1)
    with pytest.raises(BinanceAPIException) as refused:
        alone.python_binance.futures_time()
    assert (refused.value.status_code, refused.value.code) == (status, -1003)
    assert int(refused.value.response.headers["Retry-After"]) >= 1
    counts.errors.add(status)


def test_too_many_orders(alone: Bench) -> None:
    alone.act(lambda exchange: setattr(exchange.rate_limits, "orders_in_10_s", 2))

    def place_many() -> None:
        for _ in range(6):
            alone.limit()

    assert received(place_many) == -1015
    counts.errors.add(-1015)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("status_unknown", "Unknown error, please check your request or try again later."),
        ("unavailable", "Service Unavailable."),
    ],
)
def test_503_of_both_kinds(bench: Bench, kind: str, text: str) -> None:
    bench.control(kind=kind, times=1)
    with pytest.raises(BinanceAPIException) as refused:
        bench.python_binance.futures_time()
    assert refused.value.status_code == 503
    assert text in refused.value.response.text
    counts.errors.add(text)
