"""The first lines: where we are, who decides, what we have, what the market does."""

from decimal import Decimal

from rusy_tui.console import format as fmt
from rusy_tui.console.text import Field, Line, Span, field, line_width, pack, spread
from rusy_tui.console.view import View
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.modes import Gate
from rusy_tui.domain.state import Account

VENUE_WORDS = {
    "demo": "simulated money",
    "paper": "live market, simulated money",
    "testnet": "test network, no real money",
    "live": "real money",
}
STALE_S, DEAD_S = 3.0, 15.0
_BAR = 6


def header_lines(view: View, width: int) -> list[Line]:
    """Two lines, and one more for each thing that holds entries back."""
    lines = [_first(view, width), _second(view, width)]
    lines.extend(trouble_lines(view, width))
    return lines


def trouble_lines(view: View, width: int) -> list[Line]:
    """What holds entries back, why, and what ends it; nothing when all is well."""
    if view.lost:
        frozen = Span(" what you see is from before", "dim")
        return [
            spread((Span(" NO ENGINE ", "bold on_venue on live"), Span(f" {view.lost}")),
                   (frozen,) if width >= 110 else (), width)
        ]  # fmt: skip
    gates = view.state.gates if view.state else ()
    return [_gate_line(gate, width) for gate in gates[:2]]


def _gate_line(gate: Gate, width: int) -> Line:
    word, ink = (" HALTED ", "live") if gate.halted else (" PAUSED ", "testnet")
    left = (
        Span(word, f"bold on_venue on {ink}"),
        Span(f" {gate.name}: ", "bright"),
        Span(gate.why),
    )
    right = (Span("  opens: ", "dim"), Span(f"{gate.opens} ", "ask"))
    return spread(left, right, width)


def venue_chip(venue: str, *, words: bool) -> Span:
    """The venue in its colour; live always says that money is real."""
    name = venue.upper()
    if venue not in VENUE_WORDS:
        return Span(f" {name} ", "bold on_venue on none")
    if words or venue == "live":
        name = f"{name} {VENUE_WORDS[venue]}"
    return Span(f" {name} ", f"bold on_venue on {venue}")


def _first(view: View, width: int) -> Line:
    state = view.state
    if state is None:
        chip = Span(f" {view.title.upper()} ", "bold on_venue on none")
        return spread((chip, Span("   starting", "bright")), _wall(view), width)
    wide = width >= 118
    chip = venue_chip(state.venue, words=wide)
    right = _clocks(view, wide)
    fields = [field(0, Span(state.mode.value.upper(), "bold bright"))]
    if view.progress:
        fields.append(field(0, Span("starting", "bold ask")))
    elif state.phase == "running" or view.lost:
        fields.append(field(0, _gates(view)))
    else:
        fields.append(field(0, Span(state.phase, "bold ask")))
    account = state.account
    if account.equity:
        fields += _money(account, wide)
    # The pace takes more room while somebody decides: what stands left of it stays put.
    reserved = line_width(right) if state.pace is None else 25 if wide else 16
    room = width - len(chip.text) - reserved - 1
    left = (chip, Span(" "), *pack(fields, room, least_gap=2 if wide else 1))
    return spread(left, right, width)


def _money(account: Account, wide: bool) -> list[Field]:
    day_ink = "up" if account.day_pnl >= 0 else "down"
    equity = fmt.number(account.equity, 2).rjust(9)
    day = fmt.number(account.day_pnl, 2, sign=True)
    return [
        field(2, Span("equity " if wide else "eq ", "dim"), Span(equity, "bold bright")),
        field(
            3,
            Span("day ", "dim"),
            Span(day.rjust(7) if wide else day, day_ink),
        ),
        *_loss_left(account.day_loss_left, account.day_loss_limit, wide),
    ]


def _gates(view: View) -> Span:
    gates = view.state.gates if view.state else ()
    if view.lost:
        return Span("no engine", "bold down")
    if any(gate.halted for gate in gates):
        return Span("HALTED", "bold down")
    if gates:
        return Span("paused", "bold ask")
    return Span("gates open", "up")


def _loss_left(left: Decimal, limit: Decimal, wide: bool) -> list[Field]:
    if limit <= 0:
        return []
    share = max(0.0, min(1.0, float(left / limit)))
    ink = "bright" if share >= 0.5 else "ask" if share > 0 else "down"
    of = fmt.number(limit, 0)
    if not wide:
        tenths = fmt.number(left, 1).rjust(len(of) + 2)
        return [field(1, Span("risk ", "dim"), Span(tenths, ink), Span(f"/{of}", "dim"))]
    amount = fmt.number(left, 2).rjust(len(of) + 3)
    return [
        field(1, Span("may lose ", "dim"), Span(amount, ink), Span(f"/{of}", "dim")),
        field(6, *meter(share, _BAR, "down" if share < 0.25 else "ask")),
    ]


