"""The account: settings, positions, money, trades, ledger, listen keys."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from rusy_tui.domain.money import ZERO
from rusy_tui.simulator.brackets import largest_notional
from rusy_tui.simulator.ranking import adl_quantile
from rusy_tui.simulator.refusals import refusal
from rusy_tui.simulator.rest.endpoints import (
    Call,
    Endpoint,
    Security,
    Weight,
    by_symbol,
    costs,
)
from rusy_tui.simulator.rest.pages import page, span
from rusy_tui.simulator.upkeep import auto_close_type
from rusy_tui.simulator.wire.account_replies import (
    account_reply,
    balance_reply,
    income_reply,
    margin_move_reply,
    position_rows,
    settings_reply,
    told_symbols,
    trade_reply,
)
from rusy_tui.simulator.wire.orders import forced_reply
from rusy_tui.simulator.wire.rules import leverage_brackets, order_limits
from rusy_tui.simulator.wire.words import text

_MARGIN_TYPES = {"ISOLATED": True, "CROSSED": False}
_SUCCESS = {"code": 200, "msg": "success"}
_DAY_MS = 86_400_000
_WEEK, _MONTH, _QUARTER = 7, 30, 90
"""Days: the span that one question may cover, and how far back there is something to ask."""

_INCOME_KINDS = (
    "TRANSFER",
    "WELCOME_BONUS",
    "REALIZED_PNL",
    "FUNDING_FEE",
    "COMMISSION",
    "INSURANCE_CLEAR",
    "REFERRAL_KICKBACK",
    "COMMISSION_REBATE",
    "API_REBATE",
    "CONTEST_REWARD",
    "CROSS_COLLATERAL_TRANSFER",
    "OPTIONS_PREMIUM_FEE",
    "OPTIONS_SETTLE_PROFIT",
    "INTERNAL_TRANSFER",
    "AUTO_EXCHANGE",
    "DELIVERED_SETTELMENT",
    "COIN_SWAP_DEPOSIT",
    "COIN_SWAP_WITHDRAW",
    "POSITION_LIMIT_INCREASE_FEE",
    "STRATEGY_UMFUTURES_TRANSFER",
    "FEE_RETURN",
    "BFUSD_REWARD",
    "SPECIAL_FUNDING_FEE",
)
_RPI_RATE = "0.00005"
"""Commission of retail price improvement orders, which are not traded here."""

_QUANTITATIVE_RULES = -4400
_INDICATORS = (("UFR", 0.995), ("IFER", 0.99), ("GCR", 0.99), ("DR", 0.99))
"""The quantitative rules' ratios of unfilled, expired, cancelled and dust orders, each with
the value from which an account is locked.
"""


# ── settings ──────────────────────────────────────────────────────────────────────────


def _account_config(call: Call) -> object:
    return {**settings_reply(call.account), "dualSidePosition": call.account.hedge}


def _symbol_config(call: Call) -> object:
    rows = []
    for symbol in _asked_symbols(call):
        setting = call.account.setting(symbol)
        most = largest_notional(call.exchange.markets[symbol].brackets, setting.leverage)
        rows.append(
            {
                "symbol": symbol,
                "marginType": "ISOLATED" if setting.isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": setting.leverage,
                "maxNotionalValue": text(most),
            }
        )
    return rows


def _set_leverage(call: Call) -> object:
    symbol = call.symbol()
    leverage = call.parameters.required_integer("leverage")
    call.exchange.settings.set_leverage(call.account, symbol, leverage, call.now_ms)
    most = largest_notional(call.exchange.markets[symbol].brackets, leverage)
    return {"leverage": leverage, "maxNotionalValue": text(most), "symbol": symbol}


def _set_margin_type(call: Call) -> object:
    isolated = _MARGIN_TYPES.get(call.parameters.required("marginType"))
    if isolated is None:
        raise refusal(-1130, "marginType")
    call.exchange.settings.set_margin_type(
        call.account, call.symbol(), isolated=isolated, now_ms=call.now_ms
    )
    return _SUCCESS


def _position_mode(call: Call) -> object:
    return {"dualSidePosition": call.account.hedge}


def _set_position_mode(call: Call) -> object:
    call.exchange.settings.set_hedge(call.account, _required_flag(call, "dualSidePosition"))
    return _SUCCESS


def _multi_assets(call: Call) -> object:
    return {"multiAssetsMargin": call.account.multi_assets}


def _set_multi_assets(call: Call) -> object:
    wanted = _required_flag(call, "multiAssetsMargin")
    call.exchange.settings.set_multi_assets(call.account, wanted, call.now_ms)
    return _SUCCESS


def _fee_burn(call: Call) -> object:
    return {"feeBurn": call.account.fee_burn}


def _set_fee_burn(call: Call) -> object:
    """Pay commission in BNB: kept and told; without any BNB it is charged as before."""
    call.account.fee_burn = _required_flag(call, "feeBurn")
    return _SUCCESS


def _required_flag(call: Call, name: str) -> bool:
    call.parameters.required(name)
    return call.parameters.flag(name)


# ── rules that hold for the account ───────────────────────────────────────────────────


def _brackets(call: Call) -> object:
    return [
        leverage_brackets(symbol, call.exchange.markets[symbol].brackets)
        for symbol in _asked_symbols(call)
    ]


def _commission_rate(call: Call) -> object:
    return {
        "symbol": call.symbol(),
        "makerCommissionRate": text(call.account.maker_rate),
        "takerCommissionRate": text(call.account.taker_rate),
        "rpiCommissionRate": _RPI_RATE,
    }


def _order_limits(call: Call) -> object:
    return order_limits(call.exchange.rate_limits)


def _trading_status(call: Call) -> object:
    """The quantitative rules' indicators: nothing counts towards them here.

    An account is locked where openings are barred by these rules (−4400) on purpose.
    """
    barred = call.exchange.books.trouble.barred
    indicators: dict[str, Any] = {
        symbol: [
            {
                "isLocked": barred.get(symbol) == _QUANTITATIVE_RULES,
                "plannedRecoverTime": 0,
                "indicator": name,
                "value": 0,
                "triggerValue": trigger,
            }
            for name, trigger in _INDICATORS
        ]
        for symbol in _asked_symbols(call)
    }
    if not call.parameters.has("symbol"):
        indicators["ACCOUNT"] = [
            {
                "indicator": "TMV",
                "value": 0,
                "triggerValue": 10,
                "plannedRecoverTime": 0,
                "isLocked": False,
            }
        ]
    return {"indicators": indicators, "updateTime": call.now_ms}


def _key_rights(call: Call) -> object:
    """What the key may do; asked at the address of the whole exchange, not the futures'."""
    rights = call.account.rights
    return {
        "ipRestrict": rights.withdraws,  # without a restriction no key may withdraw
        "createTime": call.account.opened_ms,
        "enableReading": True,
        "enableWithdrawals": rights.withdraws,
        "enableInternalTransfer": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableMargin": False,
        "enableSpotAndMarginTrading": False,
        "enableFutures": rights.trades_futures,
        "enablePortfolioMarginTrading": False,
    }


