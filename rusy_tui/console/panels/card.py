"""The card: all figures that decide on one proposal, and how to send it."""

import textwrap
from decimal import Decimal

from rusy_tui.console import format as fmt
from rusy_tui.console.panels.ensemble import edge_spans
from rusy_tui.console.text import EMPTY, Line, Span, field, fit, line_width, pack, spread
from rusy_tui.console.view import View
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.order import Side, TimeInForce
from rusy_tui.domain.proposal import Plan, Proposal, RiskVerdict, Verdict

FULL_ROWS = 14
COMPACT_ROWS = 7
_HURRY_S = 15


def card_lines(view: View, width: int, height: int) -> list[Line]:
    """The card in as much detail as its place allows; nothing that decides is ever cut."""
    proposal = view.card
    if proposal is None:
        return []
    if height >= FULL_ROWS:
        return _full(view, proposal, width, height)
    return _compact(view, proposal, width, height)


def side_span(plan: Plan) -> Span:
    """Side and pair in the side's colour."""
    ink = "up" if plan.side is Side.BUY else "down"
    return Span(f"{plan.side.direction.upper()} {plan.symbol}", f"bold {ink}")


def _title(view: View, proposal: Proposal, middle: Line, width: int) -> Line:
    left = view.seconds_left.get(proposal.proposal_id, 0.0)
    ink = "bold ask" if left > _HURRY_S else "bold down"
    time = Span(f"  {fmt.number(left, 0)} s ", ink) if left > 0 else Span("  expired ", ink)
    chip = Span(f" PROPOSAL {proposal.proposal_id} ", "bold ground on ask")
    return spread((chip, Span(" "), side_span(proposal.plan), *middle), (time,), width)


def _full(view: View, proposal: Proposal, width: int, height: int) -> list[Line]:
    plan = proposal.plan
    decimals = view.decimals(plan.symbol, plan.stop_price)
    base = fmt.base_asset(plan.symbol)

    def price(value: Decimal, *, sign: bool = False) -> str:
        return fmt.number(value, decimals, sign=sign)

    rows: list[tuple[str, str, str]] = [
        ("size", f"{fmt.quantity(plan.quantity)} {base}", _size_note(plan)),
        ("entry", price(plan.entry_price), _entry_note(plan, decimals)),
        ("stop", price(plan.stop_price), _stop_note(plan, decimals)),
        *(
            ("target", price(target.price), _target_note(plan, target.price, decimals))
            for target in plan.targets
        ),
        ("risk", f"{fmt.number(plan.risk_usd, 2)} USDT",
         f"{fmt.number(plan.risk_percent, 2)} % of equity"),
        ("reward", f"{fmt.r_multiple(plan.reward_risk)} R",
         f"after cost of {_cost_r(plan)} R"),
        ("liquid.", price(plan.liquidation_price), _liquidation_note(plan, decimals)),
        ("data", fmt.age(view.feed_age_s) + " old", _data_note(view, plan)),
    ]  # fmt: skip
    widest = max(len(value) for _, value, _ in rows)
    middle = (Span(f"  rev {proposal.revision}", "dim"),)
    lines: list[Line] = [_title(view, proposal, middle, width)]
    for label, value, note in rows:
        lines.append(
            fit(
                (
                    Span(f" {label:<8} ", "dim"),
                    Span(value.rjust(widest), "bright"),
                    Span(f"  {note}", "dim"),
                ),
                width,
            )
        )
    exposure = (
        Span(" exposure after ", "dim"),
        Span(fmt.number(plan.exposure_after_usd, 0), "bright"),
        Span(f" of {fmt.number(plan.exposure_limit_usd, 0)} USDT", "dim"),
    )
    lines.append((Span(" rules    ", "dim"), *_rules(plan.verdicts)))
    lines.append(exposure)
    bottom = _how(view, proposal, width)
    room = height - len(lines) - len(bottom)
    if room > 1:
        details = _details(plan, room - 1, width)
        lines.extend(details)
        room -= len(details)
    if room > 0:
        lines.extend([EMPTY] * (room - 1))
        lines.append((Span(" "), Span("─" * (width - 2), "rule")))
    return [*lines, *bottom]


