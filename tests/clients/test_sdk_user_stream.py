"""Every event of the account's stream that can happen here, as the official SDK reads it."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    ChangeMarginTypeMarginTypeEnum,
    NewAlgoOrderSideEnum,
    NewOrderSideEnum,
    NewOrderTimeInForceEnum,
)
from binance_sdk_derivatives_trading_usds_futures.websocket_streams.models import (
    AccountConfigUpdate,
    AccountUpdate,
    AlgoUpdate,
    ConditionalOrderTriggerReject,
    ListenKeyExpired,
    MarginCall,
    OrderTradeUpdate,
    TradeLite,
)
from binance_sdk_derivatives_trading_usds_futures.websocket_streams.models import (
    user_data_stream_events_response as sdk_events,
)

from rusy_tui.simulator.account import Account
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.faults import Fault, Kind
from tests.clients import counts
from tests.clients.sdk import Hearing, hearing, rest
from tests.clients.serving import Exchange, Keys
from tests.clients.walk import walk_raw

SYMBOL = "ETHUSDT"
LITTLE = 0.02
"""So little that the best level of the book has it: one order, one trade."""

SDK = Any
"""Its own types say less than its answers: lists that are none, choices of models."""

BUY, SELL = NewOrderSideEnum["BUY"], NewOrderSideEnum["SELL"]

EVENTS: dict[str, Any] = {
    "ORDER_TRADE_UPDATE": OrderTradeUpdate,
    "ACCOUNT_UPDATE": AccountUpdate,
    "ALGO_UPDATE": AlgoUpdate,
    "TRADE_LITE": TradeLite,
    "CONDITIONAL_ORDER_TRIGGER_REJECT": ConditionalOrderTriggerReject,
    "ACCOUNT_CONFIG_UPDATE": AccountConfigUpdate,
    "MARGIN_CALL": MarginCall,
    "listenKeyExpired": ListenKeyExpired,
}
NEVER = {
    "STRATEGY_UPDATE": "of trading bots that the exchange runs for its app's users",
    "GRID_UPDATE": "of grid trading bots that the exchange runs for its app's users",
}
"""The SDK's other events, and why they don't happen here."""


class Line:
    """An account's REST client and what its stream told so far."""

    def __init__(self, here: Exchange, keys: Keys, heard: Hearing) -> None:
        self.here = here
        self.client: SDK = rest(here, keys)
        self.keys = keys
        self.heard = heard

    def act(self, act: Callable[[SimulatedExchange, Account], None]) -> None:
        """Do something in the exchange."""
        self.here.call(lambda exchange: act(exchange, self.here.account(exchange, self.keys)))

    async def events(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """The first events of a name; waits for so many."""

        def of_name() -> list[dict[str, Any]]:
            return [raw for raw in self.heard.raw if raw["e"] == name]

        await self.heard.wait(lambda _: len(of_name()) >= count)
        return of_name()[:count]


def _client(here: Exchange, keys: Keys) -> SDK:
    return rest(here, keys)


Scenario = Callable[[Line], Awaitable[None]]


async def _on_line(here: Exchange, keys: Keys, scenario: Scenario) -> Hearing:
    """Run a scenario while the SDK listens to the account's stream; what it heard."""
    key = _client(here, keys).start_user_data_stream().data().listen_key
    async with hearing(here, lambda streams: streams.user_data(key)) as heard:
        await scenario(Line(here, keys, heard))
        count = len(heard.raw)
        await heard.wait(lambda heard: len(heard.parsed) >= count)
    counts.streams |= {raw["e"] for raw in heard.raw}
    named = tuple(EVENTS.values())
    assert all(isinstance(event.actual_instance, named) for event in heard.parsed)
    return heard


def _without(*fields: str) -> dict[str, str]:
    """Fields of an order's event that are not pushed, each with its reason."""
    return {f"o.{field}": _LEFT_OUT[field] for field in fields}


_NO_FILL = "not pushed where there is no commission"
_LEFT_OUT = {
    "M": "only pushed for an amendment that was asked for under an id",
    "AP": "only pushed with a trailing stop",
    "cr": "only pushed with a trailing stop",
    "N": _NO_FILL,
    "n": _NO_FILL,
    "ap": "only displayed once the order is in the matching engine",
    "aq": "only displayed once the order is in the matching engine",
    "act": "only displayed once the order is in the matching engine",
}


async def test_orders_and_fills(exchange_here: Exchange, keys: Keys) -> None:
    async def scenario(line: Line) -> None:
        line.client.new_order(SYMBOL, BUY, "MARKET", quantity=LITTLE)
        new, filled = (await line.events("ORDER_TRADE_UPDATE", 2))[:2]
        walk_raw(OrderTradeUpdate, new, _without("M", "AP", "cr", "N", "n"))
        walk_raw(OrderTradeUpdate, filled, _without("M", "AP", "cr"))
        assert (new["o"]["x"], filled["o"]["x"]) == ("NEW", "TRADE")
        (lite,) = await line.events("TRADE_LITE")
        walk_raw(TradeLite, lite)
        assert lite["t"] == filled["o"]["t"]
        (update,) = await line.events("ACCOUNT_UPDATE")
        walk_raw(AccountUpdate, update, {"a.S": "only with a funding fee"})
        assert (update["a"]["m"], update["a"]["P"][0]["s"]) == ("ORDER", SYMBOL)

    await _on_line(exchange_here, keys, scenario)


async def test_a_resting_order_and_its_cancel(exchange_here: Exchange, keys: Keys) -> None:
    async def scenario(line: Line) -> None:
        price = float(
            line.client.symbol_order_book_ticker(SYMBOL).data().actual_instance.bid_price
        )
        good = NewOrderTimeInForceEnum["GTC"]
        resting = line.client.new_order(
            SYMBOL, BUY, "LIMIT", time_in_force=good, quantity=0.1, price=round(price * 0.98, 2)
        ).data()
        line.client.cancel_order(SYMBOL, order_id=resting.order_id)
        new, cancelled = await line.events("ORDER_TRADE_UPDATE", 2)
        walk_raw(OrderTradeUpdate, cancelled, _without("M", "AP", "cr", "N", "n"))
        assert (new["o"]["X"], cancelled["o"]["X"]) == ("NEW", "CANCELED")
        assert new["o"]["i"] == cancelled["o"]["i"] == resting.order_id

    await _on_line(exchange_here, keys, scenario)


async def test_conditional_orders(exchange_here: Exchange, keys: Keys) -> None:
    async def scenario(line: Line) -> None:
        line.client.new_order(SYMBOL, BUY, "MARKET", quantity=LITTLE)
        mark = float(line.client.mark_price(SYMBOL).data().actual_instance.mark_price)
        sell = NewAlgoOrderSideEnum["SELL"]
        line.client.new_algo_order(
            "CONDITIONAL",
            SYMBOL,
            sell,
            "STOP_MARKET",
            trigger_price=round(mark * 0.9, 2),
            close_position="true",
        )
        (new,) = await line.events("ALGO_UPDATE")
        walk_raw(AlgoUpdate, new, _without("ap", "aq", "act"))
        assert new["o"]["X"] == "NEW"
        # Gone through the stop: it becomes an order, and finishes when that is filled.
        line.act(lambda exchange, _: exchange.move_price(SYMBOL, Decimal("0.85")))
        try:
            events = await line.events("ALGO_UPDATE", 4)
        finally:
            line.act(lambda exchange, _: exchange.move_price(SYMBOL, 1 / Decimal("0.85")))
        states = [event["o"]["X"] for event in events]
        assert states == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
        walk_raw(AlgoUpdate, events[-1])

    await _on_line(exchange_here, keys, scenario)


async def test_a_trigger_that_is_refused(exchange_here: Exchange, keys: Keys) -> None:
    async def scenario(line: Line) -> None:
        mark = float(line.client.mark_price("SOLUSDT").data().actual_instance.mark_price)
        line.client.new_algo_order(
            "CONDITIONAL",
            "SOLUSDT",
            NewAlgoOrderSideEnum["SELL"],
            "STOP_MARKET",
            trigger_price=round(mark * 0.9, 2),
            quantity=10,
            reduce_only="true",
        )
        line.act(lambda exchange, _: exchange.move_price("SOLUSDT", Decimal("0.85")))
        try:
            (refused,) = await line.events("CONDITIONAL_ORDER_TRIGGER_REJECT")
        finally:
            line.act(lambda exchange, _: exchange.move_price("SOLUSDT", 1 / Decimal("0.85")))
        walk_raw(ConditionalOrderTriggerReject, refused)

    await _on_line(exchange_here, keys, scenario)


async def test_settings(exchange_here: Exchange, keys: Keys) -> None:
    async def scenario(line: Line) -> None:
        line.client.change_initial_leverage(SYMBOL, 9)
        line.client.change_multi_assets_mode("true")
        leverage, assets = await line.events("ACCOUNT_CONFIG_UPDATE", 2)
        walk_raw(AccountConfigUpdate, leverage, {"ai": "the asset mode did not change"})
        assert leverage["ac"] == {"s": SYMBOL, "l": 9}
        walk_raw(AccountConfigUpdate, assets, {"ac": "no leverage changed"})
        assert assets["ai"] == {"j": True}

    await _on_line(exchange_here, keys, scenario)


async def test_money(exchange_here: Exchange, keys: Keys) -> None:
    async def scenario(line: Line) -> None:
        line.act(lambda exchange, account: exchange.transfer(account, Decimal("12.5")))
        line.client.change_margin_type(SYMBOL, ChangeMarginTypeMarginTypeEnum["ISOLATED"])
        line.client.new_order(SYMBOL, BUY, "MARKET", quantity=LITTLE)
        line.client.modify_isolated_position_margin(SYMBOL, 5, 1)
        line.act(lambda exchange, _: exchange.pay_funding())
        line.act(lambda exchange, account: exchange.transfer(account, Decimal("-2.5")))
        events = await line.events("ACCOUNT_UPDATE", 6)
        for event in events:
            absent = {} if event["a"]["m"] == "FUNDING_FEE" else {"a.S": "only with funding"}
            walk_raw(AccountUpdate, event, absent)
        assert [event["a"]["m"] for event in events] == [
            "DEPOSIT",
            "MARGIN_TYPE_CHANGE",
            "ORDER",
            "MARGIN_TRANSFER",
            "FUNDING_FEE",
            "WITHDRAW",
        ]
        before, after = events[2]["a"]["P"][0], events[3]["a"]["P"][0]
        assert Decimal(after["iw"]) - Decimal(before["iw"]) == 5
        funded = events[4]["a"]
        assert funded["S"] == SYMBOL
        assert Decimal(funded["B"][0]["bc"]) == Decimal(funded["P"][0]["iw"]) - Decimal(
            after["iw"]
        )

    await _on_line(exchange_here, keys, scenario)


async def test_a_margin_call(exchange_here: Exchange, keys: Keys) -> None:
    async def scenario(line: Line) -> None:
        line.client.change_margin_type(SYMBOL, ChangeMarginTypeMarginTypeEnum["ISOLATED"])
        line.client.change_initial_leverage(SYMBOL, 125)
        line.client.new_order(SYMBOL, BUY, "MARKET", quantity=LITTLE)

        def near(exchange: SimulatedExchange, account: Account) -> None:
            """Move the mark price to where 87 % of what is left must be kept."""
            position = account.position(SYMBOL)
            left = position.isolated_wallet - position.size * exchange.markets[
                SYMBOL
            ].mark * Decimal("0.0046")
            mark = (position.basis - left) / position.size
            exchange.markets[SYMBOL].set_mark(mark, exchange.clock.market_ms())

        line.act(near)
        (called,) = await line.events("MARGIN_CALL")
        walk_raw(MarginCall, called, {"cw": "only pushed with crossed margin"})
        assert called["p"][0]["s"] == SYMBOL

    await _on_line(exchange_here, keys, scenario)


@pytest.mark.parametrize(
    ("act", "client_id", "execution"),
    [
        (lambda ex, account: ex.liquidate(account, SYMBOL), "autoclose-", "CALCULATED"),
        (
            lambda ex, account: ex.deleverage(account, SYMBOL, Decimal(str(LITTLE))),
            "adl_autoclose",
            "TRADE",
        ),
    ],
    ids=["liquidation", "ADL"],
)
async def test_forced_orders(
    exchange_here: Exchange,
    keys: Keys,
    act: Callable[[SimulatedExchange, Account], None],
    client_id: str,
    execution: str,
) -> None:
    async def scenario(line: Line) -> None:
        line.client.new_order(SYMBOL, BUY, "MARKET", quantity=LITTLE)
        await line.events("ORDER_TRADE_UPDATE", 2)
        line.act(act)
        events = await line.events("ORDER_TRADE_UPDATE", 4)
        new, closed = events[2]["o"], events[3]["o"]
        assert new["c"] == closed["c"]
        assert closed["c"].startswith(client_id)
        assert (new["x"], new["X"]) == ("NEW", "NEW")
        assert (closed["x"], closed["X"]) == (execution, "FILLED")
        walk_raw(OrderTradeUpdate, events[3], _without("M", "AP", "cr"))

    await _on_line(exchange_here, keys, scenario)


async def test_the_end_of_a_listen_key(exchange_here: Exchange, keys: Keys) -> None:
    async def scenario(line: Line) -> None:
        number = line.here.call(lambda exchange: line.here.account(exchange, keys).number)
        line.here.fault(Fault(kind=Kind.LISTEN_KEY_EXPIRED, account=number, times=1))
        (ended,) = await line.events("listenKeyExpired")
        walk_raw(ListenKeyExpired, ended)

    await _on_line(exchange_here, keys, scenario)


def test_every_event_of_the_sdk_is_tested_or_left_out_with_a_reason() -> None:
    known = set(sdk_events.USERDATASTREAMEVENTSRESPONSE_EVENT_SCHEMA_MAP)
    assert known == EVENTS.keys() | NEVER.keys()
