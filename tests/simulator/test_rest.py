"""The REST interface: doors first, then what each address answers."""

from typing import Any
from urllib.parse import quote

import pytest

from rusy_tui.simulator.feeds import Step
from rusy_tui.simulator.rest import accounts, algo_orders, batches, orders, public
from rusy_tui.simulator.rest.endpoints import Security
from tests.simulator.serving import Served, on_exchange, sign
from tests.simulator.support import KEY, START_MS, SYMBOL, D, ScriptedFeed, traded

ORDER: dict[str, Any] = {
    "symbol": SYMBOL,
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTX",
    "quantity": "0.010",
    "price": "49900.0",
}


# ── doors ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("in_body", [False, True])
def test_a_signature_counts_over_the_raw_bytes_in_the_order_sent(in_body: bool) -> None:
    async def scenario(served: Served) -> None:
        stamp = served.clock.market_ms()
        # Escapes that nobody's encoder would choose, and an order of no alphabet.
        payload = (
            f"timestamp={stamp}&type=LIMIT&price=49900%2E0&symbol=%42TCUSDT&side=BUY"
            "&quantity=0.010&newClientOrderId=a%3Ab&timeInForce=GTX"
        )
        signed = f"{payload}&signature={sign(payload)}"
        path, body = "/fapi/v1/order", ""
        if in_body:
            body = signed
        else:
            path += f"?{signed}"
        reply = await served.raw("POST", path, body=body, headers={"X-MBX-APIKEY": KEY})
        assert (reply.status, reply.body["clientOrderId"]) == (200, "a:b")

    on_exchange(scenario)


def test_query_and_body_are_signed_one_after_the_other() -> None:
    async def scenario(served: Served) -> None:
        query = f"symbol={SYMBOL}&side=BUY&type=LIMIT&timeInForce=GTX"
        body = f"quantity=0.010&price=49900.0&timestamp={served.clock.market_ms()}"
        signature = sign(query + body)
        headers = {"X-MBX-APIKEY": KEY}
        path = f"/fapi/v1/order?{query}"
        good = await served.raw(
            "POST", path, body=f"{body}&signature={signature}", headers=headers
        )
        assert good.status == 200
        other_order = sign(body + query)
        bad = await served.raw(
            "POST", path, body=f"{body}&signature={other_order}", headers=headers
        )
        assert (bad.status, bad.code) == (400, -1022)

    on_exchange(scenario)


def test_a_signature_of_decoded_or_sorted_parameters_is_wrong() -> None:
    async def scenario(served: Served) -> None:
        stamp = served.clock.market_ms()
        sent = f"symbol={SYMBOL}&origClientOrderId={quote('a:b')}&timestamp={stamp}"
        decoded = f"symbol={SYMBOL}&origClientOrderId=a:b&timestamp={stamp}"
        ordered = "&".join(sorted(sent.split("&")))
        for wrong in (decoded, ordered):
            path = f"/fapi/v1/order?{sent}&signature={sign(wrong)}"
            reply = await served.raw("GET", path, headers={"X-MBX-APIKEY": KEY})
            assert reply.code == -1022

    on_exchange(scenario)


def test_keys() -> None:
    async def scenario(served: Served) -> None:
        path = "/fapi/v3/balance"
        assert (await served.raw("GET", path)).body["code"] == -2014
        unknown = await served.signed("GET", path, key="nobody")
        assert (unknown.status, unknown.code) == (401, -2015)
        assert (await served.signed("GET", path, secret="wrong")).code == -1022
        unsigned = await served.keyed("GET", path)
        assert unsigned.code == -1102
        assert (await served.signed("GET", path)).status == 200

    on_exchange(scenario)


@pytest.mark.parametrize(
    ("late_ms", "window", "code"),
    [
        (0, None, 0),
        (4500, None, 0),
        (5100, None, -1021),
        (990, "1000", -1021),  # the way to the exchange takes 20 ms at least
        (400, "1000", 0),
        (-900, None, 0),
        (-1500, None, -1021),
        (0, "60001", -1130),
    ],
)
def test_a_request_is_good_within_its_window(
    late_ms: int, window: str | None, code: int
) -> None:
    async def scenario(served: Served) -> None:
        reply = await served.signed(
            "GET", "/fapi/v3/balance", late_ms=late_ms, recvWindow=window
        )
        assert reply.code == code

    on_exchange(scenario)