def _compact(view: View, proposal: Proposal, width: int, height: int) -> list[Line]:
    plan = proposal.plan
    decimals = view.decimals(plan.symbol, plan.stop_price)
    base = fmt.base_asset(plan.symbol)
    size = f"  {fmt.quantity(plan.quantity)} {base} · {_size_note(plan)}"
    revision = Span(f"   rev {proposal.revision}", "dim")
    title = _title(view, proposal, (Span(size, "bright"), revision), width)
    targets = " · ".join(fmt.number(target.price, decimals) for target in plan.targets)
    above = "above" if plan.side is Side.SELL else "below"
    prices = [
        field(
            0,
            Span(" entry ", "dim"),
            Span(fmt.number(plan.entry_price, decimals), "bright"),
            Span(f" {'max' if plan.side is Side.BUY else 'min'} ", "dim"),
            Span(fmt.number(_worst_price(plan), decimals)),
            Span(f" {_entry_word(plan)}", "dim"),
        ),
        field(
            0,
            Span("stop ", "dim"),
            Span(fmt.number(plan.stop_price, decimals), "bright"),
        ),
        field(0, Span("target ", "dim"), Span(targets or fmt.ABSENT, "bright")),
    ]
    distance = fmt.number(abs(plan.liquidation_price - plan.stop_price), decimals)
    reward = fmt.r_multiple(plan.reward_risk)
    worth = [
        field(
            0,
            Span(" risk ", "dim"),
            Span(f"{fmt.number(plan.risk_usd, 2)} USDT", "bright"),
            Span(f" {fmt.number(plan.risk_percent, 2)} %", "dim"),
        ),
        field(0, Span("reward ", "dim"), Span(f"{reward} R", "bright")),
        field(0, Span("cost ", "dim"), Span(f"{_cost_r(plan)} R")),
        field(0, Span("liq. ", "dim"), Span(f"{distance} {above}")),
    ]  # fmt: skip
    votes = "  ".join(
        f"{vote.member.upper()} {fmt.bare_probability(vote.probability)}"
        for vote in plan.prediction.members
    )
    judged = [
        field(0, Span(f" {votes}")),
        field(0, *_rules(plan.verdicts)),
        field(0, Span("data ", "dim"), Span(fmt.age(view.feed_age_s))),
    ]
    exposure = (
        Span("exposure after ", "dim"),
        Span(fmt.number(plan.exposure_after_usd, 0)),
        Span(f" of {fmt.number(plan.exposure_limit_usd, 0)} ", "dim"),
    )
    lines = [
        title,
        pack(prices, width),
        pack(worth, width),
        pack(judged, width),
        spread((Span(" "), *edge_spans(plan)), exposure, width),
    ]
    bottom = _how(view, proposal, width)[:1]
    room = height - len(lines) - len(bottom)
    lines.extend(_details(plan, room, width))
    lines.extend([EMPTY] * (height - len(lines) - len(bottom)))
    return [*lines, *bottom]


def _how(view: View, proposal: Proposal, width: int) -> list[Line]:
    others = len(view.state.proposals) - 1 if view.state else 0
    more = (Span(f"{others} more wait ", "dim"),) if others else ()
    keys = (
        Span(" a", "bold ask"), Span(" arm   ", "dim"),
        Span("r", "bold ask"), Span(" reject   ", "dim"),
        Span("p", "bold ask"), Span(" close", "dim"),
    )  # fmt: skip
    if view.sending == proposal.proposal_id:
        return [(Span(" sent: waiting for the engine's answer", "ask"),), EMPTY]
    armed = view.armed
    if armed is not None:
        press = (
            Span(" armed: press ", "bright"),
            Span(f" {armed.digit} ", "bold ground on up"),
            Span(" to send. ", "bright"),
            Span("Other keys disarm", "dim"),
        )
        if width >= 70:
            return [spread(press, more, width)]
        return [fit(press, width), spread(keys, more, width)]
    manual = view.state is not None and view.state.mode is Mode.MANUAL
    digit = (
        Span(" to send: ", "text"),
        Span("a", "bold ask"),
        Span(" then ", "text"),
        Span(f" {proposal.digit} ", "bold bright on rule"),
        Span("  manual mode: advice only", "ask") if manual else Span(""),
    )
    if width >= 70:
        return [spread((*digit, Span("  "), *keys[2:]), more, width)]
    return [fit(digit, width), spread(keys, more, width)]


