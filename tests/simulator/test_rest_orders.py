"""Orders over the wire: batches, amendments, tests, and what their parameters mean."""

from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from tests.simulator.serving import Reply, Served, on_exchange
from tests.simulator.support import SYMBOL, ScriptedFeed, traded

LIMIT: dict[str, Any] = {
    "symbol": SYMBOL,
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "49900.0",
}
STOP: dict[str, Any] = {
    "algoType": "CONDITIONAL",
    "symbol": SYMBOL,
    "side": "SELL",
    "type": "STOP",
    "quantity": "0.010",
    "price": "49400.0",
    "triggerPrice": "49500.0",
}
MARKET_STOP = {"type": "STOP_MARKET", "side": "SELL", "price": None}
TRAILING: dict[str, Any] = {
    "algoType": "CONDITIONAL",
    "symbol": SYMBOL,
    "side": "SELL",
    "type": "TRAILING_STOP_MARKET",
    "quantity": "0.010",
    "callbackRate": "1",
}


async def batch(served: Served, method: str, raw: str) -> Reply:
    return await served.signed(method, "/fapi/v1/batchOrders", batchOrders=quote(raw, safe=""))


async def cancel_batch(served: Served, **lists: list[Any]) -> Reply:
    texts: dict[str, Any] = {
        name: quote(msgspec.json.encode(values).decode(), safe="")
        for name, values in lists.items()
    }
    return await served.signed("DELETE", "/fapi/v1/batchOrders", symbol=SYMBOL, **texts)


def raw_order(**changes: str) -> str:
    """An order in JSON, its values written as they are."""
    words = {name: f'"{value}"' for name, value in LIMIT.items()} | changes
    return "{" + ",".join(f'"{name}":{value}' for name, value in words.items()) + "}"


def test_a_batch_is_judged_one_by_one_and_by_the_digits_that_were_sent() -> None:
    async def scenario(served: Served) -> None:
        orders = [
            raw_order(newClientOrderId='"a"'),
            raw_order(quantity="0.0100"),  # a number, with a digit too many
            raw_order(quantity="0.010", price="49900.0", newClientOrderId='"b"'),
            raw_order(newClientOrderId='"a"'),
            raw_order(type='"STOP_MARKET"'),
        ]
        reply = await batch(served, "POST", f"[{','.join(orders)}]")
        assert reply.status == 200
        codes = [row.get("code", 0) for row in reply.body]
        assert codes == [0, -1111, 0, -4116, -4120]
        assert [row.get("clientOrderId") for row in reply.body][::2] == ["a", "b", None]
        assert reply.headers["X-MBX-ORDER-COUNT-10S"] == "5"
        assert reply.headers["X-MBX-ORDER-COUNT-1M"] == "1"
        assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "5"

    on_exchange(scenario)


def test_a_batch_is_amended_and_cancelled_one_by_one() -> None:
    async def scenario(served: Served) -> None:
        first, second = (await batch(served, "POST", f"[{raw_order()},{raw_order()}]")).body
        changes = [
            {"symbol": SYMBOL, "side": "BUY", "orderId": first["orderId"]}
            | {"quantity": "0.020", "price": "49900.0"},
            {"symbol": SYMBOL, "side": "BUY", "orderId": 1}
            | {"quantity": "0.020", "price": "49900.0"},
        ]
        reply = await batch(served, "PUT", msgspec.json.encode(changes).decode())
        assert reply.body[0]["origQty"] == "0.020"
        assert reply.body[1]["code"] == -2013
        ended = await cancel_batch(served, orderIdList=[first["orderId"], 1])
        assert ended.body[0]["status"] == "CANCELED"
        assert ended.body[1]["code"] == -2011
        by_name = await cancel_batch(served, origClientOrderIdList=[second["clientOrderId"]])
        assert by_name.body[0]["status"] == "CANCELED"

    on_exchange(scenario)


def test_a_batch_has_a_size_and_a_form() -> None:
    async def scenario(served: Served) -> None:
        for raw, code in (("[]", -4082), (f"[{','.join([raw_order()] * 6)}]", -4082)):
            assert (await batch(served, "POST", raw)).code == code
        for raw in ("{}", "[1]", "[", "nonsense"):
            assert (await batch(served, "POST", raw)).code == -1130
        assert (await cancel_batch(served)).code == -1102
        assert (await cancel_batch(served, orderIdList=list(range(11)))).code == -4082
        assert (await cancel_batch(served, orderIdList=["a"])).code == -1130
        assert served.exchange.books.orders == {}

    on_exchange(scenario)


def test_an_amendment_is_told_on_the_wire() -> None:
    async def scenario(served: Served) -> None:
        key = (await served.keyed("POST", "/fapi/v1/listenKey")).body["listenKey"]
        async with served.ear(f"/private/ws?listenKey={key}") as ear:
            placed = (await served.signed("POST", "/fapi/v1/order", **LIMIT)).body
            change = {"symbol": SYMBOL, "side": "BUY", "orderId": placed["orderId"]}
            change |= {"quantity": "0.020", "price": "49800.0"}
            reply = await served.signed("PUT", "/fapi/v1/order", modifyId=42, **change)
            assert (reply.body["price"], reply.body["modifyId"]) == ("49800.00", 42)
            assert reply.headers["X-MBX-ORDER-COUNT-1M"] == "2"
            again = await served.signed("PUT", "/fapi/v1/order", **change)
            assert again.code == -5027
            await served.clock.sleep(2)
        amended = ear.events("ORDER_TRADE_UPDATE")[-1]["o"]
        assert (amended["x"], amended["X"], amended["M"]) == ("AMENDMENT", "NEW", "42")
        assert (amended["q"], amended["p"]) == ("0.020", "49800.00")

    on_exchange(scenario)