def test_weights_are_counted_and_too_many_are_refused() -> None:
    async def scenario(served: Served) -> None:
        used = []
        path = f"/fapi/v1/klines?symbol={SYMBOL}&interval=15m&limit="
        for limit in (99, 499, 1000, 1500):
            reply = await served.public(path + str(limit))
            used.append(int(reply.headers["X-MBX-USED-WEIGHT-1M"]))
        assert used == [1, 3, 8, 18]
        income = await served.signed("GET", "/fapi/v1/income")
        assert income.headers["X-MBX-USED-WEIGHT-1M"] == "48"
        for _ in range(59):
            last = await served.signed("GET", "/fapi/v1/openOrders")
        assert last.headers["X-MBX-USED-WEIGHT-1M"] == str(48 + 59 * 40)
        refused = await served.signed("GET", "/fapi/v1/openOrders")
        assert (refused.status, refused.code) == (429, -1003)
        wait_s = int(refused.headers["RETRY-AFTER"])
        assert 0 < wait_s <= 60
        await served.clock.sleep(wait_s)
        assert (await served.public("/fapi/v1/ping")).headers["X-MBX-USED-WEIGHT-1M"] == "1"

    on_exchange(scenario)


def test_orders_are_counted_by_account() -> None:
    async def scenario(served: Served) -> None:
        first = await served.signed("POST", "/fapi/v1/order", **ORDER)
        assert first.headers["X-MBX-ORDER-COUNT-10S"] == "1"
        assert first.headers["X-MBX-ORDER-COUNT-1M"] == "1"
        # Orders weigh nothing on the address.
        assert first.headers["X-MBX-USED-WEIGHT-1M"] == "0"
        second = await served.signed("POST", "/fapi/v1/order", **ORDER)
        assert second.headers["X-MBX-ORDER-COUNT-1M"] == "2"

    on_exchange(scenario)


# ── orders ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["quantity", "price"])
@pytest.mark.parametrize(
    "sent",
    [
        "1E-2",
        "1e4",
        "+0.01",
        " 0.01",
        "0.01 ",
        "0.01\n",
        "1_0",
        "\u0660.\u0660\u0661",
        "Infinity",
        ".",
        "-",
        "",
    ],
)
def test_only_plain_decimals_are_numbers(name: str, sent: str) -> None:
    """What Python reads as a number besides those is malformed: 1_0 would buy ten coins."""

    async def scenario(served: Served) -> None:
        order = ORDER | {name: quote(sent)}
        assert (await served.signed("POST", "/fapi/v1/order", **order)).code == -1102
        assert not served.exchange.books.orders

    on_exchange(scenario)


@pytest.mark.parametrize("sent", ["+10", "1_0", "10.0", " 10", "\u0661\u0660", "1e1"])
def test_only_plain_digits_are_whole_numbers(sent: str) -> None:
    async def scenario(served: Served) -> None:
        reply = await served.public(f"/fapi/v1/depth?symbol={SYMBOL}&limit={quote(sent)}")
        assert (reply.status, reply.code) == (400, -1102)

    on_exchange(scenario)


def test_a_decimal_may_lack_digits_before_or_after_its_point() -> None:
    async def scenario(served: Served) -> None:
        order = ORDER | {"quantity": ".01", "price": "49900."}
        assert (await served.signed("POST", "/fapi/v1/order", **order)).status == 200

    on_exchange(scenario)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "STOP_MARKET", "stopPrice": "49000"}, -4120),
        ({"type": "TRAILING_STOP_MARKET"}, -4120),
        ({"type": "ICEBERG"}, -1116),
        ({"side": "LONG"}, -1117),
        ({"timeInForce": "DAY"}, -1115),
        ({"timeInForce": None}, -1102),
        ({"price": None}, -1102),
        ({"quantity": None}, -1102),
        ({"quantity": "much"}, -1102),
        ({"quantity": "NaN"}, -1102),
        ({"symbol": "NOPE"}, -1121),
        ({"symbol": None}, -1102),
        ({"positionSide": "LONG"}, -4061),
        ({"type": "MARKET"}, -1106),
        ({"reduceOnly": "true"}, -2022),
        ({"reduceOnly": "maybe"}, -1102),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"price": "50200.0"}, -5022),
    ],
)
def test_refusals(changes: dict[str, Any], code: int) -> None:
    async def scenario(served: Served) -> None:
        reply = await served.signed("POST", "/fapi/v1/order", **(ORDER | changes))
        assert (reply.status, reply.code) == (400, code)
        assert set(reply.body) == {"code", "msg"}
        assert not served.exchange.books.orders

    on_exchange(scenario)