def _rules(verdicts: tuple[RiskVerdict, ...]) -> Line:
    counts = {
        verdict: sum(found.verdict is verdict for found in verdicts) for verdict in Verdict
    }
    line = [Span(f"{counts[Verdict.ALLOW]} allow", "up")]
    if counts[Verdict.REDUCE]:
        line += [Span(" · ", "dim"), Span(f"{counts[Verdict.REDUCE]} reduced size", "ask")]
    if counts[Verdict.DENY]:
        line += [Span(" · ", "dim"), Span(f"{counts[Verdict.DENY]} deny", "bold down")]
    return tuple(line)


def _details(plan: Plan, room: int, width: int) -> list[Line]:
    """The verdicts that changed something first, then the others, as far as they fit."""
    order = {Verdict.DENY: 0, Verdict.REDUCE: 1, Verdict.ALLOW: 2}
    inks = {Verdict.DENY: "down", Verdict.REDUCE: "ask", Verdict.ALLOW: "dim"}
    ranked = sorted(plan.verdicts, key=lambda found: order[found.verdict])
    lines: list[Line] = []
    for found in ranked:
        left = room - len(lines)
        if left <= 0:
            break
        ink = inks[found.verdict]
        text = f"{found.verdict.value:<6} {found.rule}"
        figures = f": {found.figures}" if found.figures else ""
        whole = (Span(f" {text}", ink), Span(figures, "dim"))
        if found.verdict is Verdict.ALLOW or left == 1 or line_width(whole) <= width:
            lines.append(fit(whole, width))
            continue
        # What changed or stops the plan is told whole, in as many lines as it takes.
        first, *more = textwrap.wrap(text + figures, width - 2, subsequent_indent="       ")
        lines.append((Span(f" {first[: len(text)]}", ink), Span(first[len(text) :], "dim")))
        lines.extend((Span(f" {line}", "dim"),) for line in more[: left - 1])
    return lines


def _size_note(plan: Plan) -> str:
    leverage = fmt.number(plan.leverage, 0)
    return f"{fmt.number(plan.notional_usd, 0)} USDT · {leverage}×"


def _entry_word(plan: Plan) -> str:
    forces = {entry.time_in_force for entry in plan.entries}
    if forces == {TimeInForce.POST_ONLY}:
        return "post-only"
    return "/".join(sorted(force.value for force in forces))


def _worst_price(plan: Plan) -> Decimal:
    worst = max if plan.side is Side.BUY else min
    return worst(entry.worst_price for entry in plan.entries)


def _entry_note(plan: Plan, decimals: int) -> str:
    count = len(plan.entries)
    word = _entry_word(plan) if count == 1 else f"{count} × {_entry_word(plan)}"
    bound = "max" if plan.side is Side.BUY else "min"
    return f"{word}, {bound} {fmt.number(_worst_price(plan), decimals)}"


def _stop_note(plan: Plan, decimals: int) -> str:
    distance = plan.stop_price - plan.entry_price
    multiple = abs(distance) / plan.atr if plan.atr else Decimal(0)
    moved = fmt.number(distance, decimals, sign=True)
    return f"{moved} · {fmt.number(multiple, 1)} ATR"


def _target_note(plan: Plan, target: Decimal, decimals: int) -> str:
    distance = target - plan.entry_price
    multiple = abs(distance) / plan.atr if plan.atr else Decimal(0)
    moved = fmt.number(distance, decimals, sign=True)
    return f"{moved} · {fmt.number(multiple, 1)} ATR"


def _liquidation_note(plan: Plan, decimals: int) -> str:
    if plan.liquidation_price <= 0:
        return "none named"
    distance = fmt.number(abs(plan.liquidation_price - plan.stop_price), decimals)
    return f"{distance} {'below' if plan.side is Side.BUY else 'above'} the stop"


def _data_note(view: View, plan: Plan) -> str:
    prediction = plan.prediction
    closed_ms = prediction.bar_open_ms + Interval(prediction.interval).ms
    flow = "" if prediction.flow_present else ", no trade flow"
    return f"bars whole to {fmt.clock_minutes(closed_ms)}{flow}"


def _cost_r(plan: Plan) -> str:
    if not plan.risk_usd:
        return fmt.ABSENT
    return fmt.number(plan.expected_cost_usd / plan.risk_usd, 2)
