"""Every order endpoint by the official SDK: each answer parsed, walked, and true."""

from collections.abc import Callable
from typing import Any

import pytest
from binance_common.errors import BadRequestError

from rusy_tui.domain.order import OrderState
from tests.clients.sdk import rest
from tests.clients.serving import Exchange, Keys
from tests.clients.walk import walk

SYMBOL = "BTCUSDT"
Sdk = Any
"""The SDK's client. It declares an enumeration for every word, and takes the words too."""

TRAILING_ALONE = "told of trailing stops alone, and those are conditional orders now"
NO_TRAIL = {"activatePrice": TRAILING_ALONE, "priceRate": TRAILING_ALONE}
NO_ICEBERG = {"icebergQuantity": "null in the exchange's own example: there are none"}
ONE_IN_A_BATCH = {
    "[].code": "told of what is refused alone",
    "[].msg": "told of what is refused alone",
}


def in_list(absent: dict[str, str]) -> dict[str, str]:
    return {f"[].{path}": reason for path, reason in absent.items()}


@pytest.fixture
def sdk(exchange_here: Exchange, keys: Keys) -> Sdk:
    return rest(exchange_here, keys)


@pytest.fixture
def price(exchange_here: Exchange) -> float:
    """Near the market, and on the tick."""
    last = exchange_here.call(lambda exchange: exchange.markets[SYMBOL].last)
    assert last is not None
    return float(round(last))


def code_of(command: Callable[[], Any]) -> int:
    with pytest.raises(BadRequestError) as refused:
        command()
    return int(refused.value.status_code or 0)


def resting(sdk: Sdk, price: float, **more: Any) -> Any:
    """A buy that rests 2 % below the market."""
    asked: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "time_in_force": "GTC",
        "quantity": 0.01,
        "price": round(price * 0.98, 1),
    }
    return sdk.new_order(**(asked | more)).data()


def bought(sdk: Sdk) -> Any:
    return sdk.new_order(
        symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01, new_order_resp_type="RESULT"
    ).data()


def stop(sdk: Sdk, price: float, **more: Any) -> Any:
    """A stop that closes the position 3 % below the market."""
    asked: dict[str, Any] = {
        "algo_type": "CONDITIONAL",
        "symbol": SYMBOL,
        "side": "SELL",
        "type": "STOP_MARKET",
        "trigger_price": round(price * 0.97, 1),
        "close_position": "true",
    }
    return sdk.new_algo_order(**(asked | more)).data()


def test_an_order_is_placed_asked_for_and_cancelled(sdk: Sdk, price: float) -> None:
    placed = resting(sdk, price, new_client_order_id="mine")
    walk(placed)
    assert (placed.status, placed.client_order_id) == ("NEW", "mine")
    asked = sdk.query_order(SYMBOL, order_id=placed.order_id).data()
    walk(asked, NO_TRAIL)
    still = sdk.query_current_open_order(SYMBOL, orig_client_order_id="mine").data()
    walk(still, NO_TRAIL)
    assert asked.time == still.time == placed.update_time
    listed = sdk.current_all_open_orders(SYMBOL).data()
    walk(listed, in_list(NO_TRAIL))
    assert [order.order_id for order in listed] == [placed.order_id]
    cancelled = sdk.cancel_order(SYMBOL, orig_client_order_id="mine").data()
    walk(cancelled, NO_TRAIL)
    assert cancelled.status == "CANCELED"
    history = sdk.all_orders(SYMBOL).data()
    walk(history, in_list(NO_TRAIL))
    assert [order.status for order in history] == ["CANCELED"]
    assert code_of(lambda: sdk.cancel_order(SYMBOL, order_id=placed.order_id)) == -2011
    assert code_of(lambda: sdk.query_order(SYMBOL, order_id=1)) == -2013