def test_the_life_of_an_order() -> None:
    async def scenario(served: Served) -> None:
        placed = await served.signed("POST", "/fapi/v1/order", **ORDER, newClientOrderId="mine")
        assert placed.body["status"] == "NEW"
        asked: dict[str, Any] = {"symbol": SYMBOL, "origClientOrderId": "mine"}
        for path in ("order", "openOrder"):
            found = await served.signed("GET", f"/fapi/v1/{path}", **asked)
            assert found.body["orderId"] == placed.body["orderId"]
        (listed,) = (await served.signed("GET", "/fapi/v1/openOrders")).body
        assert (listed["price"], listed["origQty"]) == ("49900.00", "0.010")
        (row,) = (await served.signed("GET", "/fapi/v3/positionRisk")).body
        assert (row["positionAmt"], row["openOrderInitialMargin"]) == ("0", "24.95000000")
        gone = await served.signed("DELETE", "/fapi/v1/order", **asked)
        assert gone.body["status"] == "CANCELED"
        # aiohttp repeats a DELETE on a dead connection: the second one harms nothing.
        assert (await served.signed("DELETE", "/fapi/v1/order", **asked)).code == -2011
        assert (await served.signed("GET", "/fapi/v1/openOrder", **asked)).code == -2013
        assert (await served.signed("GET", "/fapi/v1/order", **asked)).body["status"] == (
            "CANCELED"
        )
        assert (await served.signed("GET", "/fapi/v3/positionRisk")).body == []

    on_exchange(scenario)


def test_an_unfilled_cancelled_order_is_forgotten_after_three_days() -> None:
    async def scenario(served: Served) -> None:
        await served.signed("POST", "/fapi/v1/order", **ORDER, newClientOrderId="mine")
        await served.signed("DELETE", "/fapi/v1/allOpenOrders", symbol=SYMBOL)
        asked: dict[str, Any] = {"symbol": SYMBOL, "origClientOrderId": "mine"}
        await served.clock.sleep(2.9 * 86_400)
        assert (await served.signed("GET", "/fapi/v1/order", **asked)).status == 200
        await served.clock.sleep(0.2 * 86_400)
        assert (await served.signed("GET", "/fapi/v1/order", **asked)).code == -2013

    on_exchange(scenario)


def test_ack_tells_nothing_of_the_fill_and_result_all() -> None:
    async def scenario(served: Served) -> None:
        market: dict[str, Any] = {
            "symbol": SYMBOL,
            "side": "BUY",
            "type": "MARKET",
            "quantity": "0.010",
        }
        ack = await served.signed("POST", "/fapi/v1/order", **market)
        assert (ack.body["status"], ack.body["executedQty"]) == ("NEW", "0")
        result = await served.signed(
            "POST", "/fapi/v1/order", **market, newOrderRespType="RESULT"
        )
        assert (result.body["status"], result.body["executedQty"]) == ("FILLED", "0.010")
        trades = (await served.signed("GET", "/fapi/v1/userTrades", symbol=SYMBOL)).body
        assert [trade["orderId"] for trade in trades] == [
            ack.body["orderId"],
            result.body["orderId"],
        ]
        assert "clientOrderId" not in trades[0]
        from_second = await served.signed(
            "GET", "/fapi/v1/userTrades", symbol=SYMBOL, fromId=trades[1]["id"]
        )
        assert from_second.body == trades[1:]
        both = await served.signed(
            "GET", "/fapi/v1/userTrades", symbol=SYMBOL, fromId=1, startTime=START_MS
        )
        assert both.code == -1106

    on_exchange(scenario)


