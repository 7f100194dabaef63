"""What REST answers about orders, positions and money, field by field."""

from decimal import Decimal
from typing import Any

from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.domain.order import OrderKind, Side
from rusy_tui.simulator.account import (
    TAKER_RATE,
    Account,
    Position,
    liquidation_price,
    position_margin,
)
from rusy_tui.simulator.brackets import largest_notional, maintenance_margin
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.margin import orders_margin
from rusy_tui.simulator.orders import (
    SETTLEMENT_ASSET,
    AlgoOrder,
    LedgerEntry,
    Order,
    Trade,
)
from rusy_tui.simulator.wire.words import (
    KINDS,
    SIDES,
    STP_MODE,
    TIMES_IN_FORCE,
    TRIGGERS,
    status,
    text,
)


def quote(price: Decimal) -> Decimal:
    """A computed price, cut to eight digits without trailing zeros."""
    rounded = to_ledger(price)
    return (
        rounded.quantize(Decimal(1))
        if rounded == rounded.to_integral()
        else (rounded.normalize())
    )


def entry_price(position: Position) -> Decimal:
    """A position's mean entry price as it is shown."""
    return quote(position.entry_price)


def order_reply(order: Order, *, queried: bool) -> dict[str, Any]:
    """An order. Queries say when it was made; commands do not."""
    reply: dict[str, Any] = {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": status(order),
        "clientOrderId": order.client_id,
        "price": text(order.price),
        "avgPrice": text(quote(order.average_price)),
        "origQty": text(order.quantity),
        "executedQty": text(order.filled),
        "cumQuote": text(order.filled_quote),
        "timeInForce": TIMES_IN_FORCE[order.time_in_force],
        "type": KINDS[order.kind],
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": SIDES[order.side],
        "positionSide": "BOTH",
        "stopPrice": "0.00",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": KINDS[order.kind],
        "priceMatch": "NONE",
        "selfTradePreventionMode": STP_MODE,
        "goodTillDate": 0,
        "updateTime": order.updated_ms,
    }
    if queried:
        reply["time"] = order.created_ms
    else:
        reply["cumQty"] = text(order.filled)
    return reply


def algo_time_in_force(algo: AlgoOrder) -> str:
    """A closePosition order lives as long as the position does ("good till expired")."""
    return "GTE_GTC" if algo.close_position else "GTC"


def algo_reply(algo: AlgoOrder, *, queried: bool) -> dict[str, Any]:
    """A conditional order. Queries also say what it has become."""
    reply: dict[str, Any] = {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": KINDS[algo.kind],
        "symbol": algo.symbol,
        "side": SIDES[algo.side],
        "positionSide": "BOTH",
        "timeInForce": algo_time_in_force(algo),
        "quantity": text(algo.quantity),
        "algoStatus": algo.state.name,
        "triggerPrice": text(algo.trigger_price),
        "price": "0.00",
        "icebergQuantity": None,
        "selfTradePreventionMode": STP_MODE,
        "workingType": TRIGGERS[algo.trigger_by],
        "priceMatch": "NONE",
        "closePosition": algo.close_position,
        "priceProtect": algo.price_protect,
        "reduceOnly": algo.reduce_only,
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": 0,
    }
    if queried:
        placed = bool(algo.order_id)
        reply["actualOrderId"] = str(algo.order_id) if placed else ""
        reply["actualPrice"] = text(quote(algo.actual_price))
        reply["tpOrderType"] = ""
        if placed:
            reply["actualQty"] = text(algo.actual_quantity)
            reply["actualType"] = KINDS[OrderKind.MARKET]
    return reply


def trade_reply(trade: Trade) -> dict[str, Any]:
    """One of the account's trades. It does not name the client's order id."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "side": SIDES[trade.side],
        "price": text(trade.price),
        "qty": text(trade.quantity),
        "realizedPnl": text(trade.realised_pnl),
        "quoteQty": text(trade.price * trade.quantity),
        "commission": text(trade.commission),
        "commissionAsset": SETTLEMENT_ASSET,
        "time": trade.time_ms,
        "positionSide": "BOTH",
        "buyer": trade.side is Side.BUY,
        "maker": trade.is_maker,
    }


def income_reply(entry: LedgerEntry) -> dict[str, Any]:
    """An entry of the account's ledger."""
    return {
        "symbol": entry.symbol,
        "incomeType": entry.kind,
        "income": text(entry.amount),
        "asset": SETTLEMENT_ASSET,
        "info": entry.kind,
        "time": entry.time_ms,
        "tranId": entry.entry_id,
        "tradeId": str(entry.trade_id) if entry.trade_id else "",
    }


