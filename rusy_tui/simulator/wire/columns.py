"""Pages of bars written straight from columns: a backfill asks for hundreds of rows at a time.

The fields are those of :func:`.market_events.kline_row` and :func:`.market_replies.price_row`,
digit for digit.
"""

from typing import TYPE_CHECKING

import msgspec

from rusy_tui.simulator.spans import Span
from rusy_tui.simulator.wire.market_events import kline_row
from rusy_tui.simulator.wire.market_replies import price_row

if TYPE_CHECKING:
    from rusy_tui.simulator.candles import Bar
    from rusy_tui.simulator.feeds.figures import Figures, Ints
    from rusy_tui.simulator.price_columns import PriceColumns

_EXACT = 1 << 53
"""Below it a float tells every whole number, and so every digit that is written from it."""


def kline_page(figures: "Figures | None", bars: "list[Bar]", span: Span) -> object:
    """Candles: those in columns, and after them single ones."""
    rows = [kline_row(bar, span) for bar in bars]
    if figures is None:
        return rows
    if int(figures.quote_volume.max(initial=0)) >= _EXACT:
        return [kline_row(bar, span) for bar in figures.bars()] + rows
    digits = figures.digits
    price, quantity, amount = (
        f'"%.{decimals}f"' for decimals in (digits.price, digits.quantity, digits.amount)
    )
    row = ",".join(
        (
            *("%d", price, price, price, price, quantity),
            *("%d", amount, "%d", quantity, amount, '"0"'),
        )
    )

    def shown(column: "Ints", decimals: int) -> list[float]:
        values: list[float] = (column / 10.0**decimals).tolist()
        return values

    opens = figures.open_time_ms
    return _page(
        f"[{row}]",
        (
            opens.tolist(),
            shown(figures.open, digits.price),
            shown(figures.high, digits.price),
            shown(figures.low, digits.price),
            shown(figures.close, digits.price),
            shown(figures.volume, digits.quantity),
            (opens + (span.ms - 1)).tolist(),
            shown(figures.quote_volume, digits.amount),
            figures.trades.tolist(),
            shown(figures.taker_buy_volume, digits.quantity),
            shown(figures.taker_buy_quote_volume, digits.amount),
        ),
        rows,
    )


def price_page(prices: "PriceColumns | None", bars: "list[Bar]", span: Span) -> object:
    """Bars of mark, index or premium: those in columns, and after them single ones."""
    rows = [price_row(bar, span) for bar in bars]
    if prices is None:
        return rows
    figures = ",".join(['"%.8f"'] * 4)
    return _page(
        f'[%d,{figures},"0",%d,"0",%d,"0","0","0"]',
        (
            prices.open_time_ms.tolist(),
            prices.open.tolist(),
            prices.high.tolist(),
            prices.low.tolist(),
            prices.close.tolist(),
            (prices.open_time_ms + (span.ms - 1)).tolist(),
            prices.samples.tolist(),
        ),
        rows,
    )


def _page(
    row: str, columns: "tuple[list[int] | list[float], ...]", rows: list[list[int | str]]
) -> object:
    """A list of rows as JSON; every price, volume and text of it is free of quotes."""
    written = [row % values for values in zip(*columns, strict=True)]
    written += [msgspec.json.encode(each).decode() for each in rows]
    return msgspec.Raw(f"[{','.join(written)}]".encode())