# ── positions ─────────────────────────────────────────────────────────────────────────


def _positions_v2(call: Call) -> object:
    return _position_rows(call, _asked_symbols(call), version=2)


def _positions_v3(call: Call) -> object:
    """Only symbols with a position or open orders are told in this version."""
    asked = list(_asked_symbols(call))
    told = told_symbols(call.exchange, call.account)
    return _position_rows(call, [symbol for symbol in told if symbol in asked], version=3)


def _position_rows(call: Call, symbols: Iterable[str], *, version: int) -> object:
    return [
        row
        for symbol in symbols
        for row in position_rows(call.exchange, call.account, symbol, version=version)
    ]


def _adl_quantiles(call: Call) -> object:
    """One-way positions stand under BOTH; HEDGE is for crossed positions in hedge mode."""
    accounts = call.exchange.books.accounts
    rows = []
    for symbol in _asked_symbols(call):
        if not call.account.position(symbol).quantity:
            continue
        quantile = adl_quantile(accounts, call.account, call.exchange.markets[symbol])
        rows.append(
            {"symbol": symbol, "adlQuantile": {"LONG": 0, "SHORT": 0, "BOTH": quantile}}
        )
    return rows


def _move_margin(call: Call) -> object:
    """Type 1 adds margin to an isolated position, type 2 takes some out."""
    asked = call.parameters
    symbol, amount = call.symbol(), asked.decimal("amount")
    kind = asked.required_integer("type")
    if kind not in (1, 2):
        raise refusal(-1130, "type")
    if asked.text("positionSide", "BOTH") != "BOTH":
        raise refusal(-4061)
    if amount <= ZERO:
        raise refusal(-4055)
    if -_exponent(amount) > _LEDGER_DIGITS:
        raise refusal(-1111)
    signed = amount if kind == 1 else -amount
    call.exchange.settings.move_margin(call.account, symbol, signed, call.now_ms)
    return {
        # A plain number here, as the client may have sent it.
        "amount": float(amount),
        "code": 200,
        "msg": "Successfully modify position margin.",
        "type": kind,
    }