def test_the_life_of_a_stop() -> None:
    async def scenario(served: Served) -> None:
        stop: dict[str, Any] = {
            "algoType": "CONDITIONAL",
            "symbol": SYMBOL,
            "side": "SELL",
            "type": "STOP_MARKET",
            "triggerPrice": "49000.0",
            "workingType": "MARK_PRICE",
            "closePosition": "true",
        }
        path = "/fapi/v1/algoOrder"
        placed = await served.signed("POST", path, **stop, clientAlgoId="stop")
        assert (placed.body["algoStatus"], placed.body["timeInForce"]) == ("NEW", "GTE_GTC")
        assert (await served.signed("POST", path, **stop)).code == -4130
        # It is in a book of its own.
        assert (await served.signed("GET", "/fapi/v1/openOrders")).body == []
        await served.signed("DELETE", "/fapi/v1/allOpenOrders", symbol=SYMBOL)
        (listed,) = (await served.signed("GET", "/fapi/v1/openAlgoOrders")).body
        assert listed["algoId"] == placed.body["algoId"]
        plain: dict[str, Any] = {"symbol": SYMBOL, "origClientOrderId": "stop"}
        assert (await served.signed("GET", "/fapi/v1/order", **plain)).code == -2013
        gone = await served.signed("DELETE", path, clientAlgoId="stop")
        assert gone.body["algoId"] == placed.body["algoId"]
        found = await served.signed("GET", path, clientAlgoId="stop")
        assert found.body["algoStatus"] == "CANCELED"
        assert (await served.signed("DELETE", path, clientAlgoId="stop")).code == -2011
        assert (await served.signed("GET", path)).code == -1102

    on_exchange(scenario)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"triggerPrice": "51000.0"}, -2021),
        ({"quantity": "0.010"}, -4137),
        ({"reduceOnly": "true"}, -1106),
        ({"triggerPrice": None}, -1102),
        ({"triggerPrice": "0"}, -4006),
        ({"triggerPrice": "49000.05"}, -4014),
        ({"algoType": "VP"}, -1130),
        ({"type": "LIMIT"}, -1116),
        ({"closePosition": None}, -1102),
    ],
)
def test_refusals_of_stops(changes: dict[str, Any], code: int) -> None:
    async def scenario(served: Served) -> None:
        stop: dict[str, Any] = {
            "algoType": "CONDITIONAL",
            "symbol": SYMBOL,
            "side": "SELL",
            "type": "STOP_MARKET",
            "triggerPrice": "49000.0",
            "closePosition": "true",
        }
        reply = await served.signed("POST", "/fapi/v1/algoOrder", **(stop | changes))
        assert reply.code == code

    on_exchange(scenario)


# ── account and market ────────────────────────────────────────────────────────────────────


def test_settings_of_a_new_account() -> None:
    async def scenario(served: Served) -> None:
        config = (await served.signed("GET", "/fapi/v1/accountConfig")).body
        assert (config["dualSidePosition"], config["multiAssetsMargin"]) == (False, False)
        (symbol,) = (await served.signed("GET", "/fapi/v1/symbolConfig")).body
        assert (symbol["marginType"], symbol["leverage"]) == ("CROSSED", 20)
        margin: dict[str, Any] = {"symbol": SYMBOL, "marginType": "ISOLATED"}
        done = await served.signed("POST", "/fapi/v1/marginType", **margin)
        assert done.body == {"code": 200, "msg": "success"}
        assert (await served.signed("POST", "/fapi/v1/marginType", **margin)).code == -4046
        leverage = await served.signed("POST", "/fapi/v1/leverage", symbol=SYMBOL, leverage=5)
        assert leverage.body["leverage"] == 5
        (row,) = (await served.signed("GET", "/fapi/v2/positionRisk")).body
        assert (row["marginType"], row["leverage"]) == ("isolated", "5")

    on_exchange(scenario)


def test_money() -> None:
    async def scenario(served: Served) -> None:
        market: dict[str, Any] = {
            "symbol": SYMBOL,
            "side": "BUY",
            "type": "MARKET",
            "quantity": "0.010",
        }
        await served.signed("POST", "/fapi/v1/order", **market)
        (money,) = (await served.signed("GET", "/fapi/v3/balance")).body
        income = (await served.signed("GET", "/fapi/v1/income")).body
        assert [row["incomeType"] for row in income] == ["TRANSFER", "COMMISSION"]
        assert sum(D(row["income"]) for row in income) == D(money["balance"])
        (row,) = (await served.signed("GET", "/fapi/v3/positionRisk")).body
        bound = D(row["initialMargin"])
        whole = (await served.signed("GET", "/fapi/v3/account")).body
        assert whole["availableBalance"] == money["availableBalance"]
        free = D(money["balance"]) + D(row["unRealizedProfit"]) - bound
        assert D(money["availableBalance"]) == free
        (rate,) = [(await served.signed("GET", "/fapi/v1/commissionRate", symbol=SYMBOL)).body]
        assert (rate["makerCommissionRate"], rate["takerCommissionRate"]) == (
            "0.0002",
            "0.0005",
        )

    on_exchange(scenario)


