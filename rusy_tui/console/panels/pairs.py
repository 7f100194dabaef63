"""All watched pairs in one line each: price, change, vote, and their course of late."""

from rusy_tui.console import format as fmt
from rusy_tui.console.charts.candles import sparkline
from rusy_tui.console.panels.header import direction
from rusy_tui.console.text import Column, Line, Span, heading, table
from rusy_tui.console.view import View
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.events import chart_key

_COLUMNS = (
    Column("", 7, right=False),
    Column("", 9),
    Column("", 8),
    Column("", 5),
    Column("", 5, right=False),
)


def pair_lines(view: View, width: int, height: int) -> list[Line]:
    """The list; the shown pair is the bright one."""
    lines = [heading("PAIRS", (Span("s shows the next", "dim"),), width)]
    state = view.state
    if state is None:
        return lines
    spark = max(0, min(40, width - 42))
    rows = [_pair(view, symbol, spark) for symbol in state.symbols]
    if rows:
        lines.extend(table((*_COLUMNS, Column("", spark)), rows, width)[1:height])
    return lines


def _pair(view: View, symbol: str, spark: int) -> list[Span]:
    state = view.state
    quote = state.quotes.get(symbol) if state else None
    prediction = state.predictions.get(symbol) if state else None
    chart = state.charts.get(chart_key(symbol, Interval.M15)) if state else None
    name = Span(symbol, "bold bright" if symbol == view.symbol else "text")
    if quote is None:
        last, change = Span(fmt.ABSENT, "dim"), Span("", "dim")
    else:
        ink = "up" if quote.day_change >= 0 else "down"
        last = Span(fmt.number(quote.last, view.decimals(symbol)))
        change = Span(fmt.percent(quote.day_change, 2, sign=True), ink)
    if prediction is None:
        vote, way = Span("", "dim"), Span("", "dim")
    else:
        word, ink = direction(prediction.probability)
        vote, way = Span(fmt.number(prediction.probability, 3), "bright"), Span(word, ink)
    closes = tuple(bar.close for bar in chart.bars[-spark:]) if chart and spark else ()
    return [name, last, change, vote, way, Span(sparkline(closes, spark), "info")]
