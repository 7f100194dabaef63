"""python-binance, sync and async, unmodified: each futures method with an endpoint here."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from binance.async_client import AsyncClient
from binance.client import Client
from binance.exceptions import BinanceAPIException
from binance.ws.streams import BinanceSocketManager

from tests.clients.libraries import async_client, sync_client
from tests.clients.serving import Exchange, Keys

SYMBOL = "SOLUSDT"

_SPOT = "an endpoint of the spot exchange"
_CONVERT = "conversion of assets is not simulated"
_DOWNLOADS = "files that the exchange makes for downloading are not simulated"
_CROWD = "figures of all the exchange's traders, of which there are none here"
_NO_SUCH = "the exchange has no such endpoint: its own is batchOrders"
NOT_HERE = {
    "futures_account_transfer": _SPOT,
    "futures_cross_collateral_adjust_history": _SPOT,
    "futures_cross_collateral_liquidation_history": _SPOT,
    "futures_historical_data_link": _SPOT,
    "futures_loan_borrow_history": _SPOT,
    "futures_loan_interest_history": _SPOT,
    "futures_loan_repay_history": _SPOT,
    "futures_loan_wallet": _SPOT,
    "futures_v1_get_convert_exchange_info": _CONVERT,
    "futures_v1_get_convert_order_status": _CONVERT,
    "futures_v1_post_convert_accept_quote": _CONVERT,
    "futures_v1_post_convert_get_quote": _CONVERT,
    "futures_v1_get_income_asyn": _DOWNLOADS,
    "futures_v1_get_income_asyn_id": _DOWNLOADS,
    "futures_v1_get_order_asyn": _DOWNLOADS,
    "futures_v1_get_order_asyn_id": _DOWNLOADS,
    "futures_v1_get_trade_asyn": _DOWNLOADS,
    "futures_v1_get_trade_asyn_id": _DOWNLOADS,
    "futures_global_longshort_ratio": _CROWD,
    "futures_taker_longshort_ratio": _CROWD,
    "futures_top_longshort_account_ratio": _CROWD,
    "futures_top_longshort_position_ratio": _CROWD,
    "futures_symbol_adl_risk": _CROWD,
    "futures_v1_delete_batch_order": _NO_SUCH,
    "futures_v1_post_batch_order": _NO_SUCH,
    "futures_v1_put_batch_order": _NO_SUCH,
    "futures_v1_put_batch_orders": (
        "the library signs the list as text and sends it encoded: −1022, as the exchange would"
    ),
    "futures_delivery_price": "no dated contracts are simulated",
    "futures_index_info": "no index contracts are simulated",
    "futures_index_price_constituents": "the index is the last price here, of one market",
    "futures_insurance_fund_balance_snapshot": "the fund's own books are not simulated",
    "futures_rpi_depth": "retail price improvement orders are not simulated",
    "futures_v1_get_asset_index": "one asset alone is margin here",
    "futures_v1_get_pm_account_info": "portfolio margin is not simulated",
}
"""The library's methods that nothing answers here, and why."""

Got = dict[str, Any]
Given = Mapping[str, Any] | Callable[[Got], Mapping[str, Any]]
Check = Callable[[Any], object]


def _price(got: Got, factor: str) -> str:
    """A price on the tick of 0.01, so far from the best bid."""
    bid = Decimal(got["futures_orderbook_ticker"]["bidPrice"])
    return format((bid * Decimal(factor)).quantize(Decimal("0.01")), "f")


def _order(factor: str, **more: Any) -> Callable[[Got], Mapping[str, Any]]:
    """A limit order that rests, away from the market."""
    return lambda got: (
        {
            "symbol": SYMBOL,
            "quantity": "5",
            "price": _price(got, factor),
            "timeInForce": "GTC",
        }
        | more
    )


def _stop(client_id: str, **more: Any) -> Callable[[Got], Mapping[str, Any]]:
    return lambda got: (
        {
            "symbol": SYMBOL,
            "side": "SELL",
            "type": "STOP_MARKET",
            "triggerPrice": _price(got, "0.9"),
            "quantity": "1",
            "reduceOnly": "true",
            "clientAlgoId": client_id,
        }
        | more
    )


def _batch(got: Got) -> Mapping[str, Any]:
    order = {"type": "LIMIT", "side": "BUY", **_order("0.97")(got)}
    return {"batchOrders": [order | {"newClientOrderId": f"batch-{n}"} for n in (1, 2)]}