def test_public_facts() -> None:
    async def scenario(served: Served) -> None:
        info = (await served.public("/fapi/v1/exchangeInfo")).body
        (contract,) = info["symbols"]
        filters = {each["filterType"]: each for each in contract["filters"]}
        assert filters["PRICE_FILTER"]["tickSize"] == "0.10"
        assert contract["pricePrecision"] == 2
        assert {limit["rateLimitType"] for limit in info["rateLimits"]} == {
            "REQUEST_WEIGHT",
            "ORDERS",
        }
        now_ms = (await served.public("/fapi/v1/time")).body["serverTime"]
        assert now_ms <= served.clock.market_ms()
        rows = (await served.public(f"/fapi/v1/klines?symbol={SYMBOL}&interval=1h")).body
        assert all(len(row) == 12 for row in rows)
        assert rows[-1][0] == START_MS
        book = (await served.public(f"/fapi/v1/depth?symbol={SYMBOL}&limit=5")).body
        top = (await served.public(f"/fapi/v1/ticker/bookTicker?symbol={SYMBOL}")).body
        best = book["bids"][0]
        assert list(map(D, best)) == [D(top["bidPrice"]), D(top["bidQty"])]
        assert len(book["asks"]) == 5
        premium = (await served.public(f"/fapi/v1/premiumIndex?symbol={SYMBOL}")).body
        assert premium["nextFundingTime"] == START_MS + 8 * 3_600_000
        funding = (await served.public(f"/fapi/v1/fundingRate?symbol={SYMBOL}&limit=3")).body
        assert [row["fundingTime"] for row in funding] == [
            START_MS - 16 * 3_600_000,
            START_MS - 8 * 3_600_000,
            START_MS,
        ]
        bad = await served.public(f"/fapi/v1/klines?symbol={SYMBOL}&interval=7m")
        assert bad.body["code"] == -1120
        (table,) = (await served.signed("GET", "/fapi/v1/leverageBracket")).body
        assert table["brackets"][0]["initialLeverage"] == 125

    on_exchange(scenario)


# ── control ───────────────────────────────────────────────────────────────────────────────


def test_control_wants_its_token_and_tells_the_true_books() -> None:
    async def scenario(served: Served) -> None:
        assert (await served.control("GET", "state", token="guess")).status == 403
        await served.signed("POST", "/fapi/v1/order", **ORDER, newClientOrderId="mine")
        state = (await served.control("GET", "state")).body
        account = state["accounts"][0]
        assert account["open_orders"][0]["clientOrderId"] == "mine"
        assert account["wallet"] == "10000"
        assert account["income_sums"] == {"TRANSFER": "10000"}
        assert state["prices"][SYMBOL]["last"] == "50000.00"
        assert state["pace"] is None
        unpaced = await served.control("POST", "pace", '{"speed": 1}')
        assert unpaced.status == 400
        assert not served.server.stop_asked.is_set()
        await served.control("POST", "stop")
        assert served.server.stop_asked.is_set()

    on_exchange(scenario, ScriptedFeed())


# ── what fills tell ───────────────────────────────────────────────────────────────────────


def test_a_limit_order_that_fills_better_tells_what_it_paid() -> None:
    async def scenario(served: Served) -> None:
        order = ORDER | {"timeInForce": "GTC", "price": "50300.0", "newClientOrderId": "mine"}
        await served.signed("POST", "/fapi/v1/order", **order)
        (fill,) = (await served.signed("GET", "/fapi/v1/userTrades", symbol=SYMBOL)).body
        asked: dict[str, Any] = {"symbol": SYMBOL, "origClientOrderId": "mine"}
        found = (await served.signed("GET", "/fapi/v1/order", **asked)).body
        assert D(found["avgPrice"]) == D(fill["price"]) < D("50100")
        assert (found["price"], fill["maker"]) == ("50300.00", False)

    on_exchange(scenario)


def test_the_fill_of_a_resting_order_is_a_maker_s() -> None:
    async def scenario(served: Served) -> None:
        await served.signed("POST", "/fapi/v1/order", **ORDER)
        served.exchange.apply(Step(served.clock.market_ms(), (traded("49890.0"),)))
        (fill,) = (await served.signed("GET", "/fapi/v1/userTrades", symbol=SYMBOL)).body
        assert (fill["price"], fill["qty"], fill["maker"]) == ("49900.00", "0.010", True)
        assert D(fill["commission"]) == D("499") * D("0.0002")

    on_exchange(scenario)


