"""The account, its settings, positions and money, asked for by the exchange's own SDK."""

import time
from decimal import Decimal
from typing import Any

import pytest
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    ChangeMarginTypeMarginTypeEnum,
    GetIncomeHistoryIncomeTypeEnum,
    NewOrderSideEnum,
    UsersForceOrdersAutoCloseTypeEnum,
)

from tests.clients.sdk import code_of, rest
from tests.clients.serving import Exchange, Keys
from tests.clients.walk import walk

SYMBOL = "BTCUSDT"
SDK = Any
"""Its own types say less than its answers: lists that are none, choices of models."""

_ISOLATED = ChangeMarginTypeMarginTypeEnum["ISOLATED"]
_CROSSED = ChangeMarginTypeMarginTypeEnum["CROSSED"]


@pytest.fixture
def client(exchange_here: Exchange, keys: Keys) -> SDK:
    return rest(exchange_here, keys)


@pytest.fixture
def holder(client: SDK) -> SDK:
    """A client whose account holds a long isolated position of 0.100 at 20×."""
    walk(client.change_margin_type(SYMBOL, _ISOLATED).data())
    client.new_order(SYMBOL, NewOrderSideEnum["BUY"], "MARKET", quantity=0.1)
    return client


def _row(rows: list[Any]) -> Any:
    (row,) = rows
    return row


def test_account_v2_and_v3(holder: SDK) -> None:
    former = holder.account_information_v2().data()
    walk(former)
    assert [row.symbol for row in former.positions] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert former.positions[0].isolated
    account = holder.account_information_v3().data()
    walk(account)
    assert Decimal(_row(account.positions).position_amt) == Decimal("0.1")
    assert account.total_wallet_balance == former.total_wallet_balance


def test_balances(holder: SDK) -> None:
    for answer in (holder.futures_account_balance_v2(), holder.futures_account_balance_v3()):
        walk(answer.data())
        balance = _row(answer.data())
        assert 0 < Decimal(balance.available_balance) < Decimal(balance.balance) < 100_000


def test_positions(holder: SDK) -> None:
    former = holder.position_information_v2(SYMBOL).data()
    walk(former)
    assert (_row(former).leverage, _row(former).margin_type) == ("20", "isolated")
    rows = holder.position_information_v3().data()
    walk(rows)
    position = _row(rows)
    assert (position.symbol, Decimal(position.position_amt)) == (SYMBOL, Decimal("0.1"))
    entry, limit = Decimal(position.entry_price), Decimal(position.liquidation_price)
    # 5 % of margin, 0.4 % of it kept.
    assert limit / entry == pytest.approx(Decimal("0.954"), abs=Decimal("0.002"))


def test_settings(client: SDK) -> None:
    walk(client.futures_account_configuration().data())
    walk(client.symbol_configuration().data())
    changed = client.change_initial_leverage(SYMBOL, 50).data()
    walk(changed)
    row = _row(client.symbol_configuration(SYMBOL).data())
    assert (row.leverage, row.margin_type) == (50, "CROSSED")
    assert row.max_notional_value == changed.max_notional_value == "12000000"


def test_position_mode(client: SDK) -> None:
    walk(client.get_current_position_mode().data())
    walk(client.change_position_mode("true").data())
    assert client.get_current_position_mode().data().dual_side_position is True
    assert client.futures_account_configuration().data().dual_side_position is True
    sides = [row.position_side for row in client.position_information_v2(SYMBOL).data()]
    assert sides == ["LONG", "SHORT"]
    assert code_of(lambda: client.change_position_mode("true")) == -4059
    walk(client.change_position_mode("false").data())


def test_multi_assets_mode(client: SDK) -> None:
    walk(client.get_current_multi_assets_mode().data())
    walk(client.change_multi_assets_mode("true").data())
    assert client.get_current_multi_assets_mode().data().multi_assets_margin is True
    assert code_of(lambda: client.change_margin_type(SYMBOL, _ISOLATED)) == -4168
    assert code_of(lambda: client.change_multi_assets_mode("true")) == -4171
    client.change_multi_assets_mode("false")
    client.change_margin_type(SYMBOL, _ISOLATED)
    assert code_of(lambda: client.change_multi_assets_mode("true")) == -4167


