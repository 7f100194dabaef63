"""Each fault of the REST interface does on the wire what it says."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import pytest

from rusy_tui.simulator.faults import Damage, Fault, Kind
from rusy_tui.simulator.rest.limits import BANNED, FIRST_BAN_S, STRIKES
from tests.simulator.serving import Reply, Served, on_exchange
from tests.simulator.support import SYMBOL

ORDER_PATH = "/fapi/v1/order"
LIMIT: dict[str, Any] = {
    "symbol": SYMBOL,
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "49000.0",
}
STOP: dict[str, Any] = {
    "algoType": "CONDITIONAL",
    "symbol": SYMBOL,
    "side": "SELL",
    "type": "STOP_MARKET",
    "triggerPrice": "49000.0",
    "closePosition": "true",
}
AT_THE_ORDER: dict[str, Any] = {"path": ORDER_PATH, "method": "POST"}


async def place(served: Served, client_id: str = "mine", **changes: Any) -> Reply:
    order = LIMIT | changes
    return await served.signed("POST", ORDER_PATH, **order, newClientOrderId=client_id)


def held(served: Served) -> list[str]:
    return [order.client_id for order in served.exchange.books.open_orders_of(served.account)]


def what(served: Served) -> list[tuple[str, str]]:
    return [(effect.kind.value, effect.what) for effect in served.server.faults.effects]


def test_a_reply_lost_after_leaves_the_order_and_one_lost_before_does_not() -> None:
    async def scenario(served: Served) -> None:
        add = served.server.faults.add
        add(Fault(kind=Kind.REPLY_LOST_AFTER, times=1, **AT_THE_ORDER))
        with pytest.raises(aiohttp.ClientError):
            await place(served, "after")
        add(Fault(kind=Kind.REPLY_LOST_BEFORE, times=1, **AT_THE_ORDER))
        with pytest.raises(aiohttp.ClientError):
            await place(served, "before")
        assert held(served) == ["after"]
        # A place that is not meant is not struck, and nothing is once it is over.
        assert (await place(served, "last")).status == 200
        assert what(served) == [
            ("reply_lost_after", f"POST {ORDER_PATH} {SYMBOL}"),
            ("reply_lost_before", f"POST {ORDER_PATH} {SYMBOL}"),
        ]

    on_exchange(scenario)


def test_a_reply_that_never_comes_leaves_the_time_out_to_the_client() -> None:
    async def scenario(served: Served) -> None:
        for kind in (Kind.REPLY_LOST_AFTER, Kind.REPLY_LOST_BEFORE):
            served.server.faults.add(Fault(kind=kind, times=1, hang=True))
            began_s = served.clock.monotonic_s()
            with pytest.raises(TimeoutError):
                await served.clock.within(10.0, place(served, kind.value))
            assert served.clock.monotonic_s() - began_s == 10.0
        assert held(served) == ["reply_lost_after"]
        await served.clock.sleep(5)

    on_exchange(scenario)


def test_a_request_that_arrives_late_is_judged_late_and_a_late_reply_is_not() -> None:
    async def scenario(served: Served) -> None:
        add = served.server.faults.add
        add(Fault(kind=Kind.REQUEST_DELAYED, times=1, delay_s=6.0))
        assert (await place(served, "late")).code == -1021
        add(Fault(kind=Kind.REQUEST_DELAYED, times=1, delay_s=3.0))
        assert (await place(served, "in-time")).status == 200
        began_s = served.clock.monotonic_s()
        add(Fault(kind=Kind.REPLY_DELAYED, times=1, delay_s=6.0))
        task = asyncio.create_task(place(served, "told-late"))
        await served.clock.sleep(1)
        assert held(served) == ["in-time", "told-late"]
        assert (await task).status == 200
        assert served.clock.monotonic_s() - began_s > 6.0

    on_exchange(scenario)


def test_both_kinds_of_503() -> None:
    async def scenario(served: Served) -> None:
        faults = served.server.faults
        faults.add(Fault(kind=Kind.UNAVAILABLE, times=1))
        reply = await place(served, "failed")
        assert (reply.status, reply.body["msg"]) == (503, "Service Unavailable.")
        faults.add(Fault(kind=Kind.STATUS_UNKNOWN, times=20, seed=5))
        for number in range(20):
            reply = await place(served, f"open-{number}")
            assert reply.status == 503
            assert reply.body["msg"].startswith("Unknown error")
            assert "code" not in reply.body
        assert 4 <= len(held(served)) <= 16
        told = [text.endswith("(carried out)") for kind, text in what(served)[1:]]
        assert sum(told) == len(held(served))

    on_exchange(scenario)


def test_an_overloaded_exchange_takes_what_closes() -> None:
    async def scenario(served: Served) -> None:
        served.server.faults.add(Fault(kind=Kind.OVERLOADED))
        reply = await place(served)
        assert (reply.status, reply.code) == (503, -1008)
        closing = await place(served, side="SELL", reduceOnly="true", price="51000.0")
        assert closing.code == -2022
        assert (await served.signed("GET", "/fapi/v1/openOrders")).status == 200

    on_exchange(scenario)


@pytest.mark.parametrize("code", [-4045, -2019, -4120, -9999])
def test_a_stop_is_refused_with_the_number_asked_for(code: int) -> None:
    async def scenario(served: Served) -> None:
        served.server.faults.add(Fault(kind=Kind.STOP_REFUSED, code=code))
        assert (await served.signed("POST", "/fapi/v1/algoOrder", **STOP)).code == code
        assert (await place(served)).status == 200

    on_exchange(scenario)


def test_a_clock_that_drifts() -> None:
    async def scenario(served: Served) -> None:
        faults = served.server.faults
        faults.add(Fault(kind=Kind.CLOCK_DRIFT, offset_ms=8000))
        time = (await served.public("/fapi/v1/time")).body["serverTime"]
        assert abs(time - served.clock.market_ms() - 8000) < 1000
        assert (await place(served)).code == -1021
        behind = await served.signed("GET", "/fapi/v1/openOrders", late_ms=-8000)
        assert behind.status == 200
        faults.clear()
        faults.add(Fault(kind=Kind.CLOCK_DRIFT, offset_ms=-8000, checks_only=True))
        time = (await served.public("/fapi/v1/time")).body["serverTime"]
        assert abs(time - served.clock.market_ms()) < 1000
        assert (await place(served)).code == -1021
        faults.clear()
        assert (await place(served)).status == 200

    on_exchange(scenario)


@pytest.mark.parametrize("damage", list(Damage))
def test_a_broken_answer_is_carried_out(damage: Damage) -> None:
    async def scenario(served: Served) -> None:
        served.server.faults.add(Fault(kind=Kind.BROKEN_REPLY, damage=damage, times=1))
        if damage is Damage.TYPES:
            body = (await place(served)).body
            assert isinstance(body["status"], list)
            assert isinstance(body["orderId"], dict)
        else:
            with pytest.raises(msgspec.DecodeError):
                await place(served)
        assert held(served) == ["mine"]

    on_exchange(scenario)


def test_a_share_of_the_requests_is_drawn_alike_in_two_runs() -> None:
    async def scenario(served: Served) -> list[int]:
        served.server.faults.add(Fault(kind=Kind.UNAVAILABLE, share=0.3, seed=11))
        return [(await served.public("/fapi/v1/ping")).status for _ in range(40)]

    first = on_exchange(scenario)
    assert 5 <= first.count(503) <= 20
    assert on_exchange(scenario) == first


# ── limits ────────────────────────────────────────────────────────────────────────────────


def test_429_names_its_wait_and_who_goes_on_is_banned_for_longer_each_time() -> None:
    async def scenario(served: Served) -> None:
        limits = served.server.limits
        served.server.faults.add(Fault(kind=Kind.TOO_MANY_REQUESTS, times=1, retry_after_s=20))
        reply = await served.public("/fapi/v1/ping")
        assert (reply.status, reply.code, reply.headers["RETRY-AFTER"]) == (429, -1003, "20")
        assert limits.violations == []
        await served.clock.sleep(20)
        assert (await served.public("/fapi/v1/ping")).status == 200

        bans = []
        for _ in range(2):
            served.server.faults.add(
                Fault(kind=Kind.TOO_MANY_REQUESTS, times=1, retry_after_s=30)
            )
            before = len(limits.violations)
            replies = [await served.public("/fapi/v1/ping") for _ in range(STRIKES + 2)]
            assert [reply.status for reply in replies] == [429] * STRIKES + [BANNED] * 2
            assert len(limits.violations) == before + STRIKES + 1
            assert "banned until" in replies[-1].body["msg"]
            # Everything is refused, orders and reads alike.
            assert (await place(served)).status == BANNED
            bans.append(int(replies[STRIKES].headers["RETRY-AFTER"]))
            await served.clock.sleep(bans[-1])
            assert (await served.public("/fapi/v1/ping")).status == 200
        assert bans == [FIRST_BAN_S, 2 * FIRST_BAN_S]

    on_exchange(scenario)


def test_what_was_sent_before_the_ban_was_told_is_no_violation() -> None:
    async def scenario(served: Served) -> None:
        served.server.faults.add(Fault(kind=Kind.BANNED, times=1, retry_after_s=5))
        together = [served.public("/fapi/v1/ping") for _ in range(5)]
        assert {reply.status for reply in await asyncio.gather(*together)} <= {200, BANNED}
        assert served.server.limits.violations == []
        assert (await served.public("/fapi/v1/ping")).status == BANNED
        (seen,) = served.server.limits.violations
        assert (seen.status, seen.what) == (BANNED, "GET /fapi/v1/ping")

    on_exchange(scenario)


def test_announced_limits_hold_and_can_be_changed() -> None:
    async def scenario(served: Served) -> None:
        served.exchange.rate_limits.weight_a_minute = 50
        served.exchange.rate_limits.orders_in_10_s = 3
        info = (await served.public("/fapi/v1/exchangeInfo")).body
        found = {(row["rateLimitType"], row["interval"]): row["limit"] for row in
                 info["rateLimits"]}  # fmt: skip
        assert found["REQUEST_WEIGHT", "MINUTE"] == 50
        assert found["ORDERS", "SECOND"] == 3
        replies = [await place(served, f"o{n}") for n in range(4)]
        assert [reply.headers["X-MBX-ORDER-COUNT-10S"] for reply in replies[:3]] == [
            "1", "2", "3",
        ]  # fmt: skip
        assert (replies[3].status, replies[3].code) == (429, -1015)
        await served.clock.sleep(60)
        depths = [
            await served.public(f"/fapi/v1/depth?symbol={SYMBOL}&limit=1000") for _ in range(3)
        ]
        assert [reply.headers["X-MBX-USED-WEIGHT-1M"] for reply in depths] == ["20", "40", "60"]
        assert (depths[2].status, depths[2].code) == (429, -1003)

    on_exchange(scenario)


def test_funding_has_a_pool_of_its_own() -> None:
    async def scenario(served: Served) -> None:
        served.exchange.rate_limits.funding_in_5_min = 2
        path = f"/fapi/v1/fundingRate?symbol={SYMBOL}"
        replies = [await served.public(path) for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert replies[0].headers["X-MBX-USED-WEIGHT-1M"] == "0"
        assert (await served.public("/fapi/v1/ping")).status == 200

    on_exchange(scenario)