_LEDGER_DIGITS = 8


def _exponent(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    if not isinstance(exponent, int):  # a number that is finite has one
        raise refusal(-1102, "amount")
    return exponent


def _margin_moves(call: Call) -> object:
    """Ascending; 30 days back, and no more at once."""
    symbol, kind = call.symbol(), call.parameters.text("type")
    if kind not in ("", "1", "2"):
        raise refusal(-1130, "type")
    start_ms, end_ms = _span(call, _MONTH)
    moves = [
        move
        for move in call.account.margin_moves
        if move.symbol == symbol
        and start_ms <= move.time_ms <= end_ms
        and kind in ("", "1" if move.amount > ZERO else "2")
        and move.time_ms >= call.now_ms - _MONTH * _DAY_MS
    ]
    return [margin_move_reply(move) for move in page(call, moves, 500, 1000)]


def _forced_orders(call: Call) -> object:
    """Ascending: liquidations and ADL."""
    symbol, kind = call.optional_symbol(), call.parameters.text("autoCloseType")
    if kind not in ("", "LIQUIDATION", "ADL"):
        raise refusal(-1130, "autoCloseType")
    start_ms, end_ms = _span(call, _WEEK)
    orders = [
        order
        for order in call.exchange.books.orders_of(call.account, symbol)
        if start_ms <= order.created_ms <= end_ms
        and (each := auto_close_type(order)) is not None
        and kind in ("", each)
    ]
    return [forced_reply(o) for o in page(call, orders, 50, 100)]


# ── money ─────────────────────────────────────────────────────────────────────────────


def _balance(call: Call) -> object:
    return [balance_reply(call.exchange, call.account)]


def _account_v3(call: Call) -> object:
    return account_reply(call.exchange, call.account, version=3)


def _account_v2(call: Call) -> object:
    return account_reply(call.exchange, call.account, version=2)


def _user_trades(call: Call) -> object:
    """Ascending. From an id or a start: the first rows; otherwise the latest."""
    asked = call.parameters
    symbol = call.symbol()
    from_id = asked.integer("fromId")
    if from_id is not None and (asked.has("startTime") or asked.has("endTime")):
        raise refusal(-1106, "fromId")
    start_ms, end_ms = _span(call, _WEEK)
    oldest_ms = call.now_ms - _QUARTER * _DAY_MS
    order_id = asked.integer("orderId")
    trades = [
        trade
        for trade in call.account.trades
        if trade.symbol == symbol
        and trade.time_ms >= oldest_ms
        and (order_id is None or trade.order_id == order_id)
        and (
            trade.trade_id >= from_id
            if from_id is not None
            else start_ms <= trade.time_ms <= end_ms
        )
    ]
    rows = page(call, trades, 500, 1000, from_start=from_id is not None)
    return [trade_reply(trade) for trade in rows]


def _income(call: Call) -> object:
    """Ascending by time; the last 7 days where no time is named, 3 months at most."""
    asked = call.parameters
    symbol, kind = call.optional_symbol(), asked.text("incomeType")
    if kind and kind not in _INCOME_KINDS:
        raise refusal(-1130, "incomeType")
    start_ms, end_ms = asked.integer("startTime"), asked.integer("endTime")
    oldest_ms = (
        call.now_ms - (_QUARTER if asked.has("startTime") or end_ms else _WEEK) * _DAY_MS
    )
    entries = [
        entry
        for entry in call.account.ledger
        if symbol in (None, entry.symbol)
        and kind in ("", entry.kind)
        and entry.time_ms >= max(start_ms or 0, oldest_ms)
        and (end_ms is None or entry.time_ms <= end_ms)
    ]
    return [income_reply(entry) for entry in page(call, entries, 100, 1000)]


# ── listen keys ───────────────────────────────────────────────────────────────────────


def _open_listen_key(call: Call) -> object:
    return {"listenKey": call.keys.open(call.account).key}


def _extend_listen_key(call: Call) -> object:
    return {"listenKey": call.keys.extend(call.account).key}


def _close_listen_key(call: Call) -> object:
    call.keys.close(call.account)
    return {}


# ── what is asked for ─────────────────────────────────────────────────────────────────


def _asked_symbols(call: Call) -> Iterable[str]:
    symbol = call.optional_symbol()
    return [symbol] if symbol else call.exchange.markets


def _span(call: Call, days: int) -> tuple[int, int]:
    return span(call, days, too_long=refusal(-4165, days))


def _signed(method: str, path: str, handler: Any, weight: Weight) -> Endpoint:
    return Endpoint(method, f"/fapi/{path}", handler, weight, Security.SIGNED)


def _keyed(method: str, path: str, handler: Any) -> Endpoint:
    return Endpoint(method, f"/fapi/{path}", handler, costs(1), Security.KEY)


ENDPOINTS = (
    _signed("GET", "v1/accountConfig", _account_config, costs(5)),
    _signed("GET", "v1/symbolConfig", _symbol_config, costs(5)),
    _signed("POST", "v1/leverage", _set_leverage, costs(1)),
    _signed("POST", "v1/marginType", _set_margin_type, costs(1)),
    _signed("GET", "v1/positionSide/dual", _position_mode, costs(30)),
    _signed("POST", "v1/positionSide/dual", _set_position_mode, costs(1)),
    _signed("GET", "v1/multiAssetsMargin", _multi_assets, costs(30)),
    _signed("POST", "v1/multiAssetsMargin", _set_multi_assets, costs(1)),
    _signed("GET", "v1/feeBurn", _fee_burn, costs(30)),
    _signed("POST", "v1/feeBurn", _set_fee_burn, costs(1)),
    _signed("GET", "v1/leverageBracket", _brackets, costs(1)),
    _signed("GET", "v1/commissionRate", _commission_rate, costs(20)),
    _signed("GET", "v1/rateLimit/order", _order_limits, costs(1)),
    _signed("GET", "v1/apiTradingStatus", _trading_status, by_symbol(1, 10)),
    _signed("GET", "v2/positionRisk", _positions_v2, costs(5)),
    _signed("GET", "v3/positionRisk", _positions_v3, costs(5)),
    _signed("GET", "v1/adlQuantile", _adl_quantiles, costs(5)),
    _signed("POST", "v1/positionMargin", _move_margin, costs(1)),
    _signed("GET", "v1/positionMargin/history", _margin_moves, costs(1)),
    _signed("GET", "v1/forceOrders", _forced_orders, by_symbol(20, 50)),
    _signed("GET", "v2/balance", _balance, costs(5)),
    _signed("GET", "v3/balance", _balance, costs(5)),
    _signed("GET", "v2/account", _account_v2, costs(5)),
    _signed("GET", "v3/account", _account_v3, costs(5)),
    _signed("GET", "v1/userTrades", _user_trades, costs(5)),
    _signed("GET", "v1/income", _income, costs(30)),
    _keyed("POST", "v1/listenKey", _open_listen_key),
    _keyed("PUT", "v1/listenKey", _extend_listen_key),
    _keyed("DELETE", "v1/listenKey", _close_listen_key),
    Endpoint("GET", "/sapi/v1/account/apiRestrictions", _key_rights, costs(1), Security.SIGNED),
)
