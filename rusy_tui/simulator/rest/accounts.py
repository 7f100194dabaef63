"""The account: settings, positions, money, trades, ledger, listen keys."""

from typing import Any

from rusy_tui.simulator.account import MAKER_RATE, TAKER_RATE
from rusy_tui.simulator.brackets import largest_notional
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.rest.endpoints import Call, Endpoint, Security, Weight, costs
from rusy_tui.simulator.rest.orders import window
from rusy_tui.simulator.wire.replies import (
    account_reply,
    balance_reply,
    income_reply,
    position_reply,
    trade_reply,
)
from rusy_tui.simulator.wire.rules import leverage_brackets
from rusy_tui.simulator.wire.words import text

_MARGIN_TYPES = {"ISOLATED": True, "CROSSED": False}
_SETTINGS = {
    "feeTier": 0,
    "canTrade": True,
    "canDeposit": True,
    "canWithdraw": True,  # the account's flag, not the key's: true on ordinary accounts
    "updateTime": 0,
    "multiAssetsMargin": False,
    "tradeGroupId": -1,
}
_WEEK_MS = 7 * 86_400_000


def _account_config(_: Call) -> object:
    return {**_SETTINGS, "dualSidePosition": False}


def _symbol_config(call: Call) -> object:
    symbol = call.optional_symbol()
    rows = []
    for each in [symbol] if symbol else call.exchange.markets:
        setting = call.account.setting(each)
        rows.append(
            {
                "symbol": each,
                "marginType": "ISOLATED" if setting.isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": setting.leverage,
                "maxNotionalValue": text(largest_notional(setting.leverage)),
            }
        )
    return rows


def _set_leverage(call: Call) -> object:
    symbol = call.symbol()
    leverage = call.parameters.required_integer("leverage")
    call.exchange.set_leverage(call.account, symbol, leverage)
    return {
        "leverage": leverage,
        "maxNotionalValue": text(largest_notional(leverage)),
        "symbol": symbol,
    }


def _set_margin_type(call: Call) -> object:
    isolated = _MARGIN_TYPES.get(call.parameters.required("marginType"))
    if isolated is None:
        raise refusal(-1130, "marginType")
    call.exchange.set_margin_type(call.account, call.symbol(), isolated=isolated)
    return {"code": 200, "msg": "success"}


def _brackets(call: Call) -> object:
    symbol = call.optional_symbol()
    return [leverage_brackets(each) for each in ([symbol] if symbol else call.exchange.markets)]


def _commission_rate(call: Call) -> object:
    return {
        "symbol": call.symbol(),
        "makerCommissionRate": text(MAKER_RATE),
        "takerCommissionRate": text(TAKER_RATE),
    }


def _positions_v2(call: Call) -> object:
    symbol = call.optional_symbol()
    return [
        position_reply(call.exchange, call.account, each, version=2)
        for each in ([symbol] if symbol else call.exchange.markets)
    ]


def _positions_v3(call: Call) -> object:
    """Only symbols with a position or open orders are told in this version."""
    symbol = call.optional_symbol()
    return [
        position_reply(call.exchange, call.account, each, version=3)
        for each in ([symbol] if symbol else call.exchange.markets)
        if call.account.position(each).quantity
        or call.exchange.books.open_orders_of(call.account, each)
    ]


def _balance(call: Call) -> object:
    return [balance_reply(call.exchange, call.account)]


def _account_v3(call: Call) -> object:
    return account_reply(call.exchange, call.account, version=3)


def _account_v2(call: Call) -> object:
    """The former version also tells the account's settings, and every symbol."""
    return account_reply(call.exchange, call.account, version=2) | _SETTINGS


def _user_trades(call: Call) -> object:
    """Ascending. From an id or a start: the first rows; otherwise the latest."""
    asked = call.parameters
    symbol = call.symbol()
    from_id = asked.integer("fromId")
    if from_id is not None and (asked.has("startTime") or asked.has("endTime")):
        raise refusal(-1106, "fromId")
    start_ms, end_ms = window(call)
    order_id = asked.integer("orderId")
    trades = [
        trade
        for trade in call.account.trades
        if trade.symbol == symbol
        and (order_id is None or trade.order_id == order_id)
        and (
            trade.trade_id >= from_id
            if from_id is not None
            else start_ms <= trade.time_ms <= end_ms
        )
    ]
    limit = asked.limit(500, 1000)
    from_start = from_id is not None or asked.has("startTime")
    return [trade_reply(trade) for trade in (trades[:limit] if from_start else trades[-limit:])]


def _income(call: Call) -> object:
    """Ascending by time; the last 7 days where no time is named."""
    asked = call.parameters
    symbol, kind = call.optional_symbol(), asked.text("incomeType")
    start_ms, end_ms = asked.integer("startTime"), asked.integer("endTime")
    if start_ms is None and end_ms is None:
        start_ms = call.now_ms - _WEEK_MS
    entries = [
        entry
        for entry in call.account.ledger
        if symbol in (None, entry.symbol)
        and kind in ("", entry.kind)
        and (start_ms is None or entry.time_ms >= start_ms)
        and (end_ms is None or entry.time_ms <= end_ms)
    ]
    limit = asked.limit(100, 1000)
    kept = entries[:limit] if asked.has("startTime") else entries[-limit:]
    return [income_reply(entry) for entry in kept]


def _position_mode(_: Call) -> object:
    return {"dualSidePosition": False}


def _multi_assets(_: Call) -> object:
    return {"multiAssetsMargin": False}


def _open_listen_key(call: Call) -> object:
    return {"listenKey": call.keys.open(call.account).key}


def _extend_listen_key(call: Call) -> object:
    return {"listenKey": call.keys.extend(call.account).key}


def _close_listen_key(call: Call) -> object:
    call.keys.close(call.account)
    return {}


def _signed(method: str, path: str, handler: Any, weight: Weight) -> Endpoint:
    return Endpoint(method, f"/fapi/{path}", handler, weight, Security.SIGNED)


def _keyed(method: str, path: str, handler: Any) -> Endpoint:
    return Endpoint(method, f"/fapi/{path}", handler, costs(1), Security.KEY)


ENDPOINTS = (
    _signed("GET", "v1/accountConfig", _account_config, costs(5)),
    _signed("GET", "v1/symbolConfig", _symbol_config, costs(5)),
    _signed("POST", "v1/leverage", _set_leverage, costs(1)),
    _signed("POST", "v1/marginType", _set_margin_type, costs(1)),
    _signed("GET", "v1/leverageBracket", _brackets, costs(1)),
    _signed("GET", "v1/commissionRate", _commission_rate, costs(20)),
    _signed("GET", "v2/positionRisk", _positions_v2, costs(5)),
    _signed("GET", "v3/positionRisk", _positions_v3, costs(5)),
    _signed("GET", "v2/balance", _balance, costs(5)),
    _signed("GET", "v3/balance", _balance, costs(5)),
    _signed("GET", "v2/account", _account_v2, costs(5)),
    _signed("GET", "v3/account", _account_v3, costs(5)),
    _signed("GET", "v1/userTrades", _user_trades, costs(5)),
    _signed("GET", "v1/income", _income, costs(30)),
    _signed("GET", "v1/positionSide/dual", _position_mode, costs(30)),
    _signed("GET", "v1/multiAssetsMargin", _multi_assets, costs(30)),
    _keyed("POST", "v1/listenKey", _open_listen_key),
    _keyed("PUT", "v1/listenKey", _extend_listen_key),
    _keyed("DELETE", "v1/listenKey", _close_listen_key),
)
