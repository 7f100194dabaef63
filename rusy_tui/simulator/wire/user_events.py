"""Account events as the private stream carries them."""

from typing import Any

from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.domain.order import Side
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.brackets import maintenance_margin
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.happenings import (
    AccountHappening,
    AlgoMoved,
    FundsMoved,
    LeverageSet,
    MarginCall,
    MultiAssetsSet,
    OrderMoved,
    TriggerRefused,
)
from rusy_tui.simulator.orders import SETTLEMENT_ASSET, AlgoOrder, Order, Trade
from rusy_tui.simulator.wire.account_replies import entry_price
from rusy_tui.simulator.wire.orders import (
    actual_type,
    algo_time_in_force,
    time_in_force,
)
from rusy_tui.simulator.wire.words import (
    KINDS,
    SIDES,
    STP_MODE,
    TRIGGERS,
    quote,
    status,
    text,
)


def account_events(
    exchange: SimulatedExchange, account: Account, happening: AccountHappening
) -> list[dict[str, Any]]:
    """The events that tell an account of a happening, in order."""
    match happening:
        case OrderMoved(order, execution, trade, time_ms):
            events = [_order_update(order, execution, trade, time_ms)]
            if trade is not None and execution == "TRADE":
                events.insert(0, _trade_lite(order, trade, time_ms))
            return events
        case AlgoMoved(algo, time_ms):
            return [_algo_update(algo, time_ms)]
        case FundsMoved():
            return [_account_update(exchange, account, happening)]
        case TriggerRefused(algo, order_id, time_ms):
            return [_trigger_refused(algo, order_id, time_ms)]
        case LeverageSet(symbol, leverage, time_ms):
            return [_config_update({"ac": {"s": symbol, "l": leverage}}, time_ms)]
        case MultiAssetsSet(multi_assets, time_ms):
            return [_config_update({"ai": {"j": multi_assets}}, time_ms)]
        case MarginCall():
            return [_margin_call(exchange, account, happening)]


def listen_key_expired(listen_key: str, time_ms: int) -> dict[str, Any]:
    """The last event of a listen key."""
    return {"e": "listenKeyExpired", "E": time_ms, "listenKey": listen_key}


def _order_update(
    order: Order, execution: str, trade: Trade | None, time_ms: int
) -> dict[str, Any]:
    # What a resting order still asks for, by side: the "bids" and "asks notional".
    resting = order.price * order.remaining if order.is_open else ZERO
    buys = order.side is Side.BUY
    body: dict[str, Any] = {
        "s": order.symbol,
        "c": order.client_id,
        "S": SIDES[order.side],
        "o": "LIQUIDATION" if execution == "CALCULATED" else KINDS[order.kind],
        "f": time_in_force(order),
        "q": text(order.quantity),
        "p": text(order.price),
        "ap": text(quote(order.average_price)),
        "sp": "0",
        "x": execution,
        "X": status(order),
        "i": order.order_id,
        "l": text(trade.quantity if trade else ZERO),
        "z": text(order.filled),
        "L": text(trade.price if trade else ZERO),
        "T": time_ms,
        "t": trade.trade_id if trade else 0,
        "b": text(resting if buys else ZERO),
        "a": text(ZERO if buys else resting),
        "m": trade.is_maker if trade else False,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": KINDS[order.kind],
        "ps": "BOTH",
        "cp": order.close_position,
        "rp": text(trade.realised_pnl if trade else ZERO),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": STP_MODE,
        "pm": "NONE",
        "gtd": order.good_till_ms,
        "er": str(int(order.expiry)),
    }
    if execution == "AMENDMENT" and order.modify_id is not None:
        body["M"] = str(order.modify_id)
    if trade is not None:
        body["N"] = SETTLEMENT_ASSET
        body["n"] = text(trade.commission)
    return {"e": "ORDER_TRADE_UPDATE", "E": time_ms, "T": time_ms, "o": body}


def _trade_lite(order: Order, trade: Trade, time_ms: int) -> dict[str, Any]:
    return {
        "e": "TRADE_LITE",
        "E": time_ms,
        "T": time_ms,
        "s": order.symbol,
        "q": text(order.quantity),
        "p": text(order.price),
        "m": trade.is_maker,
        "c": order.client_id,
        "S": SIDES[order.side],
        "L": text(trade.price),
        "l": text(trade.quantity),
        "t": trade.trade_id,
        "i": order.order_id,
    }


