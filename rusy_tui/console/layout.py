"""Where each panel stands, for every size of the terminal: one pure function."""

from dataclasses import dataclass

from textual.geometry import Region

from rusy_tui.console.panels.card import COMPACT_ROWS, FULL_ROWS

MIN_WIDTH, MIN_HEIGHT = 80, 24
TWO_COLUMNS_FROM = 116

Places = dict[str, Region]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """How much each panel has to show."""

    card: bool = False
    header: int = 2
    members: int = 3
    verdicts: int = 0
    targets: int = 1
    waiting: int = 0
    pairs: int = 0
    positions: int = 0
    orders: int = 0
    axis_width: int = 12


def fits(width: int, height: int) -> bool:
    """Whether the terminal is large enough."""
    return width >= MIN_WIDTH and height >= MIN_HEIGHT


def arrange(width: int, height: int, demand: Demand) -> Places:
    """The region of every panel that is shown; one that is missing is hidden."""
    if not fits(width, height):
        return {"small": Region(0, 0, width, height)}
    places = {
        "header": Region(0, 0, width, demand.header),
        "hint": Region(0, height - 2, width, 1),
        "footer": Region(0, height - 1, width, 1),
    }
    if width >= TWO_COLUMNS_FROM:
        _two_columns(places, width, height, demand)
    else:
        _one_column(places, width, height, demand)
    return places


def _two_columns(places: Places, width: int, height: int, demand: Demand) -> None:
    top = demand.header
    log = 1 if height < 28 else min(14, 2 + (height - 24) // 3)
    bottom = height - 2 - log
    places["log"] = Region(0, bottom, width, log)
    right_width = min(64, 47 + max(0, width - 120) // 5)
    left_width = width - right_width - 1
    _right_stack(places, Region(left_width + 1, top, right_width, bottom - top), demand)
    room = bottom - top
    positions = 2 + max(1, demand.positions)
    if demand.positions == 0:
        positions = 2
    # A position more or less must not push the chart up and down all day.
    positions = max(positions, min(6, 2 + demand.pairs) if room >= 28 else 2)
    positions = min(positions, max(2, room - 12))
    indicators = 3 if room - positions >= 17 else 0
    chart = room - positions - indicators
    row = top
    if chart >= 34 and width >= 150:
        context = chart // 3
        _chart(places, Region(0, row, left_width, chart - context), demand.axis_width)
        row += chart - context
        _chart(places, Region(0, row, left_width, context), demand.axis_width, "context_")
        row += context
    else:
        _chart(places, Region(0, row, left_width, chart), demand.axis_width)
        row += chart
    if indicators:
        places["indicators"] = Region(0, row, left_width, indicators)
        row += indicators
    places["positions"] = Region(0, row, left_width, positions)


def _right_stack(places: Places, area: Region, demand: Demand) -> None:
    room = area.height
    row = area.y

    def put(name: str, rows: int) -> None:
        nonlocal room, row
        rows = min(rows, room)
        if rows > 0:
            places[name] = Region(area.x, row, area.width, rows)
            row += rows
            room -= rows

    ensemble = demand.members + 4
    if demand.card:
        card = FULL_ROWS + max(0, demand.targets - 1)
        # A low screen gives the card what it needs and the ensemble the rest.
        put("ensemble", min(ensemble, max(0, room - card)))
        others = (1 + demand.waiting if demand.waiting else 0) + 1 + max(1, demand.orders)
        extra = max(0, min(demand.verdicts + 1, room - card - others))
        put("card", card + extra)
    else:
        put("ensemble", ensemble + (1 if room > 20 else 0))
    if demand.waiting:
        # A title without a row under it says nothing: two rows are left for the orders.
        rows = min(1 + demand.waiting, max(0, room - 2))
        put("waiting", rows if rows > 1 else 0)
    pairs = 1 + demand.pairs
    if demand.pairs and room >= pairs + 2 + max(1, demand.orders):
        put("pairs", pairs + (1 if room > pairs + 8 else 0))
    if room >= 2:
        put("orders", min(1 + max(1, demand.orders) + (1 if room > 10 else 0), room))
    if room >= 3:
        put("trades", room)


def _chart(places: Places, area: Region, axis: int, prefix: str = "") -> None:
    """A chart with its title above, the axis at its right and times below."""
    places[f"{prefix}chart_title"] = Region(area.x, area.y, area.width, 1)
    _plain_chart(places, Region(area.x, area.y + 1, area.width, area.height - 1), axis, prefix)


def _plain_chart(places: Places, area: Region, axis: int, prefix: str = "") -> None:
    history = area.width - axis - 2
    rows = area.height - 1
    places[f"{prefix}chart"] = Region(area.x + 1, area.y, history, rows)
    places[f"{prefix}live"] = Region(area.x + 1 + history, area.y, 1, rows)
    places[f"{prefix}axis"] = Region(area.x + 2 + history, area.y, axis, rows)
    places[f"{prefix}times"] = Region(area.x + 1, area.y + rows, history + 1, 1)


def _one_column(places: Places, width: int, height: int, demand: Demand) -> None:
    top = demand.header
    room = height - 2 - top
    positions = (1 + demand.positions) if demand.positions else 0
    positions = min(positions, 2 + max(0, room - 20) // 2)
    if demand.card:
        card = COMPACT_ROWS if height < 36 else FULL_ROWS + demand.targets - 1
        log = 1 + max(0, height - 26) // 6
        below = [("card", card), ("positions", positions), ("log", log)]
    else:
        ensemble = demand.members + 3
        log = 3 + max(0, height - 24) // 5
        positions = max(positions, 2)
        below = [("positions", positions), ("ensemble", ensemble), ("log", log)]
    spare = room - sum(rows for _, rows in below) - 9
    if spare >= 12 + demand.orders:
        below.insert(1, ("orders", 1 + max(1, demand.orders)))
        below.insert(0, ("indicators", 3))
    chart = room - sum(rows for _, rows in below)
    _plain_chart(places, Region(0, top, width - 1, chart), demand.axis_width)
    row = top + chart
    for name, rows in below:
        if rows > 0:
            places[name] = Region(0, row, width, rows)
            row += rows