def test_a_market_order_tells_its_result_and_its_trades(sdk: Sdk) -> None:
    done = bought(sdk)
    walk(done)
    assert (done.status, done.executed_qty, done.cum_qty) == ("FILLED", "0.010", "0.010")
    asked = sdk.query_order(SYMBOL, order_id=done.order_id).data()
    walk(asked, NO_TRAIL)
    trades = sdk.account_trade_list(SYMBOL, order_id=done.order_id).data()
    traded = sum(float(trade.quote_qty) for trade in trades)
    assert float(asked.cum_quote) == pytest.approx(traded)


def test_an_order_with_a_last_moment_says_so(
    exchange_here: Exchange, sdk: Sdk, price: float
) -> None:
    now_ms = exchange_here.call(lambda exchange: exchange.clock.market_ms())
    asked = {"time_in_force": "GTD", "good_till_date": now_ms + 700_123}
    placed = resting(sdk, price, **asked)
    walk(placed)
    # Only whole seconds count.
    assert placed.good_till_date == (now_ms + 700_123) // 1000 * 1000
    assert placed.time_in_force == "GTD"
    soon = {"time_in_force": "GTD", "good_till_date": now_ms + 500_000}
    assert code_of(lambda: resting(sdk, price, **soon)) == -5040


def test_an_order_is_tested_and_not_placed(sdk: Sdk, price: float) -> None:
    asked: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": "SELL",
        "quantity": 0.01,
        "new_client_order_id": "tried",
    }
    tested = sdk.test_order(type="MARKET", **asked).data()
    walk(tested, NO_TRAIL)
    trailing = sdk.test_order(
        type="TRAILING_STOP_MARKET",
        activation_price=round(price * 1.01, 1),
        callback_rate=1.0,
        **asked,
    ).data()
    walk(trailing)
    assert trailing.price_rate == "1.0"
    assert sdk.all_orders(SYMBOL).data() == []
    assert sdk.current_all_algo_open_orders().data() == []
    dear = {**asked, "quantity": 100.0}
    assert code_of(lambda: sdk.test_order(type="MARKET", **dear)) == -2019


def test_an_order_is_amended_and_its_history_told(sdk: Sdk, price: float) -> None:
    placed = resting(sdk, price)
    amended = sdk.modify_order(
        symbol=SYMBOL,
        side="BUY",
        quantity=0.02,
        price=float(placed.price),
        order_id=placed.order_id,
        modify_id=77,
    ).data()
    walk(amended)
    assert (amended.orig_qty, amended.modify_id) == ("0.020", 77)
    (change,) = sdk.get_order_modify_history(SYMBOL, order_id=placed.order_id).data()
    walk(change)
    assert change.amendment.orig_qty.before == "0.010"
    assert change.amendment.orig_qty.after == "0.020"
    assert (change.amendment.count, change.amendment.modify_id) == (1, 77)


def test_a_batch_is_placed_amended_and_cancelled(sdk: Sdk, price: float) -> None:
    order = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.010",
        "price": f"{price * 0.98:.1f}",
    }
    taken, refused = sdk.place_multiple_orders([order, {**order, "quantity": "0.0101"}]).data()
    walk([taken], ONE_IN_A_BATCH)
    assert (refused.code, bool(refused.msg)) == (-1111, True)
    change = {
        "orderId": taken.order_id,
        "symbol": SYMBOL,
        "side": "BUY",
        "quantity": "0.020",
        "price": order["price"],
        "modifyId": 5,
    }
    amended, again = sdk.modify_multiple_orders([change, change]).data()
    walk([amended], ONE_IN_A_BATCH)
    assert (amended.orig_qty, again.code) == ("0.020", -5027)
    ended, unknown = sdk.cancel_multiple_orders(
        SYMBOL, order_id_list=[taken.order_id, 1]
    ).data()
    walk([ended], in_list(NO_TRAIL) | ONE_IN_A_BATCH)
    assert (ended.status, unknown.code) == ("CANCELED", -2011)


def test_all_orders_of_a_symbol_are_cancelled_at_once_and_by_a_countdown(
    sdk: Sdk, price: float
) -> None:
    resting(sdk, price)
    walk(sdk.cancel_all_open_orders(SYMBOL).data())
    assert sdk.current_all_open_orders(SYMBOL).data() == []
    counting = sdk.auto_cancel_all_open_orders(SYMBOL, 120_000).data()
    walk(counting)
    assert (counting.symbol, counting.countdown_time) == (SYMBOL, "120000")
    walk(sdk.auto_cancel_all_open_orders(SYMBOL, 0).data())


