"""What REST answers about positions, money and trades, field by field."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.domain.order import Side
from rusy_tui.simulator.account import (
    Account,
    MarginMove,
    Position,
    liquidation_price,
    position_margin,
)
from rusy_tui.simulator.brackets import largest_notional, maintenance_margin
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.margin import orders_margin
from rusy_tui.simulator.orders import SETTLEMENT_ASSET, LedgerEntry, Order, Trade
from rusy_tui.simulator.ranking import adl_quantile
from rusy_tui.simulator.wire.words import SIDES, quote, text

_FLAT = Position(symbol="")


def entry_price(position: Position) -> Decimal:
    """A position's mean entry price as it is shown."""
    return quote(position.entry_price)


def trade_reply(trade: Trade) -> dict[str, Any]:
    """One of the account's trades. It does not name the client's order id."""
    return {
        "symbol": trade.symbol,
        "pair": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "side": SIDES[trade.side],
        "price": text(trade.price),
        "qty": text(trade.quantity),
        "realizedPnl": text(trade.realised_pnl),
        "quoteQty": text(trade.price * trade.quantity),
        "baseQty": "0",  # of coin-margined contracts alone
        "marginAsset": SETTLEMENT_ASSET,
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


def margin_move_reply(move: MarginMove) -> dict[str, Any]:
    """Margin that went into a position, or out of it."""
    return {
        "symbol": move.symbol,
        "type": 1 if move.amount > ZERO else 2,
        "deltaType": "USER_ADJUST" if move.by_user else "TRADE",
        "amount": text(abs(move.amount)),
        "asset": SETTLEMENT_ASSET,
        "time": move.time_ms,
        "positionSide": "BOTH",
    }


def position_rows(
    exchange: SimulatedExchange, account: Account, symbol: str, *, version: int
) -> list[dict[str, Any]]:
    """A symbol's positions: one, or in hedge mode the long and the short one, both flat.

    Hedge mode can be set and read here; nothing trades in it.
    """
    row = position_reply(exchange, account, symbol, version=version)
    if account.hedge:
        return [row | {"positionSide": side} for side in ("LONG", "SHORT")]
    return [row]


def position_reply(
    exchange: SimulatedExchange, account: Account, symbol: str, *, version: int
) -> dict[str, Any]:
    """A position; version 2 also tells leverage and margin type, version 3 the margins."""
    market = exchange.markets[symbol]
    position = account.positions.get(symbol, _FLAT)
    setting = account.setting(symbol)
    notional = position.quantity * market.mark
    orders = exchange.books.open_orders_of(account, symbol)
    margin = to_ledger(abs(notional) / setting.leverage)
    bound = orders_margin(account, symbol, orders, market.mark)
    fees = entry_price(position) * account.taker_rate * position.sign
    isolated_margin = ZERO
    if setting.isolated:
        isolated_margin = position.isolated_wallet + position.unrealised(market.mark)
    reply: dict[str, Any] = {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": text(position.quantity),
        "entryPrice": text(entry_price(position)),
        "breakEvenPrice": text(quote(entry_price(position) + fees)),
        "markPrice": text(market.mark),
        "unRealizedProfit": text(position.unrealised(market.mark)),
        "liquidationPrice": text(quote(liquidation_price(account, position, exchange.markets))),
        "isolatedMargin": text(isolated_margin),
        "notional": text(to_ledger(notional)),
        "isolatedWallet": text(position.isolated_wallet),
        "updateTime": position.updated_ms,
    }
    if version == 2:
        reply["leverage"] = str(setting.leverage)
        reply["marginType"] = "isolated" if setting.isolated else "cross"
        reply["isAutoAddMargin"] = "false"
        reply["maxNotionalValue"] = text(largest_notional(market.brackets, setting.leverage))
        return reply
    kept = maintenance_margin(market.brackets, abs(notional))
    reply |= {
        "marginAsset": SETTLEMENT_ASSET,
        "initialMargin": text(margin + bound),
        "maintMargin": text(to_ledger(kept)),
        "positionInitialMargin": text(margin),
        "openOrderInitialMargin": text(bound),
        "adl": adl_quantile(exchange.books.accounts, account, market),
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
        "crossWalletBalance": text(account.crossed_wallet),
        "crossUnPnl": text(_crossed_profit(exchange, account)),
        "availableBalance": free,
        "maxWithdrawAmount": free,
        "marginAvailable": True,
        "updateTime": account.updated_ms,
    }


def settings_reply(account: Account) -> dict[str, Any]:
    """What holds for the account as a whole."""
    return {
        "feeTier": account.fee_tier,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,  # the account's flag, not the key's: true on ordinary accounts
        "updateTime": 0,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
    }


def account_reply(
    exchange: SimulatedExchange, account: Account, *, version: int
) -> dict[str, Any]:
    """The whole account: totals, the asset, positions.

    Version 2 also tells the settings, and the positions of every symbol; version 3 those of
    symbols with a position or an open order.
    """
    markets = exchange.markets
    positions = account.open_positions()
    profit = _total(p.unrealised(markets[p.symbol].mark) for p in positions)
    held = _total(position_margin(account, p, markets[p.symbol].mark) for p in positions)
    kept = _total(
        maintenance_margin(markets[p.symbol].brackets, p.size * markets[p.symbol].mark)
        for p in positions
    )
    bound = _total(
        orders_margin(
            account, symbol, exchange.books.open_orders_of(account, symbol), market.mark
        )
        for symbol, market in markets.items()
    )
    figures = {
        "initialMargin": text(held + bound),
        "maintMargin": text(to_ledger(kept)),
        "walletBalance": text(account.wallet),
        "marginBalance": text(account.wallet + profit),
        "positionInitialMargin": text(held),
        "openOrderInitialMargin": text(bound),
        "crossWalletBalance": text(account.crossed_wallet),
        "crossUnPnl": text(_crossed_profit(exchange, account)),
    }
    free = text(exchange.available(account))
    money = {"availableBalance": free, "maxWithdrawAmount": free}
    asset: dict[str, Any] = {
        "asset": SETTLEMENT_ASSET,
        "unrealizedProfit": text(profit),
        **figures,
        **money,
        "updateTime": account.updated_ms,
    }
    reply: dict[str, Any] = {
        f"total{name[0].upper()}{name[1:]}": figure for name, figure in figures.items()
    }
    reply |= {"totalUnrealizedProfit": text(profit), **money}
    if version == 2:
        asset["marginAvailable"] = True
        reply |= {**settings_reply(account), "feeBurn": account.fee_burn}
    symbols = markets if version == 2 else told_symbols(exchange, account)
    rows = [
        row for symbol in symbols for row in _account_rows(exchange, account, symbol, version)
    ]
    return {**reply, "assets": [asset], "positions": rows}


def told_symbols(exchange: SimulatedExchange, account: Account) -> list[str]:
    """The symbols with a position or open orders: those that the third versions tell."""
    return [
        symbol
        for symbol in exchange.markets
        if account.position(symbol).quantity or exchange.books.open_orders_of(account, symbol)
    ]


def _account_rows(
    exchange: SimulatedExchange, account: Account, symbol: str, version: int
) -> list[dict[str, Any]]:
    setting = account.setting(symbol)
    most = largest_notional(exchange.markets[symbol].brackets, setting.leverage)
    names = _FORMER_ACCOUNT_POSITION if version == 2 else _ACCOUNT_POSITION
    rows = []
    for row in position_rows(exchange, account, symbol, version=3):
        reply = {name: row[name] for name in names}
        reply["unrealizedProfit"] = row["unRealizedProfit"]
        if version == 2:
            reply["leverage"] = str(setting.leverage)
            reply["isolated"] = setting.isolated
            reply["maxNotional"] = text(most)
        rows.append(reply)
    return rows


_BOTH_VERSIONS = (
    "symbol",
    "positionSide",
    "positionAmt",
    "initialMargin",
    "maintMargin",
    "updateTime",
)
_FORMER_ACCOUNT_POSITION = (
    *_BOTH_VERSIONS,
    "entryPrice",
    "positionInitialMargin",
    "openOrderInitialMargin",
    "bidNotional",
    "askNotional",
)
_ACCOUNT_POSITION = (*_BOTH_VERSIONS, "isolatedMargin", "notional", "isolatedWallet")


def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def _asked(orders: list[Order], side: Side) -> Decimal:
    return _total(o.price * o.remaining for o in orders if o.side is side)


def _crossed_profit(exchange: SimulatedExchange, account: Account) -> Decimal:
    return _total(
        position.unrealised(exchange.markets[position.symbol].mark)
        for position in account.open_positions()
        if not account.setting(position.symbol).isolated
    )
