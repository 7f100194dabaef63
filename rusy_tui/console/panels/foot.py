"""The two last lines: what to do next, and the keys."""

from rusy_tui.console import format as fmt
from rusy_tui.console.keys import KEYS, KeySpec, When, spec
from rusy_tui.console.text import Line, Span, field, line_width, pack
from rusy_tui.console.view import View
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.proposal import Proposal
from rusy_tui.domain.state import State
from rusy_tui.domain.trade import Trade, TradeState


def footer_line(view: View, width: int) -> Line:
    """Keys that work now; the less needed ones give way on a narrow screen."""
    if view.lost:
        keys = [spec("restart"), spec("theme"), spec("help"), spec("quit")]
        ranks = list(range(len(keys)))
    else:
        keys = [key for key in KEYS if key.footer is not None and key.when is When.RUNNING]
        ranks = [key.footer or 0 for key in keys]
    fields = [field(rank, *key_spans(key)) for rank, key in zip(ranks, keys, strict=True)]
    return (Span(" "), *pack(fields, width - 1, gap=3))


def key_spans(key: KeySpec) -> Line:
    """A key and what it does."""
    ink = "down" if key.danger else "ask"
    return (Span(key.shown, f"bold {ink}"), Span(f" {key.label}", "dim"))


def hint_line(view: View, width: int) -> Line:
    """One quiet line: the last answer while it is fresh, else what to press next."""
    said, *more = _hint(view)
    fields = [field(0, Span(" › ", "dim"), *said), *(field(1, *line) for line in more)]
    line = pack(fields, width, gap=1, least_gap=1)
    left = width - line_width(line) - 2
    return (*line, Span(" "), Span("─" * left, "rule")) if left > 0 else line


def _hint(view: View) -> list[Line]:
    """What to say, and what to add where there is room."""
    if view.lost:
        return [_words("The engine is gone: ", "r", " starts it again, ", "q", " quits."),
                (Span("Stops rest on the exchange."),)]  # fmt: skip
    if view.notice is not None:
        return [(Span(view.notice.text, view.notice.tone),)]
    state = view.state
    if view.progress or state is None or state.phase == "starting":
        progress = view.progress or (state.progress if state else "") or "the engine starts"
        return [(Span("starting: ", "ask"), Span(progress))]
    if state.phase == "stopping":
        return [(Span("stopping: ", "ask"), Span(state.progress))]
    if any(gate.halted for gate in state.gates):
        return [_words("Halted: no entries. ", "H", " resumes."),
                (Span("Exits and protection go on."),)]  # fmt: skip
    if view.card is not None:
        return _card_hint(view, view.card)
    if state.gates:
        return [(Span("Entries pause and resume by themselves."),),
                (Span("Exits and protection go on."),)]  # fmt: skip
    return _holding_hint(view, state) or _watching_hint(view, state)


def _card_hint(view: View, card: Proposal) -> list[Line]:
    if not view.card_open:
        return [_words(f"Proposal {card.proposal_id} waits for you: ", "p", " shows it.")]
    if view.sending == card.proposal_id:
        return [(Span("Sent. The engine judges it anew, by the figures of this moment."),)]
    if view.armed is not None:
        digit = str(view.armed.digit)
        return [_words("Armed: ", digit, " sends it, any other key disarms.")]
    if view.state is not None and view.state.mode is Mode.AUTO:
        return [_words("Auto: policy decides. ", "r", " rejects, ", "m", " changes the mode.")]
    left = fmt.number(view.seconds_left.get(card.proposal_id, 0.0), 0)
    digit = str(card.digit)
    return [_words("Read the card: ", "a", " then ", digit, " approves, ", "r", " rejects."),
            (Span(f"Else it expires in {left} s."),)]  # fmt: skip


def _holding_hint(view: View, state: State) -> list[Line]:
    naked = [p for p in state.positions if p.trade_id and not p.protected_by]
    if naked:
        return [(Span(f"{naked[0].symbol}: no stop rests yet.", "bold down"),),
                (Span("Rusy places it or closes the position."),)]  # fmt: skip
    if state.positions:
        position = view.position or state.positions[0]
        guard = position.protected_by.removeprefix("#")
        said = f"{position.symbol} is open" + (f", stop #{guard} rests: " if guard else ": ")
        key = _words(said, "x", " closes it, " if view.position else " closes the shown pair, ",
                     "F", " flattens all.")  # fmt: skip
        return [key, (Span("Else it ends by stop, target, vote or time."),)]
    entering = [t for t in state.trades if t.state in (TradeState.PLANNED, TradeState.ENTERING)]
    if entering:
        return [(Span(f"{entering[-1].symbol}: the entry rests in the book."),),
                (Span("It fills when the market comes to it."),)]  # fmt: skip
    return []


def _watching_hint(view: View, state: State) -> list[Line]:
    left = fmt.countdown(view.closes_in_s(Interval.M15))
    ended = [trade for trade in state.trades if trade.state.is_final and trade.entered_quantity]
    if state.mode is Mode.AUTO:
        return [_words(f"Auto: a bar closes in {left}; policy trades within the limits. ",
                       "m", " changes that.")]  # fmt: skip
    if ended:
        next_one = Span(f"The next proposal may come in {left}, when a bar closes.")
        return [_ended_words(ended[-1]), (next_one,)]
    return [
        (Span(f"Watching: a bar closes in {left}; a proposal comes if its vote passes"),),
        (Span("the threshold. Nothing to press until then."),),
    ]


def _ended_words(trade: Trade) -> Line:
    ink = "up" if trade.net_pnl >= 0 else "down"
    reason = trade.exit_reason.value.replace("_", " ") if trade.exit_reason else "failure"
    return (
        Span(f"Flat. {trade.symbol} ended by {reason}: "),
        Span(f"{fmt.number(trade.net_pnl, 2, sign=True)} net", ink),
        Span("."),
    )


def _words(*parts: str) -> Line:
    """Prose with keys in it: every second part is a key."""
    return tuple(
        Span(part, "bold ask" if place % 2 else "text") for place, part in enumerate(parts)
    )