def test_commission_in_bnb(client: SDK) -> None:
    walk(client.get_bnb_burn_status().data())
    walk(client.toggle_bnb_burn_on_futures_trade("true").data())
    assert client.get_bnb_burn_status().data().fee_burn is True


def test_brackets(client: SDK) -> None:
    unadjusted = "only there when a user's own brackets were adjusted"
    every = client.notional_and_leverage_brackets().data()
    walk(every, {"[].notionalCoef": unadjusted})
    assert len(every.actual_instance) == 3
    one = client.notional_and_leverage_brackets(SYMBOL).data()
    walk(one, {"[].notionalCoef": unadjusted})
    brackets = _row(one.actual_instance).brackets
    assert (brackets[0].initial_leverage, brackets[0].notional_cap) == (125, 50_000)


def test_commission_rates(exchange_here: Exchange, client: SDK) -> None:
    rates = client.user_commission_rate(SYMBOL).data()
    walk(rates)
    assert (rates.maker_commission_rate, rates.taker_commission_rate) == ("0.0002", "0.0005")
    better: SDK = rest(exchange_here, exchange_here.open_account("vip", fee_tier=3))
    rates = better.user_commission_rate(SYMBOL).data()
    assert (rates.maker_commission_rate, rates.taker_commission_rate) == (
        "0.00012",
        "0.00032",
    )


def test_order_limits(client: SDK) -> None:
    rows = client.query_user_rate_limit().data()
    walk(rows)
    assert [(row.interval, row.interval_num, row.limit) for row in rows] == [
        ("SECOND", 10, 300),
        ("MINUTE", 1, 1200),
    ]


def test_quantitative_rules(client: SDK) -> None:
    one = client.futures_trading_quantitative_rules_indicators(SYMBOL).data()
    walk(
        one,
        {
            "indicators.ETHUSDT": "another symbol was asked for",
            "indicators.ACCOUNT": "one symbol was asked for",
        },
    )
    every = client.futures_trading_quantitative_rules_indicators().data()
    assert every.indicators.account[0].indicator == "TMV"
    assert every.indicators.ethusdt[0].is_locked is False


def test_margin_moves(holder: SDK) -> None:
    before = Decimal(_row(holder.position_information_v3().data()).isolated_wallet)
    walk(holder.modify_isolated_position_margin(SYMBOL, 12.5, 1).data())
    after = Decimal(_row(holder.position_information_v3().data()).isolated_wallet)
    assert after == before + Decimal("12.5")
    walk(holder.modify_isolated_position_margin(SYMBOL, 2, 2).data())
    moves = holder.get_position_margin_change_history(SYMBOL).data()
    walk(moves)
    # The order may have met several levels: each trade moves margin.
    traded, adjusted = moves[:-2], moves[-2:]
    assert {(row.type, row.delta_type) for row in traded} == {(1, "TRADE")}
    assert [(row.type, row.delta_type) for row in adjusted] == [
        (1, "USER_ADJUST"),
        (2, "USER_ADJUST"),
    ]
    assert sum(Decimal(row.amount) for row in traded) == before
    taken = holder.get_position_margin_change_history(SYMBOL, "2").data()
    assert _row(taken).amount == "2"


def test_margin_moves_that_are_refused(client: SDK, holder: SDK) -> None:
    move = holder.modify_isolated_position_margin
    assert code_of(lambda: move("ETHUSDT", 1, 1)) == -4049
    assert code_of(lambda: move(SYMBOL, 1e6, 1)) == -4050
    assert code_of(lambda: move(SYMBOL, 1000, 2)) == -4051
    assert code_of(lambda: move(SYMBOL, 0, 1)) == -4055
    assert code_of(lambda: move(SYMBOL, 0.123456789, 1)) == -1111
    client.new_order(SYMBOL, NewOrderSideEnum["SELL"], "MARKET", quantity=0.1)
    assert code_of(lambda: move(SYMBOL, 1, 1)) == -4054