def _listed(orders: list[Any]) -> str:
    """Numbers of orders, encoded beforehand: the library signs the text it is given."""
    numbers = ",".join(str(order["orderId"]) for order in orders)
    return f"%5B{numbers}%5D"


def _by_id(method: str, **more: Any) -> Callable[[Got], dict[str, Any]]:
    return lambda got: {"symbol": SYMBOL, "orderId": got[method]["orderId"], **more}


def _hour_ago(got: Got) -> str:
    return str(got["futures_time"]["serverTime"] - 3_600_000)


S: dict[str, Any] = {"symbol": SYMBOL}
STEPS: list[tuple[str, Given, Check]] = [
    ("futures_ping", {}, lambda r: r == {}),
    ("futures_time", {}, lambda r: r["serverTime"] > 0),
    ("futures_exchange_info", {}, lambda r: len(r["symbols"]) == 3),
    ("futures_order_book", S | {"limit": 5}, lambda r: len(r["bids"]) == 5),
    ("futures_recent_trades", S | {"limit": 5}, lambda r: len(r) == 5),
    ("futures_historical_trades", S | {"limit": 5}, lambda r: len(r) == 5),
    ("futures_aggregate_trades", S | {"limit": 5}, lambda r: len(r) == 5),
    ("futures_klines", S | {"interval": "15m", "limit": 7}, lambda r: len(r) == 7),
    (
        "futures_continuous_klines",
        {"pair": SYMBOL, "contractType": "PERPETUAL", "interval": "1h", "limit": 3},
        lambda r: len(r) == 3,
    ),
    ("futures_mark_price_klines", S | {"interval": "1h", "limit": 3}, len),
    ("futures_index_price_klines", {"pair": SYMBOL, "interval": "1h", "limit": 3}, len),
    ("futures_premium_index_klines", S | {"interval": "1h", "limit": 3}, len),
    (
        "futures_historical_klines",
        lambda got: S | {"interval": "15m", "start_str": _hour_ago(got)},
        lambda r: len(r) == 4,
    ),
    (
        "futures_historical_klines_generator",
        lambda got: S | {"interval": "15m", "start_str": _hour_ago(got)},
        lambda r: len(r) == 4,
    ),
    (
        "futures_historical_mark_price_klines",
        lambda got: S | {"interval": "15m", "start_str": _hour_ago(got)},
        lambda r: len(r) == 4,
    ),
    ("futures_mark_price", S, lambda r: r["symbol"] == SYMBOL),
    ("futures_funding_rate", S | {"limit": 2}, len),
    ("futures_v1_get_funding_info", {}, lambda r: isinstance(r, list)),
    ("futures_ticker", S, lambda r: r["symbol"] == SYMBOL),
    ("futures_symbol_ticker", S, lambda r: r["symbol"] == SYMBOL),
    ("futures_orderbook_ticker", S, lambda r: r["symbol"] == SYMBOL),
    ("futures_open_interest", S, lambda r: Decimal(r["openInterest"]) > 0),
    ("futures_open_interest_hist", S | {"period": "1h", "limit": 3}, len),
    (
        "futures_basis",
        {"pair": SYMBOL, "contractType": "PERPETUAL", "period": "1h", "limit": 3},
        lambda r: [each["pair"] for each in r] == [SYMBOL] * 3,
    ),
    # Settings.
    ("futures_account_config", {}, lambda r: r["dualSidePosition"] is False),
    ("futures_get_position_mode", {}, lambda r: r["dualSidePosition"] is False),
    ("futures_change_position_mode", {"dualSidePosition": "true"}, lambda r: r["code"] == 200),
    ("futures_change_position_mode", {"dualSidePosition": "false"}, lambda r: r["code"] == 200),
    ("futures_get_multi_assets_mode", {}, lambda r: r["multiAssetsMargin"] is False),
    (
        "futures_change_multi_assets_mode",
        {"multiAssetsMargin": True},
        lambda r: r["code"] == 200,
    ),
    (
        "futures_change_multi_assets_mode",
        {"multiAssetsMargin": False},
        lambda r: r["code"] == 200,
    ),
    ("futures_v1_get_fee_burn", {}, lambda r: r["feeBurn"] is False),
    ("futures_v1_post_fee_burn", {"feeBurn": "true"}, lambda r: r["code"] == 200),
    ("futures_change_margin_type", S | {"marginType": "ISOLATED"}, lambda r: r["code"] == 200),
    ("futures_change_leverage", S | {"leverage": 10}, lambda r: r["leverage"] == 10),
    ("futures_symbol_config", S, lambda r: r[0]["marginType"] == "ISOLATED"),
    ("futures_leverage_bracket", S, lambda r: len(r[0]["brackets"]) == 12),
    ("futures_commission_rate", S, lambda r: r["takerCommissionRate"] == "0.0005"),
    ("futures_v1_get_rate_limit_order", {}, lambda r: len(r) == 2),
    ("futures_api_trading_status", S, lambda r: SYMBOL in r["indicators"]),
    # Plain orders.
    ("futures_create_test_order", _order("0.98", side="BUY", type="LIMIT"), bool),
    ("futures_create_order", _order("0.98", side="BUY", type="LIMIT"), lambda r: r["orderId"]),
    ("futures_limit_order", _order("0.98", side="BUY"), lambda r: r["type"] == "LIMIT"),
    ("futures_limit_buy_order", _order("0.98"), lambda r: r["side"] == "BUY"),
    ("futures_limit_sell_order", _order("1.03"), lambda r: r["side"] == "SELL"),
    (
        "futures_modify_order",
        lambda got: (
            _by_id("futures_create_order", side="BUY", quantity="6")(got)
            | {"price": _price(got, "0.97")}
        ),
        lambda r: r["origQty"] == "6.00",
    ),
    (
        "futures_v1_get_order_amendment",
        _by_id("futures_create_order"),
        lambda r: len(r) == 1,
    ),
    ("futures_get_order", _by_id("futures_create_order"), lambda r: r["status"] == "NEW"),
    ("futures_v1_get_open_order", _by_id("futures_create_order"), lambda r: r["orderId"]),
    ("futures_get_open_orders", S, lambda r: len(r) == 4),
    ("futures_get_all_orders", S, lambda r: len(r) == 4),
    (
        "futures_cancel_order",
        _by_id("futures_create_order"),
        lambda r: r["status"] == "CANCELED",
    ),
    ("futures_place_batch_order", _batch, lambda r: [o["status"] for o in r] == ["NEW"] * 2),
    (
        "futures_cancel_orders",
        lambda got: {**S, "orderIdList": _listed(got["futures_place_batch_order"])},
        lambda r: [o["status"] for o in r] == ["CANCELED"] * 2,
    ),
    ("futures_countdown_cancel_all", S | {"countdownTime": 60_000}, lambda r: r["symbol"]),
    ("futures_cancel_all_open_orders", S, lambda r: r["code"] == 200),
    ("futures_market_order", S | {"side": "BUY", "quantity": "5"}, lambda r: r["orderId"]),
    ("futures_market_buy_order", S | {"quantity": "5"}, lambda r: r["side"] == "BUY"),
    ("futures_market_sell_order", S | {"quantity": "3"}, lambda r: r["side"] == "SELL"),
    # Conditional orders.
    ("futures_create_algo_order", _stop("a", algoType="CONDITIONAL"), lambda r: r["algoId"]),
    ("futures_get_open_algo_orders", S, lambda r: len(r) == 1),
    ("futures_get_algo_order", {"clientAlgoId": "a"}, lambda r: r["algoStatus"] == "NEW"),
    ("futures_cancel_algo_order", {"clientAlgoId": "a"}, lambda r: r["code"] == "200"),
    ("futures_create_algo_order", _stop("b", algoType="CONDITIONAL"), lambda r: r["algoId"]),
    ("futures_cancel_all_algo_open_orders", S, lambda r: r["code"] == 200),
    ("futures_get_all_algo_orders", S, lambda r: len(r) == 2),
    # Money and positions.
    ("futures_position_information", S, lambda r: Decimal(r[0]["positionAmt"]) == 7),
    (
        "futures_change_position_margin",
        S | {"amount": "3", "type": 1},
        lambda r: r["type"] == 1,
    ),
    ("futures_position_margin_history", S, lambda r: r[-1]["deltaType"] == "USER_ADJUST"),
    ("futures_adl_quantile_estimate", S, lambda r: r[0]["symbol"] == SYMBOL),
    ("futures_account", {}, lambda r: Decimal(r["totalPositionInitialMargin"]) > 0),
    ("futures_account_balance", {}, lambda r: r[0]["asset"] == "USDT"),
    ("futures_account_trades", S, lambda r: sum(Decimal(t["qty"]) for t in r) == 13),
    ("futures_income_history", {}, lambda r: r[0]["incomeType"] == "TRANSFER"),
    ("futures_liquidation_orders", S, lambda r: r == []),
    # The listen key.
    ("futures_stream_get_listen_key", {}, bool),
    (
        "futures_stream_keepalive",
        lambda got: {"listenKey": got["futures_stream_get_listen_key"]},
        lambda r: True,
    ),
    (
        "futures_stream_close",
        lambda got: {"listenKey": got["futures_stream_get_listen_key"]},
        lambda r: True,
    ),
]
ONE_CLIENT_ALONE = {
    "futures_historical_mark_price_klines",
    "futures_basis",
    "futures_delivery_price",
    "futures_insurance_fund_balance_snapshot",
}
"""Methods that only one of the library's two clients has."""


