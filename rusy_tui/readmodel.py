"""What watchers see, made from what the parts know. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from rusy_tui.decide.costs import liquidation_price
from rusy_tui.decide.holdings import Holdings
from rusy_tui.decide.risk import day_loss_left_usd, day_loss_limit_usd, exposure_limit_usd
from rusy_tui.domain.bars import Bars, Floats
from rusy_tui.domain.candle import Candle
from rusy_tui.domain.events import CHART_BARS
from rusy_tui.domain.instrument import Bracket
from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderReport
from rusy_tui.domain.settings import RiskSettings
from rusy_tui.domain.state import (
    Account,
    Chart,
    ChartBar,
    Indicators,
    MemberScore,
    OrderView,
    PositionView,
)
from rusy_tui.domain.trade import Trade
from rusy_tui.ensemble.scoreboard import Scoreboard
from rusy_tui.execution.book import AccountBook, Held
from rusy_tui.execution.ids import purpose_of, short
from rusy_tui.execution.ledger import open_result
from rusy_tui.execution.life import Life
from rusy_tui.features.indicators import screen_indicators

# What the console draws beside the chart needs no more than this many bars of a curve.
CURVE_BARS = 160


def chart_bar(candle: Candle) -> ChartBar:
    """A candle as a chart needs it."""
    return ChartBar(
        candle.open_time_ms,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
    )


def chart(symbol: str, bars: Bars) -> Chart:
    """A chart of closed bars with its indicators."""
    columns = zip(
        bars.open_time_ms.tolist(),
        bars.open.tolist(),
        bars.high.tolist(),
        bars.low.tolist(),
        bars.close.tolist(),
        bars.volume.tolist(),
        strict=True,
    )
    return Chart(
        symbol=symbol,
        interval=str(bars.interval),
        bars=tuple(ChartBar(*row) for row in columns)[-CHART_BARS:],
        indicators=indicators(bars),
    )


def indicators(bars: Bars) -> Indicators:
    """The indicator curves over the last bars; a curve begins where it has a value."""
    curves = screen_indicators(bars)
    return Indicators(
        rsi14=_curve(curves.rsi_14),
        macd_histogram=_curve(curves.macd_histogram),
        atr14=_curve(curves.atr_14),
        bollinger_z=_curve(curves.bollinger_z),
        ema20=_curve(curves.ema_20),
        ema200=_curve(curves.ema_200),
    )


def _curve(values: Floats) -> tuple[float, ...]:
    tail = values[-CURVE_BARS:].tolist()
    # Not a number stands only before the first value: what follows is whole.
    return tuple(value for value in tail if math.isfinite(value))


def member_scores(scoreboard: Scoreboard) -> tuple[MemberScore, ...]:
    """The running records of members and vote."""
    return tuple(
        MemberScore(
            member=record.member,
            hits=record.hit_rate,
            brier=record.brier,
            scored=record.judged,
        )
        for record in scoreboard.records()
    )


def positions(
    book: AccountBook, lives: Mapping[str, Life], brackets: Mapping[str, Sequence[Bracket]]
) -> tuple[PositionView, ...]:
    """Open positions, each with the trade behind it; foreign ones have none."""
    views = []
    for symbol, held in sorted(book.held.items()):
        life, mark = lives.get(symbol), book.marks.get(symbol)
        mark_price = mark.price if mark is not None else held.entry_price
        trade = life.trade if life is not None else None
        ratio = 0.0
        if trade is not None and trade.risk_usd:
            ratio = float(open_result(trade, mark_price) / trade.risk_usd)
        guarded = life is not None and life.protected and trade is not None
        views.append(
            PositionView(
                symbol=symbol,
                trade_id=trade.trade_id if trade is not None else "",
                quantity=held.quantity,
                entry_price=held.entry_price,
                mark_price=mark_price,
                unrealised_pnl=book.unrealised(symbol),
                r_multiple=ratio,
                stop_price=trade.stop_price if trade is not None else ZERO,
                liquidation_price=_liquidation(held, trade, brackets.get(symbol, ())),
                protected_by=short(trade.stop_order_id) if guarded and trade else "",
                opened_ms=trade.opened_ms if trade is not None else None,
            )
        )
    return tuple(views)


def _liquidation(held: Held, trade: Trade | None, brackets: Sequence[Bracket]) -> Decimal:
    """Where a position of ours would be liquidated, with the margin that its entry bound."""
    if trade is None or trade.leverage <= 0 or not brackets:
        return ZERO
    size = abs(held.quantity)
    return liquidation_price(trade.side, size, held.entry_price, trade.leverage, brackets)


def orders(open_orders: Iterable[OrderReport]) -> tuple[OrderView, ...]:
    """The open orders with what they are for; "foreign" for those that are not ours."""
    views = []
    for report in sorted(open_orders, key=lambda r: (r.symbol, r.book, r.client_order_id)):
        purpose = purpose_of(report.client_order_id)
        name = purpose.value if purpose is not None else "foreign"
        views.append(OrderView(report=report, purpose=name, book=report.book))
    return tuple(views)


def account(book: AccountBook, holdings: Holdings, limits: RiskSettings) -> Account:
    """The account's money and limits, in USDT."""
    exposure = sum(
        (abs(held.quantity) * _price(book, symbol) for symbol, held in book.held.items()),
        Decimal(0),
    )
    return Account(
        equity=book.equity,
        wallet=book.wallet,
        available=book.wallet - _margin(book, limits.leverage),
        day_pnl=book.day_pnl,
        day_loss_left=max(day_loss_left_usd(holdings, limits), ZERO),
        day_loss_limit=day_loss_limit_usd(book.day_start_equity, limits),
        exposure=exposure,
        exposure_limit=exposure_limit_usd(book.equity, limits),
    )


def _margin(book: AccountBook, leverage: int) -> Decimal:
    """What isolated positions have set aside of the wallet, at the leverage we set."""
    return sum(
        (abs(held.quantity) * held.entry_price / leverage for held in book.held.values()),
        ZERO,
    )


def _price(book: AccountBook, symbol: str) -> Decimal:
    mark = book.marks.get(symbol)
    return mark.price if mark is not None else book.held[symbol].entry_price
