"""Market events as the public streams carry them: the fields of the exchange's own SDK.

``st`` 1 marks USD-M (since 2026-06-30); candles and the liquidations of one symbol have none.
"""

from typing import Any

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.instrument import Bracket
from rusy_tui.simulator.brackets import Brackets
from rusy_tui.simulator.candles import Bar
from rusy_tui.simulator.depth_diffs import Diff
from rusy_tui.simulator.happenings import (
    CandleMoved,
    ContractMoved,
    Liquidated,
    MarkMoved,
    Printed,
    TopMoved,
)
from rusy_tui.simulator.liquidity import Level
from rusy_tui.simulator.market import UPDATE_STEP, SymbolMarket
from rusy_tui.simulator.spans import Span
from rusy_tui.simulator.tape import PublicTrade
from rusy_tui.simulator.wire.market_replies import day_of
from rusy_tui.simulator.wire.rules import delivery_ms
from rusy_tui.simulator.wire.words import KINDS, SIDES, TIMES_IN_FORCE, status, text

_USD_M = 1


def kline(moved: CandleMoved) -> dict[str, Any]:
    """A candle stream's event; ``k.x`` is true once, when the bar has ended."""
    return {
        "e": "kline",
        "E": moved.time_ms,
        "s": moved.symbol,
        "k": {
            "t": moved.bar.open_time_ms,
            "T": moved.bar.open_time_ms + moved.interval.ms - 1,
            "s": moved.symbol,
            **_candle(moved),
        },
    }


def continuous_kline(moved: CandleMoved) -> dict[str, Any]:
    """The same of a pair's perpetual contract."""
    return {
        "e": "continuous_kline",
        "E": moved.time_ms,
        "ps": moved.symbol,
        "ct": "PERPETUAL",
        "k": {
            "t": moved.bar.open_time_ms,
            "T": moved.bar.open_time_ms + moved.interval.ms - 1,
            **_candle(moved),
        },
    }


def _candle(moved: CandleMoved) -> dict[str, Any]:
    bar = moved.bar
    return {
        "i": moved.interval.value,
        "f": bar.first_trade,
        "L": bar.last_trade,
        "o": text(bar.open),
        "c": text(bar.close),
        "h": text(bar.high),
        "l": text(bar.low),
        "v": text(bar.volume),
        "n": bar.trades,
        "x": moved.closed,
        "q": text(bar.quote_volume),
        "V": text(bar.taker_buy_volume),
        "Q": text(bar.taker_buy_quote_volume),
        "B": "0",
    }


def agg_trade(moved: Printed) -> dict[str, Any]:
    """An aggregated trade: one price, one taking side."""
    traded = moved.traded
    return {
        "e": "aggTrade",
        "E": moved.time_ms,
        "s": traded.symbol,
        "a": moved.aggregate.number,
        "p": text(traded.price),
        "q": text(traded.quantity),
        "nq": text(traded.quantity),
        "f": moved.first,
        "l": moved.last,
        "T": moved.time_ms,
        "m": moved.aggregate.buyer_rested,
        "st": _USD_M,
    }


def book_ticker(moved: TopMoved) -> dict[str, Any]:
    """The best bid and ask."""
    best = moved.best
    return {
        "e": "bookTicker",
        "u": moved.update_id,
        "s": moved.symbol,
        "ps": moved.symbol,
        "b": text(best.bid),
        "B": text(best.bid_quantity),
        "a": text(best.ask),
        "A": text(best.ask_quantity),
        "T": moved.time_ms,
        "E": moved.time_ms,
        "st": _USD_M,
    }


def trade(symbol: str, each: PublicTrade) -> dict[str, Any]:
    """A single trade; undocumented, written as recordings show it."""
    return {
        "e": "trade",
        "E": each.time_ms,
        "T": each.time_ms,
        "s": symbol,
        "t": each.trade_id,
        "p": text(each.price),
        "q": text(each.quantity),
        "X": "MARKET",
        "m": each.buyer_rested,
        "st": _USD_M,
    }


def diff(symbol: str, moved: Diff) -> dict[str, Any]:
    """The levels that moved, each with its quantity now; ``pu`` is the last one's ``u``."""
    return {
        "e": "depthUpdate",
        "E": moved.time_ms,
        "T": moved.time_ms,
        "s": symbol,
        "ps": symbol,
        "U": moved.first,
        "u": moved.last,
        "pu": moved.before,
        "b": [[text(price), text(held)] for price, held in moved.bids.items()],
        "a": [[text(price), text(held)] for price, held in moved.asks.items()],
        "st": _USD_M,
    }


def partial(market: SymbolMarket, count: int, update_id: int, time_ms: int) -> dict[str, Any]:
    """The best levels of the book as it is now, whole each time."""
    bids, asks = market.book.depth(count)
    return {
        "e": "depthUpdate",
        "E": time_ms,
        "T": time_ms,
        "s": market.symbol,
        "ps": market.symbol,
        "U": update_id,
        "u": update_id,
        "pu": update_id - UPDATE_STEP,
        "b": levels(bids),
        "a": levels(asks),
        "st": _USD_M,
    }