def test_an_expired_order_says_why() -> None:
    async def scenario(served: Served) -> None:
        key = (await served.keyed("POST", "/fapi/v1/listenKey")).body["listenKey"]
        async with served.ear(f"/private/ws?listenKey={key}") as ear:
            await served.signed("POST", "/fapi/v1/order", **(LIMIT | {"timeInForce": "IOC"}))
            await served.clock.sleep(2)
        ended = ear.events("ORDER_TRADE_UPDATE")[-1]["o"]
        assert (ended["x"], ended["X"], ended["er"]) == ("EXPIRED", "EXPIRED", "2")

    on_exchange(scenario)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        (MARKET_STOP | {"stopPrice": "49500.0"}, 0),
        (MARKET_STOP | {"stopPrice": "50500.0"}, -2021),
        ({"quantity": "9"}, -2019),
        ({"price": "49900.05"}, -4014),
    ],
)
def test_a_tested_order_is_judged_and_not_placed(changes: dict[str, Any], code: int) -> None:
    async def scenario(served: Served) -> None:
        reply = await served.signed("POST", "/fapi/v1/order/test", **(LIMIT | changes))
        assert reply.code == code
        assert served.exchange.books.orders == {}
        assert served.exchange.books.algos == {}

    on_exchange(scenario)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"timeInForce": "GTD"}, -1102),
        ({"timeInForce": "GTD", "goodTillDate": 1}, -5040),
        ({"priceMatch": "QUEUE"}, -5037),
        ({"selfTradePreventionMode": "EXPIRE_BOTH"}, -5039),
        ({"selfTradePreventionMode": "EXPIRE_MAKER", "priceMatch": "NONE"}, 0),
        ({"newOrderRespType": "FULL"}, -1136),
    ],
)
def test_what_an_order_s_modes_are_refused_for(changes: dict[str, Any], code: int) -> None:
    async def scenario(served: Served) -> None:
        reply = await served.signed("POST", "/fapi/v1/order", **(LIMIT | changes))
        assert reply.code == code

    on_exchange(scenario)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (STOP, 0),
        (STOP | {"price": None}, -1102),
        (STOP | {"timeInForce": "FOK", "priceProtect": "true"}, 0),
        (STOP | {"timeInForce": "NEVER"}, -1115),
        (STOP | {"closePosition": "true", "quantity": None}, -4136),
        (STOP | {"callbackRate": "1"}, -1106),
        (STOP | {"type": "STOP_MARKET"}, -1106),
        (STOP | {"type": "TAKE_PROFIT", "triggerPrice": "50500.0", "price": "50400.0"}, 0),
        (TRAILING, 0),
        (TRAILING | {"callbackRate": None}, -1102),
        (TRAILING | {"callbackRate": "11"}, -2007),
        (TRAILING | {"triggerPrice": "49500.0"}, -1106),
        (TRAILING | {"activatePrice": "49000.0"}, -2021),
        (TRAILING | {"activatePrice": "51000.0", "workingType": "MARK_PRICE"}, 0),
    ],
)
def test_what_conditional_orders_are_refused_for(order: dict[str, Any], code: int) -> None:
    async def scenario(served: Served) -> None:
        reply = await served.signed("POST", "/fapi/v1/algoOrder", **order)
        assert reply.code == code

    on_exchange(scenario)


def test_a_stop_with_a_price_is_told_through_all_its_states() -> None:
    feed = ScriptedFeed([(30, [traded("49400.0")]), (60, [traded("49600.0")])])

    async def scenario(served: Served) -> None:
        from rusy_tui.simulator.runner import play

        key = (await served.keyed("POST", "/fapi/v1/listenKey")).body["listenKey"]
        async with served.ear(f"/private/ws?listenKey={key}") as ear:
            bought: dict[str, Any] = {
                "symbol": SYMBOL,
                "side": "BUY",
                "type": "MARKET",
                "quantity": "0.010",
            }
            await served.signed("POST", "/fapi/v1/order", **bought)
            stop = STOP | {"price": "49500.0", "reduceOnly": "true"}
            placed = (await served.signed("POST", "/fapi/v1/algoOrder", **stop)).body
            await play(served.exchange, feed, served.clock)
            await served.clock.sleep(70)
        told = [event["o"] for event in ear.events("ALGO_UPDATE")]
        assert [o["X"] for o in told] == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
        assert (told[-1]["act"], told[-1]["p"], told[-1]["aq"]) == (
            "LIMIT",
            "49500.00",
            "0.010",
        )
        asked = await served.signed("GET", "/fapi/v1/algoOrder", algoId=placed["algoId"])
        assert asked.body["actualType"] == "LIMIT"
        assert asked.body["actualOrderId"] == told[-1]["ai"]

    on_exchange(scenario, feed)
