"""Indicators of the shown chart: course, value, and what it says."""

import math

from rusy_tui.console import format as fmt
from rusy_tui.console.charts.candles import sparkline
from rusy_tui.console.text import Line, Span, fit, heading
from rusy_tui.console.view import View


def indicator_lines(view: View, width: int) -> list[Line]:
    """Two lines of two indicators under a title."""
    chart = view.chart
    lines = [heading("INDICATORS", (Span(view.interval, "dim"),), width)]
    if chart is None or not chart.bars:
        return [*lines, (Span(" they come with the chart", "dim"),)]
    shown = chart.indicators
    decimals = view.decimals(view.symbol)
    close = chart.bars[-1].close
    rsi, macd = _last(shown.rsi14), _last(shown.macd_histogram)
    atr, band = _last(shown.atr14), _last(shown.bollinger_z)
    half = width // 2
    value = max(8, len(fmt.number(close, decimals)))
    spark = max(6, min(40, half - 7 - value - 12))

    def cell(
        name: str, values: tuple[float, ...], figure: str, word: str, ink: str = "dim"
    ) -> Line:
        return (
            Span(f" {name:<6} ", "dim"),
            Span(sparkline(values, spark), "info"),
            Span(figure.rjust(value + 1), "bright"),
            Span(f"  {word:<8}", ink),
        )

    macd_before = shown.macd_histogram[-2] if len(shown.macd_histogram) > 1 else math.nan
    pairs = (
        (
            cell("RSI 14", shown.rsi14, fmt.number(rsi, 1), *_rsi_word(rsi)),
            cell(
                "MACD",
                shown.macd_histogram,
                fmt.number(macd, decimals),
                "rising" if macd > macd_before else "falling",
            ),
        ),
        (
            cell("ATR 14", shown.atr14, fmt.number(atr, decimals), fmt.percent(atr / close, 2)),
            cell("BB z", shown.bollinger_z, fmt.number(band, 1), *_band_word(band)),
        ),
    )
    lines.extend((*fit(left, half), *fit(right, width - half)) for left, right in pairs)
    return lines


def _last(values: tuple[float, ...]) -> float:
    return values[-1] if values else math.nan


def _rsi_word(value: float) -> tuple[str, str]:
    if value >= 70:
        return "high", "ask"
    if value <= 30:
        return "low", "ask"
    return "", "dim"


def _band_word(value: float) -> tuple[str, str]:
    if abs(value) > 2:
        return "outside", "ask"
    return "", "dim"