NOT_ASYNC = {
    "futures_cancel_orders": (
        "the asynchronous client encodes a list once more after signing it: −1022, as the "
        "exchange would"
    )
}


def _steps(client: object) -> Iterator[tuple[str, Given, Check]]:
    for name, given, check in STEPS:
        if isinstance(client, AsyncClient) and name in NOT_ASYNC:
            continue
        if hasattr(client, name):
            yield name, given, check
        else:
            assert name in ONE_CLIENT_ALONE


def _values(given: Given, got: Got) -> Mapping[str, Any]:
    return given(got) if callable(given) else given


def test_the_synchronous_client(exchange_here: Exchange, keys: Keys) -> None:
    client = sync_client(exchange_here, keys)
    got: Got = {}
    for name, given, check in _steps(client):
        answer = getattr(client, name)(**_values(given, got))
        got[name] = list(answer) if inspect.isgenerator(answer) else answer
        assert check(got[name]), f"{name}: {got[name]}"


async def test_the_asynchronous_client(exchange_here: Exchange, keys: Keys) -> None:
    async with async_client(exchange_here, keys) as client:
        got: Got = {}
        for name, given, check in _steps(client):
            answer = await getattr(client, name)(**_values(given, got))
            if isinstance(answer, AsyncIterator):
                answer = [row async for row in answer]
            got[name] = answer
            assert check(answer), f"{name}: {answer}"


