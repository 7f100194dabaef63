"""What the networks say: each member's vote, the vote of all, and whether it pays."""

from rusy_tui.console import format as fmt
from rusy_tui.console.panels.header import direction
from rusy_tui.console.text import Line, Span, field, heading, pack
from rusy_tui.console.view import View
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.proposal import Plan
from rusy_tui.domain.state import MemberScore

# A vote so far from one half fills its side of the bar; votes beyond are rare.
FULL_VOTE = 0.1
MIN_SCORED = 20
# The name under which the vote of all is scored.
ENSEMBLE = "ensemble"


def ensemble_lines(view: View, width: int, height: int) -> list[Line]:
    """The panel with its title."""
    prediction = view.prediction
    version = view.state.model_version if view.state else ""
    if prediction is None:
        note = (Span(version, "dim"),) if version else ()
        return [
            heading("ENSEMBLE", note, width),
            (Span(" no vote yet: it comes when a bar closes", "dim"),),
        ]
    closed_ms = prediction.bar_open_ms + Interval(prediction.interval).ms
    bar = f"{prediction.model_version} · {view.symbol} to {fmt.clock_minutes(closed_ms)}"
    lines = [heading("ENSEMBLE", (Span(bar, "dim"),), width)]
    scores = {score.member: score for score in view.state.scores} if view.state else {}
    cells = max(8, min(24, (width - 39) // 2 * 2))
    lines.extend(
        pack(
            [
                field(
                    0,
                    Span(f" {vote.member.upper():<4} ", "bright"),
                    *vote_bar(vote.probability, cells),
                    Span(f" {fmt.number(vote.probability, 3)}", "bright"),
                ),
                field(1, Span("weight ", "dim"), Span(fmt.number(vote.weight, 2))),
                field(2, *_hits(scores.get(vote.member))),
            ],
            width,
            gap=2,
        )
        for vote in prediction.members
    )
    word, ink = direction(prediction.probability)
    large = fmt.percent(prediction.large_move, 0)
    lines.append(
        pack(
            [
                field(
                    0,
                    Span(" vote ", "bold bright"),
                    *vote_bar(prediction.probability, cells),
                    Span(f" {fmt.number(prediction.probability, 3)}", "bold bright"),
                ),
                field(0, Span(word.ljust(5), f"bold {ink}"), Span("      ")),
                field(2, *_hits(scores.get(ENSEMBLE))),
            ],
            width,
            gap=2,
        )
    )
    flow = () if prediction.flow_present else (Span("  without trade flow", "ask"),)
    lines.append((Span(" large move ", "dim"), Span(large), *flow))
    card = view.card
    if card is not None and card.plan.symbol == view.symbol:
        lines.append((Span(" "), *edge_spans(card.plan)))
    return lines[:height]


def _hits(score: MemberScore | None) -> Line:
    if score is None or score.scored == 0:
        return (Span("hits ", "dim"), Span("none yet", "dim"))
    hits = fmt.number(score.hits * 100, 1)
    ink = "text" if score.scored >= MIN_SCORED else "dim"
    return (Span("hits ", "dim"), Span(f"{hits} %", ink))


def vote_bar(probability: float, width: int) -> Line:
    """A vote as a bar from the middle: right for a rise, left for a fall."""
    half = width // 2
    share = max(-1.0, min(1.0, (probability - 0.5) / FULL_VOTE))
    halves = round(abs(share) * half * 2)
    full, odd = divmod(halves, 2)
    if share >= 0:
        bar = "━" * full + ("╸" if odd else "")
        rest = half - len(bar)
        return (Span("─" * half, "rule"), Span(bar, "up"), Span("─" * rest, "rule"))
    bar = ("╺" if odd else "") + "━" * full
    rest = half - len(bar)
    return (Span("─" * rest, "rule"), Span(bar, "down"), Span("─" * half, "rule"))


def edge_bps(plan: Plan) -> float:
    """What the vote is worth before costs, in basis points of the entry price.

    (2p − 1) on the plan's side times one ATR(14): the mean of a move of one ATR whose sign
    comes true as often as the calibrated vote says.
    """
    lean = (2 * plan.prediction.probability - 1) * plan.side.sign
    return lean * float(plan.atr / plan.entry_price) * 1e4


def edge_spans(plan: Plan) -> Line:
    """Whether the vote's edge outweighs the plan's costs, said honestly either way."""
    edge, cost = edge_bps(plan), float(plan.expected_cost_bps)
    figures = f"vote {fmt.number(edge, 1, sign=True)}, cost {fmt.number(cost, 1)} bp"
    if edge <= cost:
        return (Span("no edge after cost", "ask"), Span(f": {figures}", "dim"))
    return (Span("edge after cost", "text"), Span(f": {figures}", "dim"))
