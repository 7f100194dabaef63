"""Proposals that wait beside the one on the card."""

from rusy_tui.console import format as fmt
from rusy_tui.console.panels.card import side_span
from rusy_tui.console.text import Line, Span, heading, spread
from rusy_tui.console.view import View
from rusy_tui.domain.proposal import Proposal


def waiting(view: View) -> list[Proposal]:
    """The pending proposals that are not on the screen as a card."""
    if view.state is None:
        return []
    shown = view.card.proposal_id if view.card is not None and view.card_open else None
    return [p for p in view.state.proposals if p.proposal_id != shown]


def waiting_lines(view: View, width: int, height: int) -> list[Line]:
    """The list, with the wall seconds that each has left."""
    proposals = waiting(view)
    note = (Span("[ ] or ↑ ↓ shows one", "dim"),) if proposals else ()
    lines = [heading("WAITING", note, width)]
    for proposal in proposals[: max(0, height - 1)]:
        plan = proposal.plan
        side = side_span(plan)
        left = view.seconds_left.get(proposal.proposal_id, 0.0)
        vote = fmt.number(plan.prediction.probability, 3)
        lines.append(
            spread(
                (
                    Span(f" {proposal.proposal_id:<3} ", "bright"),
                    Span(f"{side.text:<14}", side.ink.removeprefix("bold ")),
                    Span("  vote ", "dim"),
                    Span(vote),
                    Span("  R ", "dim"),
                    Span(fmt.r_multiple(plan.reward_risk, decimals=1)),
                ),
                (Span(f" {fmt.number(left, 0)} s ", "ask"),),
                width,
            )
        )
    hidden = len(proposals) - max(0, height - 1)
    if hidden > 0 and len(lines) > 1:
        lines[-1] = spread(lines[-1][:-1], (Span(f" and {hidden} more ", "ask"),), width)
    return lines