def position_reply(
    exchange: SimulatedExchange, account: Account, symbol: str, *, version: int
) -> dict[str, Any]:
    """A position; version 2 also tells leverage and margin type, version 3 the margins."""
    position = account.position(symbol)
    setting = account.setting(symbol)
    mark = exchange.markets[symbol].mark
    notional = position.quantity * mark
    orders = exchange.books.open_orders_of(account, symbol)
    margin = to_ledger(abs(notional) / setting.leverage)
    bound = orders_margin(account, symbol, orders, mark)
    fees = entry_price(position) * TAKER_RATE * position.sign
    isolated_margin = ZERO
    if setting.isolated:
        isolated_margin = position.isolated_wallet + position.unrealised(mark)
    liquidation = liquidation_price(account, position, exchange.marks())
    reply: dict[str, Any] = {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": text(position.quantity),
        "entryPrice": text(entry_price(position)),
        "breakEvenPrice": text(quote(entry_price(position) + fees)),
        "markPrice": text(mark),
        "unRealizedProfit": text(position.unrealised(mark)),
        "liquidationPrice": text(quote(liquidation)),
        "isolatedMargin": text(isolated_margin),
        "notional": text(to_ledger(notional)),
        "isolatedWallet": text(position.isolated_wallet),
        "updateTime": position.updated_ms,
    }
    if version == 2:
        reply["leverage"] = str(setting.leverage)
        reply["marginType"] = "isolated" if setting.isolated else "cross"
        reply["isAutoAddMargin"] = "false"
        reply["maxNotionalValue"] = text(largest_notional(setting.leverage))
        return reply
    reply |= {
        "marginAsset": SETTLEMENT_ASSET,
        "initialMargin": text(margin + bound),
        "maintMargin": text(to_ledger(maintenance_margin(abs(notional)))),
        "positionInitialMargin": text(margin),
        "openOrderInitialMargin": text(bound),
        "adl": 0,
        "bidNotional": text(_asked(orders, Side.BUY)),
        "askNotional": text(_asked(orders, Side.SELL)),
    }
    return reply


def balance_reply(exchange: SimulatedExchange, account: Account) -> dict[str, Any]:
    """The account's money in the settlement asset."""
    free = text(exchange.available(account))
    return {
        "accountAlias": f"Sim{account.number:04d}",
        "asset": SETTLEMENT_ASSET,
        "balance": text(account.wallet),
        "crossWalletBalance": text(account.wallet - _isolated(account)),
        "crossUnPnl": text(_crossed_profit(exchange, account)),
        "availableBalance": free,
        "maxWithdrawAmount": free,
        "marginAvailable": True,
        "updateTime": account.updated_ms,
    }


def account_reply(
    exchange: SimulatedExchange, account: Account, *, version: int
) -> dict[str, Any]:
    """The whole account: totals, the asset, positions (version 3: only the open ones)."""
    marks = exchange.marks()
    positions = account.open_positions()
    profit = sum((p.unrealised(marks[p.symbol]) for p in positions), ZERO)
    held = sum((position_margin(account, p, marks[p.symbol]) for p in positions), ZERO)
    kept = sum((maintenance_margin(p.size * marks[p.symbol]) for p in positions), ZERO)
    bound = sum(
        (
            orders_margin(
                account, symbol, exchange.books.open_orders_of(account, symbol), marks[symbol]
            )
            for symbol in exchange.markets
        ),
        ZERO,
    )
    free = text(exchange.available(account))
    crossed = text(account.wallet - _isolated(account))
    crossed_profit = text(_crossed_profit(exchange, account))
    figures = {
        "initialMargin": text(held + bound),
        "maintMargin": text(to_ledger(kept)),
        "walletBalance": text(account.wallet),
        "marginBalance": text(account.wallet + profit),
        "positionInitialMargin": text(held),
        "openOrderInitialMargin": text(bound),
        "crossWalletBalance": crossed,
        "crossUnPnl": crossed_profit,
    }
    totals = {f"total{name[0].upper()}{name[1:]}": figure for name, figure in figures.items()}
    asset = {"asset": SETTLEMENT_ASSET, "unrealizedProfit": text(profit), **figures}
    shown = exchange.markets if version == 2 else [p.symbol for p in positions]
    return {
        **totals,
        "totalUnrealizedProfit": text(profit),
        "availableBalance": free,
        "maxWithdrawAmount": free,
        "assets": [
            {
                **asset,
                "availableBalance": free,
                "maxWithdrawAmount": free,
                "updateTime": account.updated_ms,
            }
        ],
        "positions": [_account_position(exchange, account, s, version) for s in shown],
    }


def _account_position(
    exchange: SimulatedExchange, account: Account, symbol: str, version: int
) -> dict[str, Any]:
    row = position_reply(exchange, account, symbol, version=3)
    reply = {name: row[name] for name in _ACCOUNT_POSITION}
    reply["unrealizedProfit"] = row["unRealizedProfit"]
    if version == 2:
        setting = account.setting(symbol)
        reply |= {name: row[name] for name in _FORMER_ACCOUNT_POSITION}
        reply["leverage"] = str(setting.leverage)
        reply["isolated"] = setting.isolated
        reply["maxNotional"] = text(largest_notional(setting.leverage))
    return reply


_FORMER_ACCOUNT_POSITION = (
    "entryPrice",
    "positionInitialMargin",
    "openOrderInitialMargin",
    "bidNotional",
    "askNotional",
)
_ACCOUNT_POSITION = (
    "symbol",
    "positionSide",
    "positionAmt",
    "isolatedMargin",
    "notional",
    "isolatedWallet",
    "initialMargin",
    "maintMargin",
    "updateTime",
)


def _asked(orders: list[Order], side: Side) -> Decimal:
    return sum((o.price * o.remaining for o in orders if o.side is side), ZERO)


def _isolated(account: Account) -> Decimal:
    return sum((p.isolated_wallet for p in account.open_positions()), ZERO)


def _crossed_profit(exchange: SimulatedExchange, account: Account) -> Decimal:
    return sum(
        (
            position.unrealised(exchange.markets[position.symbol].mark)
            for position in account.open_positions()
            if not account.setting(position.symbol).isolated
        ),
        ZERO,
    )