def meter(share: float, width: int, ink: str) -> Line:
    """A share as a thin bar in half cells."""
    halves = round(share * width * 2)
    full = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return (Span(full, ink), Span("━" * (width - len(full)), "rule"))


def _clocks(view: View, wide: bool) -> Line:
    state = view.state
    time = f"{fmt.clock(view.market_ms)}Z" if wide else f" {fmt.clock_minutes(view.market_ms)}"
    clock = (Span(f"{time} " if wide else time, "dim"),)
    if state is None or state.pace is None:
        return clock
    speed = fmt.pace(state.pace.speed)
    if state.deciding:
        return (Span(f" {speed} (deciding) " if wide else f" {speed} decide", "ask"), *clock)
    return (Span(f" {speed} " if wide else f" {speed}", "text"), *clock)


def _wall(view: View) -> Line:
    return (Span(fmt.clock(view.moment.wall_ms, view.zone) + " ", "dim"),)


def feed_span(view: View) -> Span:
    """How old the newest message is, and whether that is a worry."""
    state = view.state
    age = fmt.age(view.feed_age_s)
    if view.lost or (state is not None and not state.connection.market_stream):
        return Span(f"lost {age}".ljust(6), "bold down")
    ink = "up" if view.feed_age_s < STALE_S else "ask"
    if view.feed_age_s >= DEAD_S:
        ink = "bold down"
    return Span(age.ljust(6), ink)


def _second(view: View, width: int) -> Line:
    if not view.symbol:
        return ()
    name = (Span(view.symbol, "bold bright"), Span(f" {view.interval}", "dim"))
    quote = view.quote
    if quote is None:
        return (Span(" "), *name, Span("   waiting for the first price", "dim"))
    wide = width >= 110
    decimals = view.decimals(view.symbol)
    rising = quote.day_change >= 0
    ink, arrow = ("up", "▲") if rising else ("down", "▼")
    change = fmt.percent(abs(quote.day_change), 2)
    last = fmt.number(quote.last, decimals)
    fields = [
        field(0, *name, Span(f"  {last}", f"bold {ink}"), Span(f" {arrow} {change}", ink)),
    ]
    to_15m = fmt.countdown(view.closes_in_s(Interval.M15))
    to_1h = fmt.countdown(view.closes_in_s(Interval.H1))
    if wide:
        funding = fmt.percent(quote.funding_rate, 3, sign=True)
        due = fmt.hours_left((quote.next_funding_ms - view.market_ms) / 1000)
        roomy = width >= 128
        within = " in " if roomy else " "
        fields += [
            field(3, Span("mark ", "dim"), Span(fmt.number(quote.mark, decimals))),
            field(4, Span("funding ", "dim"), Span(funding), Span(f"{within}{due}")),
            field(
                1,
                Span("closes 15m " if roomy else "15m ", "dim"),
                Span(to_15m),
                Span("  1h ", "dim"),
                Span(to_1h),
            ),
        ]
        if view.state is not None and view.state.pace is not None:
            wall = fmt.clock(view.moment.wall_ms, view.zone)
            shown = wall if roomy else wall[:5]
            fields.append(field(5, Span("wall ", "dim"), Span(shown)))
        if roomy:
            fields += _exchange(view)
    else:
        left = to_15m if view.interval == Interval.M15 else to_1h
        fields.append(field(2, Span("closes ", "dim"), Span(left)))
        fields.append(field(1, *vote_spans(view)))
    fields.append(field(0, Span("feed ", "dim"), feed_span(view)))
    return (Span(" "), *pack(fields, width - 1, gap=3 if wide else 2))


def _exchange(view: View) -> list[Field]:
    """How much of the exchange's budget is used, who waits for it, and how its clock runs."""
    link = view.state.connection if view.state is not None else None
    if link is None or not link.weight_limit:
        return []
    share = link.weight_used / link.weight_limit
    budget = [Span("budget ", "dim"), Span(f"{share:.0%}", "ask" if share > 0.8 else "text")]
    if link.requests_waiting:
        budget.append(Span(f" {link.requests_waiting} wait", "ask"))
    return [
        field(6, *budget),
        field(7, Span("clock ", "dim"), Span(f"{link.offset_ms:+d} ms")),
    ]


def vote_spans(view: View) -> Line:
    """The newest vote in few words."""
    prediction = view.prediction
    if prediction is None:
        return (Span("vote ", "dim"), Span("none yet"))
    word, ink = direction(prediction.probability)
    value = fmt.number(prediction.probability, 3)
    return (Span("vote ", "dim"), Span(f"{value} {word}", ink))


def direction(probability: float) -> tuple[str, str]:
    """Which way a probability of a rise leans, and its colour."""
    if probability > 0.5:
        return "LONG", "up"
    if probability < 0.5:
        return "SHORT", "down"
    return "EVEN", "text"