# ── weights ───────────────────────────────────────────────────────────────────────────────

# Of the exchange's own SDK, "Weight(IP)" of each method; the last one's is the spot API's.
SIGNED_WEIGHTS: dict[tuple[str, str], int | tuple[int, int]] = {
    ("POST", "/fapi/v1/order"): 0,
    ("PUT", "/fapi/v1/order"): 0,
    ("POST", "/fapi/v1/order/test"): 0,
    ("GET", "/fapi/v1/order"): 1,
    ("DELETE", "/fapi/v1/order"): 1,
    ("DELETE", "/fapi/v1/allOpenOrders"): 1,
    ("POST", "/fapi/v1/countdownCancelAll"): 10,
    ("GET", "/fapi/v1/openOrder"): 1,
    ("GET", "/fapi/v1/openOrders"): (1, 40),
    ("GET", "/fapi/v1/allOrders"): 5,
    ("GET", "/fapi/v1/orderAmendment"): 1,
    ("POST", "/fapi/v1/batchOrders"): 5,
    ("PUT", "/fapi/v1/batchOrders"): 5,
    ("DELETE", "/fapi/v1/batchOrders"): 1,
    ("POST", "/fapi/v1/algoOrder"): 0,
    ("GET", "/fapi/v1/algoOrder"): 1,
    ("DELETE", "/fapi/v1/algoOrder"): 1,
    ("GET", "/fapi/v1/openAlgoOrders"): (1, 40),
    ("GET", "/fapi/v1/allAlgoOrders"): 5,
    ("DELETE", "/fapi/v1/algoOpenOrders"): 1,
    ("POST", "/fapi/v1/leverage"): 1,
    ("POST", "/fapi/v1/marginType"): 1,
    ("POST", "/fapi/v1/positionSide/dual"): 1,
    ("GET", "/fapi/v1/positionSide/dual"): 30,
    ("POST", "/fapi/v1/multiAssetsMargin"): 1,
    ("GET", "/fapi/v1/multiAssetsMargin"): 30,
    ("POST", "/fapi/v1/feeBurn"): 1,
    ("GET", "/fapi/v1/feeBurn"): 30,
    ("POST", "/fapi/v1/positionMargin"): 1,
    ("GET", "/fapi/v1/positionMargin/history"): 1,
    ("GET", "/fapi/v2/positionRisk"): 5,
    ("GET", "/fapi/v3/positionRisk"): 5,
    ("GET", "/fapi/v1/adlQuantile"): 5,
    ("GET", "/fapi/v1/forceOrders"): (20, 50),
    ("GET", "/fapi/v1/userTrades"): 5,
    ("GET", "/fapi/v1/income"): 30,
    ("GET", "/fapi/v2/account"): 5,
    ("GET", "/fapi/v3/account"): 5,
    ("GET", "/fapi/v2/balance"): 5,
    ("GET", "/fapi/v3/balance"): 5,
    ("GET", "/fapi/v1/accountConfig"): 5,
    ("GET", "/fapi/v1/symbolConfig"): 5,
    ("GET", "/fapi/v1/apiTradingStatus"): (1, 10),
    ("GET", "/fapi/v1/leverageBracket"): 1,
    ("GET", "/fapi/v1/rateLimit/order"): 1,
    ("GET", "/fapi/v1/commissionRate"): 20,
    ("GET", "/sapi/v1/account/apiRestrictions"): 1,
}


def test_each_signed_address_weighs_what_the_exchange_says() -> None:
    """Taken or refused: a request is counted before it is judged."""

    async def scenario(served: Served) -> None:
        before = 0
        for (method, path), weight in SIGNED_WEIGHTS.items():
            with_symbol, without = weight if isinstance(weight, tuple) else (weight, weight)
            for more, expected in (({"symbol": SYMBOL}, with_symbol), ({}, without)):
                reply = await served.signed(method, path, **more)  # type: ignore[arg-type]
                now = int(reply.headers["X-MBX-USED-WEIGHT-1M"])
                assert now - before == expected, (method, path, more, reply.body)
                before = now

    on_exchange(scenario)


def test_no_signed_address_is_without_a_known_weight() -> None:
    served = [each for part in (public, orders, algo_orders, batches, accounts)
              for each in part.ENDPOINTS]  # fmt: skip
    signed = {(each.method, each.path) for each in served if each.security is Security.SIGNED}
    assert signed == set(SIGNED_WEIGHTS)
