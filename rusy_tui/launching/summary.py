"""What came of a run, read back from the database and the exchange once all is done."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.order import OrderBook
from rusy_tui.domain.trade import Trade

if TYPE_CHECKING:
    from rusy_tui.engine import Parts
    from rusy_tui.store.rows import FillRow, FundingRow

_ASSET = "USDT"


@dataclass(frozen=True, slots=True)
class Result:
    """A run's summary, and the rows that its sums are made of."""

    summary: dict[str, Any]
    fills: "tuple[FillRow, ...]"
    funding: "tuple[FundingRow, ...]"
    trades: tuple[Trade, ...]


async def result_of(parts: "Parts", from_ms: int, until_ms: int) -> Result:
    """The result of a run; bars and predictions count by open time in [from, until).

    Amounts are exact and in USDT, written as text. ``end_equity`` is what the exchange says
    the wallet holds, not a sum of ours: with no position open the two must agree.
    """
    store, exchange = parts.store, parts.exchange
    fills = tuple(await store.fills.since(0))
    funding = tuple(await store.funding.since(0))
    trades = tuple(await store.trades.all())
    open_orders = [
        *await exchange.open_orders(OrderBook.PLAIN, None),
        *await exchange.open_orders(OrderBook.CONDITIONAL, None),
    ]
    stops = [trade.seconds_to_stop for trade in trades if trade.seconds_to_stop is not None]
    summary = {
        "from_ms": from_ms,
        "until_ms": until_ms,
        "symbols": list(parts.symbols),
        "model_version": parts.ensemble.manifest.version,
        "bars": {
            interval.value: sum(
                [
                    await store.candles.count(symbol, interval, from_ms, until_ms)
                    for symbol in parts.symbols
                ]
            )
            for interval in (Interval.M15, Interval.H1)
        },
        "predictions": await store.predictions.count(from_ms, until_ms),
        "votes": await store.predictions.votes(from_ms, until_ms),
        "proposals": len(await store.proposals.since(from_ms)),
        "orders": await store.orders.count(),
        "fills": len(fills),
        "trades": [_trade(trade) for trade in trades],
        "fees": _text(sum((row.fill.fee for row in fills), Decimal(0))),
        "funding": _text(sum((row.income.amount for row in funding), Decimal(0))),
        "realised_pnl": _text(sum((row.fill.realised_pnl for row in fills), Decimal(0))),
        "start_equity": _text(parts.settings.demo.balance),
        "end_equity": _text((await exchange.balance(_ASSET)).wallet),
        "open_orders": len(open_orders),
        "positions": len(await exchange.positions()),
        "max_seconds_to_stop": round(max(stops, default=0.0), 3),
    }
    return Result(summary, fills, funding, trades)


def _trade(trade: Trade) -> dict[str, Any]:
    return {
        "id": trade.trade_id,
        "proposal": trade.proposal_id,
        "symbol": trade.symbol,
        "side": trade.side.value,
        "state": trade.state.value,
        "quantity": _text(trade.entered_quantity),
        "entry_price": _text(trade.entry_average),
        "exit_price": _text(trade.exit_average),
        "stop_price": _text(trade.stop_price),
        "target_price": _text(trade.target_price),
        "entry_reason": trade.entry_reason,
        "exit_reason": trade.exit_reason.value if trade.exit_reason else None,
        "realised_pnl": _text(trade.realised_pnl),
        "fees": _text(trade.fees),
        "funding": _text(trade.funding),
        "opened_ms": trade.opened_ms,
        "closed_ms": trade.closed_ms,
        "seconds_to_stop": trade.seconds_to_stop,
    }


def _text(value: Decimal) -> str:
    """Plain digits: equal amounts are equal text, whatever they were computed from."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
