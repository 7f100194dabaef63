"""Market events as the public streams carry them. ``st`` 1 marks USD-M (since 2026-06-30)."""

from typing import Any

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.candles import Bar
from rusy_tui.simulator.happenings import (
    CandleMoved,
    MarkMoved,
    Printed,
    TopMoved,
)
from rusy_tui.simulator.liquidity import Level
from rusy_tui.simulator.spans import Span
from rusy_tui.simulator.wire.words import text

_USD_M = 1


def kline(moved: CandleMoved) -> dict[str, Any]:
    """A candle stream's event; ``k.x`` is true once, when the bar has ended."""
    bar = moved.bar
    return {
        "e": "kline",
        "E": moved.time_ms,
        "s": moved.symbol,
        "k": {
            "t": bar.open_time_ms,
            "T": bar.open_time_ms + moved.interval.ms - 1,
            "s": moved.symbol,
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
        },
        "st": _USD_M,
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
        # The buyer rested when most of the volume was sold into the book.
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


def depth(
    moved: TopMoved, bids: list[Level], asks: list[Level], previous_id: int
) -> dict[str, Any]:
    """The best levels of the book, whole each time (partial depth stream)."""
    return {
        "e": "depthUpdate",
        "E": moved.time_ms,
        "T": moved.time_ms,
        "s": moved.symbol,
        "ps": moved.symbol,
        "U": moved.update_id,
        "u": moved.update_id,
        "pu": previous_id,
        "b": levels(bids),
        "a": levels(asks),
        "st": _USD_M,
    }


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
