"""All panels of the main screen: where they stand and what they show."""

from collections.abc import Callable, Sequence

from textual.geometry import Region, Size
from textual.widget import Widget

from rusy_tui.console.charts.group import ChartGroup
from rusy_tui.console.charts.picture import axis_width, plan_lines
from rusy_tui.console.layout import Demand, Places, arrange
from rusy_tui.console.panels.card import card_lines
from rusy_tui.console.panels.ensemble import ensemble_lines
from rusy_tui.console.panels.foot import footer_line, hint_line
from rusy_tui.console.panels.header import header_lines, trouble_lines
from rusy_tui.console.panels.holdings import order_lines, position_lines, trade_lines
from rusy_tui.console.panels.indicators import indicator_lines
from rusy_tui.console.panels.line_panel import LinePanel
from rusy_tui.console.panels.log import log_lines
from rusy_tui.console.panels.pairs import pair_lines
from rusy_tui.console.panels.small import small_lines
from rusy_tui.console.panels.waiting import waiting, waiting_lines
from rusy_tui.console.text import Line
from rusy_tui.console.view import View
from rusy_tui.console.watch import INTERVALS
from rusy_tui.domain.trade import TradeState

Draw = Callable[[View, int, int], Sequence[Line]]

_PANELS: dict[str, Draw] = {
    "header": lambda view, width, _: header_lines(view, width),
    "ensemble": ensemble_lines,
    "card": card_lines,
    "waiting": waiting_lines,
    "pairs": pair_lines,
    "orders": order_lines,
    "trades": trade_lines,
    "indicators": lambda view, width, _: indicator_lines(view, width),
    "positions": position_lines,
    "log": lambda view, width, height: log_lines(view, width, height, title=height > 1),
    "hint": lambda view, width, _: [hint_line(view, width)],
    "footer": lambda view, width, _: [footer_line(view, width)],
    "small": small_lines,
}
_RAISED = frozenset({"header", "card"})


def demand_of(view: View) -> Demand:
    """How much each panel has to show now."""
    state, prediction = view.state, view.prediction
    header = 2 + len(trouble_lines(view, 80))
    axis = axis_width(view, plan_lines(view))
    if state is None:
        return Demand(header=header, axis_width=axis)
    held = {position.symbol for position in state.positions}
    entering = sum(
        trade.state in (TradeState.PLANNED, TradeState.ENTERING) and trade.symbol not in held
        for trade in state.trades
    )
    plan = view.card.plan if view.card is not None else None
    return Demand(
        card=view.shows_card,
        header=header,
        members=len(prediction.members) if prediction else 3,
        verdicts=len(plan.verdicts) if plan else 0,
        targets=len(plan.targets) if plan else 1,
        waiting=len(waiting(view)),
        pairs=len(state.symbols),
        positions=len(state.positions) + entering,
        orders=len(state.orders),
        axis_width=axis,
    )


class Board:
    """The panels; owned by the main screen."""

    def __init__(self) -> None:
        self._panels = {
            name: LinePanel(name, "raised" if name in _RAISED else "ground") for name in _PANELS
        }
        self._main = ChartGroup()
        self._context = ChartGroup("context_")
        self._placed: tuple[Size, Demand] | None = None
        self._places: Places = {}

    def widgets(self) -> list[Widget]:
        """All widgets, to be mounted once."""
        charts = (*self._main.widgets(), *self._context.widgets())
        return [*self._panels.values(), *charts]

    def paint(self, view: View, size: Size) -> None:
        """Show a view on a terminal of this size."""
        demand = demand_of(view)
        if self._placed != (size, demand):
            self._placed = (size, demand)
            self._place(arrange(size.width, size.height, demand))
        for name, draw in _PANELS.items():
            area = self._places.get(name)
            if area is not None:
                self._panels[name].show(draw(view, area.width, area.height))
        self._main.paint(view, view.interval, self._places)
        other = next(found for found in INTERVALS if found != view.interval)
        self._context.paint(view, other, self._places)

    def _place(self, places: Places) -> None:
        before, self._places = self._places, places
        for widget in self.widgets():
            area = places.get(widget.id or "")
            if area is not None and before.get(widget.id or "") == area:
                continue
            widget.display = area is not None
            if area is not None:
                _move(widget, area)


def _move(widget: Widget, area: Region) -> None:
    widget.styles.offset = (area.x, area.y)
    widget.styles.width = area.width
    widget.styles.height = area.height