def _algo_update(algo: AlgoOrder, time_ms: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "caid": algo.client_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": KINDS[algo.kind],
        "s": algo.symbol,
        "S": SIDES[algo.side],
        "ps": "BOTH",
        "f": algo_time_in_force(algo),
        "q": text(algo.quantity),
        "X": algo.state.name,
        "ai": str(algo.order_id) if algo.order_id else "",
        "tp": text(algo.trigger_price),
        "p": text(algo.price),
        "V": STP_MODE,
        "wt": TRIGGERS[algo.trigger_by],
        "pm": "NONE",
        "cp": algo.close_position,
        "pP": algo.price_protect,
        "R": algo.reduce_only,
        "tt": algo.triggered_ms,
        "gtd": algo.good_till_ms,
        "rm": algo.reason,
        "ia": False,
    }
    if algo.order_id:
        body["ap"] = text(quote(algo.actual_price))
        body["aq"] = text(algo.actual_quantity)
        body["act"] = actual_type(algo)
    return {"e": "ALGO_UPDATE", "T": time_ms, "E": time_ms, "o": body}


def _config_update(change: dict[str, Any], time_ms: int) -> dict[str, Any]:
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": time_ms, "T": time_ms, **change}


def _account_update(
    exchange: SimulatedExchange, account: Account, moved: FundsMoved
) -> dict[str, Any]:
    body: dict[str, Any] = {"m": moved.reason, "B": [_wallet(account, moved)], "P": []}
    if moved.symbol:
        isolated = account.setting(moved.symbol).isolated
        # A funding fee of a crossed position names no position, as the exchange documents.
        if moved.reason != "FUNDING_FEE" or isolated:
            body["P"] = [_position(exchange, account, moved.symbol)]
    if moved.reason == "FUNDING_FEE":
        body["S"] = moved.symbol
    return {"e": "ACCOUNT_UPDATE", "E": moved.time_ms, "T": moved.time_ms, "a": body}


def _wallet(account: Account, moved: FundsMoved) -> dict[str, Any]:
    return {
        "a": SETTLEMENT_ASSET,
        "wb": text(account.wallet),
        "cw": text(account.crossed_wallet),
        "bc": text(moved.change),
    }


def _position(exchange: SimulatedExchange, account: Account, symbol: str) -> dict[str, Any]:
    position = account.position(symbol)
    isolated = account.setting(symbol).isolated
    return {
        "s": symbol,
        "pa": text(position.quantity),
        "ep": text(entry_price(position)),
        "bep": text(entry_price(position)),
        "cr": text(position.realised),
        "up": text(position.unrealised(exchange.markets[symbol].mark)),
        "mt": "isolated" if isolated else "cross",
        "iw": text(position.isolated_wallet),
        "ps": "BOTH",
    }


def _margin_call(
    exchange: SimulatedExchange, account: Account, called: MarginCall
) -> dict[str, Any]:
    market = exchange.markets[called.symbol]
    position = account.position(called.symbol)
    isolated = account.setting(called.symbol).isolated
    kept = maintenance_margin(market.brackets, position.size * market.mark)
    row = {
        "s": called.symbol,
        "ps": "BOTH",
        "pa": text(position.quantity),
        "mt": "ISOLATED" if isolated else "CROSSED",
        "iw": text(position.isolated_wallet),
        "mp": text(market.mark),
        "up": text(position.unrealised(market.mark)),
        "mm": text(to_ledger(kept)),
    }
    event: dict[str, Any] = {"e": "MARGIN_CALL", "E": called.time_ms, "p": [row]}
    if not isolated:
        event["cw"] = text(account.crossed_wallet)
    return event


def _trigger_refused(algo: AlgoOrder, order_id: int, time_ms: int) -> dict[str, Any]:
    return {
        "e": "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "E": time_ms,
        "T": time_ms,
        "or": {"s": algo.symbol, "i": order_id, "r": algo.reason},
    }
