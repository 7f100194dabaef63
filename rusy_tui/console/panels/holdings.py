"""What we hold and what works for us: positions, open orders, closed trades."""

from decimal import Decimal

from rusy_tui.console import format as fmt
from rusy_tui.console.text import Column, Line, Span, fit, heading, spread, table
from rusy_tui.console.view import View
from rusy_tui.domain.order import OrderState
from rusy_tui.domain.state import OrderView, PositionView
from rusy_tui.domain.trade import Trade, TradeState

_COLUMNS = (
    Column("pair", 9, right=False),
    Column("side", 5, right=False),
    Column("size", 6, rank=1),
    Column("entry", 9, rank=2),
    Column("mark", 9, rank=3),
    Column("PnL", 8),
    Column("R", 5),
    Column("stop", 5),
)
_GUARD = Column("guard", 7, right=False)


def position_lines(view: View, width: int, height: int) -> list[Line]:
    """Open positions, and entries on their way; the title gives way where room is short."""
    state = view.state
    positions = state.positions if state else ()
    entering = _entering(view)
    count = len(positions) + len(entering)
    lines: list[Line] = []
    if height >= count + 1 + bool(positions or not count):
        lines.append(heading("POSITIONS", _exposure(view), width))
    if not count:
        return [*lines, (Span(" none", "dim"),)]
    rows = [_position(view, position) for position in positions]
    room = max(0, height - len(lines) - len(entering))
    if rows:
        lines.extend(table((*_COLUMNS, _GUARD), rows, width)[:room])
    hidden = len(rows) + 1 - room if rows else 0
    lines.extend(fit(line, width) for line in entering)
    if hidden > 0 and lines:
        lines[-1] = spread(lines[-1], (Span(f" and {hidden} more ", "ask"),), width)
    return lines


def _exposure(view: View) -> Line:
    if view.state is None:
        return ()
    account = view.state.account
    exposure = fmt.number(account.exposure, 0)
    limit = fmt.number(account.exposure_limit, 0)
    return (Span(f"exposure {exposure} of {limit} USDT", "dim"),)


def _position(view: View, position: PositionView) -> list[Span]:
    decimals = view.decimals(position.symbol, position.entry_price)
    long = position.quantity > 0
    gain = "up" if position.unrealised_pnl >= 0 else "down"
    return [
        Span(position.symbol, "bold bright"),
        Span("long" if long else "short", "up" if long else "down"),
        Span(fmt.quantity(abs(position.quantity))),
        Span(fmt.number(position.entry_price, decimals)),
        Span(fmt.number(position.mark_price, decimals)),
        Span(fmt.number(position.unrealised_pnl, 2, sign=True), gain),
        Span(fmt.r_multiple(position.r_multiple, sign=True), gain),
        Span(_to_stop(position), "text"),
        _guard(position),
    ]


def _to_stop(position: PositionView) -> str:
    if position.stop_price <= 0 or position.mark_price <= 0:
        return fmt.ABSENT
    distance = abs(position.mark_price - position.stop_price) / position.mark_price
    return fmt.percent(distance, 1)


def _guard(position: PositionView) -> Span:
    if position.protected_by:
        name = position.protected_by.removeprefix("#")
        return Span(f"#{name}", "up")
    if not position.trade_id:
        return Span("foreign", "ask")
    return Span("NO STOP", "bold down")


def _entering(view: View) -> list[Line]:
    if view.state is None:
        return []
    held = {position.symbol for position in view.state.positions}
    lines: list[Line] = []
    for trade in view.state.trades:
        waiting = trade.state in (TradeState.PLANNED, TradeState.ENTERING)
        if not waiting or trade.symbol in held:
            continue
        decimals = view.decimals(trade.symbol, trade.planned_entry)
        ink = "up" if trade.side.sign > 0 else "down"
        size = fmt.quantity(trade.planned_quantity)
        entry = fmt.number(trade.planned_entry, decimals)
        lines.append(
            (
                Span(f" {trade.symbol:<9}", "bold bright"),
                Span(f"  {trade.side.direction:<5}", ink),
                Span(f"  entering {size} near {entry}; nothing filled yet", "ask"),
            )
        )
    return lines


def order_lines(view: View, width: int, height: int) -> list[Line]:
    """Open orders of both books."""
    orders = view.state.orders if view.state else ()
    lines = [heading("ORDERS", (), width)]
    if not orders:
        return [*lines, (Span(" none", "dim"),)]
    columns = (
        Column("", 7, right=False),
        Column("", 6, right=False),
        Column("", 5),
        Column("", 10),
        Column("", 7, right=False),
        Column("", 5, right=False),
    )
    rows = [_order(view, order) for order in orders]
    shown = table(columns, rows, width)[1:]
    room = max(0, height - 1)
    lines.extend(shown[:room])
    hidden = len(shown) - room
    if hidden > 0 and room:
        lines[-1] = spread(lines[-1], (Span(f" and {hidden} more ", "ask"),), width)
    return lines


def _order(view: View, order: OrderView) -> list[Span]:
    report = order.report
    price = report.trigger_price or report.price
    decimals = view.decimals(report.symbol, price)
    inks = {"stop": "down", "target": "info", "entry": "ask"}
    left = report.quantity - report.filled_quantity
    if report.close_position:
        size = "all"
    else:
        size = fmt.quantity(left)
    resting = report.state.is_resting
    troubled = report.state is OrderState.UNRESOLVED
    word = "resting" if resting else report.state.value
    return [
        Span(report.symbol),
        Span(order.purpose, inks.get(order.purpose, "text")),
        Span(size),
        Span(f"@ {fmt.number(price, decimals)}" if price else "@ market"),
        Span(word, "up" if resting else "bold down" if troubled else "text"),
        Span(fmt.short_id(report.client_order_id), "dim"),
    ]


def trade_lines(view: View, width: int, height: int) -> list[Line]:
    """Trades that ended, the newest first, with what they made after all costs."""
    trades = (
        [trade for trade in view.state.trades if trade.state.is_final] if view.state else []
    )
    net = sum((trade.net_pnl for trade in trades), Decimal(0))
    note: Line = ()
    if trades:
        ink = "up" if net >= 0 else "down"
        note = (Span("net ", "dim"), Span(fmt.number(net, 2, sign=True), ink))
    lines = [heading("CLOSED TRADES", note, width)]
    if not trades:
        return [*lines, (Span(" none yet", "dim"),)]
    columns = (
        Column("", 7, right=False),
        Column("", 5, right=False),
        Column("", 15, right=False),
        Column("", 7),
        Column("", 7),
    )
    rows = [_closed(trade) for trade in reversed(trades)]
    shown = table(columns, rows, width)[1:]
    lines.extend(shown[: max(0, height - 1)])
    return lines


def _closed(trade: Trade) -> list[Span]:
    filled = bool(trade.entered_quantity)
    ink = "up" if trade.net_pnl >= 0 else "down"
    reason = trade.exit_reason.value.replace("_", " ") if trade.exit_reason else "failed"
    multiple = trade.net_pnl / trade.risk_usd if trade.risk_usd else Decimal(0)
    return [
        Span(trade.symbol),
        Span(trade.side.direction, "up" if trade.side.sign > 0 else "down"),
        Span(reason, "text"),
        Span(fmt.number(trade.net_pnl, 2, sign=True) if filled else fmt.ABSENT, ink),
        Span(f"{fmt.r_multiple(multiple, sign=True)} R" if filled else "", ink),
    ]