def ticker(market: SymbolMarket, time_ms: int) -> dict[str, Any] | None:
    """The statistics of 24 hours; None before the first trade."""
    day = day_of(market, time_ms)
    if day is None:
        return None
    bar = day.bar
    return {
        "e": "24hrTicker",
        "E": time_ms,
        "s": market.symbol,
        "ps": market.symbol,
        "p": text(day.change),
        "P": text(day.percent),
        "w": text(day.mean),
        "c": text(bar.close),
        "Q": text(day.last_quantity),
        "o": text(bar.open),
        "h": text(bar.high),
        "l": text(bar.low),
        "v": text(bar.volume),
        "q": text(bar.quote_volume),
        "O": day.open_time_ms,
        "C": time_ms,
        "F": day.first_id,
        "L": day.last_id,
        "n": bar.trades,
        "st": _USD_M,
    }


def mini_ticker(market: SymbolMarket, time_ms: int) -> dict[str, Any] | None:
    """Prices and volumes of 24 hours; None before the first trade."""
    day = day_of(market, time_ms)
    if day is None:
        return None
    bar = day.bar
    return {
        "e": "24hrMiniTicker",
        "E": time_ms,
        "s": market.symbol,
        "ps": market.symbol,
        "c": text(bar.close),
        "o": text(bar.open),
        "h": text(bar.high),
        "l": text(bar.low),
        "v": text(bar.volume),
        "q": text(bar.quote_volume),
        "st": _USD_M,
    }


def force_order(happened: Liquidated, *, of_all: bool = False) -> dict[str, Any]:
    """A liquidation order; the stream of all symbols names pair and kind of contract too."""
    order, trade = happened.order, happened.trade
    price = order.filled_quote / order.filled
    event = {
        "e": "forceOrder",
        "E": happened.time_ms,
        "o": {
            "s": order.symbol,
            "S": SIDES[order.side],
            "o": KINDS[order.kind],
            "f": TIMES_IN_FORCE[order.time_in_force],
            "q": text(order.quantity),
            "p": text(order.price),
            "ap": text(price),
            "X": status(order),
            "l": text(trade.quantity),
            "z": text(order.filled),
            "T": happened.time_ms,
        },
    }
    return event | {"ps": order.symbol, "st": _USD_M} if of_all else event


def contract_info(market: SymbolMarket, moved: ContractMoved) -> dict[str, Any]:
    """A contract as it now is; its brackets only when these changed."""
    instrument = market.instrument
    event: dict[str, Any] = {
        "e": "contractInfo",
        "E": moved.time_ms,
        "s": market.symbol,
        "ct": instrument.contract_type,
        "dt": delivery_ms(instrument),
        "ot": instrument.onboard_ms,
        "cs": market.status,
        "st": _USD_M,
    }
    if moved.brackets:
        event["bks"] = [
            {
                "bs": number,
                "bnf": int(bracket.floor),
                "bnc": int(bracket.cap),
                "mmr": float(bracket.maintenance_rate),
                "cf": int(bracket.cumulative),
                "mi": lower + 1,
                "ma": bracket.max_leverage,
            }
            for number, (bracket, lower) in enumerate(_with_least(market.brackets), start=1)
        ]
    return event


def _with_least(brackets: Brackets) -> list[tuple[Bracket, int]]:
    """Brackets, each with the greatest leverage of the one above it."""
    above = [*(bracket.max_leverage for bracket in brackets[1:]), 0]
    return list(zip(brackets, above, strict=True))


def mark_price(moved: MarkMoved) -> dict[str, Any]:
    """Mark and index price; ``P`` is the settlement price estimated in the last hour."""
    mark = text(moved.mark)
    return {
        "e": "markPriceUpdate",
        "E": moved.time_ms,
        "s": moved.symbol,
        "p": mark,
        "ap": mark,
        "P": mark,
        "i": text(moved.index),
        "r": text(moved.funding_rate),
        "T": moved.next_funding_ms,
        "st": _USD_M,
    }


def levels(side: list[Level]) -> list[list[str]]:
    """Price and quantity of each level, best first."""
    return [[text(level.price), text(level.quantity)] for level in side]


def kline_row(bar: Bar, interval: Interval | Span) -> list[int | str]:
    """A candle as REST sends it: twelve columns."""
    return [
        bar.open_time_ms,
        text(bar.open),
        text(bar.high),
        text(bar.low),
        text(bar.close),
        text(bar.volume),
        bar.open_time_ms + interval.ms - 1,
        text(bar.quote_volume),
        bar.trades,
        text(bar.taker_buy_volume),
        text(bar.taker_buy_quote_volume),
        "0",
    ]