def test_adl_quantiles(exchange_here: Exchange, holder: SDK) -> None:
    del exchange_here
    rows = holder.position_adl_quantile_estimation().data()
    walk(rows, {"[].adlQuantile.HEDGE": "a sign of crossed positions in hedge mode alone"})
    assert _row(rows).symbol == SYMBOL
    assert holder.position_adl_quantile_estimation("ETHUSDT").data() == []


def test_user_trades(holder: SDK) -> None:
    trades = holder.account_trade_list(SYMBOL).data()
    walk(trades)
    bought = sum(Decimal(trade.qty) for trade in trades)
    assert bought == Decimal("0.1")
    assert not trades[0].maker
    later = holder.account_trade_list(SYMBOL, from_id=trades[-1].id + 1).data()
    assert later == []
    now_ms = time.time_ns() // 1_000_000
    week_ms = 7 * 86_400_000
    list_trades = holder.account_trade_list
    assert len(list_trades(SYMBOL, start_time=now_ms - week_ms, end_time=now_ms).data())
    too_long = now_ms - week_ms - 1
    assert code_of(lambda: list_trades(SYMBOL, start_time=too_long, end_time=now_ms)) == -4165
    assert code_of(lambda: list_trades(SYMBOL, from_id=1, start_time=now_ms)) == -1106


def test_income(holder: SDK) -> None:
    rows = holder.get_income_history().data()
    walk(rows)
    assert {row.income_type for row in rows} == {"TRANSFER", "COMMISSION"}
    wallet = Decimal(_row(holder.futures_account_balance_v3().data()).balance)
    assert sum(Decimal(row.income) for row in rows) == wallet
    transfer = GetIncomeHistoryIncomeTypeEnum["TRANSFER"]
    assert _row(holder.get_income_history(income_type=transfer).data()).income == "100000"
    # A page at a time, from the last row's time on.
    first = holder.get_income_history(start_time=rows[0].time, limit=1).data()
    assert _row(first).tran_id == rows[0].tran_id


def test_forced_orders(exchange_here: Exchange, keys: Keys, holder: SDK) -> None:
    here = exchange_here

    def force(exchange: Any) -> None:
        account = here.account(exchange, keys)
        exchange.deleverage(account, SYMBOL, Decimal("0.040"))
        exchange.liquidate(account, SYMBOL)

    here.call(force)
    rows = holder.users_force_orders().data()
    walk(rows)
    assert [row.executed_qty for row in rows] == ["0.040", "0.060"]
    adl = UsersForceOrdersAutoCloseTypeEnum["ADL"]
    assert _row(holder.users_force_orders(auto_close_type=adl).data()).client_order_id == (
        "adl_autoclose"
    )
    liquidation = UsersForceOrdersAutoCloseTypeEnum["LIQUIDATION"]
    forced = _row(holder.users_force_orders(SYMBOL, auto_close_type=liquidation).data())
    assert forced.client_order_id.startswith("autoclose-")
    assert holder.position_information_v3().data() == []


def test_listen_keys(client: SDK) -> None:
    opened = client.start_user_data_stream().data()
    walk(opened)
    assert client.start_user_data_stream().data().listen_key == opened.listen_key
    extended = client.keepalive_user_data_stream().data()
    walk(extended)
    assert extended.listen_key == opened.listen_key
    walk(client.close_user_data_stream().data())
    assert code_of(client.keepalive_user_data_stream) == -1125


def test_a_switched_account_starts_isolated(exchange_here: Exchange) -> None:
    keys = exchange_here.open_account("isolated", starts_isolated=True)
    client: SDK = rest(exchange_here, keys)
    assert {row.margin_type for row in client.symbol_configuration().data()} == {"ISOLATED"}
    assert code_of(lambda: client.change_margin_type(SYMBOL, _ISOLATED)) == -4046
    assert client.change_margin_type(SYMBOL, _CROSSED).data().code == 200
