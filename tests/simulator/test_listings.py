"""Listings of orders and stops: which page is given, and how long a span may be."""

from typing import Any

from tests.simulator.serving import Served, on_exchange
from tests.simulator.support import SYMBOL

_DAY_MS = 86_400_000


async def _ids(served: Served, **asked: Any) -> list[int]:
    answer = await served.signed("GET", "/fapi/v1/allOrders", symbol=SYMBOL, **asked)
    return [order["orderId"] for order in answer.body]


def test_a_page_begins_at_the_start_that_is_named_and_ends_with_the_latest_otherwise() -> None:
    async def scenario(served: Served) -> None:
        started_ms = served.clock.market_ms()
        placed = []
        for price in ("49000", "49100", "49200"):
            answer = await served.signed(
                "POST",
                "/fapi/v1/order",
                symbol=SYMBOL,
                side="BUY",
                type="LIMIT",
                timeInForce="GTC",
                quantity="0.01",
                price=price,
            )
            placed.append(answer.body["orderId"])
            await served.clock.sleep(1)
        first, second, third = placed
        assert await _ids(served) == [first, second, third]
        assert await _ids(served, limit=2) == [second, third]
        assert await _ids(served, limit=2, startTime=started_ms) == [first, second]
        assert await _ids(served, limit=1, orderId=second) == [second]

    on_exchange(scenario)


def test_a_span_longer_than_the_endpoint_allows_is_refused_with_its_own_code() -> None:
    async def scenario(served: Served) -> None:
        end_ms = served.clock.market_ms()
        for path, code in (
            ("allOrders", -1130),
            ("allAlgoOrders", -1130),
            ("userTrades", -4165),
        ):
            asked: dict[str, Any] = {"symbol": SYMBOL, "endTime": end_ms}
            week = await served.signed(
                "GET", f"/fapi/v1/{path}", startTime=end_ms - 7 * _DAY_MS, **asked
            )
            longer = await served.signed(
                "GET", f"/fapi/v1/{path}", startTime=end_ms - 7 * _DAY_MS - 1, **asked
            )
            assert week.body == []
            assert longer.body["code"] == code

    on_exchange(scenario)