@pytest.mark.parametrize("library", [Client, AsyncClient])
def test_every_method_is_called_or_left_out_with_a_reason(library: type) -> None:
    methods = {
        name
        for name in dir(library)
        if name.startswith("futures_") and not name.startswith("futures_coin_")
    }
    called = {name for name, *_ in STEPS}
    assert not called & NOT_HERE.keys()
    assert methods - called - NOT_HERE.keys() == set()
    assert (called | NOT_HERE.keys()) - methods <= ONE_CLIENT_ALONE


def test_errors_reach_it_with_their_number_and_text(
    exchange_here: Exchange, keys: Keys
) -> None:
    client = sync_client(exchange_here, keys)
    with pytest.raises(BinanceAPIException) as raised:
        client.futures_cancel_order(symbol=SYMBOL, origClientOrderId="none")
    assert (raised.value.code, raised.value.message) == (-2011, "Unknown order sent.")


async def test_its_sockets_hear_the_market_and_the_account(
    exchange_here: Exchange, keys: Keys
) -> None:
    """The library adds routes and paths by itself: its base address alone is another."""
    async with async_client(exchange_here, keys) as client:
        manager = BinanceSocketManager(client)
        manager.FSTREAM_URL = f"{exchange_here.ws_url}/"
        async with (
            manager.kline_futures_socket(SYMBOL, "1m") as candles,
            manager.aggtrade_futures_socket(SYMBOL) as trades,
            manager.futures_user_socket() as own,
        ):
            candle = (await _heard(candles, "continuous_kline", "kline"))["k"]
            assert (candle["i"], Decimal(candle["c"]) > 0) == ("1m", True)
            trade = await _heard(trades, "aggTrade")
            found = await client.futures_aggregate_trades(
                symbol=SYMBOL, fromId=trade["a"], limit=1
            )
            assert {name: trade[name] for name in found[0]} == found[0]
            placed = await client.futures_create_order(
                symbol=SYMBOL, side="BUY", type="MARKET", quantity="1"
            )
            order: Got = {}
            held: list[Got] = []
            while order.get("X") != "FILLED" or not held:
                event = await _heard(own, "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE")
                order = event.get("o", order)
                held = event["a"]["P"] if "a" in event else held
            assert order["i"] == placed["orderId"]
            assert [each["pa"] for each in held] == ["1.00"]


async def _heard(socket: Any, *kinds: str) -> dict[str, Any]:
    """The next event of some kinds; messages of the multiplexed address are unwrapped."""
    async with asyncio.timeout(20):
        while True:
            message = await socket.recv()
            event: dict[str, Any] = message.get("data", message)
            assert event["e"] != "error", event
            if event["e"] in kinds:
                return event