def test_a_conditional_order_is_placed_asked_for_and_cancelled(sdk: Sdk, price: float) -> None:
    bought(sdk)
    placed = stop(sdk, price, client_algo_id="stop")
    walk(placed, NO_ICEBERG)
    assert (placed.algo_status, placed.time_in_force) == ("NEW", "GTE_GTC")
    listed = sdk.current_all_algo_open_orders(symbol=SYMBOL).data()
    walk(listed, in_list(NO_ICEBERG))
    not_yet = "shown only of an order that has reached the matching engine"
    waiting = sdk.query_algo_order(client_algo_id="stop").data()
    walk(waiting, NO_ICEBERG | {"actualType": not_yet, "actualQty": not_yet})
    walk(sdk.cancel_algo_order(algo_id=placed.algo_id).data())
    stop(sdk, price)
    walk(sdk.cancel_all_algo_open_orders(SYMBOL).data())
    history = sdk.query_all_algo_orders(SYMBOL).data()
    walk(history, in_list(NO_ICEBERG))
    assert [algo.algo_status for algo in history] == ["CANCELED", "CANCELED"]


def test_a_trailing_stop_tells_how_it_trails(sdk: Sdk, price: float) -> None:
    bought(sdk)
    placed = sdk.new_algo_order(
        algo_type="CONDITIONAL",
        symbol=SYMBOL,
        side="SELL",
        type="TRAILING_STOP_MARKET",
        quantity=0.01,
        reduce_only="true",
        activate_price=round(price * 1.01, 1),
        callback_rate=2.0,
    ).data()
    walk(placed, NO_ICEBERG)
    assert (placed.activate_price, placed.callback_rate) == (
        f"{round(price * 1.01, 1):.2f}",
        "2.0",
    )


def test_a_stop_that_has_triggered_tells_what_it_became(
    exchange_here: Exchange, sdk: Sdk, keys: Keys, price: float
) -> None:
    bought(sdk)
    placed = stop(sdk, price)

    def trigger(exchange: Any) -> None:
        algo = exchange.books.algos[placed.algo_id]
        # As if the price had come there: the market is everybody's, and stays where it is.
        algo.trigger_price = exchange.markets[SYMBOL].last * 2
        exchange.conditionals.check_last(exchange.markets[SYMBOL], exchange.clock.market_ms())

    exchange_here.call(trigger)
    became = sdk.query_algo_order(algo_id=placed.algo_id).data()
    walk(became, NO_ICEBERG)
    assert became.algo_status == OrderState.FINISHED.name
    assert (became.actual_type, became.actual_qty) == ("MARKET", "0.010")
    plain = sdk.query_order(SYMBOL, order_id=int(became.actual_order_id)).data()
    assert (plain.status, plain.reduce_only) == ("FILLED", True)


def test_forced_orders_are_listed(exchange_here: Exchange, sdk: Sdk, keys: Keys) -> None:
    bought(sdk)

    def force(exchange: Any) -> None:
        account = exchange_here.account(exchange, keys)
        order = exchange.books.orders_of(account)[-1]
        order.client_id = "autoclose-1"

    exchange_here.call(force)
    forced = sdk.users_force_orders(SYMBOL, auto_close_type="LIQUIDATION").data()
    walk(forced)
    assert [order.client_order_id for order in forced] == ["autoclose-1"]
    assert sdk.users_force_orders(SYMBOL, auto_close_type="ADL").data() == []


@pytest.mark.parametrize("kind", ["STOP", "STOP_MARKET", "TAKE_PROFIT", "TRAILING_STOP_MARKET"])
def test_former_conditional_types_are_sent_away(sdk: Sdk, price: float, kind: str) -> None:
    asked = {"symbol": SYMBOL, "side": "SELL", "quantity": 0.01}
    assert code_of(lambda: sdk.new_order(type=kind, **asked)) == -4120
